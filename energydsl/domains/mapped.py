"""Densities with a singularity at an end: integrated over a variable y in which they have none.

    [0, inf)   x = exp(y),                    dx = exp(y) dy:  x^p = exp(p y), log x = y
    [a, b]     x = a + (b - a) sigmoid(y),    log(x - a) = log(b - a) + log sigmoid(y), log(b - x) likewise of -y

exp(f(x)) dx = exp(F(y)) dy with F = f + log dx/dy. In y, F falls to both sides, as a line where f is a power of the distance from
an end, however near that power is to -1 (a Gamma or Beta of any shape). `Tail` says how fast each statistic grows towards either
side; what the kernels make of it is where one that falls has left all others far behind.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from energydsl.domains.density import (
    BOUNDED,
    BUMP,
    COUNTED,
    EVEN,
    HALF_LINE,
    LOGISTIC,
    WHOLE_LINE,
    Density,
    Factor,
    OutOfReach,
    Polynomial,
    Statistic,
    Tail,
    integrable,
    kinks,
)
from energydsl.functions import FUNCTIONS

# In the order of their numbers in the kernels.
PLACES = ("", HALF_LINE, BOUNDED, COUNTED, WHOLE_LINE)
# What a factor is like on one side: growth, degree, factor, and whether it is that exactly.
_Part = tuple[float, float, float, bool]


def singular(factor: Factor) -> bool:
    """Whether a factor is a function of log x, or a power that is not natural."""
    natural = factor.power > 0 and factor.power == int(factor.power)
    return FUNCTIONS[factor.function].of_log is not None and (bool(factor.function) or not natural)


def density_of(statistics: Sequence[Statistic], powers: Sequence[int], low: float, high: float) -> Density:
    """Some statistics on [low, high] as what can be integrated; powers: p where a statistic is x^p alone, else 0.

    Raises `OutOfReach`.
    """
    if any(singular(f) for s in statistics for f in s):
        return mapped(statistics, powers, low, high)
    return integrable(statistics, powers, low, high)


def mapped(statistics: Sequence[Statistic], powers: Sequence[int], low: float, high: float) -> Density:
    """Some statistics, singular ones among them, on [0, inf) or [low, high]. Raises `OutOfReach`."""
    place = WHOLE_LINE if math.isinf(low) else HALF_LINE if math.isinf(high) else BOUNDED
    inner, shift = [], []
    for number, statistic in enumerate(statistics):
        if place == WHOLE_LINE:
            factors, constant = _on_the_line(number, statistic)
        elif place == HALF_LINE:
            factors, constant = _on_half_line(number, statistic)
        else:
            factors, constant = _between(number, statistic, low, high)
        inner.append(factors)
        shift.append(constant)
    found = (k for n, s in enumerate(inner) for k in kinks(n, tuple(f for f in s if not f.inner)))
    breaks = {_variable(place, k, low, high) for k in found if low < k < high}
    tails = [
        Tail(side, growth, degree, number, factor, exact)
        for number, factors in enumerate(inner)
        for side in (-1, 1)
        for growth, degree, factor, exact in _tails(factors, side, place, low, high)
    ]
    tails += [Tail(side, 0.0, 1.0, -1, _slope_of_dx(place, side), True) for side in (-1, 1)]
    tails += [Tail(side, 0.0, 0.0, -1, math.log(2.0), False) for side in (-1, 1) if place == WHOLE_LINE]
    tails.sort(key=lambda t: (t.side, -t.growth, -t.degree, t.statistic))
    return Density(
        tuple(inner),
        tuple((max(p, 0), 1.0) if place == HALF_LINE else (0, 0.0) for p in powers),
        ((),) * len(inner),
        ((),) * len(inner),
        tuple(sorted({0.0, *breaks})),
        (),
        place,
        tuple(tails),
        tuple(shift),
        _base(tails, place, len(inner)),
    )


def _slope_of_dx(place: str, side: int) -> float:
    """log dx/dy towards a side, as a factor of |y|."""
    return float(side) if place == HALF_LINE else 1.0 if place == WHOLE_LINE else -1.0


def _base(tails: Sequence[Tail], place: str, count: int) -> tuple[float, ...]:
    """Natural parameters with which dx and what grows fastest far out make a density; between bounds dx alone does."""
    etas = [0.0] * count
    holder = next((t for t in tails if t.side > 0 and t.exact and t.statistic >= 0), None)
    if place != BOUNDED and holder is not None:
        etas[holder.statistic] = math.copysign(
            1.0 if (holder.growth, holder.degree) > (0.0, 1.0) else 2.0, -holder.factor
        )
    return tuple(etas)


def _on_half_line(number: int, statistic: Statistic) -> tuple[Statistic, float]:
    """A statistic of x as one of y = log x; and what is to be added to it."""
    kept: list[Factor] = []
    exponent = (0.0, 0.0)
    for f in statistic:
        monomial = _monomial(f.polynomial)
        of_log = FUNCTIONS[f.function].of_log
        if of_log is None or (monomial is None and not singular(f)):
            kept.append(f)
            continue
        if monomial is None:
            raise OutOfReach(number, "a logarithm, root or power of a unit that is not a number times the unit")
        (log_size, degree), (function, scale) = monomial, of_log
        line = (scale * log_size, scale * degree)
        if function:
            exponent = (exponent[0] + f.power * line[0], exponent[1] + f.power * line[1])
        elif f.power != int(f.power) or f.power < 0:
            raise OutOfReach(number, "a power of a logarithm that is not natural")
        else:
            kept.append(Factor("", f.power, line, inner=True))
    if exponent[1]:
        kept.append(Factor(BUMP, 1, exponent, inner=True))
    if len(kept) == 1 and kept[0].inner and not kept[0].function and kept[0].power == 1:
        constant, slope = kept[0].polynomial
        return (replace(kept[0], polynomial=(0.0, slope)),), constant
    return tuple(kept), 0.0


def _on_the_line(number: int, statistic: Statistic) -> tuple[Statistic, float]:
    """A statistic of x = sinh(y): log(c (1 + x^2)) as log c + 2 log cosh(y)."""
    if not any(singular(f) for f in statistic):
        return statistic, 0.0
    first = statistic[0]
    size = first.polynomial[0]
    even = len(first.polynomial) == 3 and first.polynomial[1:] == (0.0, size) and size > 0.0
    if len(statistic) > 1 or first.power != 1 or FUNCTIONS[first.function].of_log != ("", 1.0) or not even:
        raise OutOfReach(
            number, "a logarithm of a real unit is one of a number plus a square, and stands alone: log(1 + x^2 / b)"
        )
    return (Factor(EVEN, 1, (0.0, 2.0), inner=True),), math.log(size)


def _between(number: int, statistic: Statistic, low: float, high: float) -> tuple[Statistic, float]:
    """A statistic of x in [low, high] as one of y, x = low + (high - low) sigmoid(y); and what is to be added to it."""
    if not any(singular(f) for f in statistic):
        return statistic, 0.0
    first = statistic[0]
    if len(statistic) > 1 or first.power != 1 or len(first.polynomial) != 2:
        raise OutOfReach(number, "a logarithm of the distance from a bound stands alone")
    constant, slope = first.polynomial
    end = low if slope > 0 else high
    if not math.isclose(constant + slope * end, 0.0, abs_tol=1e-12 * max(1.0, abs(constant))):
        raise OutOfReach(
            number, f"between {low:g} and {high:g} it takes logarithms of the distance from a bound, times a number"
        )
    side = math.copysign(1.0, slope)
    return (Factor(LOGISTIC, 1, (0.0, side), inner=True),), math.log(abs(slope) * (high - low))


def _monomial(p: Polynomial) -> tuple[float, float] | None:
    """log c and d of a polynomial c x^d, c > 0; None for another."""
    places = [k for k, c in enumerate(p) if c]
    return (math.log(p[places[0]]), float(places[0])) if len(places) == 1 and p[places[0]] > 0 else None


def _variable(place: str, x: float, low: float, high: float) -> float:
    """y of a place x."""
    if place == WHOLE_LINE:
        return math.asinh(x)
    return math.log(x) if place == HALF_LINE else math.log((x - low) / (high - x))


def _tails(factors: Statistic, side: int, place: str, low: float, high: float) -> list[_Part]:
    """What a statistic is like towards one side: a product of what its factors are."""
    found: list[_Part] = [(0.0, 0.0, 1.0, True)]
    for f in factors:
        for _ in range(int(f.power)):
            parts = _parts(f, side, place, low, high)
            found = [
                (g + h, d + e, a * b, one and two) for (g, d, a, one), (h, e, b, two) in itertools.product(found, parts)
            ]
    return [_bounded(part) for part in found]


def _bounded(part: _Part) -> _Part:
    """t^d exp(g t) with g < 0 by its largest value."""
    growth, degree, factor, _ = part
    if growth >= 0.0:
        return (0.0, 0.0, abs(factor), False) if growth == degree == 0.0 else part
    return 0.0, 0.0, abs(factor) * ((degree / (-growth * math.e)) ** degree if degree else 1.0), False


def _parts(f: Factor, side: int, place: str, low: float, high: float) -> list[_Part]:
    if f.function == LOGISTIC:
        if f.polynomial[1] * side > 0:
            return [(0.0, 0.0, math.log(2.0), False)]
        return [(0.0, 1.0, -1.0, True), (0.0, 0.0, math.log(2.0), False)]
    if f.function == EVEN:
        return [(0.0, 1.0, 2.0, True), (0.0, 0.0, 2.0 * math.log(2.0), False)]
    if place == WHOLE_LINE and not f.function:  # sinh(t)^k written out
        return [
            (float(k - 2 * j), 0.0, c * side**k * math.comb(k, j) * (-1.0) ** j / 2.0**k, True)
            for k, c in enumerate(f.polynomial)
            if c
            for j in range(k + 1)
        ]
    if f.function == BUMP:
        return [(side * f.polynomial[1], 0.0, math.exp(f.polynomial[0]), True)]
    if f.inner:
        return [(0.0, float(k), c * side**k, True) for k, c in enumerate(f.polynomial) if c]
    size = _growth(f, max(abs(low), abs(high)))
    if place == WHOLE_LINE:
        return [(float(k), 0.0, c / 2.0**k, False) for k, c in enumerate(size) if c]
    if place == BOUNDED or side < 0:
        far = 1.0 if place == HALF_LINE else max(abs(low), abs(high))
        return [(0.0, 0.0, sum(c * far**k for k, c in enumerate(size)), False)]
    return [(float(k), 0.0, c, False) for k, c in enumerate(size) if c]


def _growth(f: Factor, largest: float) -> Polynomial:
    """A bound of |f(x)| by a polynomial of |x|."""
    value = tuple(abs(c) for c in f.polynomial)
    if not f.function:
        return value
    bounds = FUNCTIONS[f.function].bounds
    if bounds is None:
        raise OutOfReach(0, f"{f.function} beside a logarithm of the unit")
    return tuple(np.polynomial.polynomial.polyadd((bounds.size,), value if bounds.grows else (0.0,)))
