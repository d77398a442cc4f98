"""What is never negative as it is written: squares, absolute values, sums of such. Canonical terms no longer show it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from energydsl.diagnostics import Span
from energydsl.domains import DOMAINS
from energydsl.energy.canonical import additive, canonical_terms
from energydsl.energy.terms import Term
from energydsl.functions import FUNCTIONS, NONNEGATIVE
from energydsl.model import expressions as ex
from energydsl.model.records import EnergyTerm, Resolved


def never_negative_parts(model: Resolved, factors: Mapping[str, float]) -> frozenset[Span]:
    """The places of the parts of the energy that are never negative, whatever parameters and units are.

    factors: what terms are multiplied by, by label, where it is not 1.
    """
    never: set[Span] = set()
    others: set[Span] = set()
    for term in model.energies:
        for sign, part in additive(term.expression, factors.get(term.name, 1.0)):
            (never if sign > 0 and _never_negative(part, model) else others).add(part.span)
    return frozenset(never - others)


def without_parts(model: Resolved, factors: Mapping[str, float], spans: Set[Span]) -> list[Term]:
    """The canonical terms of an energy without the parts at some places, multiplied by factors."""
    kept = tuple(
        EnergyTerm(term.name, part if sign > 0 else ex.Negated(part.shape, part.span, part), part.span)
        for term in model.energies
        for sign, part in additive(term.expression, 1.0)
        if part.span not in spans
    )
    energy, _ = canonical_terms(model, kept)
    return [replace(t, monomial=t.monomial.scaled(factors.get(t.label, 1.0))) for t in energy.terms]


def _never_negative(node: ex.Expression, model: Resolved) -> bool:
    match node:
        case ex.Constant(value=value):
            return value >= 0.0
        case ex.Raised(base=base, exponent=exponent):
            return exponent % 2 == 0 or _never_negative(base, model)
        case ex.Applied(function=function):
            return FUNCTIONS[function].sign >= NONNEGATIVE
        case ex.Reference(kind=kind, name=name):
            return _nonnegative(kind, name, model)
        case ex.EdgeElement(param=param):
            return _nonnegative("param", param, model)
        case ex.Element(base=inner) | ex.Transposed(operand=inner) | ex.Totalled(operand=inner) | ex.Summed(body=inner):
            return _never_negative(inner, model)
        case (
            ex.Added(left=left, right=right)
            | ex.Multiplied(left=left, right=right)
            | ex.Divided(left=left, right=right)
            | ex.Contracted(left=left, right=right)
        ):
            return _never_negative(left, model) and _never_negative(right, model)
    return False


def _nonnegative(kind: str, name: str, model: Resolved) -> bool:
    if kind in ("layer", "input"):
        domain = model.layers[name].domain
        return DOMAINS[domain.name].interval(domain.arguments)[0] >= 0.0
    record = model.params[name] if kind == "param" else model.consts[name]
    return bool({"positive", "nonnegative"} & set(record.constraints))
