"""Into how many pieces a region is cut: found by trying, on this machine, when there is first work of a size.

The trial is the work itself, whose result does not hang on the pieces: the first regions of a size are cut in turn in every way
that may pay, and timed. What was fastest is kept in a file beside the kernels, with the description of the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np

from energydsl.backends.numba.runtime.pool import POOL, share
from energydsl.backends.numpy.runtime.arrays import Array

# How often each way is tried (the first time does not count), and how few rows a piece may have.
ROUNDS, ROWS = 4, 16


class Trials:
    """The number of pieces by the size of a region: its tasks, its work, its rows, and the threads there are."""

    def __init__(self) -> None:
        # A module that stands by itself writes nothing beside it.
        found = Path(globals().get("__file__") or "")
        self.file = found.with_suffix(".threads.json") if found.name.startswith("energydsl_runtime_") else None
        self.machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}, Numba {numba.__version__}"
        self.best: dict[str, int] = {}
        self.times: dict[str, list[float]] = {}
        self.read()

    def read(self) -> None:
        """Take what was found on this machine before."""
        with contextlib.suppress(OSError, ValueError, AttributeError, KeyError, TypeError):
            kept = json.loads(self.file.read_text("utf-8")) if self.file else {}
            if kept.get("machine") == self.machine:
                self.best = {str(size): int(pieces) for size, pieces in kept["pieces"].items()}

    def do(self, records: Array, work: int, rows: int, most: int, threads: int) -> None:
        """Do all tasks of the records on so many threads; rows: of the task that has fewest. most: pieces that round alike."""
        size = f"{len(records)} tasks, work {work}, {rows} rows, {threads} threads"
        pieces = self.best.get(size)
        if pieces is not None:
            run(records, max(1, min(pieces, 4 * threads, most)), threads)
            return
        more = (n for n in (threads, 2 * threads, 4 * threads) if n <= most)
        ways = [1, *(n for n in more if n == threads or n * ROWS <= rows)]
        times = self.times.setdefault(size, [])
        started = time.perf_counter()
        run(records, ways[len(times) % len(ways)], threads)
        times.append(time.perf_counter() - started)
        whole = ROUNDS * len(ways)
        if len(times) >= whole:
            self.best[size] = ways[int(np.argmin(np.reshape(times[:whole], (ROUNDS, -1))[1:].min(axis=0)))]
            self.times.pop(size, None)
            self.keep()

    def keep(self) -> None:
        """Write down what was found, whole or not at all; where nothing can be written, it is found again next time."""
        if self.file is None:
            return
        with contextlib.suppress(OSError):
            kept: dict[str, Any] = {"machine": self.machine, "pieces": self.best}
            with tempfile.NamedTemporaryFile("w", dir=self.file.parent, delete=False, encoding="utf-8") as new:
                json.dump(kept, new, indent=1)
            os.replace(new.name, self.file)


def run(records: Array, pieces: int, threads: int) -> None:
    """All tasks, in so many pieces of their rows."""
    if pieces > 1:
        POOL.do(records, pieces, threads)
    else:
        share(records.ctypes.data, len(records), 0, 1)


TRIALS = Trials()
