"""Elementary and special functions.

All take and give arrays of one shape, elementwise; a result goes into `out` where that is given, and is returned.

SciPy has the special ones too, but a standalone module promises to need only NumPy, and these go into it. So they are
here, and `tests/backends/test_special_functions.py` compares each with SciPy's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from energydsl.backends.numpy.runtime.arrays import Array, quiet


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x)); far in the tail exp overflows to infinity and the result is the right 0."""
    x = np.asarray(x)
    with quiet():
        out = np.negative(x, out=np.empty_like(x) if out is None else out)
        np.exp(out, out=out)
        out += 1.0
        return np.reciprocal(out, out=out)


def softplus(x: Array, out: Array | None = None) -> Array:
    """log(1 + exp(x)), by logaddexp(0, x), in the precision of x."""
    with quiet():
        return np.logaddexp(0.0, x, out=out, dtype=np.asarray(x).dtype)


def log_cosh(x: Array, out: Array | None = None) -> Array:
    """log cosh(x), in the precision of x."""
    with quiet():
        out = np.logaddexp(x, np.negative(x), out=out, dtype=np.asarray(x).dtype)
        return np.subtract(out, math.log(2.0), out=out)


def log_sum_exp(rank: int, *parts: Array) -> Array:
    """log of the sum of exp over all parts, and over their axes beyond the first `rank`."""
    with quiet():
        whole = [part if hasattr(part, "shape") else np.full((1,) * rank, part) for part in parts]
        flat = [part.reshape(*part.shape[:rank], -1) for part in whole]
        top: Array = flat[0].max(axis=-1)
        for part in flat[1:]:
            top = np.maximum(top, part.max(axis=-1))
        total: Array = sum(np.exp(part - top[..., None]).sum(axis=-1) for part in flat)
        return top + np.log(total)


def step(x: Array, out: Array | None = None) -> Array:
    """1 where x > 0, else 0."""
    return np.greater(x, 0.0, out=np.empty_like(x) if out is None else out)


def expm1(x: Array) -> Array:
    """exp(x) - 1, exact near 0."""
    with quiet():
        return np.expm1(x)


def log1mexp(x: Array) -> Array:
    """log(1 - exp(x)) for x < 0, exact near 0."""
    return np.log(-np.expm1(x))


def clip(x: Array, low: float, high: float, out: Array | None = None) -> Array:
    """The nearest value in [low, high]."""
    return np.clip(x, low, high, out=out)


def poisson_rate(eta1: Array, dtype: DTypeLike | None = None) -> Array:
    """exp(eta1), and no more than a number of this precision (by default that of eta1) can be drawn for."""
    dtype = np.asarray(eta1).dtype if dtype is None else dtype
    with quiet():
        return np.exp(np.minimum(eta1, 88.0 if dtype == np.float32 else 700.0))


def lgamma(x: Array) -> Array:
    """log Gamma(x), in float64.

    For x > 0 to about 2e-13, by Stirling's series eight steps up (Abramowitz & Stegun 1964, 6.1.15 and 6.1.41). Where any x
    is not positive, by `math.lgamma` of Python, which raises ValueError at a pole.
    """
    x = np.asarray(x, np.float64)
    if not (x > 0.0).all():
        found: Array = np.vectorize(math.lgamma, otypes=[float])(x)
        return found
    below, y = np.log(x), x + 8.0
    for k in range(1, 8):
        below = below + np.log(x + k)
    z = 1.0 / (y * y)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188)))) / y
    return (y - 0.5) * np.log(y) - y + 0.5 * math.log(2.0 * math.pi) + series - below


def digamma(x: Array) -> Array:
    """d log Gamma(x) / dx for x > 0, in float64, to about 1e-11.

    By recurrence to x >= 6 and the asymptotic series there (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18).
    """
    x = np.array(x, dtype=np.float64)
    shift = np.zeros_like(x)
    for _ in range(6):
        small = x < 6.0
        shift[small] -= 1.0 / x[small]
        x[small] += 1.0
    z = 1.0 / (x * x)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z / 132))))
    return shift + np.log(x) - 0.5 / x - series


# (1 + x) r(x) in Chebyshev polynomials of (x - 4) / (x + 4), r Mills' ratio: computed to 50 digits for this file.
MILLS = (
    1.1670525350882472057, -0.16101957671346538914, -0.028002821825452974716, 0.031674521892392658864,
    -0.012103231162345368661, 0.0027056129762167095153, -2.9931636202703165933e-4, -1.716686526879361022e-5,
    1.0178489264109867437e-5, -4.8948295700041917723e-7, -2.844006500151047843e-7, 3.076628371381150396e-8,
    9.1803786744695372008e-9, -1.2756102213808736222e-9, -3.6602793761041338272e-10, 4.5926359348595205189e-11,
    1.718931468764652685e-11, -1.2726833698700694016e-12, -8.6680819133161884347e-13, 1.1061557204136740861e-15,
    4.2750210770103333828e-14, 3.7909376922639045483e-15, -1.8474103010592331508e-15, -4.0419094130708177895e-16,
)  # fmt: skip
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def log_mills(x: Array) -> Array:
    """log r(x), r(x) = (1 - Phi(x)) / phi(x) Mills' ratio of the standard normal, for any x.

    For x >= 0 a Chebyshev series, summed by Clenshaw's recurrence (1955); r(-x) = 1 / phi(x) - r(x) below 0.
    """
    size = np.abs(x)
    t = 2.0 * (size - 4.0) / (size + 4.0)
    first, second = 0.0 * t, 0.0 * t
    for coefficient in MILLS[:0:-1]:
        first, second = t * first - second + coefficient, first
    ratio = (0.5 * t * first - second + MILLS[0]) / (1.0 + size)
    with quiet():
        half = 0.5 * size * size
        return np.where(x >= 0.0, np.log(ratio), half + np.log(ROOT_TWO_PI - np.exp(-half) * ratio))
