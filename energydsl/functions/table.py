"""What is known of an elementary function: its value, derivative, sign and bounds, and what every backend calls it.

Nothing else in the package lists functions by name: the language, the derivations, the domains and the printers read
`FUNCTIONS`. (The oracle of `verify` has its own, as it shares no code with what it checks.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Proved signs, the stronger the larger.
POSITIVE, NONNEGATIVE, UNKNOWN = 2, 1, 0

# A product of functions of one argument y, each to a power: (("", -1.0),) is 1 / y; and a sum of such with coefficients.
Product = tuple[tuple[str, float], ...]
Terms = tuple[tuple[float, Product], ...]


# What a function of c + a n is like for n = 1, 2, ...: a part factor * n^power * log(n)^logs, whether that exactly, else no larger.
Far = tuple[float, float, float, bool]


@dataclass(frozen=True)
class Bounds:
    """Bounds that hold for every y: |f(y)| <= size (+ |y| where it grows), |f'(y)| <= slope, |f''(y)| <= bend."""

    size: float
    slope: float
    bend: float
    grows: bool = False


@dataclass(frozen=True)
class ElementaryFunction:
    """One function of a number.

    name: as it is written in a model; "" is the number itself, for a power that is not natural.
    value: f(y) of a Python or NumPy number. Raises `ValueError` or `OverflowError` where it is none, as `math` does.
    derivative: f'(y) as a sum of (coefficient, product of functions of y); None where no derivation needs it.
    array: what a printed module calls it, over arrays. unit: what kernels of one unit call it; "" where no domain needs it.
    written: its place among the functions that a model may hold, from 1 on; 0 for those that only derivations bring.
    sign: a sign of f(y) that holds for every y. keeps_sign: whether f(y) has at least the sign of y.
    positive_only: whether f(y) is a number for y > 0 only.
    bounds: for every y; None where there are none.
    integrated: its number in the kernels that integrate densities on panels; None where they do not know it.
    outgrows: whether it outgrows every power of y.
    of_log: what it is in log y, y > 0: a function of a number times that; None where it is none.
    absolute: whether it grows like |y| on both sides, from a kink at 0: it may hold the mass of a density.
    far: f(c + a n) for n = 1, 2, ... as a sum of parts, from c and a. Raises `ValueError` where it is no number for some n, or grows
    faster than n log(n); None where that is not known.
    moved: the same of f(n + c) for every c, c > 0 where it `needs_positive`; what is not exactly a part is at most that times 1 + |c|, and
    a number (power and logs 0) at most that times (1 + |c|) log(e + |c|). None where that is not known.
    aggregate: whether it is a function of all that its argument lists, not of their sum.
    latex: what LaTeX calls it.
    """

    name: str
    value: Callable[[float], float]
    derivative: Terms | None = None
    array: str = ""
    unit: str = ""
    written: int = 0
    sign: int = UNKNOWN
    keeps_sign: bool = False
    positive_only: bool = False
    bounds: Bounds | None = None
    integrated: int | None = None
    outgrows: bool = False
    of_log: tuple[str, float] | None = None
    absolute: bool = False
    far: Callable[[float, float], tuple[Far, ...]] | None = None
    moved: tuple[Far, ...] | None = None
    aggregate: bool = False
    latex: str = ""

    @property
    def counted(self) -> bool:
        """Whether it is tabulated over counts, and integrated nowhere."""
        return self.far is not None and self.integrated is None

    @property
    def needs_positive(self) -> bool:
        """Whether what f(n + c) is like for n = 1, 2, ... is known for positive c only."""
        try:
            return self.far is not None and not self.far(-1.0, 1.0)
        except ValueError:
            return True

    @property
    def grows(self) -> bool:
        """Whether it is bounded by its argument, not by a number."""
        return self.bounds is not None and self.bounds.grows


def bounded_far(size: float) -> Callable[[float, float], tuple[Far, ...]]:
    """That of a function which is never larger than a number."""
    return lambda c, a: ((0.0, 0.0, size, False),)


def derivative_of(terms: Terms, table: Mapping[str, ElementaryFunction]) -> Terms | None:
    """The derivative of a sum of products of functions of y, by the rules of the product and of the power; None where it is not known."""
    found: dict[Product, float] = {}
    for coefficient, product in terms:
        for place, (name, exponent) in enumerate(product):
            inner = table[name].derivative
            if inner is None:
                return None
            for factor, slope in inner:
                powers = dict(product[:place] + product[place + 1 :])
                for other, power in ((name, exponent - 1.0), *slope):
                    powers[other] = powers.get(other, 0.0) + power
                key = tuple(sorted((n, e) for n, e in powers.items() if e))
                found[key] = found.get(key, 0.0) + coefficient * exponent * factor
    return tuple((c, product) for product, c in found.items() if c)
