"""Integrals of densities over their panels: moments, mode and draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import prange

from energydsl.backends.numba.runtime.blas import pieces
from energydsl.backends.numba.runtime.compiling import exact, parallel
from energydsl.backends.numba.runtime.panels import (
    next_panel,
    unit_exponent,
    unit_place,
    unit_reach,
    unit_side,
    unit_slope,
    unit_start,
)
from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.quadrature import (
    GAUSS_LEGENDRE,
    PANEL_CURVED,
    PANEL_DEEP,
    PANEL_FINER,
    PANEL_GRID,
    PANEL_MOST,
    PANEL_NEWTON,
    PANEL_STACK,
)
from energydsl.backends.numpy.runtime.statistics import Density

_LOG, _MEAN, _VARIANCE, _ENTROPY, _MODE, _DRAW = range(6)
_WHAT = ("log", "mean", "variance", "entropy", "mode", "draw")


@exact
def unit_mass(eta: Array, rows: Array, place: Array, left: float, right: float, top: float, rise: float) -> float:
    """The integral of exp(exponent - top) over a panel; rise: how much the exponent rises where all mass is at its edge, else 0."""
    half, total = 0.5 * (right - left), 0.0
    if rise != 0.0:
        return (
            math.exp(unit_exponent(eta, rows, place, right if rise > 0.0 else left) - top) * (right - left) / abs(rise)
        )
    for n in range(8):
        f = unit_exponent(eta, rows, place, left + half * (1.0 + GAUSS_LEGENDRE[n, 0])) - top
        total += GAUSS_LEGENDRE[n, 1] * math.exp(min(f, PANEL_CURVED))
    return half * total


@exact
def unit_mode(
    eta: Array,
    rows: Array,
    place: Array,
    bend: Array,
    taylor: Array,
    ends: Array,
    reach: tuple[float, float],
    stack: Array,
    left_over: int,
    top: float,
    at: float,
    width: float,
) -> float:
    """The best place of a grid over all panels, and on ever finer grids the best near it."""
    depth, best = unit_start(stack, ends, reach, eta, rows, place), -math.inf
    while True:
        depth, left_over, left, right, _, _, _, _ = next_panel(
            stack, depth, left_over, eta, rows, place, bend, taylor, top, at, width, False
        )
        if right <= left:
            break
        for n in range(PANEL_GRID + 1):
            x = left + (right - left) * n / PANEL_GRID
            f = unit_exponent(eta, rows, place, x) - unit_slope(place, x)
            if f > best:
                at, best, width = x, f, (right - left) / PANEL_GRID
    for _ in range(PANEL_FINER):
        centre, top = at, -math.inf
        for n in range(2 * PANEL_GRID + 1):
            x = min(max(centre + width * (n / PANEL_GRID - 1.0), ends[0]), ends[-1])
            f = unit_exponent(eta, rows, place, x) - unit_slope(place, x)
            if f > top:
                at, top = x, f
        width /= PANEL_GRID
    return unit_place(place, at)


@exact
def unit_draw(
    eta: Array,
    rows: Array,
    place: Array,
    bend: Array,
    taylor: Array,
    ends: Array,
    reach: tuple[float, float],
    stack: Array,
    left_over: int,
    top: float,
    target: float,
) -> float:
    """The place below which `target` of the mass lies: its panel by the masses, in it by Newton's method between bounds."""
    depth, left, right, here, last = unit_start(stack, ends, reach, eta, rows, place), 0.0, 0.0, 0.0, 0.0
    while True:
        depth, left_over, a, b, _, _, _, rise = next_panel(
            stack, depth, left_over, eta, rows, place, bend, taylor, top, 0.0, 0.0, False
        )
        if b <= a:
            target = here
            break
        left, right, last, here = a, b, rise, unit_mass(eta, rows, place, a, b, top, rise)
        if target < here:
            break
        target -= here
    if last != 0.0:
        return unit_place(place, right if last > 0.0 else left)
    a, b, x = left, right, left + (right - left) * target / here
    for _ in range(PANEL_NEWTON):
        excess = unit_mass(eta, rows, place, left, x, top, 0.0) - target
        if excess < 0.0:
            a = x
        else:
            b = x
        x -= excess / math.exp(unit_exponent(eta, rows, place, x) - top)
        if not a <= x <= b:
            x = 0.5 * (a + b)
    return unit_place(place, x)


@exact
def unit_moments(
    eta: Array,
    rows: Array,
    place: Array,
    bend: Array,
    taylor: Array,
    ends: Array,
    reach: tuple[float, float],
    stack: Array,
    left_over: int,
    top: float,
    at: float,
) -> tuple[float, float, float, float]:
    """Mass, first and second moment of the unit about `at`, and the mean fall of the exponent below `top`; all weighed by the mass."""
    depth, mass, first, second, fall = unit_start(stack, ends, reach, eta, rows, place), 0.0, 0.0, 0.0, 0.0
    while True:
        depth, left_over, left, right, _, _, _, rise = next_panel(
            stack, depth, left_over, eta, rows, place, bend, taylor, top, at, 0.0, False
        )
        if right <= left:
            return mass if left_over > 0 else math.nan, first, second, fall
        if rise != 0.0:
            y, w = right if rise > 0.0 else left, unit_mass(eta, rows, place, left, right, top, rise)
            x = unit_place(place, y) - at
            mass, first, second = mass + w, first + w * x, second + w * x * x
            fall += w * (unit_exponent(eta, rows, place, y) - unit_slope(place, y) - top - 1.0) if w > 0.0 else 0.0
            continue
        half = 0.5 * (right - left)
        for n in range(8):
            y = left + half * (1.0 + GAUSS_LEGENDRE[n, 0])
            f = min(unit_exponent(eta, rows, place, y) - top, PANEL_CURVED)
            x, w = unit_place(place, y) - at, half * GAUSS_LEGENDRE[n, 1] * math.exp(f)
            mass, first, second = mass + w, first + w * x, second + w * x * x
            fall += w * (f - unit_slope(place, y)) if w > 0.0 else 0.0


