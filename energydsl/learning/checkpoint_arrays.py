"""The arrays of a checkpoint, by name: `param/W`, `slot/W/velocity`, `offset/v`, `chain/negative/v`, `series/energy`; checked like any input."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.learning import files
from energydsl.learning.states import outside
from energydsl.program import Engine
from energydsl.program.states import check_params

# Of trajectory tempering: as many rungs as there were models worth freezing.
LADDER = "chain/ladder/"
# What chains showed at the last updates: records first, chains second.
SERIES = "series/"


def part(arrays: Mapping[str, Array], prefix: str) -> Arrays:
    """The arrays whose names begin so, without that."""
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def check_arrays(engine: Engine, arrays: Arrays) -> None:
    """Every array of a checkpoint is one of this model: type, shape, finite numbers, values of its domain. Raises `DataError`."""
    for name, array in arrays.items():
        if array.dtype != engine.dtype:
            raise files.invalid(f"`{name}` is of type {array.dtype}, not {engine.dtype}")
        if not np.isfinite(array).all():
            raise files.invalid(f"`{name}` holds values that are not finite numbers")
        kind, _, rest = name.partition("/")
        _PARTS.get(kind, _stranger)(engine, name, rest, array)
    check_params(engine, part(arrays, "param/"))
    for beside in ("average/", "best/"):
        check_params(engine, part(arrays, "param/") | part(arrays, beside))
    chains = part(arrays, "chain/negative/")
    for name in engine.model.layers if chains else ():
        if name not in chains:
            raise files.invalid(f"`chain/negative/{name}` is missing")
    if len({len(array) for array in chains.values()}) > 1:
        raise files.invalid("its chains are of different numbers")
    if ladder := part(arrays, LADDER):
        _check_ladder(engine, ladder)


def _check_ladder(engine: Engine, found: Arrays) -> None:
    """Every rung has states of all layers, the first its parameters, and all three kinds of samples are of the same layers."""
    numbers, counts = (found.get(name, np.zeros(0)) for name in ("numbers", "counts"))
    if numbers.ndim != 2 or numbers.shape[1:] != (4,) or counts.shape != (7,):
        raise files.invalid("the numbers of its ladder are missing, or of another shape")
    wanted = {f"{k}/state/{n}" for k in range(len(numbers)) for n in engine.model.layers}
    for k in range(len(numbers)):
        if k == 0 or any(n.startswith(f"{k}/param/") for n in found):
            wanted |= {f"{k}/param/{n}" for n in engine.model.params}
    samples = [part(found, f"{kind}/") for kind in ("lent", "working", "witness")]
    wanted |= {f"{kind}/{n}" for kind in ("lent", "working", "witness") for s in samples for n in s}
    if wanted | {"numbers", "counts"} != set(found) or not samples[0]:
        odd = sorted((wanted | {"numbers", "counts"}) ^ set(found))
        raise files.invalid(f"its ladder is not whole: `{LADDER}{odd[0] if odd else 'lent'}` is missing, or too many")
    if len({len(a) for s in samples for a in s.values()}) > 1:
        raise files.invalid("the samples of its ladder are of different numbers")


def _stranger(engine: Engine, name: str, rest: str, array: Array) -> None:
    raise files.invalid(f"it holds `{name}`, which is nothing of this model")


def _check_param(engine: Engine, name: str, rest: str, array: Array) -> None:
    param = engine.model.params.get(rest.partition("/")[0])
    if param is None:
        _stranger(engine, name, rest, array)
    elif array.shape != param.shape:
        raise files.invalid(f"`{name}` has shape {array.shape}, not {param.shape}")


def _check_slot(engine: Engine, name: str, rest: str, array: Array) -> None:
    """Of the shape of its parameter, or what the optimiser alone knows the shape of."""
    param, _, key = rest.partition("/")
    if not key.startswith("own/") or param not in engine.model.params:
        _check_param(engine, name, rest, array)


def _check_numbers(engine: Engine, name: str, rest: str, array: Array) -> None:
    """Numbers of the training, which say what they are."""


def _check_offset(engine: Engine, name: str, rest: str, array: Array) -> None:
    layer = engine.model.layers.get(rest)
    if layer is None:
        _stranger(engine, name, rest, array)
    elif array.shape != layer.energy_shape:
        raise files.invalid(f"`{name}` has shape {array.shape}, not {layer.energy_shape}")


def _check_chains(engine: Engine, name: str, rest: str, array: Array) -> None:
    """States of a layer, rows first; of one that was never drawn, zeros. Numbers of a sampler or an objective are what they are."""
    kind, _, of = rest.removeprefix("core/").partition("/")
    if kind in ("sampler", "own"):
        return
    if kind == "fast":
        _check_param(engine, name, of, array)
        return
    if kind == "ladder" and of in ("numbers", "counts"):
        return
    if kind == "ladder" and "/param/" in of:
        _check_param(engine, name, of.rpartition("/")[2], array)
        return
    layer = engine.model.layers.get(rest.rpartition("/")[2])
    if layer is None:
        _stranger(engine, name, rest, array)
    elif not array.ndim or array.shape[1:] != layer.energy_shape:
        shown = ", ".join(["chains", *map(str, layer.energy_shape)])
        raise files.invalid(f"`{name}` has shape {array.shape}, not ({shown})")
    elif array.any() and (wrong := outside(layer, array, grey=layer.role == "input")).any():
        raise files.invalid(f"`{name}` holds {array[wrong].flat[0]:g}, which is not in {layer.domain}")


def _check_series(engine: Engine, name: str, rest: str, array: Array) -> None:
    if array.ndim != 2:
        raise files.invalid(f"`{name}` has shape {array.shape}, not (records, chains)")


_PARTS: Mapping[str, Callable[[Engine, str, str, Array], None]] = {
    "param": _check_param,
    "slot": _check_slot,
    "average": _check_param,
    "best": _check_param,
    "shrunk": _check_numbers,
    "offset": _check_offset,
    "chain": _check_chains,
    "series": _check_series,
}


def check_alike(arrays: Arrays, alike: Arrays) -> None:
    """Raises `DataError` where a training that goes on from here needs another array, or one of another shape."""
    for name, array in alike.items():
        if name.startswith(LADDER):
            continue
        if name not in arrays:
            raise files.invalid(f"`{name}` is missing")
        if arrays[name].shape != array.shape:
            raise files.invalid(f"`{name}` has shape {arrays[name].shape}, not {array.shape}")
    for name in arrays:
        if name not in alike and not name.startswith(LADDER):
            raise files.invalid(f"it holds `{name}`, which this training has not")
