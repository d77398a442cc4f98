"""Whether a density that is integrated over another variable than the unit (`domains/mapped`) is held at both ends: E0311 if not.

Towards each end the exponent is -sum_k C_k T_k + log dx/dy, C_k the factor of T_k in the energy. What grows fastest there must have a
factor that is provably positive; where nothing grows faster than log dx/dy itself, x^(-C) dx is proper at 0 if C < 1 and far out if
C > 1. (Counts have no lower end, and their table must end: a power far out does not hold it.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from energydsl.derive.covering import may_be_negative, uncovered
from energydsl.derive.every_value import fails_for_some_value, vanishes
from energydsl.diagnostics import Diagnostic, Note
from energydsl.domains import DOMAINS
from energydsl.domains.density import COUNTED, Density, Tail
from energydsl.energy.statistics import Statistic
from energydsl.energy.targets import statistic
from energydsl.energy.terms import Term
from energydsl.model.records import Layer, Resolved


def open_ends(
    model: Resolved, density: Density, layer: Layer, touching: list[Term], statistics: Sequence[Statistic]
) -> Iterator[Diagnostic]:
    """What is not provably held, one diagnostic an end; statistics: those of the density, in its order."""
    for side in (-1, 1):
        tails = [t for t in density.tails if t.side == side]
        for _, group in groupby(tails, lambda t: (t.growth, t.degree)):
            verdict = _verdict(model, layer, touching, statistics, list(group), density.place == COUNTED)
            if isinstance(verdict, Diagnostic):
                yield verdict
            if verdict is not None:
                break


def _verdict(
    model: Resolved,
    layer: Layer,
    touching: list[Term],
    statistics: Sequence[Statistic],
    group: list[Tail],
    by_table: bool,
) -> Diagnostic | bool | None:
    """True where what grows alike holds an end, None where it can only help or is nothing at all, else what is wrong.

    by_table: whether a table must end there, so that a power does not hold it.
    """
    factors = {statistics[t.statistic]: t.factor for t in group if t.statistic >= 0}
    found = [
        (term, term.monomial.scaled(factors[key]), unit)
        for term in touching
        for unit in term.monomial.distinct_units()
        if unit.name == layer.name and (key := statistic(term.monomial, unit)) in factors
    ]
    holding = [(monomial, unit) for _, monomial, unit in found]
    beyond = -sum(t.factor for t in group if t.statistic < 0)
    helpful = (
        beyond >= 0.0 and all(t.exact for t in group) and not any(may_be_negative(m, u, model) for m, u in holding)
    )
    if helpful and not beyond and (group[0].growth > 0.0 or not by_table) and not uncovered(model, layer, holding):
        return True
    if all(t.exact for t in group) and vanishes(model, layer, holding, beyond):
        return None
    fails = fails_for_some_value(model, layer, holding, beyond)
    if fails is None and all(t.exact for t in group) and (group[0].growth > 0.0 or not by_table):
        return True
    if helpful and not beyond:
        return None
    where = f", where {fails.where}" if fails and fails.where else ""
    span = found[0][0].spans[0] if found else touching[0].spans[0] if touching else layer.span
    what, way_out = _said(layer, group, beyond)
    note = (Note(f"`{layer.name}` is declared here", layer.span),)
    return Diagnostic("E0311", f"not normalisable: {what}{where}", span, way_out, note)


def _said(layer: Layer, group: list[Tail], beyond: float) -> tuple[str, str]:
    """What is not proved of an end, and the way out."""
    name, side = layer.name, group[0].side
    low, high = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
    end = low if side < 0 else high
    counted = DOMAINS[layer.domain.name].integer_valued
    if beyond > 0.0 and not counted:
        distance = (
            name
            if low == 0.0 and side < 0
            else f"{name} {'-' if low > 0 else '+'} {abs(low):g}"
            if side < 0
            else f"{high:g} - {name}"
        )
        return (
            f"the factor of log({distance}) is not provably below 1, so that units of `{name}` may all be at {end:g}",
            f"write sum((1 - a) * log({distance})), `a` a parameter that is `: positive`: the density is a power a - 1 there",
        )
    if not (group[0].growth or group[0].degree) or beyond < 0.0:
        return (
            f"nothing in the energy provably holds `{name}` far out"
            f"{', faster than any power of it' if counted else ''}",
            f"add a positive multiple of sum({name}{'^2' if low < 0.0 else ''}) to the energy: that is another model, in which this term holds the layer",
        )
    return (
        f"the factor of what grows fastest of `{name}` {'far out' if end > 1e300 else f'near {end:g}'} is not provably positive",
        "constrain its parameters `: positive`, give it a positive sign, or add a term that grows faster",
    )
