"""What the functions of a model ask for: run-time scalars, rows, fields of some units, fields moved in annealing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array

# A temperature of annealing: natural parameters are scale * eta + offset, one offset for each of them.
Tempering = tuple[float, Sequence[Array]]


def settings_of(
    labels: Sequence[str],
    defaults: dict[str, Any],
    beta: float,
    weights: dict[str, float] | None,
    consts: dict[str, Any] | None,
    external: dict[str, Any] | None,
) -> SimpleNamespace:
    """Run-time scalars: beta, weights of energy terms, constants, and external fields added to the natural parameters.

    labels: the energy terms, each of weight 1 unless `weights` says otherwise. defaults: constants as they are written.
    external: by layer, one array a natural parameter.
    """
    return SimpleNamespace(
        beta=beta,
        weights=dict.fromkeys(labels, 1.0) | (weights or {}),
        consts=defaults | (consts or {}),
        external=external or {},
    )


def rows(x: Mapping[str, Array]) -> int:
    """The number of chains of a state, of which every array has the chains first."""
    return len(next(iter(x.values())))


def square(x: Mapping[str, Array], name: str) -> Array:
    """Second moments of a layer: those in the state if it holds means, else the squares of its values."""
    moments = x.get(name + "^2")
    return x[name] ** 2 if moments is None else moments


def at_units(eta: Array, units: Array, shape: tuple[int, ...], states: tuple[int, ...] = ()) -> Array:
    """A field at some units of a layer: (chains, units, *states), or without chains where it does not vary with them.

    eta: broadcasts against (chains, *shape, *states). units: (units,), places in the flattened layer.
    """
    eta = np.asarray(eta)
    chains = eta.shape[:1] if eta.ndim > len(shape) + len(states) else ()
    whole = np.broadcast_to(eta, (*chains, *shape, *states))
    return np.take(whole.reshape(*chains, -1, *states), units, axis=len(chains))


def moved(etas: Sequence[Array], at: Tempering) -> list[Array]:
    """scale * eta + offset for each natural parameter; at: scale, and an offset for each."""
    scale, offsets = at
    return [scale * eta + offset for eta, offset in zip(etas, offsets, strict=True)]


def log_partition_difference(
    log_partition: Callable[..., Array],
    etas: Sequence[Array],
    before: Tempering,
    after: Tempering,
    shape: tuple[int, ...],
) -> Array:
    """The sum over units of A(after) - A(before), shape (chains,), float64: A at natural parameters moved two ways.

    log_partition: A of the family, elementwise. etas: natural parameters, chains first. shape: that of the layer.
    """
    change = log_partition(*moved(etas, after)) - log_partition(*moved(etas, before))
    chains = len(etas[0])
    found: Array = np.broadcast_to(change, (chains, *shape)).reshape(chains, -1).sum(axis=1, dtype=np.float64)
    return found
