"""Exact sums over states: log Z, log p~(v), by enumerating the cheapest side; and whether Z is finite at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.derive.sides import cheapest
from energydsl.diagnostics import ArgumentError, NotApplicable, TooLarge
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.program import gaussian
from energydsl.program.elimination import log_sums, planned
from energydsl.program.engine import Engine, Progress
from energydsl.program.states import by_layer, check_params, checked_state, one_hot


def log_partition(
    engine: Engine,
    params: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    *,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> float | Array:
    """Exact log Z(beta) of the core; `given`: its input layers, one value or many.

    Raises `TooLarge` with the cost, `NotApplicable` where a layer can be neither summed out nor enumerated, and
    `NotNormalisable` where Z is infinite. progress: takes the fraction done.
    """
    core, p = engine.core, engine.core_params(check_params(engine, params))
    inputs = core.model.by_role("input")
    given = by_layer({} if given is None else given, inputs)
    for name in inputs:
        if name not in given:
            raise ArgumentError(f"log Z depends on the input `{name}`: log_partition(params, given={{...}})")
    check_normalisable(core, p, beta=beta, weights=weights, consts=consts)
    rows = {n: core.host(given[n]) for n in inputs}
    single = all(_one_value(core.model.layers[n], rows[n]) for n in inputs)
    if single:
        rows = {n: a[None] for n, a in rows.items()}
    value = log_sum(
        core, p, rows, tuple(core.model.random_layers()), progress, beta=beta, weights=weights, consts=consts
    )
    return float(value[0]) if single else value


def log_unnormalised(
    engine: Engine,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    progress: Progress | None = None,
    *,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> Array:
    """log p~(v) = log sum over all hidden layers of exp(-beta E), exactly; shape (rows,)."""
    return log_sum(
        engine, params, data, engine.model.by_role("hidden"), progress, beta=beta, weights=weights, consts=consts
    )


def log_sum(
    engine: Engine,
    params: Mapping[str, Any],
    given: Mapping[str, Any],
    over: tuple[str, ...],
    progress: Progress | None = None,
    *,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> Array:
    """log sum over the layers `over` of exp(-beta E), for each row of all other layers, in float64.

    progress: takes the fraction done after every piece of an enumeration; what it raises ends the sum.
    """
    if engine.dtype != np.float64:
        return log_sum(engine.in_float64, params, given, over, progress, beta=beta, weights=weights, consts=consts)
    p, s = check_params(engine, params), engine.settings(beta, weights, consts)
    x = checked_state(engine, given, [n for n in engine.model.layers if n not in over])
    try:
        out, listed = engine.cheapest_sum(over)
    except TooLarge:
        plan = planned(engine.derived, over) if engine is engine.core else ""
        if isinstance(plan, str):
            raise
        return log_sums(engine.core, plan, p, x, s)
    if not listed:
        return engine.host(engine.log_weights(p, x or {"": engine.xp.zeros((1, 0))}, s, out))
    count, size = (len(next(iter(x.values()))) if x else 1), _state_count(engine, listed)
    together = max(1, limits.STATES_AT_ONCE // size)
    starts, chunks = range(0, count, together), -(-size // limits.STATES_AT_ONCE)
    result = np.empty(count)
    for piece, start in enumerate(starts):
        here = {n: a[start : start + together] for n, a in x.items()}
        rows, parts = min(together, count - start), []
        for number, states in enumerate(joint_states(engine, listed)):
            logs = engine.host(engine.log_weights(p, crossed(engine, here, states), s, out))
            parts.append(np.logaddexp.reduce(logs.reshape(rows, -1), axis=1))
            if progress is not None:
                progress((piece * chunks + number + 1) / (len(starts) * chunks))
        result[start : start + rows] = np.logaddexp.reduce(parts, axis=0)
    return result


def cheapest_sum(engine: Engine, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Layers to sum out, in closed form or by linear algebra, and those to enumerate. Raises `TooLarge` or `NotApplicable`."""
    layers = engine.model.layers
    best = cheapest(engine.model, engine.derived.energy, over)
    if math.isinf(best.log2_states):
        names = ", ".join(f"`{n}`" for n in best.listed if not DOMAINS[layers[n].domain.name].finite)
        raise NotApplicable(f"no exact sum: {names} can be neither summed out with the others nor enumerated")
    if best.log2_states > limits.LOG2_STATES:
        names = ", ".join(f"`{n}`" for n in best.listed)
        raise TooLarge(f"the exact sum would enumerate 2^{best.log2_states:.4g} states of {names}; use AIS instead")
    return best.closed + best.joint, best.listed


