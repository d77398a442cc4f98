"""Conditionals of counts without a closed form: exp(sum_k eta_k T_k(n)) h(n) over n = 0, 1, 2, ..., by a table that ends somewhere.

Far out each T_k is a sum of parts factor n^c log(n)^b, which the table of functions knows (Stirling's formula for lgamma), and a rest
that has a bound. With y = log n these are the tails of a density on [0, inf) that is integrated over y (`mapped`), factor y^b exp(c y),
so that the same proof holds the end. It must leave exp(f(n)) below n^-2 times any number, so that what lies beyond a table of n
values is less than 1 / n of that: as a tail of its own, 2 y in the place of log dx/dy. h(n) = 1 / n! is a tail as well. Statistics of
n - m, m a parameter, have the same exact parts whatever m is, and bounds of all else that grow with m.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

from energydsl.domains.density import COUNTED, Density, Factor, OutOfReach, Standard, Statistic, Tail
from energydsl.functions import FUNCTIONS
from energydsl.functions.table import Far

# What exp(f(n)) is below, far out: n to the power of minus this.
_ROOM = 2.0


def counted(statistics: Sequence[Statistic], factorial_base: bool, standard: Standard | None = None) -> Density:
    """Some statistics of a count, or of one with a location, beside h(n) = 1 / n! or 1. Raises `OutOfReach`."""
    parts_of = _parts_of if standard is None else _moved_parts_of
    parts = [(n, part) for n, s in enumerate(statistics) for part in parts_of(n, s)]
    parts += [(-1, (0.0, 1.0, _ROOM, True))]
    if factorial_base:
        known = FUNCTIONS["lgamma"].far
        assert known is not None
        parts += [(-1, (c, b, -factor if exact else factor, exact)) for c, b, factor, exact in known(1.0, 1.0)]
    totals: dict[tuple[float, float, int, bool], float] = defaultdict(float)
    for number, (power, logs, factor, exact) in parts:
        totals[power, logs, number, exact] += factor
    tails = [Tail(1, power, logs, n, factor, exact) for (power, logs, n, exact), factor in totals.items() if factor]
    tails.sort(key=lambda t: (-t.growth, -t.degree, t.statistic))
    count = len(statistics)
    base = [0.0] * count
    holder = next((t for t in tails if t.exact and t.statistic >= 0), None)
    if holder is not None:
        base[holder.statistic] = math.copysign(1.0, -holder.factor)
    return Density(
        tuple(statistics),
        ((0, 0.0),) * count,
        ((),) * count,
        ((),) * count,
        (),
        (),
        COUNTED,
        tuple(tails),
        (0.0,) * count,
        tuple(base),
        standard,
    )


def _moved_parts_of(number: int, statistic: Statistic) -> list[Far]:
    """The same for a function of n - m, whatever m is; of a power of n, which is not moved."""
    first, function = statistic[0], FUNCTIONS[statistic[0].function]
    if not first.function:
        return _parts_of(number, statistic)
    if function.bounds is not None and not function.bounds.grows:
        return [(0.0, 0.0, function.bounds.size**first.power, False)]
    if function.moved is None or first.power != 1 or first.polynomial != (0.0, 1.0):
        raise OutOfReach(
            number, f"{function.name} of a count and a parameter is one of their sum: {function.name}(n + a)"
        )
    return list(function.moved)


def _parts_of(number: int, statistic: Statistic) -> list[Far]:
    """What a statistic is like for n = 1, 2, ...: a product of what its factors are."""
    found: list[Far] = [(0.0, 0.0, 1.0, True)]
    for factor in statistic:
        natural = factor.power == int(factor.power) and factor.power > 0
        each = _far(number, factor) if natural else _power(number, factor)
        for _ in range(int(factor.power) if natural else 1):
            found = [
                (c + d, a + b, f * g if one and two else abs(f * g), one and two)
                for (c, a, f, one), (d, b, g, two) in itertools.product(found, each)
            ]
    return [part if part[:2] != (0.0, 0.0) else (0.0, 0.0, abs(part[2]), False) for part in found]


def _far(number: int, factor: Factor) -> list[Far]:
    """A function of a polynomial for n = 1, 2, ..."""
    polynomial, function = factor.polynomial, FUNCTIONS[factor.function]
    if not factor.function:
        return [(float(k), 0.0, c, True) for k, c in enumerate(polynomial) if c]
    if function.outgrows:
        return _bounded_above(number, factor)
    if function.far is None or (len(polynomial) > 2 and (function.bounds is None or function.bounds.grows)):
        raise OutOfReach(number, f"{function.name} takes a count times a number plus a number")
    try:
        return list(function.far(polynomial[0], polynomial[1] if len(polynomial) == 2 else 1.0))
    except ValueError as reason:
        raise OutOfReach(number, str(reason)) from None


def _bounded_above(number: int, factor: Factor) -> list[Far]:
    """exp of a polynomial that goes down in the end, by its largest value."""
    *_, last = polynomial = factor.polynomial
    if last >= 0.0:
        raise OutOfReach(number, "exp of a count that grows outgrows every power: bound it, as in exp(-n)")
    lower = sum(abs(c) for c in polynomial[1:-1])
    turn = int(2.0 + lower / -last)
    if turn > 10_000:
        raise OutOfReach(number, "exp of a polynomial that goes down only far out")
    most = max(sum(c * float(n) ** k for k, c in enumerate(polynomial)) for n in range(turn + 1))
    if most > 300.0:
        raise OutOfReach(number, "exp of values as large as these")
    return [(0.0, 0.0, math.exp(most), False)]


def _power(number: int, factor: Factor) -> list[Far]:
    """(c + a n)^p of a power that is not natural: a^p n^p, but for at most c^p where 0 < p < 1, and bounded where p < 0."""
    c, a = factor.polynomial if len(factor.polynomial) == 2 else (-1.0, 0.0)
    if factor.function or not (c >= 0.0 and a > 0.0 and factor.power < 1.0) or (c == 0.0 and factor.power < 0.0):
        raise OutOfReach(
            number, "a power that is not natural, of what is not a positive number times a count plus another"
        )
    if factor.power < 0.0:
        return [(0.0, 0.0, (c + a) ** factor.power, False)]
    return [(factor.power, 0.0, a**factor.power, True), (0.0, 0.0, c**factor.power, False)]
