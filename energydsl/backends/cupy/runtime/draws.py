"""Layers drawn by one kernel a family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import DEVICE, NULL, SMALL, TILE, DeviceArray, whole, word
from energydsl.backends.cupy.runtime.given import FLOAT, TABLES
from energydsl.backends.cupy.runtime.products import matmul, strides
from energydsl.backends.cupy.runtime.stream import numbers_of
from energydsl.backends.numpy.runtime.layers import Tempering


def flat(value: Any, shape: tuple[int, ...]) -> tuple[DeviceArray, numpy.int32]:
    """An array whose numbers lie as in (chains, entries), or (1, entries) where it does not vary with the chains; and its rows.

    shape: that of the whole layer, chains first.
    """
    array = np.asarray(value, FLOAT)
    if array.flags.c_contiguous and array.shape in (shape, shape[1:]):
        return array, whole(len(array) if array.ndim == len(shape) else 1)
    if array.ndim != len(shape):
        array = np.broadcast_to(array, shape[1:])[None]
    array = np.ascontiguousarray(array).reshape(len(array), -1)
    return array, whole(len(array))


def optional(value: Any, shape: tuple[int, ...]) -> tuple[Any, numpy.int32]:
    """The same of an array that may be absent: None and the number 0 are a null pointer."""
    absent = value is None or (not isinstance(value, np.ndarray) and value == 0.0)
    return (NULL, whole(1)) if absent else flat(value, shape)


def draw(
    family: str,
    eta1: DeviceArray,
    eta2: DeviceArray | None,
    random: Any,
    out: DeviceArray,
    states: int = 1,
    means: tuple[DeviceArray | None, DeviceArray | None] = (None, None),
    product: tuple[DeviceArray, DeviceArray, bool] | None = None,
    scale: float = 1.0,
    base: DeviceArray | None = None,
    bounds: tuple[float, float] = (0.0, 0.0),
) -> DeviceArray:
    """Draw units of a family with one kernel call, their moments beside them where they are wanted.

    The first natural parameter is scale * eta1 + base, after the product of two matrices has been written into eta1
    (or, where `product` says so in its third place, added to it). out, and means (first and second moments): (chains, ...),
    written into. random: a stream, or whatever fills an array with uniform numbers. Returns out.
    """
    target, rows = out, len(out)
    if not out.flags.c_contiguous:
        target = np.empty(out.shape, FLOAT)
    entries = out.size // max(1, rows)
    name, leading = f"draw_{family}", ()
    shape = (*out.shape, states) if family in TABLES else out.shape
    if product is not None:
        a, b, add = product
        if states == 1 and (DEVICE.capturing or rows * entries * a.shape[1] <= SMALL) and a.dtype == b.dtype == FLOAT:
            name = f"fused_{family}"
            sides = [whole(s) for s in (*strides(a), *strides(b))]
            leading = (a, *sides[:2], b, *sides[2:], whole(a.shape[1]), whole(add))
        else:
            matmul(a, b, out=eta1.reshape(rows, -1), add=add)
    if hasattr(random, "key"):
        numbers = (NULL, *numbers_of(random))
        random.block += 1
    else:
        given = random(numpy.empty(out.shape[:-1] if states > 1 and shape == out.shape else out.shape, FLOAT))
        numbers = (np.asarray(given), word(0), word(0), word(0), word(0), NULL, word(0))
    mean, square = (NULL if m is None else m for m in means)
    arguments = (
        *leading, *flat(eta1, shape), *optional(eta2, shape), *optional(base, shape), FLOAT(scale),
        *map(numpy.float64, bounds), *numbers, whole(rows), whole(entries), whole(states), target, mean, square,
    )  # fmt: skip
    if leading:
        grid = (max(1, -(-entries // TILE)), max(1, -(-rows // TILE)))
        DEVICE.kernel(name)(grid, (256,), arguments)
    else:
        DEVICE(name, -(-out.size // (4 * states)), *arguments)
    if target is not out:
        out[...] = target
    return out


def log_partition_difference(
    family: str,
    etas: Sequence[DeviceArray],
    before: Tempering,
    after: Tempering,
    shape: tuple[int, ...],
    bounds: tuple[float, float] = (0.0, 0.0),
    out: DeviceArray | None = None,
) -> DeviceArray:
    """The sum over units of A(after) - A(before), shape (chains,), float64: A at natural parameters moved two ways.

    shape: that of the layer. out: where it goes.
    """
    whole_shape = etas[0].shape
    chains, entries = len(etas[0]), etas[0].size // max(1, len(etas[0]))
    fields = [*flat(etas[0], whole_shape), *optional(etas[1] if len(etas) > 1 else None, whole_shape)]
    ends = []
    for scale, offsets in (before, after):
        bases = [flat(np.broadcast_to(np.asarray(o, FLOAT), whole_shape[1:]), whole_shape)[0] for o in offsets]
        ends += [*bases, *[NULL] * (2 - len(bases)), FLOAT(scale)]
    states = entries // max(1, int(numpy.prod(shape)))
    found = np.empty(chains, numpy.float64)
    arguments = (*fields, *ends, whole(chains), whole(entries), whole(states), *map(numpy.float64, bounds), found)
    DEVICE.kernel(f"gain_{family}")((max(1, min(chains, 65535)),), (256,), arguments)
    if out is None:
        return found
    out[...] = found
    return out
