"""Units of infinitely many values: log partition, moments, entropy and mode against quadrature of the oracle's exp(-beta E)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.domains import DOMAINS
from energydsl.program.marginals import statistics
from energydsl.verification.case import Listed
from energydsl.verification.integrals import exponent_rounding
from energydsl.verification.oracle import log_factorial
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

# How far below the greatest weight of a place there is no mass.
_DEEP = 30.0


def densities(case: Listed) -> Iterator[Check]:
    """One check a layer, at some states."""
    for name, layer in case.drawn.items():
        if not DOMAINS[layer.domain.name].finite:
            yield Check(f"density of {name} against quadrature", _error(case, name), 1e-9)


def _error(case: Listed, name: str) -> float:
    """The largest error of any unit, each figure relative to its size from 1 on."""
    rows = case.generator(f"density of {name}").integers(0, case.rows, 4)
    units = range(case.model.layers[name].size)
    states = [_formulas(case, name, int(row)) for row in rows]
    worst = max(_unit_error(case, name, formulas, unit) for formulas in states for unit in units)
    return worst / exponent_rounding(case, name)


@dataclass(frozen=True)
class _Formulas:
    """What the kernels say of the units of a layer at one state, each (units,).

    first: sum_k eta_k T_k + log h at the first place of the layer's rule.
    """

    row: int
    log_partition: Array
    mean: Array
    variance: Array
    entropy: Array
    mode: Array
    first: Array


def _formulas(case: Listed, name: str, row: int) -> _Formulas:
    layer = case.model.layers[name]
    one: Arrays = {n: v[row : row + 1].astype(float) for n, v in case.x.items()}
    eta = case.program.natural_parameters(case.params, one, name, **case.scalars)

    def values(formula: Callable[..., Array]) -> Array:
        return np.broadcast_to(case.host(formula(*eta)), (1, *layer.shape)).ravel()

    kernels = case.engine.kernels.layers[name]
    place = case.rules[name][0][:1]
    density = case.derived.conditionals[name].distribution.density
    count = len(density.statistics) if density else len(eta)
    moved = [e.reshape(-1) for e in eta[count:]]
    at_place = [case.host(t) for t in statistics(case.engine, name, case.engine.device(place), *moved)]
    first = np.asarray(sum(case.host(e).ravel() * t for e, t in zip(eta[:count], at_place, strict=True)))
    return _Formulas(
        row,
        values(kernels.log_partition),
        values(kernels.mean),
        values(kernels.variance),
        values(kernels.entropy),
        values(kernels.mode),
        first - _log_base(case, name, place),
    )


def _log_base(case: Listed, name: str, places: Array) -> Array:
    """-log h, the base measure of a unit's family, at some places."""
    weighted = case.derived.conditionals[name].distribution.factorial_base
    return log_factorial(places) if weighted else np.zeros(len(places))


def _unit_error(case: Listed, name: str, formulas: _Formulas, unit: int) -> float:
    places, weight = case.rules[name]
    depth = case.along(name, unit, formulas.row, places)
    least = depth.min()  # taken away before anything is added up: energies may be large
    depth = depth - least
    logits = weight - depth
    # exp(-beta E) is h(x) exp(sum_k eta_k T_k(x)) but for a constant, read off at the first place.
    log_sum = np.logaddexp.reduce(logits) + depth[0] + formulas.first[unit]
    log_p = logits - np.logaddexp.reduce(logits)
    p = np.exp(log_p)
    mean = p @ places
    variance = float(p @ (places - mean) ** 2)
    entropy = -float(p @ (log_p - weight + _log_base(case, name, places)))
    # By how much the mode is less probable than the best place, where a density that is infinite at an end still has mass.
    below = (
        case.along(name, unit, formulas.row, formulas.mode[unit : unit + 1])[0]
        - least
        - depth[log_p > log_p.max() - _DEEP].min()
    )
    # Moments of a heavy tail lie beyond the places, or nowhere.
    share = p * (places - mean) ** 2
    held = max(share[0], share[-1]) <= 1e-13 * share.sum()
    return largest(
        [
            (formulas.mean[unit] - mean) / max(1.0, abs(mean), np.sqrt(variance)) if held else 0.0,
            (formulas.log_partition[unit] - log_sum) / max(1.0, abs(log_sum)),
            (formulas.variance[unit] - variance) / max(1.0, variance) if held else 0.0,
            formulas.entropy[unit] - entropy,
            np.maximum(below, 0.0),
        ]
    )
