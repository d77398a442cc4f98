"""Where parameters begin: initialisers, and base rates that give independent units the means of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from energydsl import weighted
from energydsl.backends.interface import Array, Arrays
from energydsl.domains import DOMAINS
from energydsl.domains.density import Density
from energydsl.model.records import Param
from energydsl.program.engine import Engine
from energydsl.program.mean_field import neutral_mean
from energydsl.program.states import visible_arrays
from energydsl.random import stream


def initial_params(
    engine: Engine, seed: int, data: Mapping[str, Any] | Any = None, weights: Array | None = None
) -> Arrays:
    """Parameters by their initialisers, constraints applied. `data`: visible layers, for base rates; weights: of its rows."""
    given = {n: engine.host(a) for n, a in visible_arrays(engine, data).items()} if data is not None else {}
    params = {}
    for number, (name, param) in enumerate(engine.model.params.items()):
        rng = np.random.default_rng(stream(seed, "initial parameters", number))
        params[name] = engine.device(constrained(param, _initial(engine, param, rng, given, weights)))
    return params


def _initial(engine: Engine, param: Param, rng: np.random.Generator, data: Arrays, weights: Array | None) -> Array:
    init, size = param.init, param.shape
    match init.kind:
        case "number":
            return np.full(size, init.arguments["value"])
        case "normal":
            return np.asarray(rng.normal(init.arguments["mean"], init.arguments["sd"], size))
        case "uniform":
            return np.asarray(rng.uniform(init.arguments["low"], init.arguments["high"], size))
        case "file":
            return np.array(init.values)
        case "rademacher":
            return init.arguments["scale"] * _signs(param, rng)
    return base_bias(engine, init.layer, data.get(init.layer), weights)


def _signs(param: Param, rng: np.random.Generator) -> Array:
    """+1 or -1 with equal chances; a symmetric matrix has one sign for each pair."""
    signs = np.asarray(rng.choice([-1.0, 1.0], param.shape))
    return np.tril(signs) + np.tril(signs, -1).T if "symmetric" in param.constraints else signs


def constrained(param: Param, value: Array) -> Array:
    """The nearest value that the constraints admit (a positive parameter keeps its size)."""
    value = np.asarray(value)
    if "symmetric" in param.constraints:
        value = (value + value.T) / 2
    if "zero_diagonal" in param.constraints:
        value = value * (1 - np.eye(len(value), dtype=value.dtype))
    if "positive" in param.constraints:
        value = np.maximum(np.abs(value), np.finfo(np.float32).tiny)
    if "nonnegative" in param.constraints:
        value = np.maximum(value, 0)
    return value


def base_bias(engine: Engine, name: str, data: Array | None, weights: Array | None = None) -> Array:
    """b in exp(b x) for which units with nothing else, but for a unit precision, have the training mean of a layer.

    At most 100 over the width of an interval (1 of a half-line): what never left its bound in the data is not nailed to it.
    A density without a closed form has its confining power beside b, as in `base_rate`.
    """
    layer, family = engine.model.layers[name], engine.derived.families[name]
    domain = DOMAINS[layer.domain.name]
    if family.density:
        return base_rate(engine, name, data, weights)[0]
    mean = _smoothed_mean(engine, name, data, weights)
    if family.parameter_per_state and not domain.one_hot:
        assert domain.values is not None
        return _natural(engine, name, mean, states=np.array(domain.values(layer.domain.arguments)))
    found = _natural(engine, name, mean, *[np.full(layer.shape, -0.5)] * (2 in family.powers))
    if domain.integer_valued or not (domain.bounded or domain.nonnegative):
        return found
    low, high = domain.bounds(layer.domain.arguments)
    steepest = 100.0 / (high - low if domain.bounded else 1.0)
    return np.clip(found, -steepest, steepest)


def base_rate(engine: Engine, layer: str, data: Array | None, weights: Array | None = None) -> tuple[Array, ...]:
    """Natural parameters of independent units with the training mean of a layer; neutral where there are no data.

    weights: (rows,) of the data; None where all rows count alike.
    """
    record = engine.model.layers[layer]
    domain = DOMAINS[record.domain.name]
    family = engine.derived.families[layer]
    values = domain.values(record.domain.arguments) if domain.values else None
    if family.density:
        return _base_density(engine, layer, family.density, data, weights)
    if family.parameter_per_state and not domain.one_hot:
        assert values is not None
        counts = np.zeros(record.field_shape)
        if data is not None:
            counts = np.stack([weighted.total(data == v, weights) for v in values], -1)
        return (np.log((counts + 1.0) / (counts.sum(-1, keepdims=True) + len(values))),)
    mean = _smoothed_mean(engine, layer, data, weights)
    second: tuple[Array, ...] = ()
    if 2 in family.powers:
        ones = np.ones(record.energy_shape)
        variance = ones if data is None else np.maximum(weighted.variance(data, weights), 1e-3)
        second = (-0.5 / variance,)
    return _natural(engine, layer, mean, *second), *second


def _smoothed_mean(engine: Engine, layer: str, data: Array | None, weights: Array | None) -> Array:
    """The training mean, kept off the bounds: with one more row in each state of a unit that has few, else in the middle."""
    record = engine.model.layers[layer]
    domain, shape = DOMAINS[record.domain.name], record.energy_shape
    mean = np.zeros(shape) if data is None else weighted.mean(data, weights)
    count = 0.0 if data is None else weighted.count(data, weights)
    if domain.points:
        low, high = domain.points
        states = shape[-1] if domain.one_hot else 2
        return np.asarray(((mean - low) * count + (high - low)) / (count + states) + low)
    if domain.nonnegative or domain.bounded:
        return np.asarray((mean * count + neutral_mean(record)) / (count + 1.0))
    return np.asarray(mean)


def _base_density(
    engine: Engine, layer: str, density: Density, data: Array | None, weights: Array | None
) -> tuple[Array, ...]:
    """Held by the confining power c |x|^p alone, c = 1 / (p <|x|^p>); and with the mean where x is a statistic."""
    shape = engine.model.layers[layer].shape
    etas = [np.zeros(shape) for _ in density.statistics]
    if density.place:
        return tuple(e + b for e, b in zip(etas, density.base, strict=True))
    number, power = density.confining
    if power:
        size = np.ones(shape) if data is None else weighted.mean(np.abs(data, dtype=np.float64) ** power, weights)
        etas[number] -= 1.0 / (power * np.maximum(size, 1e-3))
    if data is not None and density.plain and (number, power) != (0, 1):
        etas[0] = _natural(engine, layer, weighted.mean(data, weights), *etas[1:])
    return tuple(etas)


def _natural(engine: Engine, layer: str, mean: Array, *second: Array, states: Array | None = None) -> Array:
    """eta1 of a mean: in closed form, or by halving an interval; with states, what multiplies them in a table."""
    family = engine.derived.families[layer]
    if family.mean_to_natural is not None:
        return np.asarray(family.mean_to_natural(mean, second[0] if second else None))
    formula = engine.owner(layer).kernels.layers[layer].mean
    size = np.full(mean.shape, 1e4)
    low, high = -size, size
    for _ in range(60):
        middle = 0.5 * (low + high)
        first = middle if states is None else middle[..., None] * states
        above = engine.host(formula(*(engine.xp.asarray(e) for e in (first, *second)))) > mean
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(0.5 * (low + high))
