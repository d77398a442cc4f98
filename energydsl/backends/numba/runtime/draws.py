"""Layers drawn by one kernel a family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numba.runtime.compiling import scalar
from energydsl.backends.numba.runtime.given import DRAWS, FLOAT, GAINS, TABLES
from energydsl.backends.numba.runtime.products import matmul
from energydsl.backends.numba.runtime.regions import REGION
from energydsl.backends.numba.runtime.tasks import matrix, reals, wholes
from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.layers import Tempering


def flat(value: Array, shape: tuple[int, ...]) -> Array:
    """An array as (chains, entries), or (1, entries) where it does not vary with the chains, in the module's precision.

    shape: that of the whole layer, chains first.
    """
    array = np.asarray(value, FLOAT)
    if array.shape == shape[1:] and array.flags.c_contiguous:
        return array.reshape(1, -1)
    if array.ndim == len(shape):
        return np.ascontiguousarray(array.reshape(len(array), -1))
    return np.ascontiguousarray(np.broadcast_to(array, shape[1:])).reshape(1, -1)


@scalar
def draw_arguments(record: int) -> tuple[Any, ...]:
    """What draws rows of a layer, from its record."""
    at, real = wholes(record), reals(record)
    rows, states, entries, units = at[1], at[2], at[3], at[4]
    return (
        matrix(at[5], at[6], entries),
        matrix(at[7], at[8], entries),
        matrix(at[9], at[10], entries),
        FLOAT(real[20]),
        matrix(at[11], rows, entries // states),
        at[12], at[13], at[14], at[15], at[16], states, real[21], real[22],
        matrix(at[17], rows, units),
        matrix(at[18], rows, units),
        matrix(at[19], rows, units),
    )  # fmt: skip


def draw(
    family: str,
    eta1: Array,
    eta2: Array | None,
    random: Any,
    out: Array | None,
    states: int = 1,
    means: tuple[Array | None, Array | None] = (None, None),
    product: tuple[Array, Array, bool] | None = None,
    scale: float = 1.0,
    base: Array | None = None,
    bounds: tuple[float, float] = (0.0, 0.0),
) -> Array | None:
    """Draw units of a family by one task, their moments beside them where they are wanted; where `out` is None, moments alone.

    The first natural parameter is scale * eta1 + base, after the product of two matrices has been written into eta1
    (or, where `product` says so in its third place, added to it). out, and means (first and second moments): (chains, ...),
    written into. random: a stream, or whatever fills an array with uniform numbers. Returns out.
    """
    like = means[0] if out is None else out
    assert like is not None
    rows, shape = len(like), (*like.shape, states) if family in TABLES else like.shape
    first = flat(eta1, shape) if product is None else eta1.reshape(rows, -1)
    if product is not None:
        matmul(*product[:2], out=first, add=product[2])
    second, third = (None if e is None else flat(e, shape) for e in (eta2, base))
    key: tuple[int, int] = (0, 0)
    numbers, given = [0, 0, 0], None
    if out is not None and hasattr(random, "key"):
        key, numbers = random.key, [random.block, random.sweep, random.chain]
        random.block += 1
    elif out is not None:
        given = random(np.empty(shape[:-1] if states > 1 else shape, FLOAT))
    held = [first, *(e for e in (second, third) if e is not None)]
    targets = [a for a in (out, *means) if a is not None]
    entries = first.shape[1]
    REGION.note(
        DRAWS[family],
        rows,
        [
            states, entries, like.size // max(1, rows), first.ctypes.data, len(first), *place(second), *place(third),
            *place(given)[:1], *key, *numbers, *(place(a)[0] for a in (out, *means)),
        ],
        (scale, *bounds),
        rows * entries,
        [a for a in (*held, given) if a is not None and len(a) == rows],
        targets,
        [a for a in held if len(a) != rows],
        drawn=given is None and out is not None,
    )  # fmt: skip
    return out


def place(array: Array | None) -> tuple[int, int]:
    """Where an array is, and how many rows it has; 0 and 0 where there is none."""
    return (0, 0) if array is None else (array.ctypes.data, len(array))


@scalar
def gain_arguments(record: int) -> tuple[Any, ...]:
    """What compares log partitions of rows of a layer, from its record."""
    at, real = wholes(record), reals(record)
    entries = at[3]
    return (
        matrix(at[4], at[5], entries),
        matrix(at[6], at[7], entries),
        matrix(at[8], at[9], entries),
        matrix(at[10], at[11], entries),
        FLOAT(real[20]),
        matrix(at[12], at[13], entries),
        matrix(at[14], at[15], entries),
        FLOAT(real[21]),
        at[2], real[22], real[23],
        matrix(at[16], at[1], 1),
    )  # fmt: skip


def log_partition_difference(
    family: str,
    etas: Sequence[Array],
    before: Tempering,
    after: Tempering,
    shape: tuple[int, ...],
    bounds: tuple[float, float] = (0.0, 0.0),
    out: Array | None = None,
) -> Array:
    """The sum over units of A(after) - A(before), shape (chains,): A at natural parameters moved two ways.

    shape: that of the layer. out: where it goes. In a region the array is filled at its end.
    """
    whole = etas[0].shape
    fields: list[Array | None] = [flat(eta, whole) for eta in etas]
    fields += [None] * (2 - len(etas))
    ends: list[Array | None] = []
    for _, offsets in (before, after):
        ends += [flat(offset, whole) for offset in offsets] + [None] * (2 - len(etas))
    first = fields[0]
    assert first is not None
    rows, entries = whole[0], first.shape[1]
    found = np.empty(rows, FLOAT) if out is None else out
    REGION.note(
        GAINS[family],
        rows,
        [
            entries // max(1, math.prod(shape)), entries,
            *(number for array in (*fields, *ends) for number in place(array)), found.ctypes.data,
        ],
        (before[0], after[0], *bounds),
        2 * rows * entries,
        [f for f in fields if f is not None],
        [found],
        [e for e in ends if e is not None],
    )  # fmt: skip
    return found if REGION.depth or out is not None else found.astype(np.float64)
