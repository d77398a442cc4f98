"""One unit between two bounds, in double precision: see the functions of these names in the NumPy runtime."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from energydsl.backends.numba.runtime.compiling import Number, exact
from energydsl.backends.numba.runtime.functions import quantile
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.functions import MILLS, ROOT_TWO_PI

_SERIES = np.array(MILLS)


@exact
def unit_log_mills(x: float) -> float:
    """Log of Mills' ratio of the standard normal, as `log_mills`."""
    size = abs(x)
    t = 2.0 * (size - 4.0) / (size + 4.0)
    first, second = 0.0, 0.0
    for k in range(len(_SERIES) - 1, 0, -1):
        first, second = t * first - second + _SERIES[k], first
    ratio = (0.5 * t * first - second + _SERIES[0]) / (1.0 + size)
    half = 0.5 * size * size
    return math.log(ratio) if x >= 0.0 else half + math.log(ROOT_TWO_PI - math.exp(-half) * ratio)


@exact
def unit_hazard(a: float, d: float) -> float:
    """-log of the probability that a standard normal above a is above a + d, as `cumulated_hazard`."""
    return math.inf if math.isinf(d) else 0.5 * d * (d + 2.0 * a) + unit_log_mills(a) - unit_log_mills(a + d)


@exact
def unit_decay(c: float) -> tuple[float, float]:
    """Mean and variance of the density exp(-c t) on [0, 1], c >= 0, as `decay`."""
    q = c * c
    if c < 0.03:
        return 0.5 - c / 12.0 + c * q / 720.0, 1.0 / 12.0 - q / 240.0 + q * q / 6048.0
    return 1.0 / c - 1.0 / math.expm1(c), 1.0 / q - 0.25 / math.sinh(0.5 * min(c, 1400.0)) ** 2


Truncation = namedtuple("Truncation", "sd mean near sign a b d fall kept below inside")


@exact
def truncated(eta1: Number, eta2: Number, low: float, high: float) -> Truncation:
    """What `Truncated` holds, of one unit."""
    sd, mean = math.sqrt(-0.5 / eta2), -0.5 * eta1 / eta2
    a, b, d = (low - mean) / sd, (high - mean) / sd, (high - low) / sd
    near, sign = low, 1.0
    if a + b < 0.0:
        near, sign, a, b = high, -1.0, -b, -a
    endless = math.isinf(d)
    fall = 0.0 if endless else math.exp(-0.5 * d * (a + b))
    kept = -math.expm1(-unit_hazard(max(a, 0.0), d))
    below = math.exp(-0.5 * a * a + unit_log_mills(-a)) if a < 0.0 else 0.0
    above = 0.0 if endless or a >= 0.0 else math.exp(-0.5 * b * b + unit_log_mills(b))
    return Truncation(sd, mean, near, sign, a, b, d, fall, kept, below, ROOT_TWO_PI - below - above)


@exact
def unit_truncated_normal_log(eta1: Number, eta2: Number, low: float, high: float) -> Number:
    """log of the integral of exp(eta1 x + eta2 x^2) over [low, high], eta2 < 0."""
    t = truncated(float(eta1), float(eta2), low, high)
    if t.d < 1e-5:
        c = t.a * t.d
        even = math.log(t.d * (1.0 - 0.5 * c if abs(c) < 1e-9 else -math.expm1(-c) / c))
        return FLOAT(math.log(t.sd) + t.near * (eta1 + eta2 * t.near) + even)
    if t.a < 0.0:
        return FLOAT(math.log(t.sd) + 0.5 * t.mean * eta1 + math.log(t.inside))
    return FLOAT(math.log(t.sd) + t.near * (eta1 + eta2 * t.near) + unit_log_mills(t.a) + math.log(t.kept))


