"""Conditionals by difference: what the energy of functions of several units changes by as one unit takes another value.

A form u is affine in the statistics T of a unit, so that with the value a in place of x it is
    u' = u + (T(a) - T(x)) du/dT,
and the natural parameter of a unit of two values is (E at the lower - E at the upper) / (upper - lower); a unit of many values
has -E at each of them. No derivative, and nothing expanded: exact for any function of the forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from energydsl.domains import DOMAINS
from energydsl.energy.forms import Forms, affine, holds_forms
from energydsl.energy.formula import MINUS, PLUS, Call, Formula, Number, Probability, Product, Sum, Symbol
from energydsl.energy.rules import Rules
from energydsl.energy.targets import UNIT, Contribution, output, site_of, statistic
from energydsl.energy.terms import At, Factor, Function, Loop, Monomial, Term, is_joint, with_entry
from energydsl.model.indices import Index
from energydsl.model.records import Layer

# What a unit is set to: a number, the value (the state of a one-hot unit) that the last output index counts, or `NEW`, the value
# that a kernel has just drawn.
NEW = "new"
Value = float | None | str


def by_difference(term: Term, number: int, layer: Layer, forms: Forms, rules: Rules) -> list[Contribution]:
    """The part of a joint term in the natural parameters of a layer."""
    monomial = term.monomial
    loops = {loop.name: loop for loop in monomial.loops}
    joint = tuple(f for f in monomial.factors if is_joint(f[0]))
    rest = tuple(f for f in monomial.factors if not is_joint(f[0]))
    points = _points(layer)

    def at(value: Value) -> tuple[Factor, ...]:
        return _displaced(joint, _Move(layer, value, forms, rules), loops)

    if points is not None:
        low, high = points
        second, factor = at(low), 1.0 / (high - low)
        first = at(high)
    else:
        first, factor = at(None), 1.0
        second = _displaced(joint, _Move(layer, 0.0, forms, rules, still=True), loops)
    change = Function("", (Monomial(1.0, factors=first), Monomial(-1.0, factors=second)))
    found = replace(monomial, coefficient=-factor * monomial.coefficient, factors=(*rest, (change, 1.0)))
    outputs = tuple(Index.of(output(k)) for k in range(len(layer.field_shape)))
    return [Contribution(term.label, found, outputs, False, True, number)]


def over_forms(monomial: Monomial, layer: Layer, forms: Forms, rules: Rules) -> Monomial:
    """A term of several units with the entries of forms in the place of the sums that these are."""
    loops = {loop.name: loop for loop in monomial.loops}
    still = _Move(layer, 0.0, forms, rules, still=True)
    return replace(monomial, factors=_displaced(monomial.factors, still, loops))


@dataclass(frozen=True)
class _Move:
    """The unit at the output indices of a layer, set to a value; still: left as it is."""

    layer: Layer
    value: Value
    forms: Forms
    rules: Rules
    still: bool = False


def _displaced(factors: tuple[Factor, ...], move: _Move, around: Mapping[str, Loop]) -> tuple[Factor, ...]:
    """Functions of several units after the move."""
    return tuple(
        (_function(a, move, around) if isinstance(a, Function) and holds_forms(a) else a, e) for a, e in factors
    )


def _function(function: Function, move: _Move, around: Mapping[str, Loop]) -> Function:
    form, nested = affine(function)
    parts: list[Monomial] = []
    if form:
        parts.append(Monomial(1.0, factors=((move.forms.entry(form, around), 1.0),)))
        parts += (part for m in form for part in changes(m, move.layer, move.value, move.rules) if not move.still)
    for monomial in nested:
        inner = {**around, **{loop.name: loop for loop in monomial.loops}}
        moved = replace(monomial, factors=_displaced(monomial.factors, move, inner))
        parts.append(moved)
        beside = replace(monomial, factors=tuple(f for f in monomial.factors if not holds_forms(f[0])))
        units = beside.distinct_units()
        parts += (part for part in changes(moved, move.layer, move.value, move.rules, units) if not move.still)
    return Function(function.function, tuple(parts))


def changes(
    monomial: Monomial, layer: Layer, value: Value, rules: Rules, units: list[At] | None = None
) -> Iterator[Monomial]:
    """What a monomial changes by as the unit at the output indices takes a value: (T(a) - T(x)) times what else is in it.

    units: those of its units that are looked at, all of them unless said otherwise.
    """
    for unit in monomial.distinct_units() if units is None else units:
        if unit.name == layer.name:
            yield from gains(monomial, layer, value, rules, [unit])
            yield site_of(monomial, unit, layer.shape, rules).scaled(-1.0)


def gains(
    monomial: Monomial, layer: Layer, value: Value, rules: Rules, units: list[At] | None = None
) -> Iterator[Monomial]:
    """As `changes`, by the new value alone: T(a) times what else is in the monomial."""
    one_hot = rules.domain(layer.name).one_hot
    for unit in monomial.distinct_units() if units is None else units:
        if unit.name == layer.name:
            yield _at_value(monomial, unit, layer, value, one_hot, rules)


def _points(layer: Layer) -> tuple[float, float] | None:
    """The two values of a unit that is a number and has no more."""
    domain = DOMAINS[layer.domain.name]
    return domain.points if domain.two_valued else None


def difference_formula(layer: Layer, names: list[str]) -> tuple[tuple[str, Formula], ...]:
    """What a natural parameter gains by the terms of several units, as terms; E stands for these terms alone."""
    points = _points(layer)
    if points is None:
        return ((MINUS, _energy(layer, names, names[-1])),)
    low, high = (_energy(layer, names, f"{p:g}") for p in points)
    return (
        ((PLUS, low), (MINUS, high))
        if points[1] - points[0] == 1.0
        else ((PLUS, Product((Call("", (Sum(((PLUS, low), (MINUS, high))),)),), (Number(points[1] - points[0]),))),)
    )


def odds_formula(layer: Layer, names: list[str], plain: Sum) -> Formula | None:
    """The probability of the upper of two values, where a natural parameter has these terms beside; None for other units."""
    points = _points(layer)
    if points is None:
        return None
    low, high = (_energy(layer, names, f"{p:g}") for p in points)
    size = points[1] - points[0]
    scaled = plain.terms if size == 1.0 or not plain.terms else ((PLUS, Product((Number(size), Call("", (plain,))))),)
    return Call("sigmoid", (Sum((*scaled, (PLUS, low), (MINUS, high))),))


def energy_at(layer: Layer, names: list[str]) -> Formula:
    """The terms of several units with a unit of a layer where it is."""
    return _energy(layer, names, "")


def _energy(layer: Layer, names: list[str], value: str) -> Formula:
    unit = Symbol(layer.name, tuple(map(Index.of, names[: len(layer.shape)])), "layer")
    return Probability("E", (unit,), (), value)


def _at_value(monomial: Monomial, unit: At, layer: Layer, value: Value, one_hot: bool, rules: Rules) -> Monomial:
    if value is None and one_hot:
        return site_of(monomial, unit, layer.energy_shape, rules, keep=False)
    placed = site_of(monomial, unit, layer.shape, rules, keep=False)
    if isinstance(value, float):  # statistics of a unit of two values are the unit itself
        return placed.scaled(value)
    if value is None:
        entry = At("support", unit.name, (Index.of(output(len(layer.shape))),))
    else:
        entry = At("new", unit.name, unit.indices[len(unit.indices) - 1 :] if one_hot else ())
    factors = tuple((with_entry(a, UNIT, entry), e) for a, e in statistic(monomial, unit))
    return replace(placed, factors=(*placed.factors, *factors))
