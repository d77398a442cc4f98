"""The statistics of a density without a closed form, in numbers (`domains/density.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.functions import sigmoid, softplus
from energydsl.backends.numpy.runtime.quadrature import PANEL_HIGH


def capped(y: Array) -> Array:
    """exp(y), elementwise, no larger than exp(PANEL_HIGH)."""
    return np.exp(np.minimum(y, PANEL_HIGH))


_SHAPES = (lambda y: y, np.abs, np.tanh, sigmoid, softplus, np.sin, np.cos, np.exp, capped, capped)


class Density:
    """The statistics of a unit on [low, high]: rows (k, function, power, polynomial...), each a factor of T_k.

    growth, bend: coefficients in |x| of bounds of |T_k(x)| and |T_k''(x)|, a row a statistic, and in the last row of bend that of
    the slopes of arguments of functions. holds: power and coefficient of a T_k that may hold the mass. breaks: kinks.
    """

    def __init__(
        self,
        count: int,
        rows: Sequence[Sequence[Any]],
        growth: Sequence[Sequence[float]],
        bend: Sequence[Sequence[float]],
        holds: Sequence[Sequence[float]],
        low: float,
        high: float,
        breaks: Sequence[float],
    ) -> None:
        self.count, self.factors = count, rows
        # holds: p and c of each statistic that grows like c |x|^p and is never negative, else zeros
        self.holds = np.array(holds, np.float64)
        # taylor[d][k]: T_k^(d + 2) / d! by its coefficients, where T_k is a polynomial; `bend` bounds the others, and in its
        # last row how fast arguments of functions change.
        second = [_slope(_slope(p)) for p in (_polynomial([r for r in rows if r[0] == k]) for k in range(count))]
        bend = [[] if p else b for p, b in zip([*second, []], bend, strict=True)]
        self.rows, self.growth, self.bend = (_padded(t) for t in (rows, growth, bend))
        size = max(1, *map(len, second))
        table = []
        for d in range(size):
            table.append([[*p, *[0.0] * (size - len(p))] for p in second])
            second = [[c / (d + 1) for c in _slope(p)] for p in second]
        self.taylor = np.array(table, np.float64)
        self.ends = np.array([low, *breaks, high])

    def each(self, x: Array) -> list[Any]:
        """T_k(x) of every statistic, each of the shape of x."""
        found = [1.0] * self.count
        for k, function, power, *polynomial in self.factors:
            y = 0.0 * x
            for c in polynomial[::-1]:
                y = y * x + c
            found[k] = found[k] * _SHAPES[function](y) ** power
        return found


def _padded(table: Sequence[Sequence[float]]) -> Array:
    """Rows of unequal lengths as an array, zeros at their ends."""
    width = max(1, *map(len, table))
    return np.array([[*row, *[0.0] * (width - len(row))] for row in table], np.float64)


def _slope(p: Sequence[float]) -> list[float]:
    """The derivative of a polynomial."""
    return [k * c for k, c in enumerate(p)][1:]


def _polynomial(factors: Sequence[Sequence[Any]]) -> list[float]:
    """The coefficients of a product of powers of polynomials; none where a factor is another function."""
    found = [1.0]
    for _, function, power, *p in factors:
        if function:
            return []
        for _ in range(int(power)):
            found = [
                sum(found[i] * p[n - i] for i in range(len(found)) if 0 <= n - i < len(p))
                for n in range(len(found) + len(p) - 1)
            ]
    return found
