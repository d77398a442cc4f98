"""Scalar functions of one unit: in float32 polynomials without branches, which the compiler turns into vector code."""

from __future__ import annotations

import math

import numpy as np

from energydsl.backends.numba.runtime.compiling import SINGLE, Number, exact, scalar
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.quantile import QUANTILE_CENTRE, QUANTILE_FAR, QUANTILE_NEAR

_RATIOS = np.array([QUANTILE_CENTRE, QUANTILE_NEAR, QUANTILE_FAR])


@exact
def quantile(u: float) -> float:
    """Quantile of the standard normal distribution (Wichura 1988, algorithm AS 241), in double precision."""
    u = min(max(u, 2.0**-54), 1.0 - 2.0**-53)
    q = u - 0.5
    near = abs(q) <= 0.425
    r = 0.180625 - q * q if near else math.sqrt(-math.log(min(u, 1.0 - u)))
    which = 0 if near else 1 if r <= 5.0 else 2
    v = r - (0.0, 1.6, 5.0)[which]
    above, below = 0.0, 0.0
    for k in range(7, -1, -1):
        above = above * v + _RATIOS[which, 0, k]
        below = below * v + _RATIOS[which, 1, k]
    return q * above / below if near else math.copysign(above / below, q)


if SINGLE:

    @scalar
    def unit_exp(x: Number) -> Number:
        """2^n e^r, n the nearest whole number to x / log 2 (Cody & Waite 1980; coefficients of Moshier's Cephes)."""
        x = min(max(x, np.float32(-88.1)), np.float32(88.7))
        n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
        r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = p * r * r + r + np.float32(1.0)
        return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)

    @scalar
    def unit_log(x: Number) -> Number:
        """Log of a positive normal number, by its mantissa in [unit_sqrt(1/2), unit_sqrt(2)) (Moshier's Cephes)."""
        bits = np.float32(x).view(np.int32)
        e = np.float32((bits >> np.int32(23)) - np.int32(126))
        m = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
        low = m < np.float32(0.707106781186547524)
        e = e - np.float32(1.0) if low else e
        m = m + m - np.float32(1.0) if low else m - np.float32(1.0)
        z = m * m
        y = np.float32(7.0376836292e-2)
        y = y * m - np.float32(1.1514610310e-1)
        y = y * m + np.float32(1.1676998740e-1)
        y = y * m - np.float32(1.2420140846e-1)
        y = y * m + np.float32(1.4249322787e-1)
        y = y * m - np.float32(1.6668057665e-1)
        y = y * m + np.float32(2.0000714765e-1)
        y = y * m - np.float32(2.4999993993e-1)
        y = y * m + np.float32(3.3333331174e-1)
        y = y * m * z - np.float32(2.12194440e-4) * e - np.float32(0.5) * z
        return m + y + np.float32(0.693359375) * e

    @scalar
    def unit_ndtri(u: Number) -> Number:
        """Quantile of the standard normal, by the inverse error function (Giles 2010, single precision)."""
        u = max(u, np.float32(2.0**-26))
        w = -unit_log(np.float32(4.0) * u * (np.float32(1.0) - u))
        near = w < np.float32(5.0)
        v = w - np.float32(2.5) if near else math.sqrt(w) - np.float32(3.0)
        p = np.float32(2.81022636e-08) if near else np.float32(-0.000200214257)
        p = p * v + (np.float32(3.43273939e-07) if near else np.float32(0.000100950558))
        p = p * v + (np.float32(-3.5233877e-06) if near else np.float32(0.00134934322))
        p = p * v + (np.float32(-4.39150654e-06) if near else np.float32(-0.00367342844))
        p = p * v + (np.float32(0.00021858087) if near else np.float32(0.00573950773))
        p = p * v + (np.float32(-0.00125372503) if near else np.float32(-0.0076224613))
        p = p * v + (np.float32(-0.00417768164) if near else np.float32(0.00943887047))
        p = p * v + (np.float32(0.246640727) if near else np.float32(1.00167406))
        p = p * v + (np.float32(1.50140941) if near else np.float32(2.83297682))
        return np.float32(1.41421356237) * p * (np.float32(2.0) * u - np.float32(1.0))

else:

    @scalar
    def unit_exp(x: Number) -> Number:
        """exp(x); beyond [-746, 710] it is 0 or infinity in any case."""
        return math.exp(min(max(x, -746.0), 710.0))

    @scalar
    def unit_log(x: Number) -> Number:
        """Log of a positive number."""
        return math.log(x)

    @scalar
    def unit_ndtri(u: Number) -> Number:
        """Quantile of the standard normal distribution."""
        return quantile(u)


@scalar
def unit_sqrt(x: Number) -> Number:
    """The square root."""
    return FLOAT(math.sqrt(x))


@scalar
def unit_sigmoid(x: Number) -> Number:
    """1 / (1 + exp(-x))."""
    return FLOAT(1.0) / (FLOAT(1.0) + unit_exp(-x))


@scalar
def unit_tanh(x: Number) -> Number:
    """tanh(x), by exp(-2 |x|), which cannot overflow."""
    t = unit_exp(FLOAT(-2.0) * abs(x))
    size = (FLOAT(1.0) - t) / (FLOAT(1.0) + t)
    return -size if x < FLOAT(0.0) else size


@scalar
def unit_softplus(x: Number) -> Number:
    """log(1 + exp(x)), by exp(-|x|), which cannot overflow."""
    t = unit_exp(-abs(x))
    return max(x, FLOAT(0.0)) + (unit_log(FLOAT(1.0) + t) if SINGLE else FLOAT(math.log1p(t)))


@scalar
def unit_log_cosh(x: Number) -> Number:
    """log cosh(x), by exp(-2 |x|), which cannot overflow."""
    t = unit_exp(FLOAT(-2.0) * abs(x))
    return abs(x) + (unit_log(FLOAT(1.0) + t) if SINGLE else FLOAT(math.log1p(t))) - FLOAT(math.log(2.0))


@scalar
def unit_abs(x: Number) -> Number:
    """|x|."""
    return abs(x)


@scalar
def unit_sin(x: Number) -> Number:
    """sin(x)."""
    return FLOAT(math.sin(x))


@scalar
def unit_cos(x: Number) -> Number:
    """cos(x)."""
    return FLOAT(math.cos(x))


@scalar
def unit_lgamma(x: Number) -> Number:
    """log |Gamma(x)|."""
    return FLOAT(math.lgamma(x))


@scalar
def unit_step(x: Number) -> Number:
    """1 where x > 0, else 0."""
    return FLOAT(1.0) if x > FLOAT(0.0) else FLOAT(0.0)


@scalar
def unit_floor(x: Number) -> Number:
    """The largest whole number not above x."""
    return FLOAT(np.floor(x))


@scalar
def unit_expm1(x: Number) -> Number:
    """exp(x) - 1, exact near 0."""
    return FLOAT(math.expm1(x))


@scalar
def unit_log1p(x: Number) -> Number:
    """log(1 + x), exact near 0."""
    return FLOAT(math.log1p(x))


@scalar
def unit_log1mexp(x: Number) -> Number:
    """log(1 - exp(x)) for x < 0, exact near 0."""
    return FLOAT(math.log(-math.expm1(x)))


@scalar
def unit_clip(x: Number, low: Number, high: Number) -> Number:
    """The nearest value in [low, high]."""
    return min(max(x, low), high)


@scalar
def unit_poisson_rate(eta1: Number) -> Number:
    """exp(eta1), and no more than a number of this precision can be drawn for."""
    return unit_exp(min(eta1, FLOAT(88.0 if SINGLE else 700.0)))
