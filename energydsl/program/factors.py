"""A factor graph in numbers: for units of finite layers, all others held, log tables over the joint values of those that meet.

log p(units | rest) = constant + sum over factors of table(values of its units)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Fields, Settings
from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.energy.rules import Rules
from energydsl.energy.terms import BASE, At, Atom, Function, Monomial
from energydsl.functions import FUNCTIONS
from energydsl.graph.edges import Integers
from energydsl.graph.scopes import Entry, Scope, loop_values, offsets, scopes
from energydsl.model.indices import Index
from energydsl.model.records import Layer
from energydsl.program.engine import CoreEngine
from energydsl.program.marginals import rest_energy

# Units in one factor.
MOST_UNITS = 12
# What loops inside functions are at.
Inner = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Table:
    """Factors of one kind. units: (factors, units in one), different in a row; log: (chains or 1, factors, *values of each)."""

    units: Integers
    log: Any


@dataclass(frozen=True)
class Units:
    """The units of finite layers, numbered one layer after the other, and where they meet.

    scopes: of each term that holds one, by its number. Raises `scopes.TooDense` where they are too many to list. places: of a
    term, at most; by default so many for each unit.
    """

    derived: Derived
    layers: tuple[str, ...]
    places: int | None = None

    @property
    def records(self) -> list[Layer]:
        """The layers."""
        return [self.derived.model.layers[n] for n in self.layers]

    @cached_property
    def values(self) -> dict[str, Array]:
        """Of a unit of each layer; of a one-hot one the numbers of its states."""
        found = {}
        for layer in self.records:
            domain = DOMAINS[layer.domain.name]
            if domain.one_hot:
                found[layer.name] = np.arange(layer.energy_shape[-1], dtype=float)
            else:
                assert domain.values is not None
                found[layer.name] = np.asarray(domain.values(layer.domain.arguments), float)
        return found

    @cached_property
    def owners(self) -> list[str]:
        """The layer of each unit."""
        return [layer.name for layer in self.records for _ in range(layer.size)]

    @cached_property
    def states(self) -> list[int]:
        """How many values each unit has."""
        return [len(self.values[n]) for n in self.owners]

    @cached_property
    def scopes(self) -> list[tuple[int, Scope]]:
        """Where units meet, and the number of the term."""
        terms = enumerate(self.derived.energy.terms)
        return [
            (k, s)
            for k, t in terms
            for s in scopes(self.derived.model, t.monomial, self.layers, MOST_UNITS, self.places)
        ]

    @cached_property
    def first(self) -> dict[str, int]:
        """The number of the first unit of each layer."""
        return offsets(self.derived.model, self.layers)

    # --- states as numbers of values

    def codes(self, x: Mapping[str, Array], xp: Any) -> Array:
        """The number of the value of each unit, (chains, units)."""
        found = []
        for layer in self.records:
            domain, flat = DOMAINS[layer.domain.name], x[layer.name].reshape(len(x[layer.name]), layer.size, -1)
            values = xp.asarray(self.values[layer.name])
            found.append(flat.argmax(axis=-1) if domain.one_hot else abs(flat - values).argmin(axis=-1))
        return xp.concatenate(found, axis=1)  # type: ignore[no-any-return]

    def put(self, codes: Array, x: Mapping[str, Array], xp: Any) -> None:
        """Values with these numbers into a state."""
        for layer in self.records:
            start = self.first[layer.name]
            own = codes[:, start : start + layer.size].reshape(-1, *layer.shape)
            values = xp.asarray(self.values[layer.name])
            if DOMAINS[layer.domain.name].one_hot:
                x[layer.name][...] = own[..., None] == values.astype(own.dtype)
            else:
                x[layer.name][...] = values[own]


def tables(
    units: Units, engine: CoreEngine, p: Arrays, x: Mapping[str, Array], s: Settings
) -> tuple[list[Table], Array]:
    """All factors, and the constant of each chain: what does not depend on the units; x: all other layers.

    Fields from outside are factors of one unit.
    """
    nothing = {"": engine.xp.zeros((1, 0))}
    constant = -rest_energy(engine, p, x or nothing, s, units.layers).astype(np.float64)
    found = []
    for number, scope in units.scopes:
        term = engine.derived.energy.terms[number]
        weight = 1.0 if term.label == BASE else s.beta * s.weights[term.label]
        log = -weight * Walk(units, engine, p, x, s, scope).monomial(term.monomial, ())
        wide = (log.shape[0], len(scope.units), *(units.states[u] for u in scope.units[0]))
        found.append(Table(scope.units, engine.xp.broadcast_to(log, wide)))
    found += [_external(units, engine, n, f) for n, f in s.external.items() if n in units.layers]
    return found, constant


def _external(units: Units, engine: CoreEngine, name: str, fields: Fields) -> Table:
    """What fields from outside add to each value of each unit of a layer."""
    layer, xp = engine.model.layers[name], engine.xp
    values = xp.asarray(units.values[name])
    if layer.field_shape != layer.shape:
        log = xp.broadcast_to(xp.asarray(fields[0]), layer.field_shape).reshape(1, layer.size, -1)
    else:
        family = engine.derived.conditionals[name].distribution
        log = sum(
            xp.broadcast_to(xp.asarray(f), layer.shape).reshape(1, layer.size, 1) * values**power
            for f, power in zip(fields, family.powers, strict=True)
        )
    return Table(units.first[name] + np.arange(layer.size)[:, None], log)


@dataclass(frozen=True)
class Walk:
    """The value of a term at the places of a scope, over all values of its units: (chains or 1, places, *values)."""

    units: Units
    engine: CoreEngine
    p: Arrays
    x: Mapping[str, Array]
    s: Settings
    scope: Scope

    def monomial(self, monomial: Monomial, inner: Inner) -> Any:
        """coefficient * the product of all factors."""
        total: Any = self.spread(np.full(self.scope.places.count, monomial.coefficient))
        for atom, exponent in monomial.factors:
            value = self.atom(atom, inner)
            total = total * (value if exponent == 1.0 else value**exponent)
        return total

    def atom(self, atom: Atom, inner: Inner) -> Any:
        """An entry, or a function of a sum of products."""
        if isinstance(atom, At):
            return self.entry(atom, inner)
        listed = self.listed(atom, inner)
        if atom.function and FUNCTIONS[atom.function].aggregate:
            return self.engine.xp.asarray(self.joined(listed))
        argument: Any = self.spread(np.zeros(self.scope.places.count))
        for value, holds in listed:
            argument = argument + (value if holds is None else holds * value)
        return self.function(atom.function, argument)

    def listed(self, atom: Function, inner: Inner) -> Iterator[tuple[Any, Any]]:
        """What stands in a function at all values of its loops, and 1 where their relations hold, None where there are none."""
        for part in atom.argument:
            for values in loop_values(part):
                here = inner + values
                yield self.monomial(part, here), self.predicates(part, here)

    def joined(self, listed: Iterator[tuple[Any, Any]]) -> Any:
        """log of the sum of exp of all that is listed, on the host."""
        host, total = self.engine.host, np.array(-np.inf)
        with np.errstate(divide="ignore"):
            for value, holds in listed:
                total = np.logaddexp(total, host(value) + (0.0 if holds is None else np.log(host(holds))))
        return total

    def function(self, name: str, argument: Any) -> Any:
        """A function of the table, elementwise."""
        if not name:
            return argument
        flat = self.engine.host(argument).reshape(-1)
        values = np.array([FUNCTIONS[name].value(float(v)) for v in flat])
        return self.engine.xp.asarray(values.reshape(argument.shape))

    def predicates(self, monomial: Monomial, inner: Inner) -> Any:
        """1 where all relations of loops inside a function hold; None where there are none."""
        if not monomial.predicates:
            return None
        holds = np.ones(self.scope.places.count, bool)
        for predicate in monomial.predicates:
            holds &= np.broadcast_to(predicate.holds(lambda i: self.index(i, inner)), holds.shape)
        return self.spread(holds.astype(float))

    def entry(self, at: At, inner: Inner) -> Any:
        """An entry of a parameter, a const, a layer that is held, or of a unit: then one value after the other."""
        xp = self.engine.xp
        if at.kind == "const":
            return float(self.s.consts[at.name])
        if at.kind == "index":
            return self.spread(self.index(at.indices[0], inner).astype(np.float64))
        if at.kind in ("layer", "input") and at.name not in self.units.layers:
            return self.spread(self.gathered(self.x[at.name], at, inner, chains=True).astype(np.float64), chains=True)
        if at.kind != "layer":
            return self.spread(self.gathered(self.p[at.name], at, inner, chains=False).astype(np.float64))
        position, rank = self.scope.positions[Entry(at, inner)], self.scope.units.shape[1]
        values = self.units.values[at.name]
        table: Array = values[None]
        if len(at.indices) > Rules(self.engine.model).sites(at):
            table = self.index(at.indices[-1], inner)[:, None] == values[None]
        shape = (1, len(table), *(len(values) if k == position else 1 for k in range(rank)))
        return xp.asarray(np.asarray(table, float).reshape(shape))

    def gathered(self, array: Array, at: At, inner: Inner, chains: bool) -> Any:
        """The entries of an array at every place."""
        lead = array.shape[:1] if chains else ()
        shape = array.shape[len(lead) :]
        if at.flat:
            rest = shape[len(shape) - len(at.indices) + 1 :] if len(at.indices) > 1 else ()
            shape = (math.prod(shape) // max(1, math.prod(rest)), *rest)
        number: Any = np.zeros(self.scope.places.count, np.int64)
        for index, size in zip(at.indices, shape, strict=True):
            number = number * size + self.index(index, inner)
        number = self.engine.xp.asarray(number)
        return array.reshape(*lead, -1)[..., number]

    def index(self, index: Index, inner: Inner) -> Integers:
        """An index at every place."""
        fixed = {name: Index(constant=value) for name, value in inner}
        return self.scope.places.value(index.replace(fixed))

    def spread(self, values: Any, chains: bool = False) -> Any:
        """Numbers of every place, over all values of the units."""
        xp = self.engine.xp
        wide = xp.asarray(values).reshape(-1 if chains else 1, self.scope.places.count)
        return wide.reshape(*wide.shape, *(1,) * self.scope.units.shape[1])


def kept(units: Units, engine: CoreEngine, x: Mapping[str, Array], keep: Mapping[str, Array]) -> Iterator[Table]:
    """Factors that hold entries at their values: log 0 for every other."""
    xp = engine.xp
    codes: Any = units.codes(x, xp)
    for layer in units.records:
        if layer.name not in keep:
            continue
        start, states = units.first[layer.name], len(units.values[layer.name])
        own: Any = codes[:, start : start + layer.size, None] == xp.arange(states)
        known: Any = keep[layer.name].reshape(len(codes), layer.size, -1).all(axis=-1)
        log = xp.where(known[:, :, None] & ~own, -np.inf, 0.0)
        yield Table(start + np.arange(layer.size)[:, None], log)
