"""Whether a conditional can be normalised for all admissible parameters and states of the other units: E0311 where that is not proved.

What holds a unit of an infinite domain is the factor of its confining power in the energy: the precision of a Normal, the rate of
an exponential. It is positive where no term of it can be negative and, for each unit, one of them is positive whatever the
parameters and the other units are. One state of a one-hot unit is always on, so terms for all its states count as one. Where a term
alone may be negative, all values of the bounded units are tried (`every_value`), and what is a square or the like as it is
written counts as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from energydsl.derive.covering import may_be_negative, uncovered
from energydsl.derive.ends import open_ends
from energydsl.derive.every_value import fails_for_some_value
from energydsl.derive.never_negative import never_negative_parts, without_parts
from energydsl.derive.signs import sign_of_factors
from energydsl.diagnostics import Diagnostic, Note
from energydsl.domains import DOMAINS, Family
from energydsl.domains.density import Density
from energydsl.energy.statistics import Statistic, degree_of, power_of, statistics_of
from energydsl.energy.targets import others, statistic
from energydsl.energy.terms import At, Monomial, Term
from energydsl.functions import UNKNOWN
from energydsl.model.records import Layer, Resolved

_AS_WRITTEN: Mapping[str, float] = MappingProxyType({})


def normalisation_problems(
    model: Resolved,
    family: Family,
    layer: Layer,
    touching: list[Term],
    declared: list[Term] | None = None,
    factors: Mapping[str, float] = _AS_WRITTEN,
) -> Iterator[Diagnostic]:
    """The factor of the power that holds a density must be positive for all admissible parameters.

    declared: the terms from which the family was derived, where not all of them are left. factors: what they have been multiplied by,
    by label.
    """
    if family.confining_power and not (family.density and DOMAINS[layer.domain.name].bounded):
        yield from unproven(model, family, layer, touching, factors)
    if family.density:
        statistics = statistics_of(layer, declared or touching)
        open_here = list(open_ends(model, family.density, layer, touching, statistics))
        units = ((t, u) for t in touching for u in t.monomial.distinct_units() if u.name == layer.name)
        guilty = {span for term, unit in units if may_be_negative(term.monomial, unit, model) for span in term.spans}
        spans = guilty & never_negative_parts(model, factors)
        if open_here and spans:  # what is never negative only takes mass away: held without it, held with it
            rest = [t for t in without_parts(model, factors, spans) if layer.name in t.monomial.layers()]
            open_here = open_here if any(open_ends(model, family.density, layer, rest, statistics)) else []
        yield from open_here
        yield from _leaning_walls(model, {statistics[n] for n in family.density.walls}, layer, touching)


def _leaning_walls(model: Resolved, walls: Set[Statistic], layer: Layer, touching: list[Term]) -> Iterator[Diagnostic]:
    """The factor of an exp without a bound must not be negative for any admissible parameters."""
    for term in touching:
        for unit in term.monomial.distinct_units():
            if unit.name == layer.name and statistic(term.monomial, unit) in walls:
                rest = replace(others(term.monomial, unit), coefficient=1.0)
                if term.monomial.coefficient < 0 or sign_of_factors(rest, model) == UNKNOWN:
                    yield Diagnostic(
                        "E0311",
                        f"not normalisable: exp of `{layer.name}` outgrows every power, and its factor in the energy may be negative",
                        term.spans[0],
                        "give it a positive sign, and constrain its parameters `: nonnegative`; a changed sign is another model",
                        (Note(f"`{layer.name}` is declared here", layer.span),),
                    )


def unproven(
    model: Resolved, family: Family, layer: Layer, touching: list[Term], factors: Mapping[str, float] = _AS_WRITTEN
) -> Iterator[Diagnostic]:
    """E0311: what keeps the conditional of a layer from being a density for all parameters and states."""
    power = family.confining_power
    if not power or (family.density and _held_by_tails(model, family.density, layer, touching, factors)):
        return
    holding = [
        (term, unit)
        for term in touching
        for unit in term.monomial.distinct_units()
        if unit.name == layer.name and power_of(statistic(term.monomial, unit)) == power
    ]
    guilty = list(dict.fromkeys(term for term, unit in holding if may_be_negative(term.monomial, unit, model)))
    held = [(term.monomial, unit) for term, unit in holding]
    bare = "" if guilty else uncovered(model, layer, held)
    if not guilty and not bare:
        return
    fails = fails_for_some_value(model, layer, held)
    if fails is None:
        return
    spans = {span for term in guilty for span in term.spans}
    if guilty and spans <= never_negative_parts(model, factors):
        rest = [t for t in without_parts(model, factors, spans) if layer.name in t.monomial.layers()]
        if not any(unproven(model, family, layer, rest, factors)):
            return
    what = "factor of the highest power" if family.density else "precision" if power == 2 else "rate"
    where = f", where {fails.where}" if fails.where else ""
    note = (Note(f"`{layer.name}` is declared here", layer.span),)
    for term in guilty:
        wrong = term.monomial.coefficient < 0
        yield Diagnostic(
            "E0311",
            f"not normalisable: the {what} of `{layer.name}` is not provably positive because of this term{where}",
            term.spans[0],
            "give it a positive sign: that is another model"
            if wrong
            else "constrain its parameters `: positive`, or square them: fewer values, the same form",
            note,
        )
    if bare:
        if power == 1 and not DOMAINS[layer.domain.name].nonnegative:
            power = 2
        example = f"0.5 * sum({layer.name}^{power})" if power > 1 else f"a positive multiple of {layer.name}"
        yield Diagnostic(
            "E0311",
            f"not normalisable: the {what} of `{layer.name}` is not provably positive for every unit: not for {bare}{where}",
            (max(touching, key=lambda t: _degree(t, layer)).spans[0] if touching else layer.span),
            f"add {example} to the energy: that is another model, in which this term holds the layer",
            note if touching else (),
        )


def _degree(term: Term, layer: Layer) -> float:
    """How fast a term grows with the units of a layer."""
    return sum(degree_of(statistic(term.monomial, u)) for u in term.monomial.distinct_units() if u.name == layer.name)


def _held_by_tails(
    model: Resolved, density: Density, layer: Layer, touching: list[Term], factors: Mapping[str, float]
) -> bool:
    """Whether |x| with a positive factor holds every unit, all else of its size being squares and the like, which only help."""
    statistics = statistics_of(layer, touching)
    tails = {statistics[n] for n in density.slopes}
    harmless = never_negative_parts(model, factors) if tails else frozenset()
    holding: list[tuple[Monomial, At]] = []
    for term in touching:
        for unit in term.monomial.distinct_units():
            if unit.name != layer.name:
                continue
            found = statistic(term.monomial, unit)
            if found in tails:
                holding.append((term.monomial, unit))
            elif degree_of(found) >= 1 and not harmless.issuperset(term.spans):
                return False
    firm = all(m.coefficient > 0 and sign_of_factors(others(m, u), model) > UNKNOWN for m, u in holding)
    return bool(holding) and firm and not uncovered(model, layer, holding)
