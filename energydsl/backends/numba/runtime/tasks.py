"""Tasks: what is done for some rows, by whatever thread.

A *task* is a function compiled to machine code, (record, top, bottom), that does its work for rows top to bottom; a *record* is the
address of that function, how many rows its work has, and what it needs: addresses and numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import carray, cfunc, types

from energydsl.backends.numba.runtime.compiling import primitive, scalar
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.arrays import Array

# The numbers of a record, 8 bytes each; from where on they are real; where what draws has the sweep of its stream.
SLOTS, REAL, SWEEP = 24, 20, 15


@primitive
def pointer(context: Any, address: Any, like: Any) -> Any:
    """An address as a pointer to numbers of the type of `like`."""
    found = types.CPointer(like)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        return builder.inttoptr(arguments[0], context.get_value_type(found))

    return found(types.intp, like), code


@primitive
def call(context: Any, address: Any, record: Any, top: Any, bottom: Any) -> Any:
    """Call a task by its address."""
    whole = ir.IntType(64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        routine = builder.inttoptr(arguments[0], ir.FunctionType(ir.VoidType(), [whole] * 3).as_pointer())
        builder.call(routine, arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), code


@scalar
def wholes(record: int) -> Array:
    """The whole numbers of a record."""
    found: Array = carray(pointer(record, 0), (SLOTS,))
    return found


@scalar
def reals(record: int) -> Array:
    """The real numbers of a record, at the same places."""
    found: Array = carray(pointer(record, 0.0), (SLOTS,))
    return found


@scalar
def matrix(address: int, rows: int, columns: int) -> Array:
    """The matrix at an address; without rows where the address is 0."""
    found: Array = carray(pointer(address, FLOAT(0.0)), (rows if address != 0 else 0, columns))
    return found


class Task:
    """A function (record, top, bottom) that is compiled when it is first asked for."""

    def __init__(self, function: Callable[[int, int, int], None]) -> None:
        self.function = function

    @functools.cached_property
    def address(self) -> int:
        """Where its machine code is."""
        self.code = cfunc(types.void(types.int64, types.int64, types.int64), cache=True)(self.function)
        found: int = self.code.address
        return found
