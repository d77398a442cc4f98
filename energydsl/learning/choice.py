"""What trains a model: a method and an optimiser, given as records or by their names, or left to the model."""

from __future__ import annotations

from energydsl import defaults
from energydsl.diagnostics import one_of
from energydsl.learning.methods import METHODS, Method
from energydsl.learning.optimizer import OPTIMIZERS, Optimizer, scales
from energydsl.model.records import Resolved


def default_method(model: Resolved) -> str:
    """Wake-sleep for a model with directed parts, persistent chains for any other, but for one with inputs."""
    if model.directed:
        return "wake-sleep"
    return "cd" if model.by_role("input") else "pcd"


def chosen_method(model: Resolved, method: Method | str | None) -> Method:
    """The method that is meant: by its name, or by the model where none is given."""
    if isinstance(method, Method):
        return method
    name = default_method(model) if method is None else method
    return METHODS[one_of("method", name, METHODS)]()


def default_optimizer(model: Resolved) -> str:
    """Plain descent where all visible layers are bounded; steps that know their own size where one is not."""
    return defaults.OPTIMIZERS[scales.unbounded(model)]


def chosen_optimizer(model: Resolved, optimizer: Optimizer | str | None) -> Optimizer:
    """The optimiser that is meant, with a learning rate."""
    if not isinstance(optimizer, Optimizer):
        name = default_optimizer(model) if optimizer is None else optimizer
        optimizer = OPTIMIZERS[one_of("optimizer", name, OPTIMIZERS)]()
    return optimizer.fitted(scales.unbounded(model))
