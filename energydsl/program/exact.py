"""Exact sums over states: log Z, log p~(v), by enumerating the cheapest side; and whether Z is finite at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.derive.free_energy import log_states, summable_sets
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.diagnostics import ArgumentError, NotApplicable, NotNormalisable, TooLarge
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.program.elimination import log_sums, planned
from energydsl.program.engine import CoreEngine, Engine, Progress
from energydsl.program.states import by_layer, check_params, checked_state, one_hot, random_layer, random_state
from energydsl.random import Rng, stream

_ROWS = 512


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
    """Layers to sum out in closed form, and those to enumerate. Raises `TooLarge` or `NotApplicable`."""
    layers = engine.model.layers
    sets = summable_sets(engine.model, engine.derived.energy, over)

    def cost(chosen: tuple[str, ...]) -> tuple[float, int]:
        return log_states([layers[n] for n in over if n not in chosen]), -len(chosen)

    best = min(sets, key=cost)
    listed = tuple(n for n in over if n not in best)
    size = cost(best)[0]
    if math.isinf(size):
        names = ", ".join(f"`{n}`" for n in listed if not DOMAINS[layers[n].domain.name].finite)
        raise NotApplicable(f"no exact sum: {names} can be neither summed out with the others nor enumerated")
    if size > limits.LOG2_STATES:
        names = ", ".join(f"`{n}`" for n in listed)
        raise TooLarge(f"the exact sum would enumerate 2^{size:.4g} states of {names}; use AIS instead")
    return best, listed


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
    given = {n: random_layer(core, core.model.layers[n], 1, Rng(0)) for n in core.model.by_role("input")}
    start = random_state(core, 1, Rng(stream(0, "initial state")), given)
    p, s = engine.core_params(check_params(engine, params)), core.settings(beta, weights, consts)
    precision, _ = quadratic_form(core, p, layers, s, {n: a for n, a in start.items() if n not in layers})
    names = " and ".join(f"`{n}`" for n in layers)
    if not np.isfinite(precision).all():
        raise NotNormalisable(f"the couplings of {names} are not finite numbers")
    if not _positive_definite(precision):
        least = float(np.linalg.eigvalsh(precision)[0])
        raise NotNormalisable(
            f"the joint density of {names} cannot be normalised: at these parameters their precision matrix is not "
            f"positive definite (its smallest eigenvalue is {least:.3g}), so Z is infinite and no likelihood exists. "
            "Weaker couplings, or larger precisions of the units, make it proper"
        )


def quadratic_form(
    core: CoreEngine, p: Arrays, layers: tuple[str, ...], settings: Settings, rest: Arrays
) -> tuple[Array, Array]:
    """P and eta of beta E = x' P x / 2 - eta' x + constant over all units of layers in which E is quadratic, one after the other.

    rest: all other layers, one row. Differences of fields, exact but for rounding.
    """
    shapes = {n: core.model.layers[n].shape for n in layers}
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])

    def fields(units: Array) -> list[Array]:
        """eta1 and eta2 of all units, (rows, units) each, where the units have these values."""
        values = zip(shapes.items(), np.split(units, ends[:-1], axis=1), strict=True)
        x = {n: core.device(a.reshape(-1, *shape)) for (n, shape), a in values}
        x |= {n: core.xp.broadcast_to(a, (len(units), *a.shape[1:])) for n, a in rest.items()}
        etas = [core.fields(p, x, n, settings) for n in layers]
        return [np.concatenate([core.host(e[k]).reshape(len(units), -1) for e in etas], axis=1) for k in (0, 1)]

    size = int(ends[-1])
    at_zero, second = fields(np.zeros((1, size)))
    found = np.empty((size, size))
    for begin in range(0, size, _ROWS):
        some = slice(begin, min(begin + _ROWS, size))
        found[some] = at_zero - fields(np.eye(some.stop - begin, size, begin))[0]
    np.fill_diagonal(found, -2.0 * second)
    return found, at_zero[0]


def _positive_definite(matrix: Array) -> bool:
    """Whether a symmetric matrix has a Cholesky factor, and one whose pivots are more than rounding."""
    diagonal = np.diag(matrix)
    if not (diagonal > 0).all():
        return False
    scale = 1.0 / np.sqrt(diagonal)
    try:
        factor = np.linalg.cholesky(matrix * scale * scale[:, None])
    except np.linalg.LinAlgError:
        return False
    return bool((np.diag(factor) ** 2).min() > 10 * len(matrix) * np.finfo(float).eps)