@exact
def truncated_moments(eta1: Number, eta2: Number, low: float, high: float) -> tuple[float, float]:
    """Mean and variance of the normal distribution between two bounds."""
    t = truncated(float(eta1), float(eta2), low, high)
    scale = math.exp(-0.5 * t.a * t.a) / t.inside if t.a < 0.0 else math.exp(-unit_log_mills(t.a)) / t.kept
    z = scale * (1.0 - t.fall)
    variance = 1.0 + scale * (t.a - (0.0 if t.fall == 0.0 else t.b * t.fall)) - z * z
    flat = t.d < 3e-3
    if t.a < 0.0 and not flat:
        return min(max(t.mean + t.sign * t.sd * z, low), high), t.sd * t.sd * max(variance, 0.0)
    step = z - t.a
    if flat or t.a > 700.0:
        centre, spread = unit_decay(abs(t.a) * t.d)
        endless = math.isinf(t.d)
        variance = 1.0 / (t.a * t.a) if endless else t.d * t.d * spread
        if flat or t.a > 1e4:
            step = 1.0 / t.a if endless else t.d * centre
    return min(max(t.near + t.sign * t.sd * step, low), high), t.sd * t.sd * max(variance, 0.0)


@exact
def unit_truncated_normal_mean(eta1: Number, eta2: Number, low: float, high: float) -> Number:
    """Mean of the normal distribution between two bounds."""
    return FLOAT(truncated_moments(eta1, eta2, low, high)[0])


@exact
def unit_truncated_normal_variance(eta1: Number, eta2: Number, low: float, high: float) -> Number:
    """Variance of the normal distribution between two bounds."""
    return FLOAT(truncated_moments(eta1, eta2, low, high)[1])


@exact
def unit_truncated_normal_draw(eta1: Number, eta2: Number, low: float, high: float, u: Number) -> Number:
    """A draw of the normal distribution between two bounds, from one uniform number."""
    t = truncated(float(eta1), float(eta2), low, high)
    v = 1.0 - float(u) if t.sign < 0.0 else float(u)
    if t.a < 0.0 and t.d < 3e-3:
        even = t.d * (v - v * (1.0 - v) * (0.5 * t.a * t.d + t.d * t.d * (1.0 + v) / 6.0))
        return FLOAT(min(max(t.near + t.sign * t.sd * even, low), high))
    if t.a < 0.0:
        z = quantile((t.below + v * t.inside) / ROOT_TWO_PI)
        return FLOAT(min(max(t.mean + t.sign * t.sd * z, low), high))
    target = -math.log1p(-min(v * t.kept, 1.0 - 2.0**-53))
    step = min(
        target * math.exp(unit_log_mills(t.a)), 2.0 * target / (t.a + math.sqrt(t.a * t.a + 2.0 * target) + 1e-300)
    )
    for _ in range(5):
        step = max(step - (unit_hazard(t.a, step) - target) * math.exp(unit_log_mills(t.a + step)), 0.0)
    return FLOAT(min(max(t.near + t.sign * t.sd * step, low), high))


@exact
def unit_truncated_exponential_log(eta1: Number, low: float, high: float) -> Number:
    """log of the integral of exp(eta1 x) over [low, high]."""
    eta, width = float(eta1), high - low
    c = abs(eta) * width
    mass = 1.0 - 0.5 * c if c < 1e-9 else -math.expm1(-c) / c
    return FLOAT(eta * (high if eta > 0.0 else low) + math.log(width) + math.log(mass))


@exact
def unit_truncated_exponential_mean(eta1: Number, low: float, high: float) -> Number:
    """Mean of the density exp(eta1 x) on [low, high]."""
    move = (high - low) * unit_decay(abs(float(eta1)) * (high - low))[0]
    return FLOAT(high - move if eta1 > 0.0 else low + move)


@exact
def unit_truncated_exponential_variance(eta1: Number, low: float, high: float) -> Number:
    """Variance of the density exp(eta1 x) on [low, high]."""
    return FLOAT((high - low) ** 2 * unit_decay(abs(float(eta1)) * (high - low))[1])


@exact
def unit_truncated_exponential_draw(eta1: Number, low: float, high: float, u: Number) -> Number:
    """A draw of the density exp(eta1 x) on [low, high], from one uniform number."""
    width = high - low
    c = abs(float(eta1)) * width
    v = 1.0 - float(u) if eta1 > 0.0 else float(u)
    move = width * (v if c < 1e-9 else -math.log1p(v * math.expm1(-c)) / c)
    return FLOAT(min(max(high - move if eta1 > 0.0 else low + move, low), high))
