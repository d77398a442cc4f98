"""Layers whose units have a density without a closed form: natural parameters eta_k, one array a statistic, elementwise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, put, silent
from energydsl.backends.numpy.runtime.panels import integrated
from energydsl.backends.numpy.runtime.statistics import Density


def density_log(density: Density, *etas: Array) -> Array:
    """log of the integral of exp(sum_k eta_k T_k(x))."""
    return put(integrated("log", density, etas), etas[0])


def density_mean(density: Density, *etas: Array) -> Array:
    """Mean of the density exp(sum_k eta_k T_k(x))."""
    if density.heavy:
        return put(_power(density, etas, 1.0), etas[0])
    return put(integrated("mean", density, etas), etas[0])


def density_variance(density: Density, *etas: Array) -> Array:
    """Variance of the density exp(sum_k eta_k T_k(x))."""
    if density.heavy:
        first, second = (_power(density, etas, n) for n in (1.0, 2.0))
        with silent():
            return put(np.where(np.isinf(second), second, second - first**2), etas[0])
    return put(integrated("variance", density, etas), etas[0])


def _power(density: Density, etas: Sequence[Array], power: float) -> Array:
    """<x^power> as the ratio of two integrals; infinite where only the one below the line is finite."""
    below, above = (integrated("log", d, etas) for d in (density, density.times_unit(power)))
    with silent():
        return np.where(np.isnan(above) & ~np.isnan(below), math.inf, np.exp(above - below))


def density_entropy(density: Density, *etas: Array) -> Array:
    """Entropy of the density exp(sum_k eta_k T_k(x)), in nats."""
    return put(integrated("entropy", density, etas), etas[0])


def density_mode(density: Density, *etas: Array) -> Array:
    """Where the density exp(sum_k eta_k T_k(x)) is greatest."""
    return put(density.inside(integrated("mode", density, etas), etas[0].dtype), etas[0])


def density_draw(density: Density, *given: Array, out: Array | None = None) -> Array:
    """A draw of the density exp(sum_k eta_k T_k(x)); given: the natural parameters, then one uniform number a unit."""
    *etas, u = given
    return put(density.inside(integrated("draw", density, etas, u), u.dtype), u, out)
