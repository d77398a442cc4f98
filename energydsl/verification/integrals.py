"""Sums and integrals over layers of exp(-beta E), by the oracle."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array
from energydsl.diagnostics import TooLarge
from energydsl.domains import DOMAINS
from energydsl.program.marginals import statistics
from energydsl.verification.case import Listed
from energydsl.verification.oracle import enumerate_states
from energydsl.verification.rounding import largest, of_exponents

# The most joint places over which the oracle integrates.


def log_integral(case: Listed, held: Mapping[str, Array], over: list[str]) -> Array:
    """log of the sum (and integral) over layers of exp(-beta E), for each held row. Raises `TooLarge`."""
    layers = {n: case.model.layers[n] for n in over}
    rules = {n: case.rules[n] for n in over}
    if math.prod(float(len(rules[n][0])) ** a.size for n, a in layers.items()) > limits.INTEGRATED_PLACES:
        raise TooLarge("an integral over several units takes too many places; those over one are checked")
    values, codes = enumerate_states(layers, {n: places for n, (places, _) in rules.items()})
    count = len(next(iter(values.values()))) if values else 1
    rows = len(next(iter(held.values()))) if held else 1
    weight = sum((rules[n][1][codes[n]].sum(axis=1) for n in layers), np.zeros(count))
    found = np.empty(rows)
    for row in range(rows):
        here = {n: np.repeat(v[row : row + 1], count, axis=0) for n, v in held.items()}
        exponent = case.oracle.exponent(case.params, case.with_inputs({**here, **values}, count), case.beta)
        found[row] = np.logaddexp.reduce(weight - exponent)
    return found


def exponent_rounding(case: Listed, name: str) -> float:
    """By how much more than usual the exponent of a unit of infinitely many values rounds at its mode; 1 for others."""
    family = case.derived.conditionals[name].distribution
    if family.parameter_per_state or DOMAINS[case.model.layers[name].domain.name].finite:
        return 1.0
    one = {n: v[:8].astype(float) for n, v in case.x.items()}
    eta = case.program.natural_parameters(case.params, one, name, **case.scalars)
    mode = case.engine.kernels.layers[name].mode(*eta)
    count = len(family.density.statistics) if family.density else len(eta)
    terms = zip(eta[:count], statistics(case.engine, name, mode, *eta[count:]), strict=True)
    return of_exponents(largest(sum(abs(case.host(e) * case.host(t)) for e, t in terms)))
