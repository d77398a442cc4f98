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
    if _places(case, over) > limits.INTEGRATED_PLACES:
        return _log_gaussian(case, held, over)
    rules = {n: case.rules[n] for n in over}
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


def _places(case: Listed, over: list[str]) -> float:
    return math.prod(float(len(case.rules[n][0])) ** case.model.layers[n].size for n in over)


def _log_gaussian(case: Listed, held: Mapping[str, Array], over: list[str]) -> Array:
    """The same where the exponent is quadratic in the real units of these layers, by its values: at 0, +-e_i and e_i + e_k.

    Along the eigenvectors of the second differences the integral is a product. Raises `TooLarge` where it is not quadratic.
    """
    real = [n for n in over if DOMAINS[case.model.layers[n].domain.name].whole_line]
    listed = {n: case.model.layers[n] for n in over if n not in real}
    sizes = [case.model.layers[n].size for n in real]
    size = sum(sizes)
    pairs = np.array(np.triu_indices(size, 1)).T.reshape(-1, 2)
    each, tried = np.eye(size), case.generator("places of a quadratic").normal(size=(3, size))
    at = np.concatenate([np.zeros((1, size)), each, -each, each[pairs[:, 0]] + each[pairs[:, 1]], tried])
    if not real or _places(case, list(listed)) * len(at) > limits.INTEGRATED_PLACES:
        raise TooLarge("an integral over several units takes too many places; those over one are checked")
    states, _ = enumerate_states(listed, {n: case.rules[n][0] for n in listed})
    count = len(next(iter(states.values()))) if states else 1
    found = []
    for row in range(len(next(iter(held.values()))) if held else 1):
        here = {n: np.repeat(v[row : row + 1], count * len(at), axis=0) for n, v in held.items()}
        here |= {n: np.repeat(v, len(at), axis=0) for n, v in states.items()}
        places = np.split(np.tile(at, (count, 1)), np.cumsum(sizes)[:-1], axis=1)
        here |= {n: a.reshape(-1, *case.model.layers[n].shape) for n, a in zip(real, places, strict=True)}
        exponent = case.oracle.exponent(case.params, case.with_inputs(here, count * len(at)), case.beta)
        logs = [_of_quadratic(e, at, pairs) for e in exponent.reshape(count, len(at))]
        found.append(np.logaddexp.reduce(logs))
    return np.array(found)


def _of_quadratic(values: Array, at: Array, pairs: Array) -> float:
    """log of the integral of exp of minus a quadratic with these values at these places."""
    size = at.shape[1]
    start, up, down = values[0], values[1 : size + 1], values[size + 1 : 2 * size + 1]
    both = values[2 * size + 1 : 2 * size + 1 + len(pairs)]
    second, first = np.diag(up + down - 2.0 * start), 0.5 * (down - up)
    first_of, other = pairs.T
    second[first_of, other] = second[other, first_of] = both - up[first_of] - up[other] + start
    wanted = start - at @ first + 0.5 * np.einsum("ki,ij,kj->k", at, second, at)
    if largest(values - wanted) > 1e-9 * max(1.0, largest(values)):
        raise TooLarge("an integral over several units takes too many places; those over one are checked")
    curvature, along = np.linalg.eigh(second)
    if curvature[0] <= 0:
        raise TooLarge("the integral over several units is not finite at these parameters")
    return float(0.5 * (np.square(first @ along) / curvature + np.log(2.0 * np.pi / curvature)).sum() - start)


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
