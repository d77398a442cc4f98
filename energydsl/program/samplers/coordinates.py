"""A unit with bounds as a function of a variable y on the whole line, along which it can be moved (Stan Reference Manual, chapter 10).

    [low, inf)    x = low + exp(y)
    [low, high]   x = low + (high - low) / (1 + exp(-y))

The density of y is that of x times dx/dy. A unit that may be any real number is its own variable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array
from energydsl.domains import DOMAINS
from energydsl.program.engine import CoreEngine


@dataclass(frozen=True)
class Coordinate:
    """The variable of the units of one layer; low, high: their bounds, of which the first or both may be infinite."""

    xp: Any
    low: float
    high: float
    dtype: Any

    @classmethod
    def of(cls, engine: CoreEngine, layer: str) -> Coordinate:
        """That of a layer of an engine."""
        domain = engine.model.layers[layer].domain
        return cls(engine.xp, *DOMAINS[domain.name].bounds(domain.arguments), engine.dtype)

    def inside(self, x: Array) -> Array:
        """Units that stand on a bound, next to it."""
        tiny = float(np.finfo(self.dtype).tiny)
        least, most = (self.dtype.type(end) for end in (self.low, self.high))
        low = tiny if self.low == 0.0 else float(np.nextafter(least, most))
        return x if math.isinf(self.low) else self.xp.clip(x, low, float(np.nextafter(most, least)))

    def free(self, x: Array) -> Array:
        """y of units between their bounds."""
        if math.isinf(self.low):
            return x
        if math.isinf(self.high):
            return self.xp.log(x - self.low)  # type: ignore[no-any-return]
        return self.xp.log(x - self.low) - self.xp.log(self.high - x)  # type: ignore[no-any-return]

    def unit(self, y: Array) -> Array:
        """x at some y, found from the nearer bound."""
        xp, low, high = self.xp, self.low, self.high
        if math.isinf(low):
            return y
        if math.isinf(high):
            return low + xp.exp(y)  # type: ignore[no-any-return]
        small = xp.exp(-abs(y))
        distance = (high - low) * small / (1.0 + small)
        return xp.where(y < 0.0, low + distance, high - distance)  # type: ignore[no-any-return]

    def log_slope(self, y: Array) -> Array:
        """log dx/dy of each unit."""
        if math.isinf(self.low):
            return self.xp.zeros_like(y)  # type: ignore[no-any-return]
        if math.isinf(self.high):
            return y
        size = abs(y)
        return math.log(self.high - self.low) - size - 2.0 * self.xp.log1p(self.xp.exp(-size))  # type: ignore[no-any-return]

    def along(self, y: Array, slope: Array) -> Array:
        """d log p/dy, that of the factor dx/dy with it, where the slope of log p by x is known."""
        if math.isinf(self.low):
            return slope
        if math.isinf(self.high):
            return slope * self.xp.exp(y) + 1.0  # type: ignore[no-any-return]
        return slope * self.xp.exp(self.log_slope(y)) - self.xp.tanh(0.5 * y)  # type: ignore[no-any-return]
