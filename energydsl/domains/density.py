"""Conditionals without a closed form: exp(sum_k eta_k T_k(x)) on an interval, integrated on panels.

T_k is any product of natural powers and functions of a polynomial of the unit (x^4, cos(x), x tanh(x)). What the kernels
need to know of it are bounds by polynomials of |x|, which hold for every x of the domain:
    |T_k(x)| <= growth_k(|x|),   so that on R all mass lies where a power of |x| that holds it is not outgrown (Fujiwara's bound
                                 on the roots of a polynomial), and
    |T_k''(x)| <= bend_k(|x|),   so that no density is above max(ends) + bend h^2 / 8 between two points h apart: panels are
                                 dropped only where nothing can be, and halved until the rule of Gauss and Legendre is exact
                                 to rounding. Peaks are never missed, however many or narrow. (The kernels bound those T_k
                                 that are polynomials together, by a Taylor series on each panel.)
exp alone is bounded by the kernels on each panel, where it may be nothing at all. Where it has no bound it is of a line, with
eta <= 0, and a wall: it only takes mass away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energydsl.functions import FUNCTIONS

# What is known of exp where it stands alone: that it is bounded, or that it is of a line and has a factor that only lowers it.
BUMP, WALL = "bump", "wall"
# log of a sigmoid: what log of the distance from a bound is in the variable of integration (see `mapped`).
LOGISTIC = "log sigmoid"
# 2 log cosh(y / 2): what log(1 + x^2) is at 2 y, x = sinh(y).
EVEN = "log of an even power"
# In the order of their numbers in the kernels; 0 is the polynomial itself.
_KNOWN = sorted((f for f in FUNCTIONS.values() if f.integrated is not None), key=lambda f: f.integrated or 0)
SHAPES = (*(f.name for f in _KNOWN), BUMP, WALL, LOGISTIC, EVEN)
# The functions that stand in tables over counts alone, numbered from there on.
TABULATED = tuple(f.name for f in sorted(FUNCTIONS.values(), key=lambda f: f.written) if f.counted)

# How a unit follows from a variable of integration that it is not itself: by these functions (see `mapped`).
HALF_LINE, BOUNDED = "exp", "sigmoid"
# No variable of integration: the sum over 0, 1, 2, ... (see `counted`).
COUNTED = "count"
# A unit of R that may fall like a power: sinh of the variable of integration.
WHOLE_LINE = "sinh"

# The largest value of exp that panels can follow, and the most panels a unit may need to follow its functions.
_LARGEST, _MOST = 3e4, 2000

Polynomial = tuple[float, ...]
# The most places, 0 among them, where panels may have to begin.
_KINKS = 8


class OutOfReach(ValueError):
    """A statistic, by number, that cannot be integrated; says why."""

    def __init__(self, statistic: int, why: str = ""):
        super().__init__(why)
        self.statistic = statistic


class Unbounded(OutOfReach):
    """A statistic that no power outgrows; `power` would."""

    def __init__(self, statistic: int, power: int):
        super().__init__(statistic)
        self.power = power


@dataclass(frozen=True)
class Factor:
    """function(polynomial) ^ power; the polynomial by its coefficients, from x^0 on.

    inner: whether it is one of the variable of integration, where that is not the unit itself.
    """

    function: str
    power: float
    polynomial: Polynomial
    inner: bool = False


Statistic = tuple[Factor, ...]


@dataclass(frozen=True)
class Tail:
    """What a statistic is like towards one end of the variable y of integration: factor |y|^degree exp(growth |y|).

    exact: it is that, but for a constant; else it is no larger. side: the sign of y there. end: the statistic's number.
    """

    side: int
    growth: float
    degree: float
    statistic: int
    factor: float
    exact: bool


@dataclass(frozen=True)
class Standard:
    """A unit x = location + scale z, of which z has the statistics: functions of z, and x^p, p by statistic, 0 for the functions.

    location, scale: whether there is one; each is then one more number a unit, after its natural parameters.
    """

    powers: tuple[int, ...]
    location: bool
    scale: bool


@dataclass(frozen=True)
class Density:
    """A conditional by its statistics, on [low, high].

    holds: of each statistic that is never negative and grows like lead |x|^p, x^p or |a x + b|, p and lead: with eta < 0 it may hold
    the mass on an infinite domain; (0, 0) for others, and on a finite one.
    breaks: where a statistic has a kink. rate: a bound of how fast the arguments of its functions change.
    place: how a unit follows from the variable of integration, "" where it is that (see `mapped`, which fills the rest too).
    tails: of each side, from what grows fastest on. shift: what is added to each statistic as the panels know it. base: natural
    parameters with which it is a density. standard: how the unit follows from one of these statistics, where it is another.
    """

    statistics: tuple[Statistic, ...]
    holds: tuple[tuple[int, float], ...]
    growth: tuple[Polynomial, ...]
    bend: tuple[Polynomial, ...]
    breaks: tuple[float, ...]
    rate: Polynomial
    place: str = ""
    tails: tuple[Tail, ...] = ()
    shift: tuple[float, ...] = ()
    base: tuple[float, ...] = ()
    standard: Standard | None = None

    @property
    def confining(self) -> tuple[int, int]:
        """The number of the statistic that holds the mass where all parameters are of order one, and its power; else (0, 0)."""
        return max(((n, p) for n, (p, _) in enumerate(self.holds)), key=lambda k: k[1])

    @property
    def slopes(self) -> list[int]:
        """The numbers of the statistics |a x + b|."""
        return [n for n, (p, _) in enumerate(self.holds) if p == 1 and self.statistics[n][0].function]

    @property
    def heavy(self) -> bool:
        """Whether it falls like a power far out, or little faster: it need not have moments."""
        return (
            bool(self.tails)
            and self.place in (HALF_LINE, WHOLE_LINE)
            and not any(t.side > 0 and t.growth > 0.0 and t.exact for t in self.tails)
        )

    @property
    def walls(self) -> list[int]:
        """The numbers of the statistics whose natural parameters must not be positive."""
        return [n for n, s in enumerate(self.statistics) if s[0].function == WALL]

    @property
    def plain(self) -> bool:
        """Whether the first statistic is the unit itself."""
        return self.statistics[0] == (Factor("", 1, (0.0, 1.0)),)


def integrable(statistics: Sequence[Statistic], powers: Sequence[int], low: float, high: float) -> Density:
    """Some statistics with their bounds on [low, high]; powers: p where a statistic is x^p alone, else 0.

    Raises `OutOfReach`.
    """
    largest = max(abs(low), abs(high))
    statistics = [_alone(s, low, high) for s in statistics]
    bounds = [_bounds(n, s, low, high) for n, s in enumerate(statistics)]
    holds = [(0, 0.0)] * len(statistics)
    if math.isinf(largest):
        holds = [_holds(s, p, low) for s, p in zip(statistics, powers, strict=True)]
        degrees = {n: len(b[0]) - 1 for n, b in enumerate(bounds) if not holds[n][0]}
        worst = max(degrees, key=lambda n: degrees[n], default=0)
        most = max(p for p, _ in holds)
        tailed = most == 1 and low < 0.0
        if degrees.get(worst, 0) >= most + tailed:
            power = degrees[worst] + 1
            raise Unbounded(worst, power + (low < 0.0 and power % 2))
    breaks = {0.0: 0, **{k: n for n, s in enumerate(statistics) for k in kinks(n, s)}}
    if len(breaks) > _KINKS:
        raise OutOfReach(list(breaks.values())[_KINKS], f"more than {_KINKS - 1} kinks")
    rate: Polynomial = ()
    for number, statistic in enumerate(statistics):
        for factor in statistic:
            if _bends(factor):
                rate = _largest(rate, _derivative(_sizes(factor.polynomial)))
        if math.isfinite(largest) and _at(rate, largest) * (high - low) > _MOST:
            raise OutOfReach(number, "it varies too fast for an interval as wide as this")
    return Density(
        tuple(statistics),
        tuple(holds),
        tuple(b[0] for b in bounds),
        tuple(b[2] for b in bounds),
        tuple(b for b in sorted(breaks) if low < b < high),
        rate,
    )


def _holds(statistic: Statistic, power: int, low: float) -> tuple[int, float]:
    """p and c where a statistic is never negative and grows like c |x|^p, p at least 1; else zeros."""
    if power > 0 and (power % 2 == 0 or low >= 0.0):
        return power, 1.0
    first = statistic[0]
    if len(statistic) == 1 and _absolute(first) and first.power == 1 and len(first.polynomial) == 2:
        return 1, abs(first.polynomial[1])
    return 0, 0.0


def _alone(statistic: Statistic, low: float, high: float) -> Statistic:
    """exp alone as what the kernels bound: a bump, or a wall where it is of a line that has no bound."""
    first, *rest = statistic
    if not FUNCTIONS[first.function].outgrows or rest:
        return statistic
    unbounded = math.isinf(_most(first.polynomial, low, high))
    kind = first.function if unbounded and len(first.polynomial) > 2 else WALL if unbounded else BUMP
    return (Factor(kind, 1, _scaled(first.power, first.polynomial)),)


def _most(p: Polynomial, low: float, high: float) -> float:
    """The greatest value of a polynomial on an interval: at an end, or where its slope is 0."""
    if any(math.isinf(x) and p[-1] * x ** (len(p) - 1) > 0.0 for x in (low, high)):
        return math.inf
    roots = np.polynomial.Polynomial(_derivative(p)).roots().real
    return max(_at(p, float(x)) for x in (low, high, *roots) if low <= x <= high and math.isfinite(x))


def kinks(number: int, statistic: Statistic) -> list[float]:
    """Where a statistic has kinks. Raises `OutOfReach` where that is not known."""
    found = []
    for factor in statistic:
        if _absolute(factor):
            if len(factor.polynomial) != 2:
                raise OutOfReach(number, f"{factor.function} takes a unit times a number plus a number")
            found.append(-factor.polynomial[0] / factor.polynomial[1])
    return found


def _bounds(number: int, statistic: Statistic, low: float, high: float) -> tuple[Polynomial, Polynomial, Polynomial]:
    """Bounds of |T|, |T'| and |T''|."""
    total: tuple[Polynomial, Polynomial, Polynomial] = ((1.0,), (), ())
    for factor in statistic:
        one = _bounds_of(number, factor, low, high)
        for _ in range(int(factor.power)):
            (f, df, ddf), (g, dg, ddg) = total, one
            total = (
                _times(f, g),
                _plus(_times(df, g), _times(f, dg)),
                _plus(_plus(_times(ddf, g), _times(f, ddg)), _scaled(2.0, _times(df, dg))),
            )
    return total


