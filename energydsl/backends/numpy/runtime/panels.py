"""Integrals of densities without a closed form, over panels on which they are smooth (`domains/density.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, silent
from energydsl.backends.numpy.runtime.functions import sigmoid, softplus
from energydsl.backends.numpy.runtime.quadrature import (
    BOUNDED,
    BUMP,
    EXP,
    GAUSS_LEGENDRE,
    HALF_LINE,
    LOGISTIC,
    PANEL_CURVED,
    PANEL_DEEP,
    PANEL_FAR,
    PANEL_FAST,
    PANEL_FINER,
    PANEL_GRID,
    PANEL_HIGH,
    PANEL_LOW,
    PANEL_MOST,
    PANEL_NARROW,
    PANEL_NEARER,
    PANEL_NEWTON,
    PANEL_ROUGH,
    PANEL_STEEP,
    PANEL_WILD,
    WALL,
    WHOLE_LINE,
)
from energydsl.backends.numpy.runtime.statistics import Density, capped

# How many panels may be held at once, and how many units are begun with together.
_CROWD, _CHUNK = 2_000_000, 5000


def _derivatives(p: Sequence[float]) -> tuple[Sequence[float], list[float], list[float]]:
    """A polynomial, and bounds of its first and second derivative by the sizes of their coefficients."""
    first = [k * abs(c) for k, c in enumerate(p)][1:]
    return p, first, [k * c for k, c in enumerate(first)][1:] or [0.0]


class Crowded(Exception):
    """Too many panels at once: fewer units, please."""


class Panels:
    """Panels that hold all mass of some units, and the rule of Gauss and Legendre on each.

    eta: one row a statistic, one column a unit. left, right, owner: the panels, in the order of units and places. x, fall,
    weight: places, exponent - top there, and exp of that times the weights of the rule. edge: where all mass of a panel is
    that is too steep but no wider than the distance of two numbers; NaN for others. bumps: what stands in exp alone: its
    statistic, polynomial, and bounds of the derivatives; walls: the statistic, a and b of exp(a + b x) without a bound.
    lift, lean: what stands beside the statistics is never above lift + lean |x| more than where x, or the variable of
    integration, is 0.
    """

    lift: Array | float = 0.0
    lean: Array | float = 0.0

    def __init__(self, density: Density, eta: Array) -> None:
        self.density, self.eta, self.units = density, eta, eta.shape[1]
        alone = [(k, f, p) for k, f, _, _, _, _, _, _, *p in density.factors if f in (BUMP, WALL)]
        self.bumps = [(k, *map(np.polynomial.Polynomial, _derivatives(p))) for k, _, p in alone]
        self.walls = [(k, *p) for k, f, p in alone if f == WALL]
        ends = np.repeat(density.ends[:, None], self.units, axis=1)
        if density.holds.any() or density.place:
            ends = np.clip(ends, *(self.sides() if density.place else self.reach()))
            ends[:, ~np.isfinite(ends).all(axis=0)] = math.nan
        left, right = ends[:-1].T.ravel(), ends[1:].T.ravel()
        owner = np.repeat(np.arange(self.units), len(ends) - 1)
        self.top = np.full(self.units, -math.inf)
        coarse = np.ones(len(left), bool)
        while coarse.any():
            a, b, h = self.exponent(left, owner), self.exponent(right, owner), right - left
            curved, rate = self.bound(left, right, owner)
            above, rise = curved * h * h / 8.0, np.abs(b - a)
            np.maximum.at(self.top, owner, np.maximum(a, b))
            self.top[np.bincount(owner, minlength=self.units) > PANEL_MOST] = math.nan
            alive = np.maximum(a, b) + above >= self.top[owner] - PANEL_DEEP
            rough = PANEL_ROUGH * np.maximum(np.abs(a), np.abs(b))
            steep = (
                (above > np.maximum(PANEL_CURVED, rough))
                | (rise > np.maximum(PANEL_STEEP, rough))
                | (rate * h > PANEL_FAST)
            )
            coarse = steep & (h > PANEL_NARROW * np.maximum(np.abs(left), np.abs(right)))
            wild = (above > PANEL_WILD * PANEL_CURVED) | (rise > PANEL_WILD * PANEL_STEEP)
            edge = np.where(steep & ~coarse, np.where(a >= b, left, right), math.nan)
            rows = (left, right, owner, coarse, wild, edge, a, b)
            left, right, owner, coarse, wild, edge, a, b = (v[alive] for v in rows)
            if len(left) > _CROWD and self.units > 1:
                raise Crowded
            far, more = right[coarse], owner[coarse]
            centre = self.cut(left[coarse], far, wild[coarse])
            right[coarse] = centre
            left, right, owner = (np.concatenate(pair) for pair in ((left, centre), (right, far), (owner, more)))
        order = np.lexsort((left, owner))
        self.left, self.right, self.owner, self.edge = left[order], right[order], owner[order], edge[order]
        self.x, self.fall, self.weight = self.rule(self.left, self.right, self.owner)
        if (point := order[~np.isnan(self.edge)]).size:
            self.gather(~np.isnan(self.edge), np.maximum(a, b)[point], np.abs(b - a)[point])
        mass = self.total(1.0)
        self.mass = np.where(mass > 0.0, mass, math.nan)

    @staticmethod
    def cut(left: Array, right: Array, wild: Array) -> Array:
        """Where to cut panels in two: in the middle, or much nearer to 0."""
        size, small = np.maximum(np.abs(left), np.abs(right)), np.minimum(np.abs(left), np.abs(right))
        nearer = np.copysign(np.maximum(np.sqrt(small * size), PANEL_NEARER * size), left + right)
        return np.where(wild & (4.0 * small < size), nearer, 0.5 * (left + right))

    def gather(self, point: Array, high: Array, rise: Array) -> None:
        """All mass of some panels at their edges: an exp with such a rise, 1 / rise of whose width has the mass."""
        width = (self.right - self.left)[point] / np.maximum(rise, 1.0)
        fall = high - self.top[self.owner[point]]
        self.x[point], self.fall[point] = self.edge[point, None], (fall - 1.0)[:, None]
        self.weight[point] = (np.exp(fall) * width / len(GAUSS_LEGENDRE))[:, None]

    def reach(self) -> tuple[Array, Array]:
        """Where a power that holds the mass, and walls before it, have left every other term `PANEL_DEEP` below the value at 0.

        Of several powers the nearest; what is never negative and has eta <= 0 only lowers the exponent.
        """
        growth, holds = self.density.growth.T, self.density.holds
        others = np.where((holds[:, :1] > 0.0) & (self.eta <= 0.0), 0.0, np.abs(self.eta))
        start = PANEL_DEEP + 2.0 * (growth[0] @ np.abs(self.eta)) + self.lift
        high, most = np.full(self.units, math.inf), np.full(self.units, math.inf)
        for k in np.flatnonzero(holds[:, 0]):
            power = int(holds[k, 0])
            rest = others.copy()
            rest[k] = 0.0
            size = np.zeros((max(power + 1, len(growth)), self.units))
            size[: len(growth)] = growth @ rest
            size[0], size[1] = start, size[1] + self.lean
            firm = -self.eta[k] * holds[k, 1] - size[power]
            firm = np.where(size[power + 1 :].any(axis=0), 0.0, firm)
            each = [(power * s / firm) ** (1.0 / (power - d)) for d, s in enumerate(size[:power])]
            reach = np.where(firm > 0.0, np.max(each, axis=0), math.inf)
            above = sum(s * r**d for d, (s, r) in enumerate(zip(size, each, strict=False)))
            high, most = np.where(reach < high, reach, high), np.where(reach < high, above, most)
        low = -high
        for k, a, b in self.walls:
            edge = (np.log(most / (0.0 - self.eta[k])) - a) / b
            low, high = (low, np.minimum(high, edge)) if b > 0.0 else (np.maximum(low, edge), high)
        return low, high

    def sides(self) -> tuple[Array, Array]:
        """Where what falls fastest has left all else `PANEL_DEEP` below the value at 0: s t^a e^(d t) >= n m t^b e^(c t) for each of
        n others, m t^b e^(c t), from there on, t the distance.
        """
        density, zero = self.density, np.zeros(self.units)
        across = self.lean * (density.high - density.low if density.place == BOUNDED else 1.0)
        start = PANEL_DEEP + self.lift + across - Panels.exponent(self, zero, np.arange(self.units))
        return -self.side(-1, start), self.side(1, start)

    def side(self, side: int, start: Array) -> Array:
        """How far the mass reaches on one side; NaN where nothing holds it."""
        totals: dict[tuple[float, float], Array] = {(0.0, 0.0): start}
        if side > 0 and self.density.place == HALF_LINE:
            totals[1.0, 0.0] = self.lean + np.zeros(self.units)
        for where, growth, degree, k, factor, exact in self.density.tails:
            if where == side:
                value = factor * (self.eta[int(k)] if k >= 0 else np.full(self.units, 1.0))
                order = (growth, degree)
                totals[order] = totals.get(order, np.zeros(self.units)) + (value if exact else np.abs(value))
        orders = sorted(totals, reverse=True)
        table = np.array([totals[o] for o in orders])
        holder = np.argmax(table != 0.0, axis=0)
        every = np.arange(self.units)
        firm = -table[holder, every]
        growth, degree = np.array(orders)[holder].T
        reach = np.ones(self.units)
        for _ in range(PANEL_FAR):
            short = np.zeros(self.units, bool)
            for (c, b), m in zip(orders, table, strict=True):
                below = (growth > c) | ((growth == c) & (degree > b))
                turn = np.where(growth > c, (b - degree) / (growth - c), 0.0)
                gain = np.log(firm) - np.log(len(orders) * m) + (degree - b) * np.log(reach) + (growth - c) * reach
                short |= below & (m > 0.0) & ~((gain >= 0.0) & (reach >= turn))
            reach = np.where(short, 2.0 * reach, reach)
        return np.where((firm > 0.0) & ~short, reach, math.nan)

    def exponent(self, x: Array, owner: Array, sloped: bool = True) -> Array:
        """sum_k eta_k T_k(x), at values of the variable of integration; and log dx/dy, where it is sloped."""
        eta = self.eta[:, owner].reshape(len(self.eta), *x.shape[:1], *(1,) * (x.ndim - 1))
        density = self.density
        start: Any = density.log_slope(x) if sloped else 0.0
        found: Array = start + sum(e * t for e, t in zip(eta, density.along(x, density.unit(x)), strict=True))
        return found

    def bound(self, left: Array, right: Array, owner: Array) -> tuple[Array, Array]:
        """Bounds of sum_k |eta_k T_k''(x)| on panels, and of how fast the arguments of functions change there."""
        if self.density.place:
            return self.bent(left, right, owner)
        size: Array = np.maximum(np.abs(left), np.abs(right))
        found: Any = 0.0
        for c in (self.density.bend[:-1].T @ np.abs(self.eta))[::-1, owner]:
            found = found * size + c
        centre, half = 0.5 * (left + right), 0.5 * (right - left)
        for d, table in enumerate(self.density.taylor):
            value: Any = 0.0
            for c in (table[:, : len(self.density.taylor) - d].T @ self.eta)[::-1, owner]:
                value = value * centre + c
            found = found + np.abs(value) * half**d
        rate = np.polynomial.polynomial.polyval(size, self.density.bend[-1])
        for k, p, slope, bend in self.bumps:
            steep, curved = slope(size), bend(size)
            most = np.maximum(p(left), p(right)) + curved * (right - left) ** 2 / 8.0
            height = np.abs(self.eta[k, owner]) * capped(most)
            found = found + np.where(height > 0.0, height * (steep * steep + curved), 0.0)
            rate = np.where(height > PANEL_LOW, np.maximum(rate, steep), rate)
        return found, rate

    def bent(self, left: Array, right: Array, owner: Array) -> tuple[Array, Array]:
        """The same where the unit is not the variable of integration, by the rules of the product and of the chain."""
        density, width = self.density, right - left
        near = _nearest(left, right)
        local = sigmoid(near) * sigmoid(-near)
        found = 2.0 * local if density.place == BOUNDED else np.zeros_like(left)
        rate = np.where(found > PANEL_LOW, 1.0, 0.0)
        ends = density.unit(left), density.unit(right)
        if density.place == WHOLE_LINE:
            found = abs(1.0 + density.tilt) * _bend_of_log_cosh(left, right)
            rate = np.where(found > PANEL_LOW, 1.0, 0.0)
        speed = (
            np.cosh(np.minimum(np.maximum(np.abs(left), np.abs(right)), PANEL_HIGH))
            if density.place == WHOLE_LINE
            else (density.high - density.low) * local
            if density.place == BOUNDED
            else ends[1]
        )
        for k in range(density.count):
            total = np.ones_like(left), np.zeros_like(left), np.zeros_like(left)
            height = np.abs(self.eta[k, owner])
            for _, function, power, inner, most, grows, steepest, bend, *p in (r for r in density.factors if r[0] == k):
                low, high, slope, curved = (
                    _argument(p, left, right, 1.0, 0.0, width) if inner else _argument(p, *ends, speed, speed, width)
                )
                if function in (EXP, BUMP):
                    value = capped(high)
                    one, live = (value, value * slope, value * (slope * slope + curved)), height * value > PANEL_LOW
                    slope = 2.0 * slope
                elif function == LOGISTIC:
                    near = _nearest(low, high)
                    local = sigmoid(near) * sigmoid(-near)
                    one, live = (softplus(-low), sigmoid(-low) * slope, local * slope * slope), local > PANEL_LOW
                    slope = 2.0 * slope
                else:
                    value = most + grows * np.maximum(np.abs(low), np.abs(high))
                    one, live = (value, steepest * slope, bend * slope * slope + steepest * curved), bend > 0.0
                rate = np.where(live, np.maximum(rate, slope), rate)
                for _ in range(power):
                    (f, df, ddf), (g, dg, ddg) = total, one
                    total = f * g, df * g + f * dg, ddf * g + 2.0 * df * dg + f * ddg
            found = found + np.where(height > 0.0, height * total[2], 0.0)
        return found, rate

    def rule(self, left: Array, right: Array, owner: Array) -> tuple[Array, Array, Array]:
        """Places, how far exponents fall below the greatest there, and weights between two ends."""
        half = 0.5 * (right - left)[:, None]
        x = 0.5 * (left + right)[:, None] + half * GAUSS_LEGENDRE[:, 0]
        fall = np.minimum(self.exponent(x, owner) - self.top[owner][:, None], PANEL_CURVED)
        return x, fall, half * GAUSS_LEGENDRE[:, 1] * np.exp(fall)

    def total(self, value: Array | float) -> Array:
        """The integral of a function given at the places, by unit."""
        return np.bincount(self.owner, (self.weight * value).sum(1), self.units)

    def log(self) -> Array:
        """log of the integral of exp(sum_k eta_k T_k(x)), of every unit."""
        shift = self.density.shift @ self.eta
        if self.density.place == BOUNDED:
            shift = shift + math.log(self.density.high - self.density.low)
        return self.top + np.log(self.mass) + shift

    def mean(self) -> Array:
        """Mean of every unit."""
        return self.total(self.density.unit(self.x)) / self.mass

    def variance(self) -> Array:
        """Variance of every unit."""
        centre = self.mean()
        return self.total((self.density.unit(self.x) - centre[self.owner][:, None]) ** 2) / self.mass

    def entropy(self) -> Array:
        """Entropy of every unit, in nats."""
        slope = self.density.log_slope(self.x)
        fall = np.where(self.weight > 0.0, self.fall - slope, 0.0)
        constant = math.log(self.density.high - self.density.low) if self.density.place == BOUNDED else 0.0
        return np.log(self.mass) - self.total(fall) / self.mass + constant

    def mode(self) -> Array:
        """The best place of a grid over all panels, and on ever finer grids the best near it."""
        grid = np.linspace(self.left, self.right, PANEL_GRID + 1, axis=1)
        f = self.exponent(grid, self.owner, sloped=False)
        best, at, width = np.full(self.units, -math.inf), np.full(self.units, math.nan), np.zeros(self.units)
        np.maximum.at(best, self.owner, f.max(axis=1))
        panel = np.flatnonzero(f.max(axis=1) == best[self.owner])[::-1]
        at[self.owner[panel]] = grid[panel, f[panel].argmax(axis=1)]
        width[self.owner[panel]] = ((self.right - self.left) / PANEL_GRID)[panel]
        every = np.arange(self.units)
        for _ in range(PANEL_FINER):
            grid = at[:, None] + width[:, None] * np.linspace(-1.0, 1.0, 2 * PANEL_GRID + 1)
            grid = np.clip(grid, self.density.ends[0], self.density.ends[-1])
            at = grid[every, self.exponent(grid, every, sloped=False).argmax(axis=1)]
            width = width / PANEL_GRID
        return np.where(np.isnan(self.mass), math.nan, self.density.unit(at))

    def asked(self, what: str, unit: Array, u: Array) -> Array:
        """What is asked for of some units, any of them several times, a draw from u: so many at once as panels are begun with."""
        if what != "draw":
            found: Array = getattr(self, what)()[unit]
            return found
        pieces = [slice(k, k + _CHUNK) for k in range(0, len(unit), _CHUNK)]
        return np.concatenate([self.draw(unit[piece], u[piece]) for piece in pieces])

    def draw(self, unit: Array, u: Array) -> Array:
        """For some units, any of them several times, the place below which u of the mass lies.

        Its panel by the masses, in it by Newton's method between bounds.
        """
        if not len(self.owner):
            return self.mass[unit]
        first = np.searchsorted(self.owner, np.arange(self.units))
        rank = np.arange(len(self.owner)) - first[self.owner]
        mass = np.zeros((self.units, rank.max() + 1))
        mass[self.owner, rank] = self.weight.sum(1)
        below = np.cumsum(mass, axis=1)
        target = u * below[unit, -1]
        last = np.bincount(self.owner, minlength=self.units) - 1
        panel = np.clip((below[unit] <= target[:, None]).sum(1), 0, np.maximum(last, 0)[unit])
        target = target - np.where(panel > 0, below[unit, panel - 1], 0.0)
        here = np.minimum(first[unit] + panel, len(self.owner) - 1)
        start, a, b = self.left[here], self.left[here], self.right[here]
        x = a + (b - a) * target / mass[unit, panel]
        for _ in range(PANEL_NEWTON):
            excess = self.rule(start, x, unit)[2].sum(1) - target
            a, b = np.where(excess < 0.0, x, a), np.where(excess < 0.0, b, x)
            x = x - excess / np.exp(self.exponent(x, unit) - self.top[unit])
            x = np.where((x >= a) & (x <= b), x, 0.5 * (a + b))
        edge = self.edge[here]
        return np.where(np.isnan(self.mass)[unit], math.nan, self.density.unit(np.where(np.isnan(edge), x, edge)))


def _bend_of_log_cosh(left: Array, right: Array) -> Array:
    """1 / cosh(y)^2 where intervals are nearest to 0."""
    near = 2.0 * _nearest(left, right)
    found: Array = 4.0 * sigmoid(near) * sigmoid(-near)
    return found


def _nearest(low: Array, high: Array) -> Array:
    """How near to 0 intervals come."""
    return np.where(low * high > 0.0, np.minimum(np.abs(low), np.abs(high)), 0.0)


def _argument(
    p: Sequence[float], left: Array, right: Array, speed: Array | float, bend: Array | float, width: Array
) -> tuple[Array, Array, Array, Array]:
    """Bounds of a polynomial on panels: the least and greatest value, and its derivatives along the variable of integration.

    left, right: its own variable at the ends. speed, bend: bounds of the derivatives of that. width: of the panels.
    """
    _, first, second = (np.polynomial.Polynomial(c) for c in _derivatives(p))
    size = np.maximum(np.abs(left), np.abs(right))
    slope = first(size) * speed if len(p) > 1 else 0.0 * size
    curved = second(size) * speed * speed + first(size) * bend if len(p) > 1 else 0.0 * size
    a, b = (np.polynomial.polynomial.polyval(x, p) for x in (left, right))
    beyond = curved * width * width / 8.0
    return np.minimum(a, b) - beyond, np.maximum(a, b) + beyond, slope, curved


def integrated(what: str, density: Density, etas: Sequence[Array], u: Array | float = 0.0) -> Array:
    """log of the integral, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined.

    what: "log", "mean", "variance", "entropy", "mode" or "draw". etas: one array a statistic, of one shape with u and the
    result, which is float64.
    """
    arrays = np.broadcast_arrays(*etas, u)
    *rows, uniform = (a.astype(np.float64).ravel() for a in arrays)
    eta, kind = _distinct(np.stack(rows))
    found, done, chunk = np.empty(len(uniform)), 0, _CHUNK
    while done < eta.shape[1]:
        those = np.flatnonzero((kind >= done) & (kind < done + chunk))
        try:
            with silent():
                found[those] = Panels(density, eta[:, done : done + chunk]).asked(
                    what, kind[those] - done, uniform[those]
                )
        except Crowded:
            chunk = max(1, chunk // 8)
        else:
            done += chunk
    return found.reshape(arrays[0].shape)


def _distinct(eta: Array) -> tuple[Array, Array]:
    """The columns that differ, and for every column which of them it is: units of the same field have the same panels."""
    order = np.lexsort(eta)
    new = np.ones(len(order), bool)
    new[1:] = (eta[:, order[1:]] != eta[:, order[:-1]]).any(axis=0)
    kind = np.empty(len(order), np.intp)
    kind[order] = np.cumsum(new) - 1
    return eta[:, order[new]], kind
