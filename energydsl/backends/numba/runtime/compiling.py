"""How kernels are compiled: in whole precision or fast, alone or on threads."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol, TypeVar

import numba
import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from energydsl.backends.numba.runtime.blas import Blas
from energydsl.backends.numba.runtime.given import FLOAT

SINGLE = np.float32 == FLOAT
FAST = {"contract", "nsz", "reassoc", "arcp"}
WORDS = 4 if SINGLE else 2

# One number of a kernel, or one uniform number: of the module's precision, or whatever Numba finds it to be.
Number = Any
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


class Compile(Protocol):
    """A decorator that compiles a function when it is first called."""

    def __call__(self, function: Kernel, /) -> Kernel:
        """The compiled function."""


# As the processor rounds; the same, kept on disk and run beside other threads of Python; without exceptions where 0 divides; sums in any
# order; both; both, and put into the caller.
compiled: Compile = njit
cached: Compile = njit(cache=True, nogil=True)
exact: Compile = njit(error_model="numpy")
reordered: Compile = njit(fastmath=FAST)
fast: Compile = njit(fastmath=FAST, error_model="numpy")
scalar: Compile = njit(fastmath=FAST, error_model="numpy", inline="always")
# A function whose instructions are written out for LLVM.
primitive: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic


@primitive
def wide(context: Any) -> Any:
    """Let the loops of the function that holds this call use the widest vectors of the processor; it stays a function of its own.

    LLVM holds itself back to half of them, for the sake of code that needs few.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """No instruction, but two attributes; LLVM knows more of them than the list of its Python interface does."""
        set.update(builder.function.attributes, ['"prefer-vector-width"="512"', "noinline"])
        return context.get_dummy_value()

    return types.void(), code


class Parallel:
    """A kernel whose `prange` loops run on Numba's threads; in a forked process, where those are gone, on its only one."""

    # Two regions at once would end the process on the workqueue layer; on the others they may overlap.
    numba.get_num_threads()
    turn = threading.Lock() if numba.threading_layer() == "workqueue" else contextlib.nullcontext()

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.function, self.options = function, options
        self.threaded = njit(parallel=True, cache=True, **options)(function)

    @functools.cached_property
    def alone(self) -> Any:
        """The same without threads, kept under another name."""
        found = self.function
        function = FunctionType(found.__code__, found.__globals__, f"{found.__name__}_alone")
        function.__qualname__ = function.__name__
        return njit(cache=True, **self.options)(function)

    def __call__(self, *arguments: Any) -> Any:
        """Run the kernel with these arguments."""
        if Blas.forked:
            return self.alone(*arguments)
        with Parallel.turn:
            return self.threaded(*arguments)


def parallel(**options: Any) -> Callable[[Callable[..., Any]], Parallel]:
    """Compile a function as a `Parallel` kernel; options: those of numba.njit."""
    return lambda function: Parallel(function, options)


@scalar
def edge(length: int, number: int, count: int) -> int:
    """Where piece `number` of `count` begins in a length: BLAS libraries multiply rows by fours."""
    return min(length, (length * number // count + 3) // 4 * 4)
