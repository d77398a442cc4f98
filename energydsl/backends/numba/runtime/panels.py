"""Densities without a closed form: panels as in the NumPy runtime, but one unit at a time, none of them stored.

eta: natural parameters (statistics,); rows, growth, bend, taylor, holds, ends: see `Density` in the NumPy runtime. A panel
on the stack is (left, right, exponent at the left, exponent at the right).
"""

from __future__ import annotations

import math

from energydsl.backends.numba.runtime.compiling import exact
from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.quadrature import (
    BUMP,
    PANEL_CURVED,
    PANEL_DEEP,
    PANEL_FAST,
    PANEL_HIGH,
    PANEL_LOW,
    PANEL_NARROW,
    PANEL_NEARER,
    PANEL_ROUGH,
    PANEL_STEEP,
    PANEL_WILD,
    WALL,
)


@exact
def unit_shape(function: int, y: float) -> float:
    """The function of that number at y (see `domains/density.py`)."""
    if function == 1:
        return abs(y)
    if function == 2:
        return math.tanh(y)
    if function == 3:
        return 0.5 * (1.0 + math.tanh(0.5 * y))
    if function == 4:
        return max(y, 0.0) + math.log1p(math.exp(-abs(y)))
    if function == 5:
        return math.sin(y)
    if function == 6:
        return math.cos(y)
    if function == 7:
        return math.exp(y)
    return math.exp(min(y, PANEL_HIGH)) if function >= BUMP else y


@exact
def unit_exponent(eta: Array, rows: Array, x: float) -> float:
    """sum_k eta_k T_k(x)."""
    total, product = 0.0, 1.0
    for r in range(len(rows)):
        y = 0.0
        for d in range(rows.shape[1] - 1, 2, -1):
            y = y * x + rows[r, d]
        y = unit_shape(int(rows[r, 1]), y)
        for _ in range(int(rows[r, 2])):
            product *= y
        if r + 1 == len(rows) or rows[r + 1, 0] != rows[r, 0]:
            total += eta[int(rows[r, 0])] * product
            product = 1.0
    return total


@exact
def unit_reach(eta: Array, rows: Array, growth: Array, holds: Array) -> tuple[float, float]:
    """Where a power that holds the mass, and walls before it, have left every other term `PANEL_DEEP` below the value at 0."""
    start = PANEL_DEEP
    for k in range(len(growth)):
        start += 2.0 * growth[k, 0] * abs(eta[k])
    high, most = math.inf, math.inf
    for k in range(len(holds)):
        power = int(holds[k, 0])
        firm, reach, above = -eta[k] * holds[k, 1], 0.0, 0.0
        for d in range(growth.shape[1] - 1, -1, -1):
            size = 0.0
            for j in range(len(growth)):
                if j != k and not (holds[j, 0] > 0.0 and eta[j] <= 0.0):
                    size += growth[j, d] * abs(eta[j])
            if d > power and size > 0.0:
                firm = 0.0
            elif d == power:
                firm -= size
            elif d < power and firm > 0.0:
                size = start if d == 0 else size
                root = (power * size / firm) ** (1.0 / (power - d))
                reach, above = max(reach, root), above + size * root**d
        if power > 0 and firm > 0.0 and reach < high:
            high, most = reach, above
    low = -high
    for r in range(len(rows)):
        if rows[r, 1] == WALL:
            height = 0.0 - eta[int(rows[r, 0])]
            if not height >= 0.0:
                return math.nan, math.nan
            edge = (math.log(most / height) - rows[r, 3]) / rows[r, 4]
            low, high = (low, min(high, edge)) if rows[r, 4] > 0.0 else (max(low, edge), high)
    return low, high