def _bounds_of(number: int, factor: Factor, low: float, high: float) -> tuple[Polynomial, Polynomial, Polynomial]:
    value = _sizes(factor.polynomial)
    slope, bend = _derivative(value), _derivative(_derivative(value))
    if not factor.function:
        return value, slope, bend
    if factor.function in (BUMP, WALL):  # a wall, which only lowers, counts by its value at 0
        most = factor.polynomial[0] if factor.function == WALL else _most(factor.polynomial, low, high)
        return (_exp(number, most),), (), ()
    function = FUNCTIONS[factor.function]
    if function.outgrows:
        if math.isinf(high - low):
            raise OutOfReach(
                number, f"{function.name} outgrows every power, unless it stands alone and is bounded, or of a line"
            )
        top = _exp(number, _most(factor.polynomial, low, high))
        return (top,), _scaled(top, slope), _scaled(top, _plus(_times(slope, slope), bend))
    bounds = function.bounds
    assert bounds is not None, f"the table of functions has no bounds of {function.name}"
    size = _plus((bounds.size,), value) if bounds.grows else (bounds.size,)
    return (
        size,
        _scaled(bounds.slope, slope),
        _plus(_scaled(bounds.bend, _times(slope, slope)), _scaled(bounds.slope, bend)),
    )


