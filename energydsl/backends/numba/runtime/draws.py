"""Layers drawn by one kernel a family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numba.runtime.blas import BLAS, pieces
from energydsl.backends.numba.runtime.given import DRAWS, FLOAT, GAINS, TABLES
from energydsl.backends.numba.runtime.products import layout, matmul
from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.layers import Tempering

_NONE = np.zeros((0, 0), FLOAT)
_NO_PRODUCT = (0, 0, 0, False, 0, 0, False, 0)


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


def draw(
    family: str,
    eta1: Array,
    eta2: Array | None,
    random: Any,
    out: Array,
    states: int = 1,
    means: tuple[Array | None, Array | None] = (None, None),
    product: tuple[Array, Array, bool] | None = None,
    scale: float = 1.0,
    base: Array | None = None,
    bounds: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Draw units of a family with one kernel call, their moments beside them where they are wanted.

    The first natural parameter is scale * eta1 + base, after the product of two matrices has been written into eta1
    (or, where `product` says so in its third place, added to it). out, and means (first and second moments): (chains, ...),
    written into. random: a stream, or whatever fills an array with uniform numbers. Returns out.
    """
    rows = len(out)
    target = out.reshape(rows, -1)
    shape = (*out.shape, states) if family in TABLES else out.shape
    first = eta1.reshape(rows, -1) if product is not None else flat(eta1, shape)
    parts = pieces(target.size)
    gemm_arguments = _NO_PRODUCT
    if product is not None:
        a, b, add = product
        sides: Any = layout(a), layout(b)
        if parts > 1 and BLAS.address and None not in sides and rows >= 16 * parts and a.dtype == b.dtype == FLOAT:
            (lda, trans_a), (ldb, trans_b) = sides
            gemm_arguments = (BLAS.address, a.ctypes.data, lda, trans_a, b.ctypes.data, ldb, trans_b, a.shape[1])
        else:
            matmul(a, b, out=first, add=add)
            add = False
    key: tuple[int, int] | None = getattr(random, "key", None)
    if key is None:
        given = random(np.empty(out.shape[:-1] if states > 1 and shape == out.shape else out.shape, FLOAT)).reshape(
            rows, -1
        )
        k0, k1, block, sweep, chain = 0, 0, 0, 0, 0
    else:
        given, k0, k1, block, sweep, chain = _NONE, *key, random.block, random.sweep, random.chain
        random.block += 1
    mean, square = means
    DRAWS[family](
        first,
        _NONE if eta2 is None else flat(eta2, shape),
        _NONE if base is None else flat(base, shape),
        float(scale),
        given,
        k0, k1, block, sweep, chain,
        states,
        *map(float, bounds),
        target,
        _NONE if mean is None else mean.reshape(rows, -1),
        _NONE if square is None else square.reshape(rows, -1),
        parts,
        *gemm_arguments,
        0.0 if product is None else float(product[2]),
    )  # fmt: skip
    return out


def log_partition_difference(
    family: str,
    etas: Sequence[Array],
    before: Tempering,
    after: Tempering,
    shape: tuple[int, ...],
    bounds: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """The sum over units of A(after) - A(before), shape (chains,): A at natural parameters moved two ways.

    shape: that of the layer.
    """
    whole = etas[0].shape
    fields = [flat(eta, whole) for eta in etas] + [_NONE] * (2 - len(etas))
    ends = []
    for scale, offsets in (before, after):
        ends += [flat(offset, whole) for offset in offsets] + [_NONE] * (2 - len(etas))
        ends.append(FLOAT(scale))
    states = fields[0].shape[1] // max(1, math.prod(shape))
    out = np.empty(len(etas[0]), FLOAT)
    GAINS[family](*fields, *ends, states, *map(float, bounds), out, pieces(fields[0].size))
    return out.astype(np.float64)
