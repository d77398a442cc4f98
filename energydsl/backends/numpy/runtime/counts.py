"""Draws of Poisson numbers, in double precision."""

from __future__ import annotations

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, put, silent
from energydsl.backends.numpy.runtime.functions import ROOT_TWO_PI, poisson_rate
from energydsl.backends.numpy.runtime.quantile import ndtri


def poisson_draw(eta1: Array, u: Array, out: Array | None = None) -> Array:
    """The number k with F(k - 1) <= u < F(k), F the distribution function of a Poisson number of rate exp(eta1).

    By inversion from the mode (Devroye 1986, section X.3): F below the mode is added up from the mode down; from there the
    search goes down or up. From a rate of 1e8 on, the rounded quantile of the normal distribution of that mean and variance.
    eta1: broadcasts against u; u: uniform numbers.
    """
    rate = poisson_rate(np.broadcast_to(np.asarray(eta1, np.float64), np.shape(u)).ravel(), np.asarray(u).dtype)
    v = np.asarray(u, np.float64).ravel()
    found = np.floor(rate + np.sqrt(rate) * np.asarray(ndtri(v)) + 0.5)
    some = np.flatnonzero(rate < 1e8)
    rate, v = rate[some], v[some]
    k = np.floor(rate)
    peak = poisson_peak(k, rate)
    below, weight, place = np.zeros_like(peak), peak.copy(), k.copy()
    live = np.flatnonzero(place > 0)
    while len(live):
        weight[live] *= place[live] / rate[live]
        place[live] -= 1.0
        below[live] += weight[live]
        live = live[(place[live] > 0) & (weight[live] > 1e-18)]
    down = v < below
    weight = np.where(down, peak * k / np.maximum(rate, 1e-300), peak)
    bound = np.where(down, below - weight, below + peak)
    k = np.where(down, k - 1.0, k)
    live = np.flatnonzero(np.where(down, (v < bound) & (k > 0), v >= bound))
    while len(live):
        here = down[live]
        weight[live] *= np.where(here, k[live], rate[live]) / np.where(here, rate[live], k[live] + 1.0)
        k[live] += np.where(here, -1.0, 1.0)
        bound[live] += np.where(here, -weight[live], weight[live])
        on = np.where(here, (v[live] < bound[live]) & (k[live] > 0), (v[live] >= bound[live]) & (weight[live] > 1e-18))
        live = live[on]
    found[some] = k
    return put(np.maximum(found, 0.0).reshape(np.shape(u)), u, out)


def poisson_peak(k: Array, rate: Array) -> Array:
    """rate^k exp(-rate) / k! near the mode, k = floor(rate): by Stirling's series from 10 on (Loader 2000)."""
    with silent():
        x, m = rate / k - 1.0, 1.0 / k
        large = (
            np.exp(k * (np.log1p(x) - x) - m / 12.0 + m**3 / 360.0 - m**5 / 1260.0 + m**7 / 1680.0)
            * np.sqrt(m)
            / ROOT_TWO_PI
        )
        few = np.minimum(k, 10.0)
        small = np.exp(-rate) * rate**few / np.cumprod([1.0, *range(1, 11)])[few.astype(int)]
    return np.where(k < 10.0, small, large)
