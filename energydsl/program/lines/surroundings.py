"""What a unit is surrounded by, in numbers: sums of products at states that are held, on the host and in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.derive import Derived
from energydsl.energy.terms import At, Atom, Loop, Monomial
from energydsl.functions import FUNCTIONS
from energydsl.graph.edges import edges_of
from energydsl.model.indices import Index
from energydsl.program.lines.bounds import array_of

# Loops around an expression, outermost first: the axes of its values, behind one for the chains.
Around = tuple[Loop, ...]


@dataclass(frozen=True)
class Unit:
    """One unit of a layer, by its indices."""

    layer: str
    site: tuple[int, ...]


@dataclass(frozen=True)
class Surroundings:
    """Parameters, a state and scalars. Values are (chains or 1, *axes of the loops around), an axis of length 1 where they do not vary."""

    derived: Derived
    p: Arrays
    x: Arrays
    s: Settings

    def factor(self, label: str) -> float:
        """beta times the weight of a term."""
        return float(self.s.beta * self.s.weights[label])

    def total(self, polynomial: Iterable[Monomial], around: Around) -> Array:
        """A sum of monomials."""
        found: Any = sum((self.monomial(m, around) for m in polynomial), np.zeros((1,) * (1 + len(around))))
        return found  # type: ignore[no-any-return]

    def monomial(self, monomial: Monomial, around: Around, unit: Unit | None = None, at: At | None = None) -> Array:
        """A monomial, summed over its own loops; where a unit is given, over those of their values with which `at` names it."""
        inner = (*around, *monomial.loops)
        found = np.full((1,) * (1 + len(inner)), monomial.coefficient)
        for atom, exponent in monomial.factors:
            found = found * self.atom(atom, inner) ** exponent
        found = found * self.where(monomial, inner)
        if unit is not None and at is not None:
            found = found * self.names(unit, at, inner)
        return summed(found, monomial.loops)

    def where(self, monomial: Monomial, around: Around) -> Array:
        """1 where all predicates hold, (1, *axes)."""
        holds = np.ones((1,) * len(around), bool)
        for predicate in monomial.predicates:
            holds = holds & predicate.holds(lambda i: self.index(i, around))
        return holds[None].astype(float)

    def names(self, unit: Unit, at: At, around: Around) -> Array:
        """1 where an entry names a unit, (1, *axes)."""
        site: tuple[int, ...] = unit.site
        if at.flat:
            site = (int(np.ravel_multi_index(site, self.derived.model.layers[unit.layer].shape)) if site else 0,)
        holds = np.ones((1,) * len(around), bool)
        for index, place in zip(at.indices, site, strict=True):
            holds = holds & (self.index(index, around) == place)
        return holds[None].astype(float)

    def atom(self, atom: Atom, around: Around) -> Array:
        """An entry, or a function of a sum."""
        if isinstance(atom, At):
            return self.entry(atom, around)
        if not FUNCTIONS[atom.function].aggregate:
            value = self.total(atom.argument, around)
            return array_of(atom.function)(value) if atom.function else value
        parts = [self.listed(m, around) for m in atom.argument]
        lead = max(len(p) for p in parts)
        spread = [np.broadcast_to(p, (lead, *p.shape[1:])) for p in parts]
        return np.asarray(np.logaddexp.reduce(np.concatenate(spread, axis=-1), axis=-1))

    def listed(self, monomial: Monomial, around: Around) -> Array:
        """A monomial at every place of its own loops, along a last axis."""
        inner = (*around, *monomial.loops)
        return along(self.monomial(Monomial(monomial.coefficient, factors=monomial.factors), inner), inner, len(around))

    def entry(self, at: At, around: Around) -> Array:
        """An entry of a parameter, a const, a layer, or an index as a number."""
        if at.kind == "const":
            return np.full((1,) * (1 + len(around)), float(self.s.consts[at.name]))
        if at.kind == "index":
            return self.index(at.indices[0], around)[None].astype(float)
        held = self.x[at.name] if at.kind in ("layer", "input") else self.p[at.name][None]
        if at.flat:
            held = held.reshape(len(held), -1, *held.shape[held.ndim + 1 - len(at.indices) :])
        if not at.indices:
            return held.reshape(len(held), *(1,) * len(around))
        place: Any = (slice(None), *(self.index(i, around) for i in at.indices))
        return np.asarray(held[place])

    def index(self, index: Index, around: Around) -> Array:
        """An index over the loops around, an axis each."""
        count = len(around)
        places = {
            loop.name: np.arange(loop.low, loop.high).reshape((-1,) + (1,) * (count - 1 - k))
            for k, loop in enumerate(around)
        }
        value = np.asarray(index.value(places, self._end), np.int64)
        return value.reshape((1,) * (count - value.ndim) + value.shape)

    def _end(self, graph: str, side: int, number: Any) -> Any:
        return edges_of(self.derived.model.graphs[graph])[number, side]


def spread(values: Any, around: Around) -> Array:
    """Values with the whole length of every axis."""
    lengths = tuple(loop.high - loop.low for loop in around)
    return np.broadcast_to(values, (len(values), *lengths))


def summed(values: Any, loops: tuple[Loop, ...]) -> Array:
    """Summed over the last axes, which are those of some loops."""
    if not loops:
        return np.asarray(values)
    first = values.ndim - len(loops)
    times = [loop.high - loop.low if values.shape[first + k] == 1 else 1 for k, loop in enumerate(loops)]
    return np.asarray(values.sum(axis=tuple(range(first, values.ndim))) * np.prod(times))


def along(values: Any, inner: Around, outer: int) -> Array:
    """Values with the axes behind the outer ones as one."""
    lengths = [loop.high - loop.low for loop in inner[outer:]]
    wide = np.broadcast_to(values, (*values.shape[: 1 + outer], *lengths))
    return wide.reshape(*values.shape[: 1 + outer], -1)
