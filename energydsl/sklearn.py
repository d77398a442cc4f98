"""A scikit-learn estimator over any model with one visible layer: fit, transform to latent means, score by log-likelihood."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from energydsl import defaults, weighted
from energydsl.annealing.partition import LogPartition
from energydsl.api import load, loads
from energydsl.data.sources import from_arrays
from energydsl.data.weights import row_weights
from energydsl.diagnostics import ArgumentError, NotApplicable
from energydsl.inference.evaluate import Annealing, check_above_rows, check_finite, core_of, find_log_z
from energydsl.inference.scores import scores
from energydsl.learning.choice import chosen_method, chosen_optimizer
from energydsl.learning.run import Run
from energydsl.learning.train import train
from energydsl.program.states import checked_arrays
from energydsl.random import seed_of

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
    a Gaussian-Bernoulli RBM by default. method, k, lr, batch_size, epochs: as for `train`, with its defaults; method, k or lr
    None: as it fits the model, and the method. betas: temperatures of annealing, where log Z is not found exactly. random_state: a whole number, a
    RandomState, a Generator, or None.

    Attributes: params_: parameters by name; program_; n_features_in_.

    `fit` begins anew; `partial_fit` goes on, with the chains and the random numbers of the calls before.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        features_dim: str = "I",
        dims: dict[str, int] | None = None,
        method: str | None = None,
        k: int | None = None,
        lr: float | None = None,
        batch_size: int = defaults.BATCH,
        epochs: int = defaults.EPOCHS,
        betas: int = defaults.TEMPERATURES,
        random_state: int | np.random.RandomState | np.random.Generator | None = defaults.SEED,
    ):
        self.model = model
        self.features_dim = features_dim
        self.dims = dims
        self.method = method
        self.k = k
        self.lr = lr
        self.batch_size = batch_size
        self.epochs = epochs
        self.betas = betas
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> EnergyTransformer:
        """Train on rows X of shape (rows, features). sample_weight: (rows,), how much each counts; None: all alike."""
        X = validate_data(self, X, dtype=[np.float32, np.float64])
        self._begin(X.shape[1])
        self._train(X, sample_weight, self.epochs, None)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> EnergyTransformer:
        """One epoch over X, from the parameters and chains as they are; sample_weight as in `fit`."""
        first = not hasattr(self, "params_")
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=first)
        if first:
            self._begin(X.shape[1])
        start = None if first else Run(self.program_, self.params_, {}, chains=self._chains)
        self._train(X, sample_weight, 1, start, "constant")
        return self

    def _begin(self, features: int) -> None:
        self._compile(features)
        self._seed, self._calls = _seed(self.random_state), 0

    def _compile(self, features: int) -> None:
        dims = {**(self.dims or {}), self.features_dim: features}
        text = GAUSSIAN_RBM if self.model is None else os.fspath(self.model)
        is_path = not isinstance(self.model, str | None) or ("\n" not in text and Path(text).suffix == ".energy")
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

    def _train(
        self, X: Array, sample_weight: Any, epochs: int, start: Run | None, schedule: str = defaults.SCHEDULE
    ) -> None:
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        data = from_arrays(self.program_.model, {self._visible: X}, "none")
        # Every call draws numbers of its own; the first draws those of `train` with this seed.
        later = seed_of(self._seed, "call of an estimator", self._calls)
        run = train(
            self.program_,
            data,
            chosen_method(self.program_.model, self.method, k=self.k),
            chosen_optimizer(self.program_.model, lr=self.lr, schedule=schedule),
            epochs,
            seed=later if self._calls else self._seed,
            batch=self.batch_size,
            validation=0.0,
            start=start,
            weights=sample_weight,
        )
        self.params_, self._chains, self._base = run.params, run.chains, run.base
        self._calls += 1

    def transform(self, X: Any) -> Array:
        """Means of the latent layers given X, shape (rows, latents); the data themselves where there are none."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        hidden = self.program_.model.by_role("hidden")
        if not hidden:
            return np.asarray(X)
        moments = self.program_.mean_field(self.params_, {self._visible: X}).moments
        return np.concatenate(
            [self.program_.engine.host(moments[n]).reshape(len(X), -1) for n in hidden], axis=1
        ).astype(X.dtype)

    def score_samples(self, X: Any) -> Array:
        """log p(v) of each row, normalised; a bound from below where the latents cannot be summed out.

        log Z is found once for the parameters, exactly where that is feasible, else by annealing; see `log_partition`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        program, partition = self.program_.engine, self.log_partition()
        x = {n: program.host(a) for n, a in checked_arrays(program, {self._visible: X}).items()}
        with np.errstate(all="ignore"):
            found = scores(program, self.params_, x, self._seed)
        check_above_rows(program, x, found, partition)
        rows = found.values - partition.log_z
        check_finite(rows)
        return rows

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The mean log-likelihood of rows in nats, by their weights: of two models, the higher fits better."""
        rows = self.score_samples(X)
        return float(weighted.mean(rows, None if sample_weight is None else row_weights(sample_weight, len(rows))))

    def log_partition(self) -> LogPartition:
        """log Z of the fitted parameters, with its standard error: 0 where it is exact."""
        check_is_fitted(self)
        digest = hashlib.sha256()
        for array in self.params_.values():
            digest.update(np.ascontiguousarray(array).tobytes())
        if getattr(self, "_log_z", ("", None))[0] != digest.hexdigest():
            core, params, base = core_of(self.program_.engine, self.params_, self._base)
            with np.errstate(all="ignore"):
                [found] = find_log_z(core, params, base, {}, "auto", Annealing(self.betas, seed=self._seed))
            self._log_z = digest.hexdigest(), found
        return self._log_z[1]


def _seed(random_state: Any) -> int:
    """A whole number as it is; one drawn from a generator, or anew."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(1 << 31))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return int(np.random.default_rng(random_state).integers(1 << 31))
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return int(random_state)
    raise ArgumentError("random_state is a whole number from 0, a numpy RandomState or Generator, or None")
