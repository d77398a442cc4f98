"""Densities without a closed form: panels as in the NumPy runtime, but one unit at a time, none of them stored.

eta: natural parameters (statistics,); rows, growth, bend, taylor, holds, ends, tails: see `Density` in the NumPy runtime; place: how
a unit follows from the variable of integration, its least value, and how far the greatest is from that. A panel
on the stack is (left, right, exponent at the left, exponent at the right).
"""

from __future__ import annotations

import math

from energydsl.backends.numba.runtime.compiling import exact
from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.quadrature import (
    BOUNDED,
    BUMP,
    EVEN,
    EXP,
    HALF_LINE,
    LOGISTIC,
    PANEL_CURVED,
    PANEL_DEEP,
    PANEL_FAR,
    PANEL_FAST,
    PANEL_HIGH,
    PANEL_LOW,
    PANEL_NARROW,
    PANEL_NEARER,
    PANEL_ROUGH,
    PANEL_STEEP,
    PANEL_WILD,
    ROW,
    WALL,
    WHOLE_LINE,
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
    if function == LOGISTIC:
        return min(y, 0.0) - math.log1p(math.exp(-abs(y)))
    if function == EVEN:
        return abs(y) + 2.0 * (math.log1p(math.exp(-abs(y))) - math.log(2.0))
    return math.exp(min(y, PANEL_HIGH)) if function >= BUMP else y


@exact
def unit_place(place: Array, y: float) -> float:
    """The unit at a value of the variable of integration."""
    if place[0] == HALF_LINE:
        return math.exp(min(y, PANEL_HIGH))
    if place[0] == WHOLE_LINE:
        return math.sinh(min(max(y, -PANEL_HIGH), PANEL_HIGH))
    if place[0] == BOUNDED:
        t = math.exp(-abs(y))
        return float(place[1] + place[2] * (t if y < 0.0 else 1.0) / (1.0 + t))
    return y


@exact
def unit_slope(place: Array, y: float) -> float:
    """log dx/dy, without its shift."""
    if place[0] == HALF_LINE:
        return float(place[3] * y)
    if place[0] == WHOLE_LINE:
        return float(place[3] * 0.5 * unit_shape(EVEN, 2.0 * y))
    return unit_shape(LOGISTIC, y) + unit_shape(LOGISTIC, -y) if place[0] == BOUNDED else 0.0


@exact
def unit_exponent(eta: Array, rows: Array, place: Array, y: float) -> float:
    """sum_k eta_k T_k at a value of the variable of integration; and log dx/dy."""
    total, product, x = unit_slope(place, y), 1.0, unit_place(place, y)
    for r in range(len(rows)):
        value, at = 0.0, y if rows[r, 3] else x
        for d in range(rows.shape[1] - 1, ROW - 1, -1):
            value = value * at + rows[r, d]
        value = unit_shape(int(rows[r, 1]), value)
        for _ in range(int(rows[r, 2])):
            product *= value
        if r + 1 == len(rows) or rows[r + 1, 0] != rows[r, 0]:
            total += eta[int(rows[r, 0])] * product
            product = 1.0
    return total


@exact
def unit_side(eta: Array, tails: Array, side: int, start: float) -> float:
    """How far the mass reaches on one side (see `Panels.side` of the NumPy runtime); NaN where nothing holds it."""
    firm, growth, degree, holder, reach, count = 0.0, 0.0, 0.0, 0, 1.0, 1
    for r in range(len(tails)):
        if tails[r, 0] == side and (r == 0 or not (tails[r - 1, :3] == tails[r, :3]).all()):
            total = unit_order(eta, tails, r, start)
            count += 1
            if firm == 0.0 and total != 0.0:
                firm, growth, degree, holder = -total, tails[r, 1], tails[r, 2], r
    if not firm > 0.0:
        return math.nan
    for _ in range(PANEL_FAR):
        short = False
        for r in range(holder, len(tails)):
            if tails[r, 0] == side and not (tails[r - 1, :3] == tails[r, :3]).all() and r > holder:
                short |= unit_short(
                    unit_order(eta, tails, r, start), firm, growth - tails[r, 1], degree - tails[r, 2], count, reach
                )
        short |= unit_short(start, firm, growth, degree, count, reach)
        if not short:
            return reach
        reach *= 2.0
    return math.nan


@exact
def unit_order(eta: Array, tails: Array, first: int, start: float) -> float:
    """The factor of what grows alike, from the first of these rows on; `start` is added where that does not grow."""
    total, r = 0.0, first
    while r < len(tails) and (tails[r, :3] == tails[first, :3]).all():
        k = int(tails[r, 3])
        value = tails[r, 4] * (eta[k] if k >= 0 else 1.0)
        total += value if tails[r, 5] else abs(value)
        r += 1
    return total + (start if tails[first, 1] == 0.0 and tails[first, 2] == 0.0 else 0.0)


@exact
def unit_short(factor: float, firm: float, growth: float, degree: float, count: int, reach: float) -> bool:
    """Whether a distance is too short for what holds an end to be `count` times as large as something else; their difference in
    growth and degree.
    """
    if not factor > 0.0:
        return False
    turn = -degree / growth if growth > 0.0 else 0.0
    gain = math.log(firm) - math.log(count * factor) + degree * math.log(reach) + growth * reach
    return not (gain >= 0.0 and reach >= turn)


@exact
def unit_near(low: float, high: float) -> float:
    """The slope of a sigmoid where an interval is nearest to 0."""
    near = min(abs(low), abs(high)) if low * high > 0.0 else 0.0
    t = math.exp(-near)
    return t / ((1.0 + t) * (1.0 + t))


@exact
def unit_bent(eta: Array, rows: Array, place: Array, left: float, right: float) -> tuple[float, float]:
    """`unit_bound` where the unit is not the variable of integration, by the rules of the product and of the chain."""
    local = unit_near(left, right)
    found = 2.0 * local if place[0] == BOUNDED else 0.0
    if place[0] == WHOLE_LINE:
        found = abs(place[3]) * 4.0 * unit_near(2.0 * left, 2.0 * right)
    rate = 1.0 if found > PANEL_LOW else 0.0
    x_left, x_right = unit_place(place, left), unit_place(place, right)
    x_speed = place[2] * local if place[0] == BOUNDED else x_right
    if place[0] == WHOLE_LINE:
        x_speed = math.cosh(min(max(abs(left), abs(right)), PANEL_HIGH))
    f, df, ddf = 1.0, 0.0, 0.0
    for r in range(len(rows)):
        a, b, speed, bend = (left, right, 1.0, 0.0) if rows[r, 3] else (x_left, x_right, x_speed, x_speed)
        size, low, high, slope, curved = max(abs(a), abs(b)), 0.0, 0.0, 0.0, 0.0
        for d in range(rows.shape[1] - 1, ROW - 1, -1):
            k, c = d - ROW, abs(rows[r, d])
            low, high = low * a + rows[r, d], high * b + rows[r, d]
            slope = slope * size + k * c if k > 0 else slope
            curved = curved * size + k * (k - 1) * c if k > 1 else curved
        curved = curved * speed * speed + slope * bend
        slope *= speed
        beyond = curved * (right - left) ** 2 / 8.0
        low, high = min(low, high) - beyond, max(low, high) + beyond
        height = abs(eta[int(rows[r, 0])])
        if rows[r, 1] == EXP or rows[r, 1] == BUMP:
            g = math.exp(min(high, PANEL_HIGH))
            dg, ddg, live = g * slope, g * (slope * slope + curved), height * g > PANEL_LOW
            slope *= 2.0
        elif rows[r, 1] == LOGISTIC:
            near = unit_near(low, high)
            g, dg = -unit_shape(LOGISTIC, low), 0.5 * (1.0 - math.tanh(0.5 * low)) * slope
            ddg, live = near * slope * slope, near > PANEL_LOW
            slope *= 2.0
        else:
            g = rows[r, 4] + rows[r, 5] * max(abs(low), abs(high))
            dg, ddg = rows[r, 6] * slope, rows[r, 7] * slope * slope + rows[r, 6] * curved
            live = rows[r, 7] > 0.0
        rate = max(rate, slope) if live else rate
        for _ in range(int(rows[r, 2])):
            f, df, ddf = f * g, df * g + f * dg, ddf * g + 2.0 * df * dg + f * ddg
        if r + 1 == len(rows) or rows[r + 1, 0] != rows[r, 0]:
            found += height * ddf if height > 0.0 else 0.0
            f, df, ddf = 1.0, 0.0, 0.0
    return found, rate


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
            edge = (math.log(most / height) - rows[r, ROW]) / rows[r, ROW + 1]
            low, high = (low, min(high, edge)) if rows[r, ROW + 1] > 0.0 else (max(low, edge), high)
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
            for d in range(rows.shape[1] - 1, ROW - 1, -1):
                k, c = d - ROW, abs(rows[r, d])
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
    place: Array,
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
        if place[0] == 0.0:
            above, rate = unit_bound(eta, rows, bend, taylor, left, right)
        else:
            above, rate = unit_bent(eta, rows, place, left, right)
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
            middle = unit_exponent(eta, rows, place, centre)
            stack[depth] = (centre, right, middle, b)
            stack[depth + 1] = (left, centre, a, middle)
            depth += 2
        elif not searching:
            rise = max(abs(b - a), 1.0) if steep else 0.0
            rise = rise if b > a else -rise
            return depth, left_over, left, right, top, at, width, rise
    return depth, left_over, 0.0, 0.0, top, at, width, 0.0


@exact
def unit_start(stack: Array, ends: Array, reach: tuple[float, float], eta: Array, rows: Array, place: Array) -> int:
    """Put the panels that one begins with on the stack, the leftmost on top; how many there are."""
    depth = 0
    for s in range(len(ends) - 2, -1, -1):
        low, high = min(max(ends[s], reach[0]), reach[1]), min(max(ends[s + 1], reach[0]), reach[1])
        stack[depth] = (low, high, unit_exponent(eta, rows, place, low), unit_exponent(eta, rows, place, high))
        depth += 1
    return depth
