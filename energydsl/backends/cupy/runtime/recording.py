"""Updates recorded in a CUDA graph and replayed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import DEVICE, SMALL, word


class Captured:
    """A function without arguments whose work on the device is recorded at its third call and replayed from then on.

    It must do the same work on the same arrays at every call; what varies lies in arrays. `random` goes on as if the
    function had been called. Arrays made on the way come from a pool of its own, so that nobody else gets them.
    """

    def __init__(self, function: Callable[[], Any], random: Any) -> None:
        self.function, self.random = function, random
        self.calls, self.refused = 0, ""
        # The sweep when it was recorded and the one expected next; the sweeps of one call and the block after it.
        self.first = self.expected = self.sweeps = self.block = 0
        self.graph: Any = None
        self.result: Any = None
        self.moved = np.zeros(1, numpy.uint32)
        self.pool = np.cuda.MemoryPool()

    def __call__(self) -> Any:
        """Call the function, or replay what it did; what it returned, in the same arrays each time."""
        if self.graph is None:
            self.calls += 1
            with np.cuda.using_allocator(self.pool.malloc):
                if self.calls < 3 or not self.record():
                    return self.function()
        elif self.random.sweep != self.expected:
            self.moved[...] = word((self.random.sweep - self.first) & 0xFFFFFFFF)
        self.graph.launch(DEVICE.stream)
        self.random.sweep, self.random.block = (self.random.sweep + self.sweeps) & 0xFFFFFFFF, self.block
        self.expected = self.random.sweep
        return self.result

    def __del__(self) -> None:
        """Blocks of a pool that is let go are not given back by themselves."""
        with contextlib.suppress(Exception):
            self.graph = self.result = None
            self.pool.free_all_blocks()

    def record(self) -> bool:
        """Record the function; False where it does what cannot be recorded, so that it will be called for ever."""
        self.first = self.expected = self.random.sweep
        block, graph, done = self.random.block, None, False
        DEVICE.kernel("product")
        DEVICE("move_on", 1, self.moved, word(0))
        DEVICE.moved, DEVICE.capturing = self.moved, True
        DEVICE.stream.begin_capture()
        try:
            self.result = self.function()
            self.sweeps, self.block = (self.random.sweep - self.first) & 0xFFFFFFFF, self.random.block
            DEVICE("move_on", 1, self.moved, word(self.sweeps))
            done = True
        except RuntimeError as error:
            self.calls, self.refused = -(1 << 60), str(error)
        finally:
            DEVICE.moved, DEVICE.capturing = None, False
            with contextlib.suppress(RuntimeError):
                graph = DEVICE.stream.end_capture()
        self.graph = graph if done else None
        self.random.sweep, self.random.block = self.first, block
        return self.graph is not None


def repeated(function: Callable[[], Any], random: Any, work: int) -> Callable[[], Any]:
    """The function, made cheap to call again and again where launching its kernels takes longer than running them."""
    return Captured(function, random) if work <= 4 * SMALL else function
