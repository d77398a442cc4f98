"""Products: cuBLAS for large ones, a kernel of ours for small ones and for recorded ones."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import cupy as np
import numpy
from numpy.typing import NDArray

from energydsl.backends.cupy.runtime.device import DEVICE, NULL, SINGLE, SMALL, TILE, DeviceArray, whole
from energydsl.backends.cupy.runtime.given import FLOAT, PRECISION


def strides(a: DeviceArray) -> list[int]:
    """Distances of rows and columns of a matrix, in numbers."""
    return [stride // a.itemsize for stride in a.strides]


def matmul(
    a: DeviceArray,
    b: DeviceArray,
    out: DeviceArray | None = None,
    add: bool = False,
    row: DeviceArray | None = None,
    factor: float = 1.0,
) -> DeviceArray:
    """`factor` times the product of two matrices (m, k) and (k, n), into `out` (added to it where `add`).

    row: weights (k,) of the axis that is summed over. Either side may be a vector, as for np.matmul.
    """
    if factor != 1.0 and row is not None:
        row = factor * row
    elif factor != 1.0:
        b = factor * b
    if a.ndim == 1 or b.ndim == 1:
        left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
        shape = a.shape[:-1] + b.shape[1:]
        into = None if out is None else out.reshape(len(left), right.shape[1])
        return matmul(left, right, into, add, row).reshape(shape)
    (m, k), n = a.shape, b.shape[1]
    result = np.empty((m, n), FLOAT) if out is None else out
    a, b = (x if x.dtype == FLOAT else x.astype(FLOAT) for x in (a, b))
    if DEVICE.capturing or m * n * k <= SMALL or result.strides[1] != result.itemsize:
        small(a, b, result, add, NULL if row is None else row.astype(FLOAT, copy=False))
    else:
        gemm(a, b if row is None else b * row[:, None], result, float(add))
    return result


def small(a: DeviceArray, b: DeviceArray, out: DeviceArray, add: bool, row: Any) -> None:
    """out = A B, or out += A B, by a kernel of ours; row: weights of the inner axis, or a null pointer."""
    (m, k), n = a.shape, b.shape[1]
    (am, ak), (bk, bn), (down, along) = (map(whole, strides(x)) for x in (a, b, out))
    if n == 1:
        arguments = (a, am, ak, b, bk, row, whole(m), whole(k), out, down, whole(add))
    elif m == 1:
        arguments = (b, bn, bk, a, ak, row, whole(n), whole(k), out, along, whole(add))
    else:
        grid = (-(-n // TILE), max(1, -(-m // TILE)))
        sizes = (whole(m), whole(n), whole(k))
        DEVICE.kernel("product")(grid, (256,), (a, am, ak, b, bk, bn, row, *sizes, out, down, whole(add)))
        return
    lines = 8 if arguments[2] == 1 else 32
    DEVICE.kernel("product_vector")((max(1, -(-max(m, n) // lines)),), (256,), arguments)


_KINDS = {"f": 0, "d": 1, "H": 14}
_FULL, _TF32, _DOUBLE = 68, 77, 70


def gemm(a: DeviceArray, b: DeviceArray, out: DeviceArray, beta: float) -> None:
    """out = A B + beta out by cuBLAS, in the precision that is set."""
    terms = {"bf16x2": 2, "bf16x3": 3}.get(PRECISION, 0)
    if not terms:
        gemm_once(plain(a), plain(b), out, beta, (_TF32 if PRECISION == "tf32" else _FULL) if SINGLE else _DOUBLE)
        return
    parts_a, parts_b = split(a, terms), split(b, terms)
    for i in range(terms):
        for j in range(terms - i):
            gemm_once(parts_a[i], parts_b[j], out, beta, _FULL)
            beta = 1.0


def plain(a: DeviceArray) -> DeviceArray:
    """The matrix with its rows or its columns contiguous."""
    size, (down, along) = a.itemsize, a.strides
    if (along == size and down >= size * a.shape[1]) or (down == size and along >= size * a.shape[0]):
        return a
    return np.ascontiguousarray(a)


def split(a: DeviceArray, terms: int) -> list[DeviceArray]:
    """A matrix as a sum of bf16 matrices, each the rounded rest of those before it (bits in uint16; Henry et al. 2019)."""
    turned = a.strides[0] == a.itemsize and a.shape[0] > 1
    straight = np.ascontiguousarray(a.T if turned else a)
    out = np.empty((terms, *straight.shape), numpy.uint16)
    DEVICE("split", straight.size, straight, whole(straight.size), whole(terms), out)
    return [out[t].T if turned else out[t] for t in range(terms)]


def gemm_once(a: DeviceArray, b: DeviceArray, out: DeviceArray, beta: float, compute: int) -> None:
    """One call of cuBLAS. Its matrices lie column by column, so it is asked for the transpose, B' A'."""
    real = "d" if compute == _DOUBLE else "f"
    (m, k), n = a.shape, b.shape[1]
    (turn_b, *side_b), (turn_a, *side_a) = operand(b), operand(a)
    np.cuda.cublas.gemmEx(
        np.cuda.device.get_cublas_handle(), turn_b, turn_a, n, m, k, constant(1.0, real)[0], *side_b, *side_a,
        constant(beta, real)[0], out.data.ptr, _KINDS[out.dtype.char], max(out.strides[0] // out.itemsize, n), compute, -1,
    )  # fmt: skip


def operand(x: DeviceArray) -> tuple[int, int, int, int]:
    """A matrix for cuBLAS: whether its columns lie together, its address, its type, and how far its lines lie apart."""
    (rows, columns), (down, along), size = x.shape, x.strides, x.itemsize
    if along == size and (down >= size * columns or rows == 1):
        return 0, x.data.ptr, _KINDS[x.dtype.char], max(down // size, columns)
    return 1, x.data.ptr, _KINDS[x.dtype.char], max(along // size, rows)


@functools.cache
def constant(value: float, kind: str) -> tuple[int, NDArray[Any]]:
    """The address of a number on the host, and the array that holds it."""
    array = numpy.full(1, value, kind)
    return array.ctypes.data, array


def tensordot(a: DeviceArray, b: DeviceArray, axes: tuple[Sequence[int], Sequence[int]]) -> DeviceArray:
    """np.tensordot by way of `matmul`; axes: those of a and of b that are summed over."""
    left, right = axes
    free_a = [k for k in range(a.ndim) if k not in left]
    free_b = [k for k in range(b.ndim) if k not in right]
    inner = int(numpy.prod([a.shape[k] for k in left]))
    matrix_a = a.transpose([*free_a, *left]).reshape(-1, inner)
    matrix_b = b.transpose([*right, *free_b]).reshape(inner, -1)
    return matmul(matrix_a, matrix_b).reshape([a.shape[k] for k in free_a] + [b.shape[k] for k in free_b])


def einsum(spec: str, a: DeviceArray, b: DeviceArray) -> DeviceArray:
    """np.einsum of two arrays by broadcasting, which can be recorded; large ones are left to CuPy."""
    left, right, out = spec.replace("->", ",").split(",")
    sizes = dict(zip(left + right, a.shape + b.shape, strict=True))
    if not DEVICE.capturing and math.prod(sizes.values()) > SMALL // 4:
        return np.einsum(spec, a, b)
    order = out + "".join(sorted(set(left + right) - set(out)))
    sides = []
    for letters, array in ((left, a), (right, b)):
        shown = sorted(letters, key=order.index)
        turned = array.transpose([letters.index(x) for x in shown])
        sides.append(turned.reshape([sizes[x] if x in letters else 1 for x in order]))
    product = sides[0] * sides[1]
    return product.sum(axis=tuple(range(len(out), len(order)))) if len(order) > len(out) else product
