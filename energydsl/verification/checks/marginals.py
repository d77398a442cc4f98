"""Auxiliary units summed out give back the energy that they stand for: -log of the sum of exp(-after) is before, at beta = 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.domains import DOMAINS
from energydsl.model.records import Auxiliary
from energydsl.verification.case import Case
from energydsl.verification.oracle import quadrature, unit_values
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

_ROWS = 12


def marginals(case: Case) -> Iterator[Check]:
    """The sum over auxiliary units at some states of all others, relative to its size from 1 on, by the oracle.

    Units that meet no other of theirs are summed out one at a time; that they do not meet is part of what is compared.
    """
    if not case.model.auxiliaries:
        return
    rows = case.generator("marginals").integers(0, case.rows, _ROWS)
    x = {n: v[rows].astype(float) for n, v in case.x.items()}
    errors = []
    for auxiliary in case.model.auxiliaries:
        before = case.oracle.value(auxiliary.before, case.params, x)
        constant = sum(c * case.model.layers[n].size for n, c in auxiliary.layers)
        found, apart = _summed_out(case, auxiliary, x)
        scale = np.maximum(1.0, np.abs(before))
        errors += [largest((found + constant - before) / scale), largest(apart / scale)]
    yield Check("energy = -log of the sum over auxiliary units", max(errors), 1e-9)


def _summed_out(case: Case, auxiliary: Auxiliary, x: Arrays) -> tuple[Array, Array]:
    """-log of the sum of exp(-after) over auxiliary units, and by how much they meet one another, each of shape (rows,)."""

    def after(state: Arrays) -> Array:
        return case.oracle.value(auxiliary.after, case.params, state)

    held = {n: _held(case, n, x) for n, _ in auxiliary.layers}
    ground = {**x, **held}
    start = after(ground)
    total, apart = start.copy(), after(x) - start
    for name in held:
        layer = case.model.layers[name]
        for unit in range(layer.size):
            moved = {**ground, name: _moved(ground[name], x[name], unit, layer.size)}
            apart = apart - (after(moved) - start)

            def change(places: Array, name: str = name, unit: int = unit, size: int = layer.size) -> Array:
                return np.stack(
                    [after({**ground, name: _placed(ground[name], p, unit, size)}) - start for p in places], axis=1
                )

            if DOMAINS[layer.domain.name].finite:
                places = unit_values(layer)
                weights = np.zeros(len(places))
            else:
                places, weights = quadrature(layer, case.kinks, change)
            total = total - np.logaddexp.reduce(weights - change(places), axis=1)
    return total, apart


def _held(case: Case, name: str, x: Arrays) -> Array:
    """A layer with all its units at one value that they may have."""
    layer = case.model.layers[name]
    finite = DOMAINS[layer.domain.name].finite
    value = unit_values(layer)[0] if finite else np.float64(1.0)
    return np.asarray(np.broadcast_to(value, x[name].shape)).copy()


def _moved(ground: Array, x: Array, unit: int, size: int) -> Array:
    """`ground` with one unit as it is in `x`."""
    found = ground.copy()
    found.reshape(len(found), size, -1)[:, unit] = x.reshape(len(x), size, -1)[:, unit]
    return found


def _placed(ground: Array, place: Array, unit: int, size: int) -> Array:
    """`ground` with one unit at a place."""
    found = ground.copy()
    found.reshape(len(found), size, -1)[:, unit] = place
    return found
