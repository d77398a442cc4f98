"""Layers whose units have a density without a closed form: natural parameters eta_k, one array a statistic, elementwise."""

from __future__ import annotations

from energydsl.backends.numpy.runtime.arrays import Array, put
from energydsl.backends.numpy.runtime.panels import integrated
from energydsl.backends.numpy.runtime.statistics import Density


def density_log(density: Density, *etas: Array) -> Array:
    """log of the integral of exp(sum_k eta_k T_k(x))."""
    return put(integrated("log", density, etas), etas[0])


def density_mean(density: Density, *etas: Array) -> Array:
    """Mean of the density exp(sum_k eta_k T_k(x))."""
    return put(integrated("mean", density, etas), etas[0])


def density_variance(density: Density, *etas: Array) -> Array:
    """Variance of the density exp(sum_k eta_k T_k(x))."""
    return put(integrated("variance", density, etas), etas[0])


def density_entropy(density: Density, *etas: Array) -> Array:
    """Entropy of the density exp(sum_k eta_k T_k(x)), in nats."""
    return put(integrated("entropy", density, etas), etas[0])


def density_mode(density: Density, *etas: Array) -> Array:
    """Where the density exp(sum_k eta_k T_k(x)) is greatest."""
    return put(integrated("mode", density, etas), etas[0])


def density_draw(density: Density, *given: Array, out: Array | None = None) -> Array:
    """A draw of the density exp(sum_k eta_k T_k(x)); given: the natural parameters, then one uniform number a unit."""
    *etas, u = given
    return put(integrated("draw", density, etas, u), u, out)
