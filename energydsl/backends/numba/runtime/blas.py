"""The threads of BLAS libraries: one while our own threads multiply, what they were outside."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from threadpoolctl import ThreadpoolController

from energydsl.backends.numba.runtime.given import FLOAT


class Blas(threading.local):
    """The matrix product of NumPy's own BLAS library by its address, and the threads of every such library.

    Each thread of Python has its own `depth` (of `single_threaded_blas`) and number of `threads`; the rest is one for all.
    `address` is 0 where that library is not found (as on a Mac); products are then left to np.matmul.
    """

    lock, forked = threading.RLock(), False
    address: Any = 0
    # As threadpoolctl holds them; None before they are looked for.
    libraries: Any = None
    # How many threads of Python hold the libraries (in an array, where other threads look), and what threads these had before the first came.
    holders = np.zeros(1, np.int64)
    before: Sequence[int] = ()

    def __init__(self) -> None:
        self.depth, self.threads = 0, 1

    @classmethod
    def find(cls) -> None:
        """Look for the libraries once."""
        if cls.libraries is not None:
            return
        cls.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        letter = "s" if np.float32 == FLOAT else "d"
        names = (f"scipy_{letter}gemm_64_", f"{letter}gemm_64_", f"scipy_{letter}gemm_", f"{letter}gemm_")
        for library in sorted(cls.libraries, key=lambda c: "numpy" not in c.filepath):
            handle = ctypes.CDLL(library.filepath)
            found = [getattr(handle, n) for n in names if hasattr(handle, n)]
            if found:
                cls.address = ctypes.cast(found[0], ctypes.c_void_p).value
                return

    @classmethod
    def allow(cls, library: Any, count: int) -> None:
        """Give a library so many threads: all of the process, or (where it runs on OpenMP) this thread of Python."""
        # From 3.8 on threadpoolctl obeys one thread of Python alone, the first, until it is told to forget it.
        getattr(library, "clear_controlling_thread", lambda force: None)(force=True)
        library.set_num_threads(count)

    def __enter__(self) -> None:
        """Give the libraries one thread, and see for how many of Numba's products are to be cut."""
        self.depth += 1
        if self.depth > 1:
            return
        with Blas.lock:
            self.find()
            self.threads = 1 if Blas.forked else numba.get_num_threads()
            counts = [library.get_num_threads() for library in Blas.libraries]
            if not Blas.holders[0]:
                Blas.before = counts
            Blas.holders[0] += 1
            for library, count in zip(Blas.libraries, counts, strict=True):
                if count != 1:
                    self.allow(library, 1)

    def __exit__(self, *_: object) -> None:
        """Give the libraries back their threads: with the last holder, or at once where each thread of Python has its own (OpenMP)."""
        self.depth -= 1
        if self.depth:
            return
        with Blas.lock:
            Blas.holders[0] -= 1
            for library, count in zip(Blas.libraries, Blas.before, strict=True):
                if count != 1 and (not Blas.holders[0] or getattr(library, "threading_layer", "") == "openmp"):
                    self.allow(library, count)

    def after_fork(self) -> None:
        """In a forked process: only the thread that forked is left, and Numba's threads are gone."""
        Blas.lock, Blas.forked = threading.RLock(), True
        Blas.holders[0], self.threads = min(self.depth, 1), 1


BLAS = Blas()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BLAS.after_fork)


def single_threaded_blas() -> Blas:
    """One thread for BLAS inside, what there was outside; may be nested."""
    return BLAS


def pieces(work: int) -> int:
    """Into how many pieces to cut: one a thread, or one where that does not pay."""
    return BLAS.threads if BLAS.depth and work > 20_000 else 1
