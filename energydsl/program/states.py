"""What a program is given, made into arrays of its backend: parameters, states, and states at random.

Arrays are batch first. A state is a dict of all layers, inputs included; a categorical layer is one-hot over a last axis,
and integer codes are accepted wherever a state is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from energydsl.arrays import as_numbers
from energydsl.backends.interface import Array, Arrays
from energydsl.backends.numpy.runtime import ndtri
from energydsl.diagnostics import ArgumentError, DataError, EnergyError, a_kind, suggestion
from energydsl.domains import DOMAINS
from energydsl.model import constraints
from energydsl.model.records import Layer, Param
from energydsl.program.engine import Engine
from energydsl.random import Rng


def check_params(engine: Engine, params: Mapping[str, Any]) -> Arrays:
    """Parameters as arrays of the program's precision, finite and within their constraints. Raises `DataError` (E0403)."""
    known = engine.model.params
    if not isinstance(params, Mapping):
        raise ArgumentError(f"params is a dict of arrays by name, as init gives it, not {a_kind(params)}")
    for name in params:
        if name not in known:
            raise DataError.of(f"the model has no parameter `{name}`", suggestion(str(name), known), "E0403")
    for name in known:
        if name not in params:
            raise DataError.of(f"parameter `{name}` is missing", "", "E0403")
    found = {name: _param_array(engine, param, params[name]) for name, param in known.items()}
    constraints.check(known, found, engine.xp, engine.host)
    return found


def _param_array(engine: Engine, param: Param, value: Any) -> Array:
    given = value if _is_there(engine, value) else as_numbers(value, param.name, "E0403")
    if given.shape != param.shape:
        raise DataError.of(f"parameter `{param.name}` has shape {given.shape}, not {param.shape}", "", "E0403")
    if given.dtype == engine.dtype:
        return engine.device(given)
    with np.errstate(over="ignore"):  # what is too large for the precision is infinite, and told of as that
        return engine.device(given)


def _is_there(engine: Engine, value: Any) -> bool:
    """Whether a value is an array of real numbers on the backend's device already."""
    xp = engine.xp
    return xp is not np and isinstance(value, xp.ndarray) and value.dtype.kind in "biuf"


# --- values of layers


def by_layer(given: Any, needed: Sequence[str]) -> Mapping[str, Any]:
    """A dict of arrays by layer; a bare array is that of the only layer needed. Raises `ArgumentError`."""
    if isinstance(given, Mapping):
        return given
    if len(needed) == 1 and hasattr(given, "__len__"):
        return {needed[0]: given}
    shown = f" of {', '.join(f'`{n}`' for n in needed)}" if needed else ""
    raise ArgumentError(f"arrays{shown} are given as a dict by layer, not as {a_kind(given)}")


def visible_arrays(engine: Engine, data: Mapping[str, Any] | Any) -> Arrays:
    """Data as a dict of arrays for visible and input layers; a bare array goes to the only visible layer.

    Nothing may be missing. Raises `DataError` (E0401).
    """
    if not isinstance(data, Mapping):
        visible = engine.model.by_role("visible")
        if len(visible) != 1:
            raise DataError.of(f"the model has {len(visible)} visible layers: give a dict of arrays by name")
        data = {visible[0]: data}
    arrays = checked_arrays(engine, data)
    for name, array in arrays.items():
        values = engine.host(array)
        # A sum of squares that is finite says as much of all of them, and needs no mask.
        if not np.isfinite(np.vdot(values, values)) and not np.isfinite(values).all():
            raise DataError.of(f"an entry of `{name}` is missing or infinite", "give whole rows")
    return arrays


def layer_arrays(engine: Engine, given: Mapping[str, Any]) -> Arrays:
    """Arrays of layers in the shape they have in the energy; codes become one-hot. Raises `DataError` (E0401)."""
    return {n: engine.device(a) for n, a in checked_arrays(engine, given).items()}


def checked_arrays(engine: Engine, given: Mapping[str, Any]) -> Arrays:
    """As `layer_arrays`, but left where they are."""
    found, given, layers = {}, by_layer(given, ()), engine.model.layers
    for name, value in given.items():
        if name not in layers:
            raise DataError.of(f"the model has no layer `{name}`", suggestion(name, layers))
        found[name] = _layer_array(engine, layers[name], value)
        if not len(found[name]):
            raise DataError.of(f"there are no rows of `{name}`")
    lengths = {name: len(a) for name, a in found.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"`{n}` {k}" for n, k in lengths.items())
        raise DataError.of(f"the layers have different numbers of rows: {shown}")
    return found


def _layer_array(engine: Engine, layer: Layer, value: Any) -> Array:
    array = value if _is_there(engine, value) else as_numbers(value, layer.name)
    if array.shape[1:] == layer.energy_shape:
        return array.astype(engine.dtype, copy=False)
    if layer.energy_shape != layer.shape and (array.shape[1:] == layer.shape or array.shape[1:] == (layer.size,)):
        return one_hot(layer, engine.host(array).reshape(len(array), *layer.shape), engine.dtype)
    if array.ndim > 1 and math.prod(array.shape[1:]) == math.prod(layer.energy_shape):
        return array.reshape(len(array), *layer.energy_shape).astype(engine.dtype, copy=False)
    if array.ndim == 1 and layer.energy_shape in ((), (1,)):
        return array.reshape(-1, *layer.energy_shape).astype(engine.dtype, copy=False)
    raise DataError.of(
        f"the values of `{layer.name}` have shape {array.shape}, not (rows, {', '.join(map(str, layer.shape))})"
    )


