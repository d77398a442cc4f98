"""A function of several units along the line on which one unit x moves, all others held.

A form u is affine in the statistics T of the unit, so that with t in place of x it is u + (T(t) - T(x)) du/dT: two numbers an entry, found
once a unit. What stands around forms is walked as it is written. `value` is that at some places, `bound` its bounds on intervals.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from energydsl.backends.interface import Array
from energydsl.energy.forms import affine
from energydsl.energy.targets import UNIT, others, statistic
from energydsl.energy.terms import At, Atom, Function, Loop, Monomial, entries
from energydsl.functions import FUNCTIONS
from energydsl.program.lines.bounds import Bound, array_of
from energydsl.program.lines.surroundings import Around, Surroundings, Unit, along, spread, summed


@dataclass
class Interval:
    """Intervals of the unit, each of one chain. rates: how fast arguments of functions change there, at most, in places that count."""

    low: Array
    high: Array
    owner: Array
    rate: Array = field(init=False)

    def __post_init__(self) -> None:
        self.rate = np.zeros(len(self.low))

    def meets(self, rate: Array) -> None:
        """An argument changes at most so fast, (intervals, *axes)."""
        self.rate = np.maximum(self.rate, rate.reshape(len(rate), -1).max(axis=1))


class Node(ABC):
    """A function of the unit: (places, *axes)."""

    @abstractmethod
    def value(self, t: Array, owner: Array) -> Array:
        """At places t of the chains `owner`."""

    @abstractmethod
    def bound(self, on: Interval) -> Bound:
        """On intervals."""


@dataclass(frozen=True)
class Held(Node):
    """What does not change with the unit, (chains or 1, *axes)."""

    values: Array

    def value(self, t: Array, owner: Array) -> Array:
        """As it is."""
        return of_chains(self.values, owner)

    def bound(self, on: Interval) -> Bound:
        """As it is."""
        return Bound.fixed(of_chains(self.values, on.owner))


@dataclass(frozen=True)
class Moved(Node):
    """An entry of the layer: the unit where `here` is 1, else one that is held."""

    here: Array
    held: Array

    def value(self, t: Array, owner: Array) -> Array:
        """The place, or what is held."""
        return np.where(self.here > 0.0, wide(t, self.here), of_chains(self.held, owner))

    def bound(self, on: Interval) -> Bound:
        """The ends, or what is held."""
        low, high = self.value(on.low, on.owner), self.value(on.high, on.owner)
        return Bound(low, high, self.here, 0.0 * self.here)


@dataclass(frozen=True)
class Form(Node):
    """u + sum over statistics (T(t) - T(x)) du/dT. gains: T, T(x) of each chain, du/dT."""

    now: Array
    gains: tuple[tuple[Node, Array, Array], ...]

    def value(self, t: Array, owner: Array) -> Array:
        """The form with t in place of the unit."""
        found = of_chains(self.now, owner)
        for node, before, slope in self.gains:
            change = node.value(t, owner).reshape(len(t)) - before[owner]
            found = found + wide(change, slope) * of_chains(slope, owner)
        return found

    def bound(self, on: Interval) -> Bound:
        """As sharp as the bounds of T."""
        found = Bound.fixed(of_chains(self.now, on.owner))
        for node, before, slope in self.gains:
            of_unit = Bound(*(np.broadcast_to(b, (len(on.low), *b.shape[1:])).reshape(-1) for b in node.bound(on)))
            moved = of_unit.plus(Bound(-before[on.owner], -before[on.owner], 0.0, 0.0))
            found = found.plus(Bound(*(wide(b, slope) for b in moved)).scaled(of_chains(slope, on.owner)))
        return found


@dataclass(frozen=True)
class Total(Node):
    """A sum."""

    parts: tuple[Node, ...]

    def value(self, t: Array, owner: Array) -> Array:
        """The sum of the values."""
        return sum(p.value(t, owner) for p in self.parts)  # type: ignore[return-value]

    def bound(self, on: Interval) -> Bound:
        """The sum of the bounds."""
        first, *rest = (p.bound(on) for p in self.parts)
        for other in rest:
            first = first.plus(other)
        return first


@dataclass(frozen=True)
class Product(Node):
    """A product of powers, summed over loops: the last axes."""

    factors: tuple[tuple[Node, float], ...]
    around: Around
    loops: tuple[Loop, ...]

    def value(self, t: Array, owner: Array) -> Array:
        """The product, summed."""
        found: Any = 1.0
        for node, exponent in self.factors:
            value = node.value(t, owner)
            found = found * (value if exponent == 1.0 else value**exponent)
        return summed(found, self.loops)

    def bound(self, on: Interval) -> Bound:
        """By the rules of the product and the power, summed."""
        found: Bound | None = None
        for node, exponent in self.factors:
            inner = node.bound(on)
            if exponent < 0.0 or exponent != int(exponent):
                on.meets(2.0 * inner.slope / np.maximum(inner.low, np.finfo(float).tiny))
            part = inner.power(exponent)
            found = part if found is None else found.times(part)
        assert found is not None
        return Bound(
            *(summed(np.broadcast_to(b, np.broadcast_shapes(*(a.shape for a in found))), self.loops) for b in found)
        )


@dataclass(frozen=True)
class Applied(Node):
    """A function of the table."""

    function: str
    argument: Node

    def value(self, t: Array, owner: Array) -> Array:
        """The function of the value."""
        return array_of(self.function)(self.argument.value(t, owner))

    def bound(self, on: Interval) -> Bound:
        """By the rule of the chain. Functions with a singularity at 0 are smooth as far as that is."""
        inner, known = self.argument.bound(on), FUNCTIONS[self.function]
        if known.of_log is not None and known.bounds is None:
            on.meets(2.0 * inner.slope / np.maximum(inner.low, np.finfo(float).tiny))
        else:
            on.meets(2.0 * inner.slope if known.outgrows else inner.slope)
        return inner.applied(known)


@dataclass(frozen=True)
class LogSum(Node):
    """log of a sum of exp: each part with its own loops, those of `around` apart."""

    parts: tuple[tuple[Node, Around], ...]
    around: Around

    def value(self, t: Array, owner: Array) -> Array:
        """log sum exp of all."""
        return np.asarray(np.logaddexp.reduce(self._listed([p.value(t, owner) for p, _ in self.parts]), axis=-1))

    def bound(self, on: Interval) -> Bound:
        """Slopes are means of slopes, and bends those of bends and a variance of slopes."""
        found = [p.bound(on) for p, _ in self.parts]
        low, high, slope, bend = (self._listed([b[k] for b in found]) for k in range(4))
        steepest = slope.max(axis=-1)
        on.meets(2.0 * steepest)
        least, most = (np.logaddexp.reduce(e, axis=-1) for e in (low, high))
        return Bound(least, most, steepest, bend.max(axis=-1) + steepest**2)

    def _listed(self, values: list[Array]) -> Array:
        lead = max(len(v) for v in values)
        count = len(self.around)
        found = [along(v, inner, count) for v, (_, inner) in zip(values, self.parts, strict=True)]
        axes = np.broadcast_shapes(*(v.shape[1:-1] for v in found))
        return np.concatenate([np.broadcast_to(v, (lead, *axes, v.shape[-1])) for v in found], axis=-1)


def of_chains(values: Array, owner: Array) -> Array:
    """Values of chains at places of these."""
    return values if len(values) == 1 else values[owner]


def wide(values: Any, like: Array) -> Array:
    """One number a place, along the axes of an array."""
    return np.asarray(values).reshape(-1, *(1,) * (like.ndim - 1))


@dataclass(frozen=True)
class Line:
    """One unit at some states; forms: the values of the forms of all terms there, kept from unit to unit."""

    around: Surroundings
    unit: Unit
    forms: dict[tuple[int, int], Array]

    @property
    def here(self) -> Array:
        """The values of the unit, (chains,)."""
        held = self.around.x[self.unit.layer]
        place: Any = (slice(None), *self.unit.site)
        return np.asarray(held[place])

    def term(self, number: int) -> Node:
        """A term of the energy."""
        return self.product(self.around.derived.energy.terms[number].monomial, (), number)

    def product(self, monomial: Monomial, around: Around, number: int) -> Node:
        """A monomial."""
        inner = (*around, *monomial.loops)
        plain = tuple(f for f in monomial.factors if not self.moves(f[0]))
        rest = replace(monomial, factors=plain, loops=(), predicates=())
        held = spread(self.around.monomial(rest, inner) * self.around.where(monomial, inner), inner)
        factors = [(self.atom(a, inner, number), e) for a, e in monomial.factors if self.moves(a)]
        return Product(((Held(held), 1.0), *factors), around, monomial.loops)

    def moves(self, atom: Atom) -> bool:
        """Whether the layer stands in an atom."""
        return any(a == UNIT or (a.kind == "layer" and a.name == self.unit.layer) for a in entries(atom))

    def atom(self, atom: Atom, around: Around, number: int) -> Node:
        """An entry of the layer, or a function that holds one."""
        if isinstance(atom, At):
            here = np.ones((1,) * (1 + len(around))) if atom == UNIT else self.around.names(self.unit, atom, around)
            return Moved(here, here if atom == UNIT else self.around.entry(atom, around))
        if FUNCTIONS[atom.function].aggregate:
            return self.log_sum(atom, around, number)
        form, nested = affine(atom) if atom.joint else ((), atom.argument)
        parts = [self.form(atom, form, around, number)] if form else []
        parts += [self.product(m, around, number) for m in nested]
        argument = parts[0] if len(parts) == 1 else Total(tuple(parts))
        return Applied(atom.function, argument) if atom.function else argument

    def log_sum(self, atom: Function, around: Around, number: int) -> Node:
        """log of a sum of exp of monomials, each at all places of its loops."""
        parts = []
        for monomial in atom.argument:
            inner = (*around, *monomial.loops)
            parts.append((self.product(replace(monomial, loops=()), inner, number), inner))
        return LogSum(tuple(parts), around)

    def form(self, atom: Function, form: tuple[Monomial, ...], around: Around, number: int) -> Node:
        """A form, and what it gains by each statistic of the unit."""
        key = (number, id(atom))
        if key not in self.forms:
            self.forms[key] = self.around.total(form, around)
        gains = tuple(
            (node, node.value(self.here, np.arange(len(self.here))).reshape(-1), slope)
            for node, slope in self.gains(form, around, number)
        )
        return Form(self.forms[key], gains)

    def gains(self, form: tuple[Monomial, ...], around: Around, number: int) -> Iterator[tuple[Node, Array]]:
        """Each statistic T of the unit in a polynomial, and what stands beside it, du/dT."""
        for monomial in form:
            for at in monomial.distinct_units():
                if at.name == self.unit.layer:
                    node = self.product(Monomial(1.0, factors=statistic(monomial, at)), (), number)
                    yield node, self.around.monomial(others(monomial, at), around, self.unit, at)

    def went(self, new: Array, nodes: list[Node]) -> None:
        """Move the unit, and the forms with it, in place."""
        for node in nodes:
            for form in _forms(node):
                for key, now in self.forms.items():
                    if now is form.now:
                        self.forms[key] = form.value(new, np.arange(len(new)))
        place: Any = (slice(None), *self.unit.site)
        self.around.x[self.unit.layer][place] = new


def _forms(node: Node) -> Iterator[Form]:
    """All forms in a function."""
    match node:
        case Form():
            yield node
        case Total(parts=parts):
            for part in parts:
                yield from _forms(part)
        case Product(factors=factors):
            for part, _ in factors:
                yield from _forms(part)
        case Applied(argument=argument):
            yield from _forms(argument)
        case LogSum(parts=listed):
            for part, _ in listed:
                yield from _forms(part)
