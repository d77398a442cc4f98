"""Which units of some layers stand in a term together, place by place of its loops: the scopes of a factor graph."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from energydsl import limits
from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Function, Monomial
from energydsl.graph.edges import Integers
from energydsl.graph.places import Places, places
from energydsl.model.records import Resolved


class TooDense(Exception):
    """Units meet in more places, or more at once, than are listed."""


@dataclass(frozen=True)
class Entry:
    """An entry of a layer in a monomial: at, where the loops of functions around it have the values `inner`."""

    at: At
    inner: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Scope:
    """The places of a monomial at which the same entries name the same units.

    places: of its loops. entries: all of some layers that stand in it. positions: for each entry the place of its unit in a row of
    units: (places, units in scope), numbers over all the layers one after the other, different ones in a row.
    """

    places: Places
    positions: Mapping[Entry, int]
    units: Integers


def offsets(model: Resolved, layers: Collection[str]) -> dict[str, int]:
    """The number of the first unit of each layer, where layers stand one after the other."""
    sizes = [model.layers[n].size for n in layers]
    return dict(zip(layers, itertools.accumulate([0, *sizes]), strict=False))


def scopes(
    model: Resolved, monomial: Monomial, layers: Collection[str], most: int, listed: int | None = None
) -> Iterator[Scope]:
    """The scopes of the units of layers in a monomial; most: units in one; listed: places, at most. Raises `TooDense`."""
    entries = list(dict.fromkeys(_entries(monomial, layers, (), most)))
    if not entries:
        return
    total = sum(model.layers[n].size for n in layers)
    count = math.prod(loop.high - loop.low for loop in monomial.loops)
    if len(entries) > 1 and count > (limits.PLACES_OF_A_UNIT * total if listed is None else listed):
        raise TooDense
    every = places(model, monomial)
    if every is None:
        raise TooDense
    rules, first = Rules(model), offsets(model, layers)
    numbers = np.stack([_units(every, e, rules) + first[e.at.name] for e in entries], axis=1)
    same = (numbers[:, :, None] == numbers[:, None, :]).argmax(axis=2)
    for pattern in np.unique(same, axis=0):
        rows = np.flatnonzero((same == pattern).all(axis=1))
        distinct = sorted(set(pattern.tolist()))
        if len(distinct) > most:
            raise TooDense
        positions = {e: distinct.index(k) for e, k in zip(entries, pattern.tolist(), strict=True)}
        chosen = Places(model, len(rows), {n: v[rows] for n, v in every.loops.items()})
        yield Scope(chosen, positions, numbers[np.ix_(rows, distinct)])


def loop_values(monomial: Monomial) -> Iterator[tuple[tuple[str, int], ...]]:
    """All values of the loops of a monomial inside a function, predicates left aside."""
    ranges = (range(loop.low, loop.high) for loop in monomial.loops)
    names = [loop.name for loop in monomial.loops]
    for values in itertools.product(*ranges):
        yield tuple(zip(names, values, strict=True))


def _entries(
    monomial: Monomial, layers: Collection[str], inner: tuple[tuple[str, int], ...], most: int
) -> Iterator[Entry]:
    """All entries of layers, those in functions at every value of the loops there."""
    for atom, _ in monomial.factors:
        if isinstance(atom, Function):
            for part in atom.argument:
                if part.layers().isdisjoint(layers):
                    continue
                if math.prod(loop.high - loop.low for loop in part.loops) > 4 * most:
                    raise TooDense
                for values in loop_values(part):
                    yield from _entries(part, layers, inner + values, most)
        elif atom.kind == "layer" and atom.name in layers:
            yield Entry(atom, inner)


def _units(every: Places, entry: Entry, rules: Rules) -> Integers:
    """The number of the unit of an entry in its layer, at every place."""
    fixed = {name: np.full(every.count, value) for name, value in entry.inner}
    return Places(every.model, every.count, {**every.loops, **fixed}).units(entry.at, rules)