@exact
def unit_bound(eta: Array, rows: Array, bend: Array, taylor: Array, left: float, right: float) -> tuple[float, float]:
    """Bounds of the second derivative of the exponent, and of how fast arguments of functions change (the last row)."""
    found, rate, size = 0.0, 0.0, max(abs(left), abs(right))
    centre, reach = 0.5 * (left + right), 1.0
    for d in range(len(taylor)):
        value = 0.0
        for j in range(len(taylor) - d - 1, -1, -1):
            value = value * centre + taylor[d, j]
        found += abs(value) * reach
        reach *= 0.5 * (right - left)
    bent = 0.0
    for d in range(bend.shape[1] - 1, -1, -1):
        c = 0.0
        for k in range(len(bend) - 1):
            c += bend[k, d] * abs(eta[k])
        bent, rate = bent * size + c, rate * size + bend[-1, d]
    found += bent
    for r in range(len(rows)):
        if rows[r, 1] >= BUMP:
            a, b, slope, curved = 0.0, 0.0, 0.0, 0.0
            for d in range(rows.shape[1] - 1, 2, -1):
                k, c = d - 3, abs(rows[r, d])
                a, b = a * left + rows[r, d], b * right + rows[r, d]
                slope = slope * size + k * c if k > 0 else slope
                curved = curved * size + k * (k - 1) * c if k > 1 else curved
            height = abs(eta[int(rows[r, 0])]) * math.exp(
                min(max(a, b) + curved * (right - left) ** 2 / 8.0, PANEL_HIGH)
            )
            if height > 0.0:
                found += height * (slope * slope + curved)
            rate = max(rate, slope) if height > PANEL_LOW else rate
    return found, rate


@exact
def unit_cut(left: float, right: float, wild: bool) -> float:
    """Where to cut a panel in two: in the middle, or much nearer to 0."""
    size, small = max(abs(left), abs(right)), min(abs(left), abs(right))
    if wild and 4.0 * small < size:
        return math.copysign(max(math.sqrt(small * size), PANEL_NEARER * size), left + right)
    return 0.5 * (left + right)


@exact
def next_panel(
    stack: Array,
    depth: int,
    left_over: int,
    eta: Array,
    rows: Array,
    bend: Array,
    taylor: Array,
    top: float,
    at: float,
    width: float,
    searching: bool,
) -> tuple[int, int, float, float, float, float, float, float]:
    """Panels off a stack, from left to right, cut until they can be integrated; searching: all, for the greatest exponent.

    Returns the depth, how many more may be looked at, the panel (empty at the end), the greatest exponent so far, where
    it is, how wide its panel, and how much the exponent rises on a panel whose mass is at its edge (0 on others).
    """
    while depth > 0 and left_over > 0:
        depth, left_over = depth - 1, left_over - 1
        left, right, a, b = stack[depth]
        h = right - left
        above, rate = unit_bound(eta, rows, bend, taylor, left, right)
        above = above * h * h / 8.0
        if searching and max(a, b) >= top:
            top, at, width = max(a, b), left if a >= b else right, h
        if not max(a, b) + above >= top - PANEL_DEEP:
            continue
        rough = PANEL_ROUGH * max(abs(a), abs(b))
        steep = above > max(PANEL_CURVED, rough) or abs(b - a) > max(PANEL_STEEP, rough) or rate * h > PANEL_FAST
        if steep and h > PANEL_NARROW * max(abs(left), abs(right)):
            if depth + 2 > len(stack):
                left_over = 0
                break
            centre = unit_cut(left, right, above > PANEL_WILD * PANEL_CURVED or abs(b - a) > PANEL_WILD * PANEL_STEEP)
            middle = unit_exponent(eta, rows, centre)
            stack[depth] = (centre, right, middle, b)
            stack[depth + 1] = (left, centre, a, middle)
            depth += 2
        elif not searching:
            rise = max(abs(b - a), 1.0) if steep else 0.0
            rise = rise if b > a else -rise
            return depth, left_over, left, right, top, at, width, rise
    return depth, left_over, 0.0, 0.0, top, at, width, 0.0


@exact
def unit_start(stack: Array, ends: Array, reach: tuple[float, float], eta: Array, rows: Array) -> int:
    """Put the panels that one begins with on the stack, the leftmost on top; how many there are."""
    depth = 0
    for s in range(len(ends) - 2, -1, -1):
        low, high = min(max(ends[s], reach[0]), reach[1]), min(max(ends[s + 1], reach[0]), reach[1])
        stack[depth] = (low, high, unit_exponent(eta, rows, low), unit_exponent(eta, rows, high))
        depth += 1
    return depth
