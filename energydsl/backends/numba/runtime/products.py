"""Products of matrices by BLAS, cut into rows that each thread multiplies by itself; the step of an optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from energydsl.backends.numba.runtime.blas import BLAS, pieces
from energydsl.backends.numba.runtime.compiling import Number, compiled, edge, parallel, primitive, reordered
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.arrays import Array
from energydsl.backends.numpy.runtime.products import square_sum

_BYTE = ir.IntType(8).as_pointer()


@primitive
def gemm(
    context: Any,
    address: Any,
    trans_a: Any,
    trans_b: Any,
    m: Any,
    n: Any,
    k: Any,
    a: Any,
    lda: Any,
    b: Any,
    ldb: Any,
    c: Any,
    ldc: Any,
    alpha: Any,
    beta: Any,
) -> Any:
    """C = alpha A B + beta C for row-major arrays at addresses a, b, c, by the Fortran routine at `address`."""
    whole = types.intp
    signature = types.void(*[whole] * 12, alpha, beta)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """The instructions, for the types that Numba has found."""
        slots = [builder.bitcast(cgutils.alloca_once_value(builder, v), _BYTE) for v in arguments]
        _, trans_a, trans_b, m, n, k, _, lda, _, ldb, _, ldc, alpha, beta = slots
        a, b, c = (builder.inttoptr(arguments[q], _BYTE) for q in (6, 8, 10))
        routine = builder.inttoptr(arguments[0], ir.FunctionType(ir.VoidType(), [_BYTE] * 13).as_pointer())
        builder.call(routine, (trans_b, trans_a, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc))
        return context.get_dummy_value()

    return signature, code


@parallel()
def product(
    address: int,
    a: int,
    lda: int,
    trans_a: bool,
    b: int,
    ldb: int,
    trans_b: bool,
    c: int,
    ldc: int,
    m: int,
    n: int,
    k: int,
    size: int,
    alpha: Number,
    beta: Number,
    rows: int,
    columns: int,
) -> None:
    """alpha A B + beta C, one piece of C a thread: C is cut into rows x columns pieces."""
    flag_a, flag_b = ord("t") if trans_a else ord("n"), ord("t") if trans_b else ord("n")
    for t in prange(rows * columns):
        i, j = t // columns, t % columns
        top, bottom = edge(m, i, rows), edge(m, i + 1, rows)
        left, right = n * j // columns, n * (j + 1) // columns
        at_a = a + size * (top if trans_a else top * lda)
        at_b = b + size * (left * ldb if trans_b else left)
        at_c = c + size * (top * ldc + left)
        gemm(address, flag_a, flag_b, bottom - top, right - left, k, at_a, lda, at_b, ldb, at_c, ldc, alpha, beta)


@compiled
def piece(
    address: int,
    a: int,
    lda: int,
    trans_a: bool,
    b: int,
    ldb: int,
    trans_b: bool,
    inner: int,
    out: Array,
    top: int,
    bottom: int,
    add: float,
) -> None:
    """Rows top..bottom of a product, to those rows of `out` (added to them)."""
    at_a = a + out.itemsize * (top if trans_a else top * lda)
    at_c = out.ctypes.data + out.itemsize * top * out.shape[1]
    flag_a, flag_b = ord("t") if trans_a else ord("n"), ord("t") if trans_b else ord("n")
    width = out.shape[1]
    gemm(address, flag_a, flag_b, bottom - top, width, inner, at_a, lda, b, ldb, at_c, width, FLOAT(1.0), FLOAT(add))


def layout(a: Array) -> tuple[int, bool] | None:
    """(leading dimension, transposed?) of a matrix as BLAS takes it, or None."""
    size, (down, along) = a.itemsize, a.strides
    if along == size and down >= size * a.shape[1]:
        return down // size, False
    if down == size and along >= size * a.shape[0]:
        return along // size, True
    return None


def matmul(a: Array, b: Array, out: Array | None = None, add: bool = False, row: Array | None = None) -> Array:
    """The product of two matrices into `out` (added to it), in parallel where that pays; row: weights of the inner axis.

    Weights that are constant over long stretches (a phase) are the factors of one product a stretch.
    """
    plain = a.ndim != 2 or b.ndim != 2 or not BLAS.depth or not BLAS.address
    m, k, n = (1, 1, 1) if plain else (*a.shape, b.shape[1])
    if not plain and m * n * k >= 1 << 18 and a.dtype == b.dtype == FLOAT:
        result = np.empty((m, n), FLOAT) if out is None else out
        sides: Any = layout(a), layout(b), layout(result)
        if None not in sides and result.dtype == FLOAT and not sides[2][1]:
            (lda, trans_a), (ldb, trans_b), (ldc, _) = sides
            cut = (BLAS.threads, 1) if m >= min(n, 16 * BLAS.threads) else (1, BLAS.threads)
            starts = [0] if row is None else [0, *(np.flatnonzero(row[1:] != row[:-1]) + 1)]
            if len(starts) <= 1 + k // 64:
                for start, stop in zip(starts, [*starts[1:], k], strict=True):
                    at_a = a.ctypes.data + a.itemsize * start * (lda if trans_a else 1)
                    at_b = b.ctypes.data + a.itemsize * start * (1 if trans_b else ldb)
                    alpha = FLOAT(1.0 if row is None else row[start])
                    product(
                        BLAS.address, at_a, lda, trans_a, at_b, ldb, trans_b, result.ctypes.data, ldc,
                        m, n, stop - start, a.itemsize, alpha, FLOAT(add or start > 0), *cut,
                    )  # fmt: skip
                return result
    if row is not None:
        b = b * (row if b.ndim == 1 else row[:, None])
    if add:
        out += np.matmul(a, b)
        return out
    return np.matmul(a, b, out=out)


@reordered
def add_to(value: Array, direction: Array, factor: Number) -> None:
    """value += factor * direction, in place."""
    for i in range(len(value)):
        value[i] += factor * direction[i]


@reordered
def squares_of(value: Array) -> Number:
    """The sum of squares of all entries."""
    total = FLOAT(0.0)
    for i in range(len(value)):
        total += value[i] * value[i]
    return total


@parallel()
def add_pieces(value: Array, direction: Array, factor: Number, parts: int) -> tuple[float, float]:
    """value += factor * direction in so many pieces; the sums of squares of direction and new value, in float64."""
    total = np.zeros((2, parts), np.float64)
    for t in prange(parts):
        begin, end = len(value) * t // parts, len(value) * (t + 1) // parts
        for stop in range(end, begin, -4096):
            piece = slice(max(stop - 4096, begin), stop)
            add_to(value[piece], direction[piece], factor)
            total[0, t] += squares_of(direction[piece])
            total[1, t] += squares_of(value[piece])
    return total[0].sum(), total[1].sum()


def axpy(value: Array, direction: Array, factor: float) -> tuple[float, float]:
    """value += factor * direction, in place; the sums of squares of the direction and of the new value."""
    flat = direction.reshape(-1)
    if value.flags.c_contiguous and flat.dtype == value.dtype == FLOAT:
        sums: tuple[float, float] = add_pieces(value.reshape(-1), flat, FLOAT(factor), pieces(value.size))
        return sums
    np.add(value, value.dtype.type(factor) * direction, out=value)
    return square_sum(direction), square_sum(value)


def tensordot(a: Array, b: Array, axes: tuple[Sequence[int], Sequence[int]]) -> Array:
    """np.tensordot by way of `matmul`; axes: those of a and of b that are summed over."""
    left, right = axes
    free_a = [k for k in range(a.ndim) if k not in left]
    free_b = [k for k in range(b.ndim) if k not in right]
    inner = int(np.prod([a.shape[k] for k in left]))
    matrix_a = a.transpose([*free_a, *left]).reshape(-1, inner)
    matrix_b = b.transpose([*right, *free_b]).reshape(inner, -1)
    return matmul(matrix_a, matrix_b).reshape([a.shape[k] for k in free_a] + [b.shape[k] for k in free_b])
