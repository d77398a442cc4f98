"""What trains a model: a method and an optimiser, given as records or by their names, or left to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from energydsl import defaults
from energydsl.diagnostics import one_of
from energydsl.learning.methods import METHODS, Method
from energydsl.learning.optimizer import OPTIMIZERS, Optimizer, scales
from energydsl.model.records import Resolved

Record = TypeVar("Record", Method, Optimizer)


def default_method(model: Resolved) -> str:
    """Wake-sleep for a model with directed parts, persistent chains for any other, but for one with inputs."""
    if model.directed:
        return "wake-sleep"
    return "cd" if model.by_role("input") else "pcd"


def chosen_method(model: Resolved, method: Method | str | None = None, **settings: Any) -> Method:
    """The method that is meant: by its name, or by the model where none is given.

    settings: of a method that is not given as a record. None leaves one as the method has it, and one that the method has
    not is left out.
    """
    if isinstance(method, Method):
        return method
    name = default_method(model) if method is None else method
    return _made(METHODS[one_of("method", name, METHODS)], settings)


def default_optimizer(model: Resolved) -> str:
    """Plain descent where all visible layers are bounded; steps that know their own size where one is not."""
    return defaults.OPTIMIZERS[scales.unbounded(model)]


def chosen_optimizer(model: Resolved, optimizer: Optimizer | str | None = None, **settings: Any) -> Optimizer:
    """The optimiser that is meant, with a learning rate. settings: as for `chosen_method`."""
    if not isinstance(optimizer, Optimizer):
        name = default_optimizer(model) if optimizer is None else optimizer
        optimizer = _made(OPTIMIZERS[one_of("optimizer", name, OPTIMIZERS)], settings)
    return optimizer.fitted(scales.unbounded(model))


def _made(kind: type[Record], settings: Mapping[str, Any]) -> Record:
    """A record with the settings that are given, and that it has."""
    known = {f.name for f in fields(kind)}
    return kind(**{n: v for n, v in settings.items() if v is not None and n in known})
