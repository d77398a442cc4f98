"""The device: its kernels and its one stream, arrays on it, and copies to it and back."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import cupy as np
import numpy
from numpy.typing import DTypeLike, NDArray

from energydsl.backends.cupy.runtime.given import CUDA_HEAD, CUDA_MODULES, CUDA_SHARED, FLOAT

# An array on the device; CuPy has no types of its own.
DeviceArray = Any


class Device(threading.local):
    """The kernels, the stream and what goes with them, made when first used; each thread of Python has its own."""

    def __init__(self) -> None:
        self.depth, self.capturing = 0, False
        # Sweeps to add to those of a stream, an array of one, while an update is recorded.
        self.moved: Any = None
        self.modules: dict[str, Any] = {}
        self.kernels: dict[str, Any] = {}

    @functools.cached_property
    def stream(self) -> Any:
        """The stream on which everything runs."""
        return np.cuda.Stream(non_blocking=True)

    def kernel(self, name: str) -> Any:
        """The kernel what_module, or one that all modules have; its module is compiled when it is first asked for."""
        if name not in self.kernels:
            own = name.partition("_")[2]
            module = own if own in CUDA_MODULES else ""
            if module not in self.modules:
                self.modules[module] = compiled(CUDA_HEAD + CUDA_SHARED + CUDA_MODULES.get(module, ""))
            self.kernels[name] = self.modules[module].get_function(name)
        return self.kernels[name]

    @functools.cached_property
    def processors(self) -> int:
        """How many multiprocessors the device has."""
        count: int = np.cuda.Device().attributes["MultiProcessorCount"]
        return count

    def __call__(self, name: str, size: int, *arguments: Any) -> None:
        """Launch a kernel over `size` independent threads."""
        blocks = max(1, min(-(-size // 256), 16 * self.processors))
        self.kernel(name)((blocks,), (256,), arguments)


def compiled(code: str) -> Any:
    """A module of the device from its text, compiled by NVRTC or taken from CuPy's cache."""
    return np.RawModule(code=code, options=("-std=c++17",), backend="nvrtc")


DEVICE = Device()
SINGLE = numpy.float32 == FLOAT
NULL = numpy.uintp(0)
whole, word = numpy.int32, numpy.uint32
WORDS = 4 if SINGLE else 2
TILE = 32
SMALL = 1 << 28


class Workspace(threading.local):
    """Arrays by name and shape, other ones in each thread. They are never given up: a recorded update may still write to them."""

    def __init__(self, dtype: DTypeLike = FLOAT) -> None:
        self.dtype = numpy.dtype(dtype)
        self.arrays: dict[tuple[str, tuple[int, ...]], DeviceArray] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> DeviceArray:
        """The array of that name and shape, contents undefined."""
        if (name, shape) not in self.arrays:
            self.arrays[name, shape] = np.empty(shape, self.dtype)
        return self.arrays[name, shape]


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Everything inside goes to our stream, after what was before and before what comes after; may be nested."""
    if DEVICE.depth:
        yield
        return
    outer = np.cuda.get_current_stream()
    DEVICE.stream.wait_event(outer.record())
    DEVICE.depth += 1
    try:
        with DEVICE.stream:
            yield
    finally:
        DEVICE.depth -= 1
        outer.wait_event(DEVICE.stream.record())


def host(array: Any) -> NDArray[Any]:
    """A NumPy array of the values, copied from the device where they are there."""
    return array.get() if isinstance(array, np.ndarray) else numpy.asarray(array)


def load(target: DeviceArray, values: Any) -> None:
    """Copy values of the host or the device into an array, in the order of the stream."""
    target[...] = np.asarray(values, target.dtype)


quiet = silent = contextlib.nullcontext
