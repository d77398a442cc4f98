"""The density of rows, as a scikit-learn density estimator."""

from __future__ import annotations

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from energydsl import defaults
from energydsl.learning.sampling import sample
from energydsl.sklearn.base import Array, RandomState, seed
from energydsl.sklearn.likelihood import LikelihoodEstimator


class EnergyDensity(DensityMixin, LikelihoodEstimator):  # type: ignore[misc]
    """The density p(v) of a model: `score_samples` gives log p(v) of rows, and `sample` draws new ones.

    Parameters and attributes are those of `EnergyTransformer`.
    """

    score = LikelihoodEstimator.score

    def sample(
        self, n_samples: int = 1, random_state: RandomState = None, steps: int = defaults.SAMPLE_SWEEPS
    ) -> Array:
        """New rows, (n_samples, features), after `steps` sweeps; chains begin where those of training ended.

        random_state: as of the estimator; None: others at every call. Categorical layers are codes.
        """
        check_is_fitted(self)
        found = sample(self._run(), n_samples, steps, seed=seed(random_state))[self._visible]
        return np.asarray(found.reshape(n_samples, -1), np.float64)
