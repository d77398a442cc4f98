"""Natural parameters and densities as formulas, in the letters of their layer."""

from __future__ import annotations

import math
from dataclasses import replace

from energydsl.derive.records import Field
from energydsl.energy.formula import MINUS, PLUS, Call, Formula, Number, Product, Sum, Symbol
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters, sum_formula, term_formula
from energydsl.energy.rules import Rules
from energydsl.energy.statistics import Statistic
from energydsl.energy.targets import UNIT, VALUE, Contribution, by_unit, merge, output, statistic
from energydsl.energy.terms import BASE, At, Atom, Energy, Function, Monomial, Predicate, with_entry
from energydsl.model.indices import EdgeEnd, Index
from energydsl.model.records import Layer


def field_of(energy: Energy, layer: Layer, place: int, wanted: Statistic, rules: Rules, letters: Letters) -> Field:
    """The natural parameter of a statistic, by its place among them."""
    parts: list[Contribution] = []
    for number, term in enumerate(energy.terms):
        for unit in term.monomial.distinct_units():
            if unit.name == layer.name and term.label != BASE and statistic(term.monomial, unit) == wanted:
                parts += by_unit(term.label, term.monomial, unit, layer.energy_shape, number, rules)
    merged = merge(parts, rules)
    return Field(layer.name, place, merged, parts_formula(merged, layer, letters))


def parts_formula(
    parts: tuple[Contribution, ...], layer: Layer, letters: Letters, scale: Monomial | None = None
) -> Sum:
    """A field in the letters of its layer; `scale` multiplies every part."""
    names = letters.target(layer.name)
    outputs = {output(k): name for k, name in enumerate(names)}
    shown = []
    for part in parts:
        monomial = part.monomial if scale is None else _cancelled(part.monomial.times(scale))
        if part.solved:
            shown.append((monomial, outputs))
        else:
            monomial, target = _read_off(monomial, part, layer.field_shape)
            mapping, conditions = _aimed(replace(part, target=target), names)
            shown.append((replace(monomial, predicates=monomial.predicates + conditions), {**outputs, **mapping}))
    return sum_formula(shown, letters, layer.name)


def _read_off(monomial: Monomial, part: Contribution, shape: tuple[int, ...]) -> tuple[Monomial, tuple[Index, ...]]:
    """A scattered part as it reads at one unit: loops that the unit settles are gone, and where they end is a condition."""
    target = part.target
    for position, size in enumerate(() if part.flat else shape):
        loops = {loop.name: loop for loop in monomial.loops if not loop.graph}
        index, out = target[position], Index.of(output(position))
        shift = index.constant
        loop = loops.get((index - Index(constant=shift)).plain or "")
        if loop is None or loop.name == VALUE:
            continue
        first, last = loop.low + shift, loop.high - 1 + shift
        conditions = [Predicate("less", (Index(constant=first - 1),), (out,))] if first > 0 else []
        conditions += [Predicate("less", (out,), (Index(constant=last + 1),))] if last < size - 1 else []
        value = {loop.name: out - Index(constant=shift)}
        monomial = replace(
            monomial.replace_binders(value),
            loops=tuple(x for x in monomial.loops if x != loop),
            predicates=(*(p.replace(value) for p in monomial.predicates), *conditions),
        )
        target = tuple(i.replace(value) for i in target)
    return monomial, target


def _aimed(part: Contribution, names: list[str]) -> tuple[dict[str, str], tuple[Predicate, ...]]:
    """How a scattered part meets the unit: as the end of an edge that takes its letter, or by conditions."""
    mapping: dict[str, str] = {}
    conditions: list[Predicate] = []
    for position, index in enumerate(part.target):
        atom = index.terms[0][0] if len(index.terms) == 1 and index.constant == 0 else None
        if isinstance(atom, EdgeEnd) and not part.flat:
            mapping[f"{atom.binder}.{atom.side}"] = names[position]
        elif index.plain == VALUE:
            mapping[VALUE] = names[position]
        elif index.plain != output(position):
            conditions.append(Predicate("equal", (Index.of(output(position)),), (index,)))
    return mapping, tuple(conditions)


def _cancelled(monomial: Monomial) -> Monomial:
    exponents: dict[Atom, float] = {}
    for atom, exponent in monomial.factors:
        exponents[atom] = exponents.get(atom, 0.0) + exponent
    return replace(monomial, factors=tuple((a, e) for a, e in exponents.items() if e))


def layer_symbol(layer: Layer, names: list[str], others: bool = False) -> Symbol:
    """A unit of a layer as a symbol; others: all but that."""
    return Symbol(layer.name, tuple(map(Index.of, names)), "layer", others)


def shown_bounds(low: float, high: float) -> tuple[float, float] | None:
    """Bounds where there are any."""
    return None if math.isinf(high - low) and low < 0.0 else (low, high)


def exponential(
    layer: Layer, fields: tuple[Field, ...], statistics: list[Statistic], letters: Letters, factorial_base: bool
) -> Call:
    """exp of all fields times their statistics, and of -log x!, where that is the base measure."""
    pairs = zip([f for f in fields if not f.plain], statistics, strict=True)
    terms = [_weighted(f.formula, statistic_formula(layer, s, letters)) for f, s in pairs]
    if factorial_base:
        factorial = Function("lgamma", (Monomial(1.0), Monomial(1.0, factors=((UNIT, 1.0),))))
        terms.append((MINUS, statistic_formula(layer, ((factorial, 1.0),), letters)))
    return Call("exp", (Sum(tuple(terms)),))


def _weighted(field: Sum, statistic: Formula) -> tuple[str, Formula]:
    """A field times its statistic, with its sign; in brackets where it is more than one word."""
    if " " in as_text(field):
        return PLUS, Product((Call("", (field,)), statistic))
    sign, factor = field.terms[0] if field.terms else (PLUS, Number(0.0))
    return sign, statistic if factor == Number(1.0) else Product((factor, statistic))


def statistic_formula(layer: Layer, found: Statistic, letters: Letters) -> Formula:
    """A statistic of the unit in the letters of its layer."""
    unit = At("layer", layer.name, tuple(Index.of(output(k)) for k in range(len(layer.shape))))
    names = {output(k): n for k, n in enumerate(letters.target(layer.name))}
    factors = tuple((with_entry(a, UNIT, unit), e) for a, e in found)
    return term_formula(Monomial(1.0, factors=factors), names, letters, layer.name)[1]
