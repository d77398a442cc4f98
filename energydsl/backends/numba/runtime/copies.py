"""Copies of states, which wait for the end of a region like the draws around them."""

from __future__ import annotations

from typing import Any

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
