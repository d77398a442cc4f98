"""Densities of counts without a closed form, by tables that end where next to nothing is left (`domains/counted.py`).

The same text serves every backend: it is array statements alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, host, silent
from energydsl.backends.numpy.runtime.quadrature import TABLE_AT_ONCE, TABLE_DEEP, TABLE_FINER, TABLE_LONGEST
from energydsl.backends.numpy.runtime.statistics import Density


def table_ends(density: Density, eta: Sequence[Array], *moved: Array) -> Array:
    """How many values hold all but 2^-60 of the mass of each unit, (units,); NaN where that is not known, or too many.

    eta: (units,) for each statistic; moved: the location, where there is one. What falls fastest there outweighs all else of the exponent, and 2 log n, `TABLE_DEEP` below
    the exponent at n = 1, from there on.
    """
    one, none = np.ones(len(eta[0])), np.zeros(len(eta[0]))
    size: Any = 1.0 + (np.abs(moved[0]) if moved else none)
    at_one = none + density.log_base(one)
    for e, t in zip(eta, density.each(one, *moved), strict=True):
        at_one = at_one + e * t
    totals: dict[tuple[float, float], Any] = {(0.0, 0.0): TABLE_DEEP - at_one}
    sizes: dict[tuple[float, float], Any] = {}
    for _, growth, degree, k, factor, exact in density.tail_rows:
        value = factor * eta[int(k)] if k >= 0 else factor + none
        order = (growth, degree)
        largest = np.abs(value)
        if k >= 0:
            largest = largest * size * (np.log(math.e - 1.0 + size) if order == (0.0, 0.0) else 1.0)
        totals[order] = totals.get(order, 0.0) + (value if exact else largest)
        sizes[order] = sizes.get(order, 0.0) + np.abs(value)
    # What cancels leaves rounding.
    orders = sorted(totals, reverse=True)
    table = [np.where(np.abs(totals[o]) > 1e-13 * sizes.get(o, 0.0), totals[o], 0.0) for o in orders]

    def enough(y: Array) -> Array:
        """Whether the first that is not 0 is negative, and outweighs all others together from exp(y) on, y >= 1.

        Their ratio to it, y^(a - b) exp((d - c) y), falls from its turn on.
        """
        open_yet, fits = y > 0.0, y < 0.0
        for place, ((c, b), m) in enumerate(zip(orders, table, strict=True)):
            here = open_yet & (m != 0.0)
            open_yet = open_yet & (m == 0.0)
            far, against = here & (m < 0.0) & (c > 0.0), 0.0 * y
            for (d, a), other in zip(orders[place + 1 :], table[place + 1 :], strict=True):
                turn = (a - b) / (c - d) if c > d else 0.0
                far = far & ((other <= 0.0) | (y >= turn))
                against = against + np.maximum(other, 0.0) * np.exp((a - b) * np.log(y) + (d - c) * y)
            far = far & (against <= -m)
            fits = fits | far
        return fits

    with silent():
        low, high, last = none, none + 1.0, math.log(TABLE_LONGEST)
        for _ in range(TABLE_FINER):
            short = ~enough(high)
            low, high = np.where(short, high, low), np.where(short, np.minimum(2.0 * high, last), high)
        done = enough(high)
        for _ in range(TABLE_FINER):
            middle = np.maximum(0.5 * (low + high), 1.0)
            fits = enough(middle)
            low, high = np.where(fits, low, middle), np.where(fits, middle, high)
        return np.where(done, np.floor(np.exp(high)) + 3.0, math.nan)


class Tables:
    """The weights of some units at 0, 1, 2, ...

    logits: exponents, -infinity beyond the end of a unit's own table, (units, values). statistics: T_k at the values, each (values,) or,
    where there is a location, (units, values).
    """

    def __init__(self, density: Density, eta: Sequence[Array], ends: Array, count: int, *moved: Array) -> None:
        self.values = np.arange(float(count))
        self.eta, self.statistics = eta, density.each(self.values, *[m[:, None] for m in moved])
        exponent = density.log_base(self.values)
        for e, t in zip(eta, self.statistics, strict=True):
            exponent = exponent + e[:, None] * t
        self.logits = np.where(self.values < ends[:, None], exponent, -math.inf)
        self.top = self.logits.max(axis=1)
        self.weights = np.exp(self.logits - self.top[:, None])
        self.mass = self.weights.sum(axis=1)
        self.known = (ends > 0.0) & (np.abs(self.top) < math.inf)

    def expected(self, value: Array) -> Array:
        """The mean of a function of the unit, (units,); value: (values,) or (units, values)."""
        found: Array = (self.weights * value).sum(axis=1) / self.mass
        return found

    def log(self, _: Any) -> Array:
        """log of the sum of exp(sum_k eta_k T_k(n)) h(n)."""
        found: Array = self.top + np.log(self.mass)
        return found

    def mean(self, _: Any) -> Array:
        """Mean of every unit."""
        return self.expected(self.values)

    def variance(self, _: Any) -> Array:
        """Variance of every unit."""
        return self.expected((self.values - self.mean(None)[:, None]) ** 2)

    def entropy(self, _: Any) -> Array:
        """-<log(p / h)>, in nats."""
        found = self.log(None)
        for e, t in zip(self.eta, self.statistics, strict=True):
            found = found - e * self.expected(t)
        return found

    def mode(self, _: Any) -> Array:
        """The most probable value."""
        found: Array = self.logits.argmax(axis=1).astype(self.mass.dtype)
        return found

    def draw(self, u: Array) -> Array:
        """The value n with F(n - 1) <= u < F(n), F the distribution function."""
        below = self.weights.cumsum(axis=1)
        found: Array = (below[:, :-1] <= (u * below[:, -1])[:, None]).sum(axis=1).astype(self.mass.dtype)
        return found


def tabulated(what: str, density: Density, etas: Sequence[Array], u: Array | float = 0.0) -> Array:
    """log of the sum, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined.

    what: "log", "mean", "variance", "entropy", "mode" or "draw". etas: one array a statistic, then the location, where there is one; of
    one shape with u and the result, which is float64.
    """
    like: Any = 0.0 * u
    for e in etas:
        like = like + 0.0 * e
    shape = like.shape
    flat = [np.empty(shape, np.float64) for _ in range(len(etas) + 1)]
    for target, value in zip(flat, (*etas, u), strict=True):
        target[...] = value
    *given, uniform = [a.reshape(-1) for a in flat]
    eta, moved = given[: density.count], given[density.count :]
    ends = table_ends(density, eta, *moved)
    lengths, found, done = host(ends), np.empty(len(ends), np.float64), 0
    while done < len(lengths):
        count = TABLE_AT_ONCE // 8
        while count > 1 and count * _longest(lengths[done : done + count]) > TABLE_AT_ONCE:
            count //= 2
        part = slice(done, done + count)
        with silent():
            own = [e[part] for e in eta], ends[part], _longest(lengths[part])
            table = Tables(density, *own, *[m[part] for m in moved])
            found[part] = np.where(table.known, getattr(table, what)(uniform[part]), math.nan)
        done += count
    return found.reshape(shape)


def _longest(lengths: Array) -> int:
    """The longest of some tables; 1 where none is known."""
    known = lengths[lengths > 0.0]
    return int(known.max()) if len(known) else 1
