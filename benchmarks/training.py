"""What does training cost as a user runs it: an epoch of `ed.train` beside its updates' products alone, and how long is a start?

PCD-1 of a 784-500 RBM, batch 128, on as many grey pictures as MNIST has, pixels drawn anew for every batch, a tenth of the rows held
out. An epoch is the time from report to report: batches, updates, figures, and with a run folder a checkpoint.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import by_numpy
import numpy as np
from dense import BATCH, HIDDEN, MODELS, STEPS, VISIBLE, looped, update, update_floor
from harness import Loop, Task, table

import energydsl as ed
from energydsl.data.sources import Data, from_arrays
from energydsl.learning.methods import PCD
from energydsl.options import Backend

ROWS = 60_000
UPDATES = (ROWS - ROWS // 10) // BATCH
FLOOR = "its updates' products alone"
METHOD = PCD(k=1, chains=BATCH)


@cache
def pictures() -> np.ndarray:
    """Grey values, four fifths of them 0, as those of MNIST are."""
    rng = np.random.default_rng(0)
    grey = rng.random((ROWS, VISIBLE), np.float32)
    grey[grey < 0.8] = 0.0
    return grey


@cache
def prepared(backend: Backend) -> tuple[ed.Program, Data]:
    """A program, and the pictures as data for it."""
    program = ed.load(MODELS / "rbm.energy").compile(backend)
    return program, from_arrays(program.model, {"v": pictures()}, "sample")


def epochs(backend: Backend, folder: bool = False) -> Loop:
    """Epochs of one training, two or more."""
    program, data = prepared(backend)

    def loop(seconds: float) -> list[float]:
        reports: list[float] = []

        def report(_: object) -> None:
            reports.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as room:
            out = Path(room) / "run" if folder else None
            count = 2 if seconds < 5.0 else 5
            ed.train(program, data, METHOD, ed.SGD(lr=1e-3), count, out, batch=BATCH, validation=0.1, report=report)
        return [after - before for before, after in itertools.pairwise(reports)]

    return loop


def start(backend: Backend, rows: int, count: int, checked: bool) -> Callable[[], object]:
    """A training of so many epochs on the first rows. checked: whether they are data already, or an array still."""
    program, data = prepared(backend)
    given = data.rows(slice(rows)) if checked else pictures()[:rows]
    binarise = None if checked else "sample"
    return lambda: ed.train(
        program, given, METHOD, ed.SGD(lr=1e-3), count, batch=BATCH, validation=0.0, binarise=binarise
    )


def tasks(backends: Sequence[Backend]) -> Iterator[Task]:
    """All rows."""
    by_update = {
        FLOOR: looped(partial(update_floor, BATCH)),
        **{
            f"energydsl {b}, updates alone": looped(partial(update, "rbm", METHOD, BATCH, b, times=STEPS))
            for b in backends
        },
        "NumPy, tuned": looped(lambda: by_numpy.training(VISIBLE, HIDDEN, pictures()[: UPDATES * BATCH], BATCH)),
    }
    by_epoch = {
        **{f"energydsl {b}": partial(epochs, b) for b in backends},
        **{f"energydsl {b}, run folder": partial(epochs, b, True) for b in backends},
    }
    share = {who: (STEPS if who.endswith("updates alone") else 1.0) / UPDATES for who in by_update}
    name = f"an epoch of train, {ROWS:,} rows, RBM 784-500, PCD-1, batch 128"
    yield Task(name, by_update | by_epoch, FLOOR, share)
    for work, rows, count, checked in (
        (f"train of no update, {ROWS:,} rows of data", ROWS, 0, True),
        (f"train of no update, {ROWS:,} rows of an array", ROWS, 0, False),
        ("train of one update, 128 rows of data", BATCH, 1, True),
    ):
        yield Task(work, {f"energydsl {b}": looped(partial(start, b, rows, count, checked)) for b in backends})


if __name__ == "__main__":
    print(table([row for task in tasks(("numba", "numpy")) for row in task.rows(3, 10.0)]))
