"""The joint of a model with directed parts is the product of its parts, each normalised over what it draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.derive.directed.network import Factor, Network
from energydsl.domains import DOMAINS
from energydsl.graph.edges import edges_of
from energydsl.model.records import Layer
from energydsl.options import Backend
from energydsl.program import Program
from energydsl.program.directed import Directed
from energydsl.program.states import check_params, layer_arrays
from energydsl.verification.case import generator, input_row, random_param
from energydsl.verification.oracle import Oracle, enumerate_states, unit_values
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

_USE = "joint"


def joint(network: Network, seed: int, backend: Backend) -> Check:
    """log p(x) of every state, and -E - log Z, against the oracle; with infinite layers, that each is drawn once."""
    name = "joint = product of its parts, summed to one"
    if all(DOMAINS[layer.domain.name].finite for layer in network.model.random_layers().values()):
        return Check(name, _error(network, seed, backend), 1e-9)
    return Check(name, 0.0 if _parts_cover(network) else np.inf, 1e-9)


def _error(network: Network, seed: int, backend: Backend) -> float:
    engine = Directed(network, backend, "float64")
    program = Program(engine)
    rng, model = generator(seed, _USE), network.model
    params = {n: random_param(p, rng) for n, p in model.params.items()}
    units = model.random_layers()
    states, codes = enumerate_states(units, {n: unit_values(layer) for n, layer in units.items()})
    rows = len(next(iter(states.values())))
    inputs = {n: input_row(model.layers[n], rng) for n in model.by_role("input")}
    x = {**states, **{n: np.repeat(a, rows, axis=0) for n, a in inputs.items()}}
    given = {n: a[0] for n, a in inputs.items()}
    errors = []
    p, state = check_params(engine, params), layer_arrays(engine, x)
    for beta in (0.7, 1.0):
        log_z = float(np.asarray(program.log_partition(params, given, beta=beta)))
        found = engine.host(engine.log_weights(p, state, engine.settings(beta), ())) - log_z
        wanted = _log_joint(network, params, x, codes, beta)
        errors += [largest(found - wanted), largest(np.logaddexp.reduce(found))]
    return max(*errors, largest(-engine.host(program.energy(params, x)) - log_z - wanted))


def _log_joint(network: Network, params: Arrays, x: Arrays, codes: Mapping[str, Array], beta: float) -> Array:
    """log p of every listed state: the oracle's energies of each part, normalised over what the part draws."""
    parts = (network.factorisation.core, *network.factorisation.generative)
    return np.asarray(sum(_log_part(network, part, params, x, codes, beta) for part in parts))


def _log_part(
    network: Network, factor: Factor, params: Arrays, x: Arrays, codes: Mapping[str, Array], beta: float
) -> Array:
    """log p(drawn by a part | the rest) of every listed state."""
    units, rows = network.model.random_layers(), len(next(iter(x.values())))
    if not factor.model.random_layers():
        return np.zeros(rows)
    oracle = Oracle(factor.model, {n: edges_of(g) for n, g in factor.model.graphs.items()})
    own = {n: params[n] for n in factor.model.params}
    given = {n: x[factor.copies.get(n, n)] for n in factor.model.layers}
    logits = -oracle.exponent(own, given, beta)
    if factor.copies:
        (name,) = factor.targets
        return _unit_by_unit(
            units[name], logits, lambda values: -oracle.exponent(own, {**given, name: values}, beta), x[name]
        )
    drawn = [n for n in factor.model.layers if n in units and n not in factor.given]
    rest = [np.zeros((rows, 1), int), *(codes[n] for n in units if n not in drawn)]
    groups = np.unique(np.concatenate(rest, axis=1), axis=0, return_inverse=True)[1].ravel()
    found = np.empty(rows)
    for group in range(groups.max() + 1):
        inside = groups == group
        found[inside] = logits[inside] - np.logaddexp.reduce(logits[inside])
    return found


def _unit_by_unit(layer: Layer, logits: Array, moved: Callable[[Array], Array], x: Array) -> Array:
    """sum_i log p(x_i | x_<i, the rest): each unit against its other values, what it and others are given held."""
    total = np.zeros(len(x))
    values = unit_values(layer)
    for unit in range(layer.size):
        others = []
        for value in values:
            here = x.reshape(len(x), layer.size, *values.shape[1:]).copy()
            here[:, unit] = value
            others.append(moved(here.reshape(x.shape)))
        total += logits - np.logaddexp.reduce(others, axis=0)
    return total


def _parts_cover(network: Network) -> bool:
    """Whether every layer is drawn by exactly one part."""
    drawn = [n for p in network.factorisation.generative for n in p.targets] + list(network.core.model.random_layers())
    return sorted(drawn) == sorted(network.model.random_layers())
