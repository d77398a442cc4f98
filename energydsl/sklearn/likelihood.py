"""Estimators of a model with one visible layer, which give each row its log-likelihood."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from energydsl import defaults, weighted
from energydsl.annealing.partition import LogPartition
from energydsl.api import Model
from energydsl.data.weights import row_weights
from energydsl.diagnostics import NotApplicable
from energydsl.inference.evaluate import Annealing, check_above_rows, check_finite, core_of, find_log_z
from energydsl.inference.scores import scores
from energydsl.learning.methods import Method
from energydsl.learning.optimizer import Optimizer
from energydsl.program.states import checked_arrays
from energydsl.sklearn.base import Array, EnergyEstimator, Given, RandomState


class LikelihoodEstimator(EnergyEstimator):
    """Fits without classes, and scores by log p(v). betas: temperatures of annealing, where log Z is not found exactly."""

    def __init__(
        self,
        model: Given = None,
        *,
        features_dim: str | None = "I",
        dims: dict[str, int] | None = None,
        folder: str | os.PathLike[str] | None = None,
        method: Method | str | None = None,
        optimizer: Optimizer | str | None = None,
        k: int | None = None,
        lr: float | None = None,
        batch_size: int = defaults.BATCH,
        epochs: int = defaults.EPOCHS,
        betas: int = defaults.TEMPERATURES,
        random_state: RandomState = defaults.SEED,
    ):
        super().__init__(
            model,
            features_dim=features_dim,
            dims=dims,
            folder=folder,
            method=method,
            optimizer=optimizer,
            k=k,
            lr=lr,
            batch_size=batch_size,
            epochs=epochs,
            random_state=random_state,
        )
        self.betas = betas

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train on rows X of shape (rows, features). sample_weight: (rows,), how much each counts; None: all alike."""
        X = self._rows(X, reset=True)
        self._begin(X.shape[1], {})
        self._train({self._visible: X}, sample_weight, goes_on=False)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over X, from the parameters and chains as they are; sample_weight as in `fit`."""
        first = not hasattr(self, "params_")
        X = self._rows(X, reset=first)
        if first:
            self._begin(X.shape[1], {})
        self._train({self._visible: X}, sample_weight, goes_on=True)
        return self

    def _check_model(self, model: Model) -> None:
        visible = model.resolved.by_role("visible")
        if len(visible) != 1:
            raise NotApplicable(f"{type(self).__name__} takes a model with one visible layer")
        self._visible = visible[0]

    def score_samples(self, X: Any) -> Array:
        """log p(v) of each row, normalised; a bound from below where the latents cannot be summed out.

        log Z is found once for the parameters, exactly where that is feasible, else by annealing; see `log_partition`.
        """
        check_is_fitted(self)
        X = self._rows(X)
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
