"""Latent features of rows, as a scikit-learn transformer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from energydsl.sklearn.base import Array
from energydsl.sklearn.likelihood import LikelihoodEstimator


class EnergyTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, LikelihoodEstimator):  # type: ignore[misc]
    """Latent features of a model. Rows may be sequences, as strings, where the states of the visible layer have letters.

    Parameters: model: path or text of a model with one visible layer, whose first axis is the dim named `features_dim`, or an
    `ed.Model`; a Gaussian-Bernoulli RBM by default. features_dim: None where the text fixes the size. folder: where the files are that a text imports. method, optimizer, k, lr, batch_size, epochs: as
    for `train`, with its defaults; None: as it fits the model, and the method. k and lr belong to a method and an optimiser that are named,
    or left to the model. betas: temperatures of annealing, where log Z is not found exactly. random_state: a whole number, a
    RandomState, a Generator, or None.

    Attributes: params_: parameters by name; program_; n_features_in_.

    `fit` begins anew; `partial_fit` goes on, with the chains and the random numbers of the calls before.
    """

    @property
    def _n_features_out(self) -> int:
        layers = self.program_.model.layers
        hidden = self.program_.model.by_role("hidden")
        return sum(math.prod(layers[n].energy_shape) for n in hidden) or self.n_features_in_

    def transform(self, X: Any) -> Array:
        """Means of the latent layers given X, shape (rows, latents); the data themselves where there are none."""
        check_is_fitted(self)
        X = self._rows(X)
        hidden = self.program_.model.by_role("hidden")
        if not hidden:
            return np.asarray(X)
        moments = self.program_.mean_field(self.params_, {self._visible: X}).moments
        return np.concatenate(
            [self.program_.engine.host(moments[n]).reshape(len(X), -1) for n in hidden], axis=1
        ).astype(X.dtype)
