"""How fast functions of several units can fall, so that what holds the units outgrows it: bounds in powers of their size.

A value grows like (down, up) where it is at least -O(|x|^down) and at most O(|x|^up), x being the units that may be infinite;
0 is a bound. Proved from signs and from the table of functions, never from values.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from energydsl.derive.signs import sign_of_factors
from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, Atom, Function, Monomial
from energydsl.functions import FUNCTIONS, NONNEGATIVE, ElementaryFunction
from energydsl.model.records import Resolved

# log grows, but more slowly than any power.
_LOGARITHM = 1e-6


class Growth(NamedTuple):
    """How fast a value can fall, and rise."""

    down: float
    up: float


def growth(monomial: Monomial, model: Resolved) -> Growth:
    """Of a monomial with its coefficient, summed over its loops."""
    moving = [(a, e) for a, e in monomial.factors if _grows(a, model)]
    still = Monomial(1.0, factors=tuple(f for f in monomial.factors if f not in moving))
    if not moving:
        return Growth(0.0, 0.0)
    found = [_power(atom, exponent, model) for atom, exponent in moving]
    size = sum(max(g) for g in found)
    whole = Monomial(1.0, factors=monomial.factors)
    if sign_of_factors(whole, model) >= NONNEGATIVE:
        total = Growth(0.0, size)
    elif len(found) == 1 and sign_of_factors(still, model) >= NONNEGATIVE:
        total = found[0]
    else:
        total = Growth(size, size)
    return total if monomial.coefficient > 0 else Growth(total.up, total.down)


def _grows(atom: Atom, model: Resolved) -> bool:
    """Whether units without bounds stand in it."""
    if isinstance(atom, At):
        return atom.kind == "layer" and not _held_by_bounds(model, atom.name)
    return not all(_held_by_bounds(model, n) for n in atom.layers)


def _held_by_bounds(model: Resolved, layer: str) -> bool:
    domain = DOMAINS[model.layers[layer].domain.name]
    return domain.finite or domain.bounded


def _power(atom: Atom, exponent: float, model: Resolved) -> Growth:
    base = _atom(atom, model)
    if exponent < 0 and isinstance(atom, Function) and atom.function == "" and _away_from_zero(atom, model):
        return Growth(0.0, 0.0)
    if exponent < 0:
        return Growth(0.0, math.inf) if _sign(atom, model) >= NONNEGATIVE else Growth(math.inf, math.inf)
    if exponent % 2 == 0:
        return Growth(0.0, exponent * max(base))
    return Growth(exponent * base.down, exponent * base.up)


def _sign(atom: Atom, model: Resolved) -> int:
    return sign_of_factors(Monomial(1.0, factors=((atom, 1.0),)), model)


def _atom(atom: Atom, model: Resolved) -> Growth:
    if isinstance(atom, At):
        return Growth(1.0, 1.0)
    function, parts = FUNCTIONS[atom.function], [growth(m, model) for m in atom.argument]
    inner = Growth(max(g.down for g in parts), max(g.up for g in parts))
    if function.aggregate:
        return Growth(min(g.down for g in parts), inner.up)
    if atom.function == "":
        return inner
    if function.outgrows:
        return Growth(0.0, math.inf if inner.up > 0 else 0.0)
    if function.positive_only:  # a logarithm
        return Growth(
            0.0 if _away_from_zero(atom, model) else math.inf, _LOGARITHM if 0 < inner.up < math.inf else inner.up
        )
    if function.bounds is not None and not function.grows:
        return Growth(0.0, 0.0)
    rises = _order(function) * (max(inner) if function.absolute else inner.up)
    return Growth(0.0 if function.sign >= NONNEGATIVE else inner.down, rises)


def _away_from_zero(function: Function, model: Resolved) -> bool:
    """Whether an argument is never below a positive number: that number and what is never negative."""
    numbers = [m for m in function.argument if not m.factors and not m.predicates]
    rest = [m for m in function.argument if m not in numbers]
    return sum(m.coefficient for m in numbers) > 0 and all(
        m.coefficient > 0 and sign_of_factors(m, model) >= NONNEGATIVE for m in rest
    )


def _order(function: ElementaryFunction) -> float:
    """The power of its argument that a function rises like, by its derivative: the square root like y^(1/2)."""
    match function.derivative:
        case ((_, (("", power),)),):
            return power + 1.0
    return 1.0
