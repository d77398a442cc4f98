"""Statistics of a unit: what stands of it in each term; and the density they make where no family takes them all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from energydsl.diagnostics import Span
from energydsl.domains import DOMAINS, Family
from energydsl.domains.counted import counted
from energydsl.domains.density import Factor, OutOfReach, Standard, Unbounded
from energydsl.domains.integrated import integrated
from energydsl.domains.mapped import density_of
from energydsl.energy.targets import UNIT, statistic
from energydsl.energy.terms import BASE, At, Atom, Function, Monomial, Term, entries
from energydsl.energy.terms import Factor as TermFactor
from energydsl.functions import FUNCTIONS
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import Layer

Statistic = tuple[TermFactor, ...]
MOVED = (
    "functions of such a unit hold a polynomial of it with numbers for coefficients, or are all of (x - m) / s, with one m "
    "and one s > 0 for the layer, made of parameters: abs(x - m), tanh(a * x); sin, cos and exp of a sum are taken apart"
)


def statistics_of(layer: Layer, touching: Iterable[Term]) -> list[Statistic]:
    """All statistics of the units of a layer: plain powers first, the lower before the higher."""
    found = {
        statistic(t.monomial, u)
        for t in touching
        if t.label != BASE
        for u in t.monomial.distinct_units()
        if u.name == layer.name
    }
    if standard_of(layer, found)[0]:  # a power of what is moved holds all lower ones
        most = int(max((power_of(s) or 0.0 for s in found), default=0.0))
        found |= {((UNIT, float(p)),) for p in range(1, most + 1)}
    return sorted(found, key=lambda s: (power_of(s) is None, power_of(s) or 0, repr(s)))


@dataclass(frozen=True)
class _Moved:
    """A function of a unit x as one of z, x = location + scale z: its polynomial of z."""

    location: tuple[Monomial, ...]
    scale: Monomial | None
    polynomial: tuple[Monomial, ...]


def standard_of(layer: Layer, statistics: Iterable[Statistic]) -> tuple[tuple[Monomial, ...], Monomial | None]:
    """Location and scale of the units of a layer: () and None where no function of a unit holds more than numbers."""
    found = {(m.location, m.scale) for s in statistics for a, _ in s if isinstance(a, Function) and (m := _standard(a))}
    return next(iter(found)) if len(found) == 1 else ((), None)


def standard_problems(layer: Layer, statistics: Iterable[Statistic]) -> str:
    """Why functions of a unit that hold parameters have no common location and scale; empty where they have."""
    functions = [(s, a) for s in statistics for a, _ in s if isinstance(a, Function)]
    moved = [(s, m) for s, a in functions if (m := _standard(a)) is not None]
    if not moved:
        return ""
    if len({(m.location, m.scale) for _, m in moved}) > 1 or len(moved) < len(functions):
        return f"functions of units of `{layer.name}` have not all the same location and scale"
    if any(len(s) > 1 for s, _ in moved):
        return f"a function of units of `{layer.name}` and of parameters stands beside another factor of the unit"
    domain = DOMAINS[layer.domain.name]
    kept = moved[0][1].scale is None if domain.integer_valued else domain.nonnegative and not moved[0][1].location
    if not (domain.whole_line or kept):
        return f"units of `{layer.name}` have bounds, which a location or scale moves"
    if any(a == UNIT and (e < 0 or e != int(e)) for s in statistics for a, e in s):
        return (
            f"a power of units of `{layer.name}` that is not natural stands beside a function of them and of parameters"
        )
    return ""


def needs_positive(layer: Layer, statistics: Iterable[Statistic]) -> bool:
    """Whether a count and what is added to it must be positive in a function of both: log(n + a), lgamma(n + a)."""
    moved = [FUNCTIONS[a.function] for s in statistics for a, _ in s if isinstance(a, Function) and _standard(a)]
    return DOMAINS[layer.domain.name].integer_valued and any(f.needs_positive for f in moved)


def _standard(atom: Function) -> _Moved | None:
    """(x - m) / s of a function of a polynomial of x whose coefficients hold parameters: a line, or a number and one power."""
    parts: dict[int, list[Monomial]] = {}
    for m in atom.argument:
        powers = [e for a, e in m.factors if a == UNIT]
        degree = int(sum(powers))
        rest = replace(m, factors=tuple(f for f in m.factors if f[0] != UNIT))
        if any(UNIT in entries(a) for a, _ in rest.factors):
            return None
        parts.setdefault(degree, []).append(rest)
    top = max(parts)
    logarithm = FUNCTIONS[atom.function].of_log == ("", 1.0) and top == 2 and 0 in parts
    if not logarithm and all(not m.factors and not m.loops for found in parts.values() for m in found):
        return None
    slope = parts[top][0]
    line, numbers = top == 1, all(not m.factors and not m.loops for m in parts.get(0, ()))
    if (
        top == 0
        or len(parts[top]) > 1
        or slope.loops
        or slope.predicates
        or set(parts) - {0, top}
        or not (line or numbers)
    ):
        return None
    inverse = tuple((a, -e / top) for a, e in slope.factors)
    location = tuple(
        replace(m, coefficient=-m.coefficient / slope.coefficient, factors=(*m.factors, *inverse))
        for m in parts.get(0, ())
        if line
    )
    if logarithm:  # log(c + a x^2) = log c + log(1 + z^2)
        size, ratio = sum(m.coefficient for m in parts[0]), sum(m.coefficient for m in parts[0]) / slope.coefficient
        if size <= 0.0 or ratio <= 0.0:
            return None
        even = (Monomial(size), Monomial(size, factors=((UNIT, 2.0),)))
        return _Moved((), Monomial(math.sqrt(ratio), factors=inverse), even)
    constant = () if line else tuple(parts.get(0, ()))
    kept = Monomial(slope.coefficient, factors=((UNIT, float(top)),))
    return _Moved(location, Monomial(1.0, factors=inverse) if inverse else None, (*constant, kept))


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


def without_closed_form(layer: Layer, statistics: list[Statistic], touching: list[Term]) -> Family:
    """The family of a density that is integrated on panels, or added up over counts. Raises `DiagnosticError` (E0310, E0311)."""
    spans = {
        statistic(t.monomial, u): t.spans[0]
        for t in touching
        for u in t.monomial.distinct_units()
        if u.name == layer.name
    }
    domain, weighted = DOMAINS[layer.domain.name], any(t.label == BASE for t in touching)
    low, high = domain.bounds(layer.domain.arguments)
    location, scale = standard_of(layer, statistics)
    numbers = [tuple(_factor(a, e, layer, spans.get(s, layer.span)) for a, e in s) for s in statistics]
    powers = [int(p) if (p := power_of(s) or 0.0) > 0 and p == int(p) else 0 for s in statistics]
    standard = Standard(tuple(powers), bool(location), scale is not None) if location or scale is not None else None
    try:
        if domain.integer_valued:
            return integrated(counted(numbers, weighted, standard), weighted)
        return integrated(replace(density_of(numbers, powers, low, high), standard=standard))
    except Unbounded as reason:
        raise DiagnosticError(
            "E0311",
            f"not provably normalisable: no power of `{layer.name}` outgrows all else in its conditional",
            spans.get(statistics[reason.statistic], layer.span),
            f"add a positive multiple of sum({layer.name}^{reason.power}) to the energy",
        ) from None
    except OutOfReach as reason:
        raise DiagnosticError(
            "E0310",
            f"no conditional that can be {'added up' if domain.integer_valued else 'integrated'}: {reason}",
            spans.get(statistics[reason.statistic], layer.span),
        ) from None


def _factor(atom: Atom, exponent: float, layer: Layer, span: Span) -> Factor:
    """A factor of a statistic in numbers."""
    if isinstance(atom, At):
        return Factor("", exponent, (0.0, 1.0))
    coefficients: dict[int, float] = {}
    moved = _standard(atom)
    for m in atom.argument if moved is None else moved.polynomial:
        if m.loops or any(a != UNIT for a, _ in m.factors):
            nested = all(set(entries(a)) == {UNIT} for a, _ in m.factors)
            what = "a function of a function" if nested else f"{atom.function} of a unit and of something else"
            raise DiagnosticError(
                "E0310",
                f"no closed-form conditional: {what}, for a unit of `{layer.name}`",
                span,
                MOVED,
            )
        degree = int(m.factors[0][1]) if m.factors else 0
        coefficients[degree] = coefficients.get(degree, 0.0) + m.coefficient
    return Factor(atom.function, exponent, tuple(coefficients.get(k, 0.0) for k in range(max(coefficients) + 1)))
