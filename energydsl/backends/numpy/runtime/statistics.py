"""The statistics of a density without a closed form, in numbers (`domains/density.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from energydsl.backends.numpy.runtime.arrays import Array, silent
from energydsl.backends.numpy.runtime.functions import lgamma, log_cosh, sigmoid, softplus
from energydsl.backends.numpy.runtime.quadrature import BOUNDED, COUNTED, HALF_LINE, PANEL_HIGH, WHOLE_LINE


def capped(y: Array) -> Array:
    """exp(y), elementwise, no larger than exp(PANEL_HIGH)."""
    return np.exp(np.minimum(y, PANEL_HIGH))


def log_sigmoid(y: Array) -> Array:
    """log(1 / (1 + exp(-y))), elementwise."""
    return -softplus(-y)


_SHAPES = (
    *(lambda y: y, np.abs, np.tanh, sigmoid, softplus, np.sin, np.cos, np.exp, capped, capped, log_sigmoid),
    lambda y: 2.0 * log_cosh(0.5 * y),
    *(np.log, np.sqrt, lambda y: lgamma(y), lambda y: log_cosh(y)),
)


class Density:
    """The statistics of a unit on [low, high]: rows (k, function, power, ..., polynomial...), each a factor of T_k (see `ROW`).

    growth, bend: coefficients in |x| of bounds of |T_k(x)| and |T_k''(x)|, a row a statistic, and in the last row of bend that of
    the slopes of arguments of functions. holds: power and coefficient of a T_k that may hold the mass. breaks: kinks.
    place: how x follows from the variable y of integration; 0 where it is that. tails: side, growth, degree, statistic (-1: log
    dx/dy), factor, and whether exact: factor |y|^degree exp(growth |y|), for a place other than 0. shift: added to each T_k.
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
        place: int = 0,
        tails: Sequence[Sequence[float]] = (),
        shift: Sequence[float] = (),
    ) -> None:
        self.count, self.factors, self.place, self.low, self.high = count, rows, place, low, high
        self.tail_rows, self.tilt = tails, 0.0
        self.standard: tuple[tuple[int, ...], bool, bool] | None = None
        self.mapped()
        self.shifts = shift if place else [0.0] * count
        self.shift = np.array(self.shifts, np.float64)
        # holds: p and c of each statistic that grows like c |x|^p and is never negative, else zeros
        self.holds = np.array(holds, np.float64)
        # taylor[d][k]: T_k^(d + 2) / d! by its coefficients, where T_k is a polynomial; `bend` bounds the others, and in its
        # last row how fast arguments of functions change.
        plain = [_polynomial([r for r in rows if r[0] == k]) if place == 0 else [] for k in range(count)]
        second = [_slope(_slope(p)) for p in plain]
        bend = [[] if p and not place else b for p, b in zip([*second, []], bend, strict=True)]
        self.rows, self.growth, self.bend = (_padded(t) for t in (rows, growth, bend))
        size = max(1, *map(len, second))
        table = []
        for d in range(size):
            table.append([[*p, *[0.0] * (size - len(p))] for p in second])
            second = [[c / (d + 1) for c in _slope(p)] for p in second]
        self.taylor = np.array(table, np.float64)
        self.ends = np.array([-math.inf, *breaks, math.inf] if place else [low, *breaks, high])

    def standardised(self, powers: Sequence[int], location: bool, scale: bool) -> Density:
        """The density of units x = location + scale z: these are statistics of z, but for those that are x^p, by powers."""
        self.standard = tuple(powers), location, scale
        return self

    @property
    def relocated(self) -> tuple[tuple[int, ...], bool, bool] | None:
        """The same where units are drawn as location + scale z; counts keep their values, and are drawn as they are."""
        return None if self.place == COUNTED else self.standard

    def of_standard(self, given: Sequence[Array]) -> tuple[list[Array], Any, Any, Any]:
        """Natural parameters of z, location, scale, and what the exponent at x is above that at z.

        given: natural parameters of x, then location and scale, where there are such.
        """
        assert self.standard is not None
        powers, location, scale = self.standard
        m: Any = given[len(powers)] if location else 0.0
        s: Any = given[-1] if scale else 1.0
        etas: list[Any] = list(given[: len(powers)])
        found, above = list(etas), 0.0 * etas[0]
        for k, p in enumerate(powers):
            if p:
                found[k] = etas[k] * s**p
        for k, p in enumerate(powers):
            if p and location:
                above = above + etas[k] * m**p
                for j in range(1, p):
                    at = powers.index(j)
                    found[at] = found[at] + math.comb(p, j) * etas[k] * m ** (p - j) * s**j
        return found, m, s, above

    def each(self, x: Array, *moved: Array) -> list[Any]:
        """T_k(x) of every statistic, each of the shape of x; moved: location and scale, where there are such."""
        if self.standard is not None:
            powers, location, scale = self.standard
            z = (x - moved[0] if location else x) / (moved[-1] if scale else 1.0)
            return [x**p if p else t for p, t in zip(powers, self.plain_each(z), strict=True)]
        return self.plain_each(x)

    def plain_each(self, x: Array) -> list[Any]:
        """The same of a unit that is not moved."""
        if self.place in (0, COUNTED):
            return self.along(x, x)
        with silent():
            y = (
                np.arcsinh(x)
                if self.place == WHOLE_LINE
                else np.log(x)
                if self.place == HALF_LINE
                else np.log(x - self.low) - np.log(self.high - x)
            )
            return [t + shift for t, shift in zip(self.along(y, x), self.shifts, strict=True)]

    def along(self, y: Array, x: Array) -> list[Any]:
        """T_k without its shift of every statistic, at values of the variable of integration and the units that follow from them."""
        found = [1.0] * self.count
        for k, function, power, inner, _, _, _, _, *polynomial in self.factors:
            at = y if inner else x
            value = polynomial[-1] + np.zeros_like(at)
            for c in polynomial[-2::-1]:
                value = value * at + c
            found[k] = found[k] * _SHAPES[function](value) ** power
        return found

    def mapped(self) -> None:
        """The arrays of what a unit is in the variable of integration: place, low, width, slope of log dx/dy on a half-line."""
        bounded = self.place == BOUNDED
        self.mapping = np.array(
            [self.place, self.low if bounded else 0.0, self.high - self.low if bounded else 1.0, 1.0 + self.tilt]
        )
        rows = [[*r[:4], r[4] * (1.0 + self.tilt) if r[3] < 0 else r[4], r[5]] for r in self.tail_rows]
        self.tails = np.array(rows, np.float64).reshape(-1, 6)

    @property
    def heavy(self) -> bool:
        """Whether the density falls like a power far out, or little faster, so that its moments lie where it has no mass."""
        return self.place in (HALF_LINE, WHOLE_LINE) and not any(
            r[0] > 0 and r[1] > 0.0 and r[5] for r in self.tail_rows
        )

    def times_unit(self, power: float) -> Density:
        """The density multiplied by a power of the unit x, on a half-line, and of sqrt(1 + x^2) on the whole."""
        found = copy(self)
        found.tilt = power
        found.mapped()
        return found

    def inside(self, x: Array, dtype: DTypeLike) -> Array:
        """Draws kept off the ends at which they have no logarithm, by as little as numbers of a precision can."""
        if self.place in (0, COUNTED, WHOLE_LINE):
            return x
        single = np.dtype(dtype).itemsize == 4
        tiny, eps = (2.0**-126, 2.0**-23) if single else (2.0**-1022, 2.0**-52)
        x = np.maximum(x, self.low + max(tiny, eps * abs(self.low)))
        return np.minimum(x, self.high - max(tiny, eps * abs(self.high))) if self.place == BOUNDED else x

    def unit(self, y: Array) -> Array:
        """The unit at values of the variable of integration."""
        if self.place == HALF_LINE:
            return capped(y)
        if self.place == WHOLE_LINE:
            found: Array = np.sinh(np.clip(y, -PANEL_HIGH, PANEL_HIGH))
            return found
        return self.low + (self.high - self.low) * sigmoid(y) if self.place == BOUNDED else y

    def log_base(self, n: Array) -> Array:
        """log h(n) of counts: -log n!, or 0."""
        weighted = any(k < 0 and growth > 0.0 for _, growth, _, k, _, _ in self.tail_rows)
        return -lgamma(n + 1.0) if weighted else 0.0 * n

    def log_slope(self, y: Array) -> Array | float:
        """log dx/dy, without its shift."""
        if self.place == HALF_LINE:
            return (1.0 + self.tilt) * y
        if self.place == WHOLE_LINE:
            return (1.0 + self.tilt) * log_cosh(y)
        return log_sigmoid(y) + log_sigmoid(-y) if self.place == BOUNDED else 0.0


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
    for _, function, power, inner, _, _, _, _, *p in factors:
        if function or inner:
            return []
        for _ in range(int(power)):
            found = [
                sum(found[i] * p[n - i] for i in range(len(found)) if 0 <= n - i < len(p))
                for n in range(len(found) + len(p) - 1)
            ]
    return found