def joint_states(engine: Engine, listed: tuple[str, ...]) -> Iterator[Arrays]:
    """All joint states of finite layers, in chunks."""
    layers = [engine.model.layers[n] for n in listed]
    total = _state_count(engine, listed)
    for start in range(0, total, limits.STATES_AT_ONCE):
        number = np.arange(start, min(start + limits.STATES_AT_ONCE, total), dtype=np.int64)
        chunk: Arrays = {}
        for layer, base in zip(layers, _radix(layers), strict=True):
            digits = np.empty((len(number), layer.size), np.int64)
            for unit in range(layer.size):
                number, digits[:, unit] = np.divmod(number, base)
            chunk[layer.name] = _from_codes(engine, layer, digits.reshape(-1, *layer.shape))
        yield chunk


def _state_count(engine: Engine, listed: tuple[str, ...]) -> int:
    """How many joint states finite layers have."""
    layers = [engine.model.layers[n] for n in listed]
    return math.prod(r**layer.size for r, layer in zip(_radix(layers), layers, strict=True))


def _radix(layers: Iterable[Layer]) -> list[int]:
    """How many values a unit of each finite layer has."""
    return [layer.field_shape[-1] if layer.field_shape != layer.shape else 2 for layer in layers]


def _from_codes(engine: Engine, layer: Layer, codes: Array) -> Array:
    domain = DOMAINS[layer.domain.name]
    if domain.one_hot:
        return engine.device(one_hot(layer, codes, engine.dtype))
    assert domain.values is not None
    return engine.device(np.asarray(domain.values(layer.domain.arguments))[codes])


def crossed(engine: Engine, here: Arrays, states: Arrays) -> Arrays:
    """Every row with every state, the states of a row next to one another."""
    rows, count = (len(next(iter(a.values()))) if a else 1 for a in (here, states))

    def spread(array: Array, axis: int) -> Array:
        shape = (rows, count, *array.shape[1:])
        wide = engine.xp.broadcast_to(array[:, None] if axis else array, shape)
        return wide.reshape(-1, *array.shape[1:])  # type: ignore[no-any-return]

    return {n: spread(a, 1) for n, a in here.items()} | {n: spread(a, 0) for n, a in states.items()}


def _one_value(layer: Layer, value: Array) -> bool:
    """Whether an array is one value of a layer, not a batch of them."""
    if value.shape == layer.shape:
        return True
    indicator = value.shape == layer.energy_shape and np.isin(value, (0, 1)).all()
    return bool(indicator and (value.sum(axis=-1) == 1).all())


# --- whether Z is finite


def check_normalisable(
    engine: Engine,
    params: Mapping[str, Any],
    *,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> None:
    """Raises `NotNormalisable` where real units of the core, coupled by quadratics, have no density at these parameters.

    Their precision matrix is factorised; up to 4,096 units are looked at.
    """
    core = engine.core
    layers = coupled_quadratic(core.model, core.derived.energy)
    size = sum(core.model.layers[n].size for n in layers)
    if not layers or size > limits.QUADRATIC_UNITS:
        return
    if engine.dtype != np.float64:
        check_normalisable(engine.in_float64, params, beta=beta, weights=weights, consts=consts)
        return
    checked = engine.core_params(check_params(engine, params))
    gaussian.check_proper(core, checked, layers, core.settings(beta, weights, consts))