def bounds_of(factor: Factor) -> tuple[float, int, float, float]:
    """Bounds of the function of a factor for any argument: size, whether that adds to it, slope and bend; zeros where it has none."""
    if factor.function == EVEN:
        return 0.0, 1, 1.0, 0.5
    known = FUNCTIONS.get(factor.function)
    bounds = known.bounds if known else None
    return (bounds.size, int(bounds.grows), bounds.slope, bounds.bend) if bounds else (0.0, 1, 1.0, 0.0)


def _bends(factor: Factor) -> bool:
    """Whether a factor is a function that varies along its argument, and that no bound on a panel takes care of."""
    return factor.function not in ("", BUMP, WALL) and not _absolute(factor)


def _absolute(factor: Factor) -> bool:
    """Whether a factor grows like the size of its polynomial, and has a kink where that is 0."""
    return factor.function not in (BUMP, WALL) and FUNCTIONS[factor.function].absolute


def _exp(number: int, most: float) -> float:
    top = math.exp(min(most, 100.0))
    if top > _LARGEST:
        raise OutOfReach(number, f"exp of values as large as these (up to {_LARGEST:g})")
    return top


def _sizes(p: Polynomial) -> Polynomial:
    return tuple(abs(c) for c in p)


def _largest(p: Polynomial, q: Polynomial) -> Polynomial:
    """A polynomial that is at least as large as either, at any positive number."""
    size = max(len(p), len(q))
    return tuple(max(p[k] if k < len(p) else 0.0, q[k] if k < len(q) else 0.0) for k in range(size))


def _at(p: Polynomial, x: float) -> float:
    return sum(c * x**k for k, c in enumerate(p))


def _derivative(p: Polynomial) -> Polynomial:
    return tuple(k * c for k, c in enumerate(p))[1:]


def _scaled(factor: float, p: Polynomial) -> Polynomial:
    return tuple(factor * c for c in p)


def _plus(p: Polynomial, q: Polynomial) -> Polynomial:
    size = max(len(p), len(q))
    return tuple((p[k] if k < len(p) else 0.0) + (q[k] if k < len(q) else 0.0) for k in range(size))


def _times(p: Polynomial, q: Polynomial) -> Polynomial:
    found = [0.0] * max(len(p) + len(q) - 1, 0) if p and q else []
    for k, a in enumerate(p):
        for n, b in enumerate(q):
            found[k + n] += a * b
    return tuple(found)
