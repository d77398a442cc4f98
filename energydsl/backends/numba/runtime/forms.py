"""Scans of layers that inner forms hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from energydsl.backends.numba.runtime.blas import pieces
from energydsl.backends.numba.runtime.draws import flat
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.arrays import Array

_ALL_FREE = np.zeros((0, 0), np.bool_)


def table(value: Any, shape: tuple[int, ...], rows: int) -> Array:
    """A value of this shape as a matrix of so many rows in the module's precision; as a vector where they are 0."""
    whole: Array = np.require(np.broadcast_to(np.asarray(value, FLOAT), shape), requirements=["C", "W"])
    return whole.reshape(rows, -1) if rows else whole.reshape(-1)


def scan_forms(
    kernel: Callable[..., Any],
    x: Array,
    field: Array,
    uniform: Array,
    keep: Array | None,
    factors: tuple[float, ...],
    forms: tuple[Array, ...],
    slopes: tuple[Array, ...],
    *arrays: Array,
) -> None:
    """Draw the units of a layer in turn, in place. field: natural parameters without the terms of forms.

    forms: running forms (chains, ...), which are changed in place. slopes, arrays: of parameters, from `table`.
    """
    rows = len(x)
    units = x.reshape(rows, -1)
    held = _ALL_FREE if keep is None else np.ascontiguousarray(np.broadcast_to(keep, x.shape)).reshape(rows, -1)
    running = [a.reshape(rows, -1) for a in forms]
    work = units.size * sum(a.shape[1] for a in running)
    kernel(
        units, flat(field, x.shape), uniform.reshape(rows, -1), held, np.array(factors, FLOAT), pieces(work),
        *running, *slopes, *arrays,
    )  # fmt: skip