@exact
def unit_ends(eta: Array, rows: Array, place: Array, tails: Array, growth: Array, holds: Array) -> tuple[float, float]:
    """Between which values of the variable of integration all mass lies, where its domain is no interval."""
    if place[0] != 0.0:
        start = PANEL_DEEP - unit_exponent(eta, rows, place, 0.0)
        return -unit_side(eta, tails, -1, start), unit_side(eta, tails, 1, start)
    return unit_reach(eta, rows, growth, holds) if holds.any() else (-math.inf, math.inf)


@exact
def unit_taylor(eta: Array, tables: Array, taylor: Array) -> None:
    """The Taylor coefficients of the second derivative of all polynomials together, into `taylor`."""
    for d in range(len(tables)):
        for j in range(len(tables) - d):
            taylor[d, j] = 0.0
            for k in range(len(eta)):
                taylor[d, j] += tables[d, k, j] * eta[k]


@exact
def unit_shift(eta: Array, shift: Array) -> float:
    """sum_k eta_k shift_k."""
    total = 0.0
    for k in range(len(eta)):
        total += eta[k] * shift[k]
    return total


@exact
def unit_integrated(
    what: int,
    eta: Array,
    u: float,
    rows: Array,
    place: Array,
    tails: Array,
    shift: Array,
    growth: Array,
    bend: Array,
    tables: Array,
    taylor: Array,
    holds: Array,
    ends: Array,
    stack: Array,
) -> float:
    """What is asked for of one unit; NaN where it is undefined or panels do not suffice.

    taylor, stack: scratch.
    """
    reach = unit_ends(eta, rows, place, tails, growth, holds)
    largest = max(abs(max(ends[0], reach[0])), abs(min(ends[-1], reach[1])))
    if not math.isfinite(largest):
        return math.nan
    unit_taylor(eta, tables, taylor)
    depth, left_over = unit_start(stack, ends, reach, eta, rows, place), 10 * PANEL_MOST
    depth, left_over, _, _, top, at, width, _ = next_panel(
        stack, depth, left_over, eta, rows, place, bend, taylor, -math.inf, 0.0, 0.0, True
    )
    if not (left_over > 0 and math.isfinite(top)):
        return math.nan
    if what == _MODE:
        return unit_mode(eta, rows, place, bend, taylor, ends, reach, stack, left_over, top, at, width)
    at = unit_place(place, at)
    mass, first, second, fall = unit_moments(eta, rows, place, bend, taylor, ends, reach, stack, left_over, top, at)
    if not mass > 0.0:
        return math.nan
    if what == _DRAW:
        return unit_draw(eta, rows, place, bend, taylor, ends, reach, stack, left_over, top, u * mass)
    if what == _LOG:
        return top + math.log(mass) + unit_shift(eta, shift) + math.log(place[2])
    if what == _MEAN:
        return at + first / mass
    if what == _VARIANCE:
        return second / mass - (first / mass) * (first / mass)
    return math.log(mass) - fall / mass + math.log(place[2])


@parallel(error_model="numpy")
def integrate_units(
    what: int,
    eta: Array,
    u: Array,
    rows: Array,
    place: Array,
    tails: Array,
    shift: Array,
    growth: Array,
    bend: Array,
    tables: Array,
    holds: Array,
    ends: Array,
    out: Array,
    parts: int,
) -> None:
    """What is asked for of every unit, into out: (units,); eta: (units, statistics); u: (units,); in so many pieces."""
    for n in prange(parts):
        taylor = np.empty((len(tables), len(tables)))
        stack = np.empty((len(ends) + PANEL_STACK, 4))
        for j in range(len(out) * n // parts, len(out) * (n + 1) // parts):
            out[j] = unit_integrated(
                what, eta[j], u[j], rows, place, tails, shift, growth, bend, tables, taylor, holds, ends, stack
            )


def integrated(what: str, density: Density, etas: Sequence[Array], u: Array | float = 0.0) -> Array:
    """log of the integral, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined.

    etas: one array a statistic, of one shape with u and the result, which is float64.
    """
    shape = np.broadcast_shapes(*map(np.shape, (*etas, u)))
    eta, uniform, out = np.empty((*shape, len(etas))), np.empty(shape), np.empty(shape)
    for k in range(len(etas)):
        eta[..., k] = etas[k]
    uniform[...] = u
    integrate_units(
        _WHAT.index(what), eta.reshape(-1, len(etas)), uniform.reshape(-1), density.rows, density.mapping, density.tails,
        density.shift, density.growth, density.bend, density.taylor,
        density.holds, density.ends, out.reshape(-1), pieces(1000 * out.size),
    )  # fmt: skip
    return out
