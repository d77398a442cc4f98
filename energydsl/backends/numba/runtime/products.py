"""Products of matrices by BLAS, cut into rows that each thread multiplies by itself; the step of an optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from energydsl.backends.numba.runtime.blas import BLAS, pieces
from energydsl.backends.numba.runtime.compiling import Number, parallel, primitive, reordered, scalar
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numba.runtime.pool import publish
from energydsl.backends.numba.runtime.regions import DRAW, FEW, PAYS, REGION, SMALL, settle
from energydsl.backends.numba.runtime.tasks import Task, matrix, reals, wholes
from energydsl.backends.numba.runtime.tiled import Rooms, enter, fits_tiles, tiled
from energydsl.backends.numba.runtime.tiles import DEPTH
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


@scalar
def operands(record: int, top: int, bottom: int) -> tuple[Any, ...]:
    """The product of a record, for rows top to bottom of C or for columns: A, B and C, each by its address and leading dimension, A and B with
    whether they are transposed; m, n, k; alpha, which may be multiplied by a number that stands elsewhere, and beta.
    """
    at, real = wholes(record), reals(record)
    a, lda, trans_a, b, ldb, trans_b = at[3], at[4], at[5], at[6], at[7], at[8]
    c, ldc, m, n, k, size, columns = at[9], at[10], at[11], at[12], at[13], at[14], at[15]
    if columns == 1:
        n = bottom - top
        b += size * (top * ldb if trans_b else top)
        c += size * top
    elif columns == 0:
        m = bottom - top
        a += size * (top if trans_a else top * lda)
        c += size * top * ldc
    alpha = FLOAT(real[20])
    if at[16] != 0:
        alpha *= matrix(at[16], 1, 1)[0, 0]
    return a, lda, trans_a, b, ldb, trans_b, c, ldc, m, n, k, alpha, FLOAT(real[21])


@Task
def multiply(record: int, top: int, bottom: int) -> None:
    """alpha A B + beta C of a record, by a BLAS library."""
    a, lda, trans_a, b, ldb, trans_b, c, ldc, m, n, k, alpha, beta = operands(record, top, bottom)
    flag_a, flag_b = ord("t") if trans_a else ord("n"), ord("t") if trans_b else ord("n")
    gemm(wholes(record)[2], flag_a, flag_b, m, n, k, a, lda, b, ldb, c, ldc, alpha, beta)


@Task
def multiply_on_tiles(record: int, top: int, bottom: int) -> None:
    """The same, on tiles of the processor; from a place along the inner axis on perhaps with another factor, which stands elsewhere too."""
    a, lda, trans_a, b, ldb, trans_b, c, ldc, m, n, k, alpha, beta = operands(record, top, bottom)
    split, other = wholes(record)[17], alpha
    if split < k:
        other = FLOAT(reals(record)[20]) * matrix(wholes(record)[16], k, 1)[split, 0]
    room = enter(wholes(record)[18], wholes(record)[19])
    if abs(other) == abs(alpha):
        minus = k if other == alpha else split
        tiled(a, lda, 1 - trans_a, b, ldb, trans_b, c, ldc, m, n, k, alpha, beta, minus, room)
    else:
        tiled(a, lda, 1 - trans_a, b, ldb, trans_b, c, ldc, m, n, split, alpha, beta, k, room)
        a += 4 * split * (lda if trans_a else 1)
        b += 4 * split * (1 if trans_b else ldb)
        tiled(a, lda, 1 - trans_a, b, ldb, trans_b, c, ldc, m, n, k - split, other, FLOAT(1.0), k, room)
    publish(room, 0)


def layout(a: Array) -> tuple[int, bool] | None:
    """(leading dimension, transposed?) of a matrix as BLAS takes it, or None."""
    size, (down, along) = a.itemsize, a.strides
    if (along == size or a.shape[1] == 1) and down >= size * a.shape[1]:
        return down // size, False
    if down == size and along >= size * a.shape[0]:
        return along // size, True
    return None


def matmul(
    a: Array,
    b: Array,
    out: Array | None = None,
    add: bool = False,
    row: Array | None = None,
    factor: float = 1.0,
) -> Array:
    """`factor` times the product of two matrices, into `out` (added to it), by tasks where that pays; row: weights of the inner axis.

    Weights that are constant over long stretches (a phase) are the factors of one product a stretch. In a region only a product with
    an `out` waits for its end.
    """
    matrices = a.ndim == b.ndim == 2 and a.dtype == b.dtype == FLOAT
    result = np.empty((len(a), b.shape[1]), FLOAT) if out is None and matrices else out
    if result is not None and product_noted(a, b, result, add, row, factor):
        if out is None:
            settle()
        return result
    settle()
    if row is not None:
        row = factor * row
        return matmul(a, b * (row if b.ndim == 1 else row[:, None]), result, add)
    if factor != 1.0:
        b = factor * b
    if add:
        assert out is not None
        out += np.matmul(a, b)
        return out
    return np.matmul(a, b, out=result)


def product_noted(a: Array, b: Array, out: Array, add: bool, row: Array | None, factor: float) -> bool:
    """Note down a product, which does it where no region is open; False, and nothing is done, where that does not fit or does not pay."""
    if a.ndim != 2 or out.ndim != b.ndim or not BLAS.depth or not BLAS.address:
        return False
    if b.ndim == 1:
        b, out = b[:, None], out[:, None]
    m, k, n = (*a.shape, b.shape[1])
    if (
        not (REGION.depth or m * n * k >= 1 << 18)
        or not a.dtype == b.dtype == out.dtype == FLOAT
        or (row is not None and row.dtype != FLOAT)
    ):
        return False
    starts = [0] if row is None else [0, *(np.flatnonzero(row[1:] != row[:-1]) + 1)]
    sides: Any = layout(a), layout(b), layout(out)
    if None in sides or sides[2][1] or len(starts) > max(2, k // 64):
        return False
    (lda, trans_a), (ldb, trans_b), (ldc, _) = sides
    # Few rows are cut into columns, where that pays although threads then meet.
    columns = m < min(n, 16 * BLAS.threads) and m * n * k > PAYS * DRAW
    # A product with a vector is left to one thread: libraries add up its numbers in an order that hangs on the rows.
    vector = n == 1
    at_a, at_b = a.ctypes.data, b.ctypes.data
    split = k
    if len(starts) == 2 and starts[1] % DEPTH == 0 and fits_tiles(m, n, k):
        # One factor for both, but for its sign perhaps: what is written is then written once.
        split = starts.pop()
    for start, stop in zip(starts, [*starts[1:], k], strict=True):
        on_tiles = fits_tiles(m, n, stop - start)
        REGION.note(
            multiply_on_tiles if on_tiles else multiply,
            1 if vector else -n if columns else m,
            [
                BLAS.address,
                at_a + a.itemsize * start * (lda if trans_a else 1), lda, trans_a,
                at_b + a.itemsize * start * (1 if trans_b else ldb), ldb, trans_b,
                out.ctypes.data, ldc, m, n, stop - start, a.itemsize, 2 if vector else int(columns),
                0 if row is None else row.ctypes.data + row.itemsize * start, split,
                *((Rooms.address, Rooms.count) if on_tiles else ()),
            ],
            (factor, float(add or start > 0)),
            m * n * (stop - start) // DRAW,
            (b,) if columns else (a,),
            (out,),
            (a if columns else b, *(() if row is None else (row,))),
            most=1 << 30 if vector or on_tiles else pieces_alike(m, n, stop - start, trans_b and not trans_a),
        )  # fmt: skip
    return True


def pieces_alike(m: int, n: int, k: int, turned: bool) -> int:
    """Into how many pieces a product can be cut whose pieces round as the whole; turned: whether the second matrix alone is transposed."""
    if m * n * k > SMALL:
        return max(1, m * n * k // (SMALL + SMALL // 4))
    return max(1, m * n // (FEW + FEW // 4)) if turned and m * n > FEW else 1 << 30


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
