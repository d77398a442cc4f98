"""Draws of one Poisson number, in double precision."""

from __future__ import annotations

import math

import numpy as np

from energydsl.backends.numba.runtime.compiling import SINGLE, Number, exact
from energydsl.backends.numba.runtime.functions import quantile
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.functions import ROOT_TWO_PI


@exact
def unit_poisson_peak(k: float, rate: float) -> float:
    """rate^k exp(-rate) / k! near the mode, k = floor(rate): by Stirling's series from 10 on (Loader 2000)."""
    if k < 10.0:
        value = math.exp(-rate)
        for j in range(1, int(k) + 1):
            value *= rate / j
        return value
    x, m = rate / k - 1.0, 1.0 / k
    series = m / 12.0 - m**3 / 360.0 + m**5 / 1260.0 - m**7 / 1680.0
    return math.exp(k * (math.log1p(x) - x) - series) * math.sqrt(m) / ROOT_TWO_PI


@exact
def unit_poisson_draw(eta1: Number, u: Number) -> Number:
    """The number k with F(k - 1) <= u < F(k), F that of rate exp(eta1): searched from the mode (Devroye 1986, section X.3)."""
    rate, v = math.exp(min(float(eta1), 88.0 if SINGLE else 700.0)), float(u)
    if rate >= 1e8:
        return FLOAT(np.floor(rate + math.sqrt(rate) * quantile(v) + 0.5))
    k = np.floor(rate)
    peak = unit_poisson_peak(k, rate)
    below, weight, place = 0.0, peak, k
    while place > 0.0 and weight > 1e-18:
        weight *= place / rate
        place -= 1.0
        below += weight
    if v < below:
        weight = peak * k / rate
        k -= 1.0
        bound = below - weight
        while v < bound and k > 0.0:
            weight *= k / rate
            k -= 1.0
            bound -= weight
        return FLOAT(k)
    bound, weight = below + peak, peak
    while v >= bound and weight > 1e-18:
        k += 1.0
        weight *= rate / k
        bound += weight
    return FLOAT(k)
