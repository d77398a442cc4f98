"""Layers whose units have a density without a closed form: natural parameters eta_k, one array a statistic, elementwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, put, silent
from energydsl.backends.numpy.runtime.panels import integrated
from energydsl.backends.numpy.runtime.quadrature import COUNTED, WHOLE_LINE
from energydsl.backends.numpy.runtime.statistics import Density
from energydsl.backends.numpy.runtime.tabulated import tabulated


def summed(what: str, density: Density, etas: Sequence[Array], u: Array | float = 0.0) -> Array:
    """What is asked for of every unit: by panels, or by tables over counts."""
    return (tabulated if density.place == COUNTED else integrated)(what, density, etas, u)


def relocated(value: Array, m: Any, s: Any, power: int = 1) -> Array:
    """m + s value, or s^2 value, in the precision of the value."""
    return put(m + s * value if power == 1 else s * s * value, value)


def density_log(density: Density, *etas: Array) -> Array:
    """log of the integral of exp(sum_k eta_k T_k(x))."""
    if density.relocated:
        inner, _, s, above = density.of_standard(etas)
        wide: Array = put(summed("log", density, inner), etas[0]) + above
        return wide + np.log(s) if density.relocated[2] else wide
    return put(summed("log", density, etas), etas[0])


def density_mean(density: Density, *etas: Array) -> Array:
    """Mean of the density exp(sum_k eta_k T_k(x))."""
    if density.relocated:
        inner, m, s, _ = density.of_standard(etas)
        return relocated(_mean(density, inner), m, s)
    return _mean(density, etas)


def density_variance(density: Density, *etas: Array) -> Array:
    """Variance of the density exp(sum_k eta_k T_k(x))."""
    if density.relocated:
        inner, _, s, _ = density.of_standard(etas)
        return relocated(_variance(density, inner), 0.0, s, 2)
    return _variance(density, etas)


def _mean(density: Density, etas: Sequence[Array]) -> Array:
    if density.place == WHOLE_LINE and density.heavy:
        held = np.where(np.isinf(_power(density, etas, 1.0)), math.nan, 0.0)
        return put(summed("mean", density, etas) + held, etas[0])
    if density.heavy:
        return put(_power(density, etas, 1.0), etas[0])
    return put(summed("mean", density, etas), etas[0])


def _variance(density: Density, etas: Sequence[Array]) -> Array:
    if density.heavy:
        second = _power(density, etas, 2.0)
        if density.place == WHOLE_LINE:
            first, second = summed("mean", density, etas), second - 1.0
        else:
            first = _power(density, etas, 1.0)
        with silent():
            return put(np.where(np.isinf(second), second, second - first**2), etas[0])
    return put(summed("variance", density, etas), etas[0])


def _power(density: Density, etas: Sequence[Array], power: float) -> Array:
    """<x^power>, or of sqrt(1 + x^2) on the whole line, as the ratio of two integrals; infinite where only the one below the line is finite."""
    below, above = (summed("log", d, etas) for d in (density, density.times_unit(power)))
    with silent():
        return np.where(np.isnan(above) & ~np.isnan(below), math.inf, np.exp(above - below))


def density_entropy(density: Density, *etas: Array) -> Array:
    """Entropy of the density exp(sum_k eta_k T_k(x)), in nats."""
    if density.relocated:
        inner, _, s, _ = density.of_standard(etas)
        found = put(summed("entropy", density, inner), etas[0])
        return found + np.log(s) if density.relocated[2] else found
    return put(summed("entropy", density, etas), etas[0])


def density_mode(density: Density, *etas: Array) -> Array:
    """Where the density exp(sum_k eta_k T_k(x)) is greatest."""
    if density.relocated:
        inner, m, s, _ = density.of_standard(etas)
        return relocated(put(summed("mode", density, inner), etas[0]), m, s)
    return put(density.inside(summed("mode", density, etas), etas[0].dtype), etas[0])


def density_draw(density: Density, *given: Array, out: Array | None = None) -> Array:
    """A draw of the density exp(sum_k eta_k T_k(x)); given: the natural parameters, then one uniform number a unit."""
    *etas, u = given
    if density.relocated:
        inner, m, s, _ = density.of_standard(etas)
        return put(m + s * summed("draw", density, inner, u), u, out)
    return put(density.inside(summed("draw", density, etas, u), u.dtype), u, out)
