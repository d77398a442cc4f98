"""How fast functions of several units can fall, so that what holds the units outgrows it: bounds in powers of their size.

A value grows like (down, up) where it is at least -O(|x|^down) and at most O(|x|^up), x being the units of infinite domains;
0 is a bound. Proved from signs and from the table of functions, never from values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from energydsl.derive.signs import sign_of_factors
from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, Atom, Monomial
from energydsl.functions import FUNCTIONS, NONNEGATIVE
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
    """Whether units of an infinite domain stand in it."""
    if isinstance(atom, At):
        return atom.kind == "layer" and not DOMAINS[model.layers[atom.name].domain.name].finite
    return any(not DOMAINS[model.layers[n].domain.name].finite for n in atom.layers)


def _power(atom: Atom, exponent: float, model: Resolved) -> Growth:
    base = _atom(atom, model)
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
        apart = _positive_number(atom.argument) and inner.down == 0.0
        return Growth(0.0 if apart else math.inf, _LOGARITHM if 0 < inner.up < math.inf else inner.up)
    if function.bounds is not None and not function.grows:
        return Growth(0.0, 0.0)
    rises = max(inner) if function.absolute else inner.up
    return Growth(0.0 if function.sign >= NONNEGATIVE else inner.down, rises)


def _positive_number(argument: Iterable[Monomial]) -> bool:
    return any(not m.factors and m.coefficient > 0 for m in argument)
