"""Bounds on an interval of one unit, by the rules of interval arithmetic, the product and the chain.

Of a function f of the unit x on an interval: low <= f <= high, |df/dx| <= slope, |d2f/dx2| <= bend. They hold for every x there, and
become sharp as the interval shrinks. What is infinite is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from energydsl.backends.interface import Array
from energydsl.backends.numpy.runtime import functions as runtime
from energydsl.functions import FUNCTIONS, NONNEGATIVE, ElementaryFunction

# The largest exponent of an exp that is bounded.
_HIGHEST = 700.0


class Bound(NamedTuple):
    """Bounds of a function of a unit, arrays of one shape or numbers."""

    low: Any
    high: Any
    slope: Any
    bend: Any

    @classmethod
    def fixed(cls, value: Any) -> Bound:
        """What does not change."""
        return cls(value, value, 0.0 * value, 0.0 * value)

    @property
    def size(self) -> Any:
        """A bound of |f|."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def plus(self, other: Bound) -> Bound:
        """The sum of two functions."""
        return Bound(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, other: Bound) -> Bound:
        """The product of two functions."""
        corners = [product(a, b) for a in self[:2] for b in other[:2]]
        slope = product(self.slope, other.size) + product(self.size, other.slope)
        crossed = 2.0 * product(self.slope, other.slope)
        bend = product(self.bend, other.size) + crossed + product(self.size, other.bend)
        return Bound(*_extremes(corners), slope, bend)

    def scaled(self, factor: Any) -> Bound:
        """A function times numbers."""
        ends = [product(factor, e) for e in self[:2]]
        return Bound(*_extremes(ends), *(product(np.abs(factor), e) for e in self[2:]))

    def chained(self, low: Any, high: Any, slope: Any, bend: Any) -> Bound:
        """g(f), from bounds of g and its derivatives by f."""
        curved = product(bend, product(self.slope, self.slope)) + product(slope, self.bend)
        return Bound(low, high, product(slope, self.slope), curved)

    def power(self, exponent: float) -> Bound:
        """f^exponent; where that is not natural, f must be positive."""
        if exponent == 1.0:
            return self
        if exponent < 0.0 or exponent != int(exponent):
            low, high = np.maximum(self.low, 0.0), np.maximum(self.high, 0.0)
            ends, first, second = ([low ** (exponent - d), high ** (exponent - d)] for d in range(3))
            slope = abs(exponent) * np.maximum(*first)
            return self.chained(*_extremes(ends), slope, abs(exponent * (exponent - 1.0)) * np.maximum(*second))
        ends = [self.low**exponent, self.high**exponent]
        low, high = _extremes(ends)
        if exponent % 2 == 0:
            low = np.where((self.low < 0.0) & (self.high > 0.0), 0.0, low)
        slope = exponent * self.size ** (exponent - 1.0)
        return self.chained(low, high, slope, exponent * (exponent - 1.0) * self.size ** (exponent - 2.0))

    def applied(self, function: ElementaryFunction) -> Bound:
        """A function of the table of f."""
        if function.outgrows:
            top = np.exp(np.minimum(self.high, _HIGHEST))
            return self.chained(np.exp(np.minimum(self.low, _HIGHEST)), top, top, top)
        if function.of_log is not None and function.bounds is None:  # a logarithm, or a power
            low = np.maximum(self.low, 0.0)
            if function.positive_only:
                return self.chained(np.log(low), np.log(np.maximum(self.high, 0.0)), 1.0 / low, 1.0 / low**2)
            return self.power(function.of_log[1])
        bounds = function.bounds
        assert bounds is not None, f"the table of functions has no bounds of {function.name}"
        if _increasing(function):
            value = array_of(function.name)
            return self.chained(value(self.low), value(self.high), bounds.slope, bounds.bend)
        most = bounds.size + (self.size if bounds.grows else 0.0)
        far = np.isinf(self.high) | np.isinf(self.low)
        centre = np.where(far, 0.0, 0.5 * (self.low + self.high))
        beside = np.where(far, np.inf, 0.5 * bounds.slope * (self.high - self.low))
        middle = array_of(function.name)(centre)
        least = 0.0 if function.sign >= NONNEGATIVE else -most
        low, high = np.maximum(middle - beside, least), np.minimum(middle + beside, most)
        return self.chained(low, high, bounds.slope, bounds.bend)


def _increasing(function: ElementaryFunction) -> bool:
    """Whether its derivative is a sum of products that are never negative."""
    terms = function.derivative or ((-1.0, ()),)
    return all(c >= 0.0 and all(FUNCTIONS[n].sign >= NONNEGATIVE for n, _ in product) for c, product in terms)


def product(a: Any, b: Any) -> Any:
    """a b, nothing where either is 0, however large the other."""
    return np.where((a == 0.0) | (b == 0.0), 0.0, np.multiply(a, b))


def _extremes(values: list[Any]) -> tuple[Any, Any]:
    """The least and the greatest of some arrays."""
    low = high = values[0]
    for value in values[1:]:
        low, high = np.minimum(low, value), np.maximum(high, value)
    return low, high


def array_of(function: str) -> Callable[[Array], Array]:
    """A function of the table over arrays."""
    name = FUNCTIONS[function].array
    return getattr(np, name[3:]) if name.startswith("np.") else getattr(runtime, name)  # type: ignore[no-any-return]
