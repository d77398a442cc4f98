"""Regions: work that is noted down and then done by all threads at once, each of which carries its own rows through all of it.

Threads meet at the end of a region and nowhere inside, so what one of them reads in a region must have been written before it,
or by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from energydsl.backends.numba.runtime.blas import BLAS
from energydsl.backends.numba.runtime.tasks import REAL, SLOTS, SWEEP, Task
from energydsl.backends.numba.runtime.trials import TRIALS, run
from energydsl.backends.numpy.runtime.arrays import Array, Workspace

# Work, in draws of a unit, that pays for a second thread; multiplications that take as long as one draw.
PAYS, DRAW = 20_000, 32
# Multiplications of a product up to which BLAS libraries have kernels of their own, which round in another way: no cut crosses it.
SMALL = 1_000_000
# Numbers of a result up to which they have such a kernel where the second matrix is transposed.
FEW = 1_200


class Given(float):
    """A number that may be another one when the same is done again: that in a place of those given."""

    place: int

    @classmethod
    def all(cls, numbers: Sequence[float]) -> list[Given]:
        """Numbers that know their places."""
        found = [cls(number) for number in numbers]
        for place, number in enumerate(found):
            number.place = place
        return found


class Noted(NamedTuple):
    """What was noted down: records, their work, their fewest rows, into how many pieces they can be cut, which of them draw, where numbers
    stand that were given (record, slot, place), and the arrays that they name.
    """

    table: Array
    work: int
    rows: int
    most: int
    drawn: Array
    given: Array
    held: list[Any]

    def move(self, sweeps: int, numbers: Sequence[float]) -> None:
        """Let it be so many sweeps of the stream later, with other numbers."""
        self.table[self.drawn, SWEEP] = (self.table[self.drawn, SWEEP] + sweeps) & 0xFFFFFFFF
        if not self.given.size:
            return
        record, slot, place = self.given
        self.table.view(np.float64)[record, slot] = np.array(numbers, np.float64)[place]

    def do(self) -> None:
        """Do it."""
        threads = BLAS.threads if BLAS.depth else 1
        if threads > 1 and self.work > PAYS:
            TRIALS.do(self.table, self.work, self.rows, self.most, threads)
        else:
            run(self.table, 1, 1)


class Region(threading.local):
    """What one thread of Python has noted down and not yet done.

    touched: what that reads (False) or writes (True), by where it begins and ends and into how many rows it is cut: columns
    below 0, and 0 where every thread reads all of it.
    """

    def __init__(self) -> None:
        self.depth, self.work, self.most = 0, 0, 1 << 30
        self.records: list[tuple[list[int], tuple[float, ...]]] = []
        self.held: list[Any] = []
        self.drawn: list[int] = []
        self.given: list[tuple[int, int, int]] = []
        self.touched: dict[tuple[int, int, int], bool] = {}
        # How often work was done, or not noted down where it might have been; and what was done last, while somebody keeps it.
        self.settled, self.kept = 0, False
        self.last: Noted | None = None
        # What was computed from parameters and settings alone, by its name and theirs.
        self.known: dict[tuple[str, int, int], tuple[Any, Any, Any]] = {}

    def __enter__(self) -> None:
        """Note down what is asked for from here on."""
        self.depth += 1

    def __exit__(self, kind: object, *_: object) -> None:
        """Do what was noted down, at the end of the outermost region; after an error nothing of it."""
        self.depth -= 1
        if kind is not None:
            self.clear()
        elif not self.depth:
            self.settle()

    def note(
        self,
        task: Task,
        cut: int,
        numbers: list[int],
        reals: tuple[float, ...],
        work: int,
        reads: Sequence[Array],
        writes: Sequence[Array],
        whole: Sequence[Array],
        drawn: bool = False,
        most: int = 1 << 30,
    ) -> None:
        """One task more, for so many rows; for so many columns where `cut` is below 0.

        reads, writes: arrays that are cut so. whole: those of which it reads all. work: in draws of a unit. drawn: whether it draws from
        a stream, whose sweep then stands in the place `SWEEP` of its record. most: pieces into which it can be cut without rounding otherwise.
        """
        if BLAS.depth and BLAS.threads > 1:
            uses = [(*extent(a), 0) for a in whole] + [(*extent(a), cut) for a in reads]
            own = [(*extent(a), cut) for a in writes]
            if any(self.meets(*use, False) for use in uses) or any(self.meets(*use, True) for use in own):
                self.settle()
            for use in uses:
                self.touched.setdefault(use, False)
            self.touched.update(dict.fromkeys(own, True))
        if drawn:
            self.drawn.append(len(self.records))
        for slot, number in enumerate(reals, REAL):
            if isinstance(number, Given):
                self.given.append((len(self.records), slot, number.place))
        self.records.append(([task.address, abs(cut), *numbers], reals))
        self.held += [*reads, *writes, *whole]
        self.work += work
        self.most = min(self.most, most)
        if not self.depth:
            self.settle()

    def meets(self, low: int, high: int, cut: int, writes: bool) -> bool:
        """Whether these numbers are read or written by another thread than the one that is to write or read them."""
        known = self.touched.get((low, high, cut))
        if known or known == writes:
            return False
        return any(
            (writes or writes_too) and low < end and start < high and (start, end, count) != (low, high, cut)
            for (start, end, count), writes_too in self.touched.items()
        )

    def settle(self) -> None:
        """Do all that is noted down."""
        if not self.records:
            return
        self.settled += 1
        table = np.zeros((len(self.records), SLOTS), np.int64)
        real = table.view(np.float64)
        for k, (numbers, reals) in enumerate(self.records):
            table[k, : len(numbers)] = numbers
            real[k, REAL : REAL + len(reals)] = reals
        rows = table[:, 1]
        fewest = int(np.min(rows, where=rows > 1, initial=1 << 30))
        given = np.array(self.given, np.intp).reshape(-1, 3).T
        noted = Noted(table, self.work, fewest, self.most, np.array(self.drawn, np.intp), given, self.held)
        self.clear()
        self.last = noted if self.kept else None
        noted.do()

    def clear(self) -> None:
        """Nothing is noted down."""
        self.records, self.held, self.drawn, self.given = [], [], [], []
        self.work, self.most, self.touched, self.known = 0, 1 << 30, {}, {}


def extent(array: Array) -> tuple[int, int]:
    """Where the numbers of an array of rows or columns begin, and where they end."""
    start: int = array.ctypes.data
    return start, start + array.itemsize + sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True))


REGION = Region()


def region() -> Region:
    """Inside, what tasks are asked to do is noted down, and done at the end; may be nested."""
    return REGION


def settle() -> None:
    """Do what is noted down, before what cannot be is done at once."""
    REGION.settle()
    REGION.settled += 1


def once(name: str, params: Any, settings: Any, compute: Callable[[], Array]) -> Array:
    """What is computed from parameters and settings alone: once while nothing that was noted down is done, for until then they stay as they are."""
    if not REGION.depth:
        return compute()
    place = (name, id(params), id(settings))
    if place not in REGION.known:
        # Both are held too, so that no others can come to their place.
        REGION.known[place] = (params, settings, compute())
    found: Array = REGION.known[place][-1]
    return found


class Replay:
    """What is done again and again with the same arrays, noted down once.

    It must be one region, and name no arrays but those that last: then what it notes down is the same every time, but for the
    sweeps of the random stream and the numbers that are given. It is noted down twice, to see that this is so; else it is called every time.
    """

    def __init__(self, workspace: Workspace, random: Any = None) -> None:
        """workspace: where arrays come from on the way. random: the stream that is drawn from."""
        self.workspace, self.random = workspace, random
        self.known: tuple[Any, ...] = ()
        self.noted: Noted | None = None
        self.sure = False
        self.first = self.sweeps = self.block = 0

    def __call__(self, function: Callable[..., None], arrays: Sequence[Array], numbers: Sequence[float] = ()) -> None:
        """Call the function with the numbers, or do what it noted down; arrays: all that it reads and writes, but for the workspace."""
        random, noted = self.random, self.noted
        known = (BLAS.threads, BLAS.depth > 0, random and (random.key, random.chain), *map(id, arrays))
        if known != self.known or REGION.depth:
            self.known, self.noted, self.sure, noted = known, None, False, None
        if noted is not None:
            noted.move(random.sweep - self.first if random else 0, numbers)
        if random is not None:
            self.first = random.sweep
        if noted is None or not self.sure:
            self.record(function, arrays, numbers)
            return
        if random is not None:
            random.sweep, random.block = (random.sweep + self.sweeps) & 0xFFFFFFFF, self.block
        noted.do()

    def record(self, function: Callable[..., None], arrays: Sequence[Array], numbers: Sequence[float]) -> None:
        """Call the function, and keep what it noted down where that can be done again."""
        random, settled, outside, before = self.random, REGION.settled, REGION.depth, self.noted
        REGION.kept = True
        try:
            with REGION:
                function(*Given.all(numbers))
        finally:
            last, REGION.last, REGION.kept = REGION.last, None, False
        if random is not None:
            self.sweeps, self.block = (random.sweep - self.first) & 0xFFFFFFFF, random.block
        found = None if outside or REGION.settled != settled + 1 else last
        lasting = [extent(a) for a in (*arrays, *self.workspace.arrays.values())]
        lasts = found is not None and all(
            any(low <= start and end <= high for low, high in lasting) for start, end in map(extent, found.held)
        )
        self.noted = found._replace(held=[*found.held, *arrays]) if found is not None and lasts else None
        self.sure = self.noted is not None and before is not None and np.array_equal(before.table, self.noted.table)
