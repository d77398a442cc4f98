"""Weighted sums over chains of dE/dparam, for checked arguments of one undirected model."""

from __future__ import annotations

from collections.abc import Iterable

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.model.records import Param
from energydsl.program.engine import Engine


def weighted_gradient(
    engine: Engine, p: Arrays, x: Arrays, s: Settings, row: Array, names: Iterable[str] | None = None
) -> Arrays:
    """Sum over chains of row * dE/dparam, projected on what the constraints admit; overwritten by the next call."""
    params = engine.model.params
    with engine.single_threaded_blas():
        return {
            n: projected(engine, params[n], engine.kernels.gradients[n](p, x, s, row, engine.workspace))
            for n in (params if names is None else names)
        }


def add_gradient(engine: Engine, p: Arrays, name: str, x: Arrays, s: Settings, row: Array) -> None:
    """Add the sum over chains of row * dE/dparam onto a parameter; it is one of the kernels' `direct`."""
    with engine.single_threaded_blas():
        engine.kernels.gradients[name](p, x, s, row, engine.workspace, p[name])


def projected(engine: Engine, param: Param, gradient: Array) -> Array:
    """The gradient among admissible changes: symmetric, zero on the diagonal."""
    if "symmetric" in param.constraints:
        gradient = (gradient + gradient.T) / 2
    if "zero_diagonal" in param.constraints:
        engine.xp.fill_diagonal(gradient, 0.0)
    return gradient
