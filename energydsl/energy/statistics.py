"""Statistics of a unit: what stands of it in each term; and the density they make where no family takes them all."""

from __future__ import annotations

from collections.abc import Iterable

from energydsl.diagnostics import Span
from energydsl.domains import DOMAINS, Family
from energydsl.domains.density import Factor, OutOfReach, Unbounded
from energydsl.domains.integrated import integrated
from energydsl.domains.mapped import density_of
from energydsl.energy.targets import UNIT, statistic
from energydsl.energy.terms import BASE, At, Atom, Function, Term, entries
from energydsl.energy.terms import Factor as TermFactor
from energydsl.functions import FUNCTIONS
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import Layer

Statistic = tuple[TermFactor, ...]


def statistics_of(layer: Layer, touching: Iterable[Term]) -> list[Statistic]:
    """All statistics of the units of a layer: plain powers first, the lower before the higher."""
    found = {
        statistic(t.monomial, u)
        for t in touching
        if t.label != BASE
        for u in t.monomial.distinct_units()
        if u.name == layer.name
    }
    return sorted(found, key=lambda s: (power_of(s) is None, power_of(s) or 0, repr(s)))


def power_of(found: Statistic) -> float | None:
    """p where the statistic is x^p, else None."""
    return found[0][1] if len(found) == 1 and found[0][0] == UNIT else None


def degree_of(found: Statistic) -> float:
    """The power of the unit that a statistic grows like, at most: x tanh(x) like x, cos(x) not at all."""
    total = 0.0
    for atom, exponent in found:
        inner = 1.0
        if isinstance(atom, Function):
            powers = [e for m in atom.argument for a, e in m.factors if a == UNIT]
            inner = max(powers, default=0.0) if FUNCTIONS[atom.function].grows else 0.0
        total += inner * exponent
    return total


def without_closed_form(layer: Layer, statistics: list[Statistic], touching: Iterable[Term]) -> Family:
    """The family of a density that is integrated on panels. Raises `DiagnosticError` (E0310, E0311).

    Statistics that stand in no term are said to stand where the layer is declared.
    """
    spans = dict.fromkeys(statistics, layer.span) | {
        statistic(t.monomial, u): t.spans[0]
        for t in touching
        for u in t.monomial.distinct_units()
        if u.name == layer.name
    }
    low, high = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
    numbers = [tuple(_factor(a, e, layer, spans[s]) for a, e in s) for s in statistics]
    powers = [int(p) if (p := power_of(s) or 0.0) > 0 and p == int(p) else 0 for s in statistics]
    try:
        return integrated(density_of(numbers, powers, low, high))
    except Unbounded as reason:
        raise DiagnosticError(
            "E0311",
            f"not provably normalisable: no power of `{layer.name}` outgrows all else in its conditional",
            spans[statistics[reason.statistic]],
            f"add a positive multiple of sum({layer.name}^{reason.power}) to the energy",
        ) from None
    except OutOfReach as reason:
        raise DiagnosticError(
            "E0310", f"no conditional that can be integrated: {reason}", spans[statistics[reason.statistic]]
        ) from None


def _factor(atom: Atom, exponent: float, layer: Layer, span: Span) -> Factor:
    """A factor of a statistic in numbers."""
    if isinstance(atom, At):
        return Factor("", exponent, (0.0, 1.0))
    coefficients: dict[int, float] = {}
    for m in atom.argument:
        if m.loops or any(a != UNIT for a, _ in m.factors):
            nested = all(set(entries(a)) == {UNIT} for a, _ in m.factors)
            what = "a function of a function" if nested else f"{atom.function} of a unit and of something else"
            raise DiagnosticError(
                "E0310",
                f"no closed-form conditional: {what}, for a unit of `{layer.name}`",
                span,
                "functions of such a unit hold a polynomial of it, with numbers for coefficients (no parameter, input or const); "
                "sin, cos and exp of a sum are taken apart",
            )
        degree = int(m.factors[0][1]) if m.factors else 0
        coefficients[degree] = coefficients.get(degree, 0.0) + m.coefficient
    return Factor(atom.function, exponent, tuple(coefficients.get(k, 0.0) for k in range(max(coefficients) + 1)))
