"""Classes of rows by p(y | v) of a model with a label layer, as a scikit-learn classifier."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from energydsl import defaults
from energydsl.api import Model
from energydsl.diagnostics import ArgumentError, NotApplicable
from energydsl.inference.predict import chances, label_states
from energydsl.learning.choice import default_method
from energydsl.learning.methods import METHODS, Method
from energydsl.learning.methods.sampled import Sampled
from energydsl.learning.optimizer import Optimizer
from energydsl.program.states import checked_arrays
from energydsl.sklearn.base import Array, EnergyEstimator, Given, RandomState

LABELLED_RBM = """
dim     I = 4, J = 8, K = 2
visible v[I] : real
visible y    : categorical[K]
hidden  h[J] : binary
param   W[I, J] = normal(sd = 0.01), U[K, J] = normal(sd = 0.01), A[K, I]
param   b[I], c[J], d[K] = base_rate(y)
energy  = 0.5 * sum((v - b)^2) - c @ h - d @ y - v @ W @ h - y @ U @ h - y @ A @ v
"""


class EnergyClassifier(ClassifierMixin, EnergyEstimator):  # type: ignore[misc]
    """Classes by p(y | v) of a model with two visible layers: features and a label.

    Parameters: model: path, text or `ed.Model`; by default an RBM over real features and a label, which meet directly too. label: the layer of the
    label, whose states are the classes in their order; None: the only categorical unit among the visible layers. features_dim,
    classes_dim: names of the dims that are set to the numbers of features and of classes; None where the text fixes them. folder: where the files are that a text imports. generative: the weight of
    the joint likelihood beside that of the label, as `train --predict LAYER --generative F` has it; None: as there. A `method` that is no
    likelihood by chains, or is given as a record, is followed as it is. The others are those of `EnergyTransformer`.

    Attributes: classes_; params_: parameters by name; program_; n_features_in_.
    """

    _default = LABELLED_RBM

    def __init__(
        self,
        model: Given = None,
        *,
        label: str | None = None,
        features_dim: str | None = "I",
        classes_dim: str | None = "K",
        dims: dict[str, int] | None = None,
        folder: str | os.PathLike[str] | None = None,
        method: Method | str | None = None,
        generative: float | None = None,
        optimizer: Optimizer | str | None = None,
        k: int | None = None,
        lr: float | None = None,
        batch_size: int = defaults.BATCH,
        epochs: int = defaults.EPOCHS,
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
        self.label = label
        self.classes_dim = classes_dim
        self.generative = generative

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X of shape (rows, features) and their classes. sample_weight: (rows,), how much each row counts."""
        X, y = self._rows(X, y=y, reset=True)
        check_classification_targets(y)
        self._begin_classes(X.shape[1], np.unique(y))
        self._train(self._arrays(X, y), sample_weight, goes_on=False)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over X, from the parameters and chains as they are. classes: all there will be; at the first call."""
        first = not hasattr(self, "params_")
        X, y = self._rows(X, y=y, reset=first)
        check_classification_targets(y)
        if first:
            if classes is None:
                raise ArgumentError("classes must be passed on the first call to partial_fit: all that there will be")
            self._begin_classes(X.shape[1], np.unique(classes))
        self._train(self._arrays(X, y), sample_weight, goes_on=True)
        return self

    def _begin_classes(self, features: int, classes: Array) -> None:
        count = len(classes)
        if count < 2:
            raise ArgumentError("a classifier takes rows of two classes or more: there is only one class here")
        self._begin(features, {} if self.classes_dim is None else {self.classes_dim: count})
        states = label_states(self.program_.engine, self._label)
        if len(states) != count:
            raise ArgumentError(
                f"`{self._label}` has {len(states)} states, and y has {count} classes: give the name of the dim that "
                "is the number of states as classes_dim, or a model with as many states"
            )
        self.classes_, self._states = classes, states

    def _check_model(self, model: Model) -> None:
        visible = model.resolved.by_role("visible")
        labels = [n for n in visible if model.layers[n].is_label] if self.label is None else [self.label]
        if len(visible) != 2 or len(labels) != 1 or labels[0] not in visible:
            raise NotApplicable(
                "EnergyClassifier takes a model with two visible layers, one of them the label: the only categorical unit, or the "
                f"layer that `label` names; here are {', '.join(f'`{n}`' for n in visible)}"
            )
        [self._label] = labels
        [self._visible] = [n for n in visible if n != self._label]

    def _settings(self) -> dict[str, Any]:
        model, method = self.program_.model, self.method
        kind = Method if isinstance(method, Method) else METHODS.get(method or default_method(model), Method)
        if issubclass(kind, Sampled) and not model.directed:
            return {"predict": self._label, "generative": self.generative}
        if self.generative is not None:
            raise ArgumentError(
                "generative is the weight of a likelihood by chains beside that of the label: it goes with a method of undirected "
                "models that has chains, given by its name"
            )
        return {}

    def _arrays(self, X: Array, y: Any) -> dict[str, Array]:
        """Features and states of the label. Raises `ArgumentError` for a class that was not there before."""
        number = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        unknown = self.classes_[number] != y
        if unknown.any():
            raise ArgumentError(f"y has the class {np.asarray(y)[unknown][0]}, which is not among the classes")
        return {self._visible: X, self._label: self._states[number]}

    def predict_proba(self, X: Any) -> Array:
        """p(y | v), (rows, classes): exact where hidden layers can be summed out, else by mean field; see `energydsl predict`."""
        check_is_fitted(self)
        program = self.program_.engine
        x = checked_arrays(program, {self._visible: self._rows(X)})
        return chances(program, self.params_, {n: program.host(a) for n, a in x.items()}, self._label)[1]

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row."""
        found = self.predict_proba(X)
        return np.asarray(self.classes_[found.argmax(axis=1)])
