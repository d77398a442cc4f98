"""A scikit-learn estimator over any model with one visible layer: fit, transform to latent means, score by free energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from energydsl.compiler import load, loads
from energydsl.data.sources import from_arrays
from energydsl.diagnostics import NotApplicable
from energydsl.learning import defaults
from energydsl.learning.choice import chosen_method, default_optimizer
from energydsl.learning.loop import train
from energydsl.learning.optimizers import OPTIMIZERS

Array = NDArray[Any]

GAUSSIAN_RBM = """
dim     I = 4, J = 8
visible v[I] : real
hidden  h[J] : binary
param   W[I, J] = normal(sd = 0.01), b[I], c[J]
energy  = 0.5 * sum((v - b)^2) - c @ h - v @ W @ h
"""


class EnergyTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Latent features of a model.

    Parameters: model: path or text of a model with one visible layer, whose first axis is the dim named `features_dim`;
    a Gaussian-Bernoulli RBM by default. method, k, lr, batch_size, epochs, random_state: as for `train`, with its defaults;
    lr None: that of the model.

    Attributes: params_: parameters by name; program_; n_features_in_.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        features_dim: str = "I",
        dims: dict[str, int] | None = None,
        method: str | None = None,
        k: int = defaults.SWEEPS,
        lr: float | None = None,
        batch_size: int = defaults.BATCH,
        epochs: int = defaults.EPOCHS,
        random_state: int = defaults.SEED,
    ):
        self.model = model
        self.features_dim = features_dim
        self.dims = dims
        self.method = method
        self.k = k
        self.lr = lr
        self.batch_size = batch_size
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> EnergyTransformer:
        """Train on rows X of shape (rows, features)."""
        X = validate_data(self, X, dtype=[np.float32, np.float64])
        self._compile(X.shape[1])
        self.params_ = self._train(X, self.epochs, None)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> EnergyTransformer:
        """One epoch over X, from the parameters as they are."""
        first = not hasattr(self, "params_")
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=first)
        if first:
            self._compile(X.shape[1])
        self.params_ = self._train(X, 1, None if first else self.params_, "constant")
        return self

    def _compile(self, features: int) -> None:
        dims = {**(self.dims or {}), self.features_dim: features}
        text = self.model if self.model is not None else GAUSSIAN_RBM
        is_path = "\n" not in text and Path(text).suffix == ".energy"
        model = load(text, dims) if is_path else loads(text, dims)
        if len(model.resolved.by_role("visible")) != 1:
            raise NotApplicable("EnergyTransformer takes a model with one visible layer")
        self.program_ = model.compile(dtype="float64")
        self._visible = model.resolved.by_role("visible")[0]
        hidden = model.resolved.by_role("hidden")
        self._n_features_out = sum(int(np.prod(model.layers[n].energy_shape)) for n in hidden) or features

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled program, which is made again from the model's text when it is asked for."""
        state = dict(super().__getstate__())
        state.pop("program_", None)
        return state

    def __getattr__(self, name: str) -> Any:
        if name == "program_" and "n_features_in_" in self.__dict__:
            self._compile(self.n_features_in_)
            return self.__dict__["program_"]
        raise AttributeError(name)

    def _train(self, X: Array, epochs: int, params: Any, schedule: str = defaults.SCHEDULE) -> Any:
        data = from_arrays(self.program_.model, {self._visible: X}, "none")
        run = train(
            self.program_,
            data,
            replace(chosen_method(self.program_.model, self.method), k=self.k),
            OPTIMIZERS[default_optimizer(self.program_.model)](lr=self.lr, schedule=schedule),
            epochs,
            seed=self.random_state,
            batch=self.batch_size,
            validation=0.0,
            params=params,
        )
        return run.params

    def transform(self, X: Any) -> Array:
        """Means of the latent layers given X, shape (rows, latents); the data themselves where there are none."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        hidden = self.program_.model.by_role("hidden")
        if not hidden:
            return np.asarray(X)
        moments = self.program_.mean_field(self.params_, {self._visible: X}).moments
        return np.concatenate([self.program_.host(moments[n]).reshape(len(X), -1) for n in hidden], axis=1).astype(
            X.dtype
        )

    def score_samples(self, X: Any) -> Array:
        """-F(v), the log-likelihood up to log Z, of each row; the mean-field bound where latents cannot be summed out."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        hidden = set(self.program_.model.by_role("hidden"))
        if hidden <= set(self.program_.derived.free_energy.summed_out):
            return -self.program_.host(self.program_.free_energy(self.params_, {self._visible: X}))
        return self.program_.host(self.program_.mean_field(self.params_, {self._visible: X}).bound)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`."""
        return float(np.mean(self.score_samples(X)))
