"""Products of arrays, and the step of an optimiser."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array

tensordot = np.tensordot
single_threaded_blas = contextlib.nullcontext
# Work that may wait for the end of a region; here none does.
region = contextlib.nullcontext


class Replay:
    """What is done again and again with the same arrays, kept where that saves work; here it is but done."""

    def __init__(self, workspace: Any, random: Any = None) -> None:
        """workspace: where arrays come from on the way. random: the stream that is drawn from."""

    def __call__(self, function: Callable[..., None], arrays: Sequence[Array], numbers: Sequence[float] = ()) -> None:
        """Call the function with the numbers; arrays: all that it reads and writes, but for the workspace."""
        function(*numbers)


def matmul(
    a: Array,
    b: Array,
    out: Array | None = None,
    add: bool = False,
    row: Array | None = None,
    factor: float = 1.0,
) -> Array:
    """`factor` times the product of two matrices (m, k) and (k, n), into `out` (added to it where `add`).

    row: weights (k,) of the axis that is summed over. Either side may be a vector, as for np.matmul.
    """
    if row is not None:
        row = factor * row
        b = b * (row if b.ndim == 1 else row[:, None])
    elif factor != 1.0:
        b = factor * b
    if add:
        out += np.matmul(a, b)
        return out
    return np.matmul(a, b, out=out)


def einsum(spec: str, a: Array, b: Array) -> Array:
    """np.einsum of two arrays; where each has an axis that is added up, one of its own and one of both, as products of matrices."""
    sides, _, out = spec.partition("->")
    left, _, right = sides.partition(",")
    both = [x for x in left if x in right and x in out]
    inner = [x for x in left if x in right and x not in out]
    own = [[x for x in side if x in out and x not in both] for side in (left, right)]
    if not (both and len(inner) == 1 and len(own[0]) == len(own[1]) == 1):
        found: Array = np.einsum(spec, a, b)
        return found
    first = a.transpose([left.index(x) for x in (*both, *own[0], *inner)])
    second = b.transpose([right.index(x) for x in (*both, *inner, *own[1])])
    order = [*both, *own[0], *own[1]]
    product: Array = np.matmul(first, second).transpose([order.index(x) for x in out])
    return product


def axpy(value: Array, direction: Array, factor: float) -> tuple[float, float]:
    """value += factor * direction, in place; the sums of squares of the direction and of the new value."""
    np.add(value, value.dtype.type(factor) * direction, out=value)
    return square_sum(direction), square_sum(value)


def square_sum(array: Array) -> float:
    """The sum of squares of all entries."""
    flat = np.reshape(array, -1)
    return float(flat @ flat)
