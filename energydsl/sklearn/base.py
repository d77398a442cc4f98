"""What all estimators do: find the model, train it on rows, and go on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, validate_data

from energydsl import defaults
from energydsl.api import Model, load, loads
from energydsl.data import alignments
from energydsl.data.sources import from_arrays
from energydsl.diagnostics import ArgumentError
from energydsl.learning.choice import chosen_method, chosen_optimizer
from energydsl.learning.methods import Method
from energydsl.learning.optimizer import Optimizer
from energydsl.learning.run import Run
from energydsl.learning.train import train
from energydsl.program import Program
from energydsl.random import seed_of

Array = NDArray[Any]
# A model as an estimator takes it: a path, a text, a model, or None for the default.
Given = str | os.PathLike[str] | Model | None
RandomState = int | np.random.RandomState | np.random.Generator | None
GAUSSIAN_RBM = """
dim     I = 4, J = 8
visible v[I] : real
hidden  h[J] : binary
param   W[I, J] = normal(sd = 0.01), b[I], c[J]
energy  = 0.5 * sum((v - b)^2) - c @ h - v @ W @ h
"""


class EnergyEstimator(BaseEstimator):  # type: ignore[misc]
    """Parameters and training of the estimators; a subclass says which model is the default, and what its layers are."""

    _default = GAUSSIAN_RBM

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
        random_state: RandomState = defaults.SEED,
    ):
        self.model = model
        self.features_dim = features_dim
        self.dims = dims
        self.folder = folder
        self.method = method
        self.optimizer = optimizer
        self.k = k
        self.lr = lr
        self.batch_size = batch_size
        self.epochs = epochs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """The model in place of the program, which is compiled again for what is there on the other side."""
        state = dict(super().__getstate__())
        return state | {"program_": state["program_"].origin} if "program_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "program_" in state:
            state = state | {"program_": _compiled(state["program_"])}
        super().__setstate__(state)

    def _rows(self, X: Any, *, reset: bool = False, **y: Any) -> Any:
        """X as scikit-learn checks it, dense, in float32 or float64; with `y`, both.

        Sequences are states, or the codes of letters as text before there is a model.
        """
        texts = self._letters(X)
        X = X if texts is None else texts.astype(np.float32)
        found = validate_data(self, X, **y, accept_sparse=True, dtype=[np.float32, np.float64], reset=reset)
        X, *rest = found if y else (found,)
        X = X.toarray() if hasattr(X, "toarray") else X
        if texts is not None:
            layer = None if reset else self.program_.model.layers[self._visible]
            X = texts.view("S1").astype("U1") if layer is None else alignments.states(layer, texts).astype(np.float64)
        return (X, *rest) if rest else X

    def _letters(self, X: Any) -> Array | None:
        """The codes of the letters of sequences, (rows, columns); None where X is no text, or the model has no letters."""
        if hasattr(X, "columns") or not (isinstance(X, list | tuple) or hasattr(X, "__array__")):
            return None
        first = X[0] if isinstance(X, list | tuple) and X else None
        if isinstance(X, list | tuple) and not isinstance(
            first[0] if isinstance(first, list | tuple) and first else first, str
        ):
            return None
        found = np.asarray(X)
        if found.dtype.kind not in "OUT" or not all(isinstance(x, str) for x in found.ravel().tolist()):
            return None
        model = self.program_.model if hasattr(self, "program_") else self._model({}).resolved
        named = [n for n in model.by_role("visible") if model.layers[n].letters]
        return alignments.single_letters(found.tolist(), named[0]) if named else None

    def _model(self, dims: Mapping[str, int]) -> Model:
        """The model with its sizes set."""
        given = self._default if self.model is None else self.model
        return _model_of(given, {**(self.dims or {}), **dims}, self.folder)

    def _begin(self, features: int, dims: Mapping[str, int]) -> None:
        """The program, for so many columns; dims: sizes that other things than X fix."""
        given = {} if self.features_dim is None else {self.features_dim: features}
        model = self._model({**given, **dims})
        self._check_model(model)
        self.program_ = _compiled(model)
        self._seed, self._calls = seed(self.random_state), 0
        self._chains: dict[str, Array] = {}
        self._base: dict[str, tuple[Array, ...]] = {}

    def _check_model(self, model: Model) -> None:
        """Note which layers are which. Raises `NotApplicable` where a model has not those that are needed."""
        raise NotImplementedError

    def _settings(self) -> dict[str, Any]:
        """Of the method, beside k."""
        return {}

    def _check_records(self) -> None:
        """Raises `ArgumentError` for a setting beside a record that has its own."""
        for name, given, what, kind in (("k", self.k, "method", Method), ("lr", self.lr, "optimizer", Optimizer)):
            if given is not None and isinstance(getattr(self, what), kind):
                raise ArgumentError(f"{name} belongs to the record that {what} is: leave it out here")

    def _run(self) -> Run:
        """The fitted model as a run."""
        return Run(self.program_, self.params_, {}, base=self._base, chains=self._chains)

    def _train(self, arrays: Mapping[str, Array], sample_weight: Any, goes_on: bool) -> None:
        """All epochs over arrays by layer; one epoch from where training was, where it goes on."""
        self._check_records()
        if sample_weight is not None:
            some = next(iter(arrays.values()))
            sample_weight = _check_sample_weight(sample_weight, some, dtype=np.float64)
        resolved = self.program_.model
        optimizer = chosen_optimizer(resolved, self.optimizer, lr=self.lr)
        # Every call draws numbers of its own; the first draws those of `train` with this seed.
        later = seed_of(self._seed, "call of an estimator", self._calls)
        run = train(
            self.program_,
            from_arrays(resolved, arrays, "none"),
            chosen_method(resolved, self.method, k=self.k, **self._settings()),
            replace(optimizer, schedule="constant") if goes_on else optimizer,
            1 if goes_on else self.epochs,
            seed=later if self._calls else self._seed,
            batch=self.batch_size,
            validation=0.0,
            start=self._run() if self._calls else None,
            weights=sample_weight,
        )
        self.params_, self._chains, self._base = run.params, run.chains, run.base
        self._calls += 1


def _compiled(model: Model) -> Program:
    return model.compile(dtype="float64")


def _model_of(given: Any, dims: Mapping[str, int], folder: str | os.PathLike[str] | None) -> Model:
    """A model with its sizes set: from a path, a text, or another model."""
    if isinstance(given, Model):
        return Model(given.source, replace(given.overrides, dims={**given.overrides.dims, **dims}))
    text = os.fspath(given)
    is_path = not isinstance(given, str) or ("\n" not in text and Path(text).suffix == ".energy")
    return load(text, dims) if is_path else loads(text, dims, folder=None if folder is None else Path(folder))


def seed(random_state: Any) -> int:
    """A whole number as it is; one drawn from a generator, or anew."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(1 << 31))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return int(np.random.default_rng(random_state).integers(1 << 31))
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return int(random_state)
    raise ArgumentError("random_state is a whole number from 0, a numpy RandomState or Generator, or None")
