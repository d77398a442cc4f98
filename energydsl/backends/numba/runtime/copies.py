"""Copies of states, scaled perhaps, which wait for the end of a region like the draws around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numba.runtime.regions import REGION, settle
from energydsl.backends.numba.runtime.tasks import Task, matrix, wholes
from energydsl.backends.numpy.runtime.arrays import Array


@Task
def copy_rows(record: int, top: int, bottom: int) -> None:
    """Rows of one matrix to those of another."""
    at = wholes(record)
    target, source = matrix(at[2], at[1], at[4]), matrix(at[3], at[1], at[4])
    for r in range(top, bottom):
        for j in range(at[4]):
            target[r, j] = source[r, j]


@Task
def scale_rows(record: int, top: int, bottom: int) -> None:
    """Rows of one matrix to those of another, times the numbers of a row."""
    at = wholes(record)
    target, source, factor = matrix(at[2], at[1], at[4]), matrix(at[3], at[1], at[4]), matrix(at[5], 1, at[4])
    for r in range(top, bottom):
        for j in range(at[4]):
            target[r, j] = source[r, j] * factor[0, j]


def scaled(layer: Array, factor: Any, out: Array) -> Array:
    """A layer times what is the same for all chains, into `out`; in a region at its end."""
    if REGION.depth and layer.dtype == out.dtype == FLOAT and layer.flags.c_contiguous and out.size:
        row = np.ascontiguousarray(np.broadcast_to(np.asarray(factor, FLOAT), out.shape[1:]))
        places = [out.ctypes.data, layer.ctypes.data, row.size, row.ctypes.data]
        REGION.note(scale_rows, len(out), places, (), out.size // 8, (layer,), (out,), (row,))
        return out
    settle()
    np.multiply(layer, factor, out=out)
    return out


def load(target: Array, values: Any) -> None:
    """Copy values into an array of the same shape, in the array's precision."""
    like = getattr(values, "shape", None) == target.shape and values.dtype == target.dtype == FLOAT
    if REGION.depth and like and target.flags.c_contiguous and values.flags.c_contiguous and target.size:
        rows, entries = len(target), target.size // len(target)
        places = [target.ctypes.data, values.ctypes.data, entries]
        REGION.note(copy_rows, rows, places, (), target.size // 8, (values,), (target,), ())
        return
    settle()
    target[...] = values