def one_hot(layer: Layer, codes: Array, dtype: Any) -> Array:
    """Integer codes (rows, *layer) as one-hot over a last axis. Raises `DataError` (E0401)."""
    states = layer.energy_shape[-1]
    whole = np.asarray(codes)
    bad = ~((whole >= 0) & (whole < states) & (whole == np.floor(whole)))
    if bad.any():
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        raise DataError.of(f"row {at[0] + 1} of `{layer.name}` has {whole[at]:g}, not a state from 0 to {states - 1}")
    return np.asarray(whole[..., None] == np.arange(states), dtype)


def checked_state(engine: Engine, state: Mapping[str, Any], needed: Iterable[str]) -> Arrays:
    """A state on the backend's device, with all layers that are needed, each within its bounds.

    Raises `ArgumentError` for a layer that is not there, `DataError` (E0401) for values that do not fit.
    """
    needed = list(needed)
    arrays = checked_arrays(engine, by_layer(state, needed))
    for name in needed:
        if name not in arrays:
            raise ArgumentError(f"the state has no layer `{name}`")
        if isinstance(arrays[name], np.ndarray):
            _check_bounds(engine.model.layers[name], arrays[name])
    return {n: engine.device(a) for n, a in arrays.items()}


def _check_bounds(layer: Layer, values: Array) -> None:
    """Values lie between the bounds of their domain (means of units do too). Raises `DataError` (E0401)."""
    domain = layer.domain
    outside = ~DOMAINS[domain.name].admits_means(values, domain.arguments)
    if outside.any():
        raise DataError.of(f"a value of `{layer.name}` is {values[outside].flat[0]:g}, outside its domain {domain}")


def check_drawn(engine: Engine, x: Arrays) -> None:
    """Raises `EnergyError` where a unit of an infinite domain has no finite value: there was nothing to draw from."""
    for name, layer in engine.model.random_layers().items():
        if not DOMAINS[layer.domain.name].finite and name in x and not engine.all(engine.xp.isfinite(x[name])):
            raise EnergyError(no_density(engine, name))


def no_density(engine: Engine, layer: str) -> str:
    """Why units of a layer have no value."""
    return (
        f"units of `{layer}` have no finite value at these parameters: their conditional is no density, takes more than "
        f"20,000 panels to integrate, or lies beyond what {engine.dtype.name} can hold"
    )


# --- at random


def random_state(engine: Engine, batch: int, random: Rng, given: Mapping[str, Any] | None = None) -> Arrays:
    """Units drawn independently, without regard to the energy; layers in `given` (inputs!) are kept.

    Raises `ArgumentError` where an input is not given.
    """
    held = layer_arrays(engine, {} if given is None else given)
    state: Arrays = {}
    for name, layer in engine.model.layers.items():
        if name in held:
            whole = engine.xp.broadcast_to(held[name], (batch, *layer.energy_shape))
            state[name] = engine.xp.array(whole, engine.dtype)
        elif layer.role == "input":
            raise ArgumentError(f"`{name}` is an input: init_state(..., given={{'{name}': values}})")
        else:
            state[name] = engine.device(random_layer(engine, layer, batch, random))
    return state


def random_layer(engine: Engine, layer: Layer, batch: int, rng: Rng) -> Array:
    """Independent units of a layer, (batch, *layer)."""
    domain = DOMAINS[layer.domain.name]
    shape = (batch, *layer.shape)
    if domain.one_hot:
        return one_hot(layer, rng.integers(0, layer.energy_shape[-1], shape), engine.dtype)
    if domain.values:
        values = np.asarray(domain.values(layer.domain.arguments), engine.dtype)
        return values[rng.integers(0, len(values), shape)]
    low, high = domain.bounds(layer.domain.arguments)
    if domain.integer_valued:
        return np.asarray(rng.integers(0, 3, shape) + low).astype(engine.dtype)
    uniform = rng(np.empty(shape, engine.dtype))
    if domain.bounded:
        return np.asarray(low + (high - low) * uniform, engine.dtype)
    normal = np.asarray(ndtri(uniform))
    return np.abs(normal) if domain.nonnegative else normal


def initialise_missing(engine: Engine, given: Mapping[str, Any], random: Rng) -> tuple[Arrays, Arrays]:
    """Values of layers with NaN where an entry is missing: (values, those entries filled in at random; known entries).

    A missing code of a categorical layer is NaN or -1. Layers that are known throughout are not in the second.
    """
    values: Arrays = {}
    known: Arrays = {}
    for name, value in given.items():
        array = np.array(engine.host(value), np.float64)
        layer = engine.model.layers.get(name)
        missing = np.isnan(array)
        if layer is not None and DOMAINS[layer.domain.name].one_hot:
            missing |= array == -1
        if layer is None or not missing.any():
            values |= layer_arrays(engine, {name: value})
            continue
        filled, missing = _filled(engine, layer, array, missing)
        fresh = engine.device(random_layer(engine, layer, len(array), random))
        values[name] = engine.xp.where(engine.xp.asarray(missing), fresh, filled)
        known[name] = engine.xp.asarray(~missing)
    return values, known


def _filled(engine: Engine, layer: Layer, array: Array, missing: Array) -> tuple[Array, Array]:
    """Values with some number where one is missing, and which these are, both in the shape of the energy."""
    domain = DOMAINS[layer.domain.name]
    low, _ = domain.points or domain.bounds(layer.domain.arguments)
    array[missing] = low if np.isfinite(low) else 0.0
    filled = layer_arrays(engine, {layer.name: array})[layer.name]
    if missing.size != filled.size:  # codes: all states of a unit are missing together
        return filled, np.broadcast_to(missing.reshape(len(array), *layer.shape, 1), filled.shape)
    missing = missing.reshape(filled.shape)
    if domain.one_hot:
        missing = np.broadcast_to(missing.any(axis=-1, keepdims=True), filled.shape)
    return filled, missing
