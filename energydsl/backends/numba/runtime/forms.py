"""Scans of layers that inner forms hold."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from energydsl.backends.numba.runtime.blas import pieces
from energydsl.backends.numba.runtime.compiling import Number, fast, wide
from energydsl.backends.numba.runtime.draws import flat
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.arrays import Array

_ALL_FREE = np.zeros((0, 0), np.bool_)


def table(value: Any, shape: tuple[int, ...], rows: int) -> Array:
    """A value of this shape as a matrix of so many rows in the module's precision; as a vector where they are 0."""
    whole: Array = np.require(np.broadcast_to(np.asarray(value, FLOAT), shape), requirements=["C", "W"])
    return whole.reshape(rows, -1) if rows else whole.reshape(-1)


class Windows:
    """Which entries of forms of one shape each unit stands in, and what these gain by it: `start` and `at` list them by unit.

    forms: for each of them, places (units, entries, where they count), arrays of one shape.
    """

    def __init__(self, forms: tuple[tuple[tuple[Array, Array, Array], ...], ...], units: int, entries: int):
        self.forms, self.units, self.entries = forms, units, entries
        self.keep = [[np.asarray(keep).ravel() for _, _, keep in places] for places in forms]
        self.shapes = [[unit.shape for unit, _, _ in places] for places in forms]

    @functools.cached_property
    def keys(self) -> list[Array]:
        """For each form, the pairs of units and entries at all its places, as numbers in the order of `at`."""
        return [
            np.concatenate(
                [(unit.astype(np.int64) * self.entries + entry).ravel()[keep.ravel()] for unit, entry, keep in places]
            )
            for places in self.forms
        ]

    @functools.cached_property
    def pairs(self) -> Array:
        """All pairs, in order."""
        return np.unique(np.concatenate(self.keys))

    @functools.cached_property
    def start(self) -> Array:
        """Where the entries of each unit begin."""
        return np.searchsorted(self.pairs // self.entries, np.arange(self.units + 1))

    @functools.cached_property
    def at(self) -> Array:
        """The entries of every unit."""
        return self.pairs % self.entries

    @functools.cached_property
    def places(self) -> list[Array]:
        """For each form, the number of the pair at each of its places."""
        return [np.searchsorted(self.pairs, key) for key in self.keys]

    def values(self, number: int, *values: Any) -> Array:
        """What entries gain, in the order of `at`, for one of the forms; values: of each of its places."""
        found = [
            np.broadcast_to(np.asarray(value), shape).ravel()[keep]
            for value, shape, keep in zip(values, self.shapes[number], self.keep[number], strict=True)
        ]
        return np.bincount(self.places[number], np.concatenate(found), len(self.at)).astype(FLOAT)


@fast
def move_form(form: Array, slopes: Array, step: Number) -> None:
    """What the entries of a form become as a unit moves by a step."""
    wide()
    for j in range(len(slopes)):
        form[j] += step * slopes[j]


def scan_forms(
    kernel: Callable[..., Any],
    x: Array,
    field: Array,
    uniform: Array,
    keep: Array | None,
    factors: tuple[float, ...],
    forms: tuple[Array, ...],
    *tables: Array,
) -> None:
    """Draw the units of a layer in turn, in place. field: natural parameters without the terms of forms.

    forms: running forms (chains, ...), which are changed in place. tables: slopes, and
    where these are of windows before them where each begins; then arrays of parameters.
    """
    rows = len(x)
    units = x.reshape(rows, -1)
    held = _ALL_FREE if keep is None else np.ascontiguousarray(np.broadcast_to(keep, x.shape)).reshape(rows, -1)
    running = [a.reshape(rows, -1) for a in forms]
    work = tables[0].size * rows
    kernel(
        units, flat(field, x.shape), uniform.reshape(rows, -1), held, np.array(factors, FLOAT), pieces(work),
        *running, *tables,
    )  # fmt: skip
