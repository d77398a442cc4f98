"""Products: cuBLAS for large ones, a kernel of ours for small ones and for recorded ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import DEVICE, NULL, SINGLE, SMALL, TILE, DeviceArray, whole
from energydsl.backends.cupy.runtime.given import FLOAT, PRECISION


def strides(a: DeviceArray) -> list[int]:
    """Distances of rows and columns of a matrix, in numbers."""
    return [stride // a.itemsize for stride in a.strides]


def matmul(
    a: DeviceArray, b: DeviceArray, out: DeviceArray | None = None, add: bool = False, row: DeviceArray | None = None
) -> DeviceArray:
    """The product of two matrices (m, k) and (k, n), into `out` (added to it where `add`).

    row: weights (k,) of the axis that is summed over. Either side may be a vector, as for np.matmul.
    """
    if a.ndim == 1 or b.ndim == 1:
        left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
        shape = a.shape[:-1] + b.shape[1:]
        into = None if out is None else out.reshape(len(left), right.shape[1])
        return matmul(left, right, into, add, row).reshape(shape)
    (m, k), n = a.shape, b.shape[1]
    result = np.empty((m, n), FLOAT) if out is None else out
    a, b = (x if x.dtype == FLOAT else x.astype(FLOAT) for x in (a, b))
    if DEVICE.capturing or m * n * k <= SMALL or strides(result)[1] != 1:
        weights = NULL if row is None else row.astype(FLOAT, copy=False)
        sides = [whole(s) for s in (*strides(a), *strides(b))]
        grid = (max(1, -(-n // TILE)), max(1, -(-m // TILE)))
        arguments = (a, *sides[:2], b, *sides[2:], weights, whole(m), whole(n), whole(k))
        DEVICE.kernel("product")(grid, (256,), (*arguments, result, whole(strides(result)[0]), whole(add)))
        return result
    gemm(a, b if row is None else b * row[:, None], result, float(add))
    return result


_KINDS = {"float32": 0, "float64": 1, "uint16": 14}
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


def gemm_once(a: DeviceArray, b: DeviceArray, out: DeviceArray, beta: Any, compute: int) -> None:
    """One call of cuBLAS. Its matrices lie column by column, so it is asked for the transpose, B' A'."""
    real = numpy.float64 if compute == _DOUBLE else numpy.float32
    one, beta = numpy.ones(1, real), numpy.full(1, beta, real)
    (m, k), n = a.shape, b.shape[1]
    sides = []
    for x in (b, a):
        straight = strides(x)[1] == 1 and (strides(x)[0] >= x.shape[1] or x.shape[0] == 1)
        apart = max(strides(x)[0] if straight else strides(x)[1], x.shape[1] if straight else x.shape[0])
        sides.append((0 if straight else 1, x.data.ptr, _KINDS[x.dtype.name], apart))
    (turn_b, at_b, kind_b, apart_b), (turn_a, at_a, kind_a, apart_a) = sides
    np.cuda.cublas.gemmEx(
        np.cuda.device.get_cublas_handle(), turn_b, turn_a, n, m, k, one.ctypes.data,
        at_b, kind_b, apart_b, at_a, kind_a, apart_a, beta.ctypes.data,
        out.data.ptr, _KINDS[out.dtype.name], max(strides(out)[0], n), compute, -1,
    )  # fmt: skip


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
