"""Threads of our own, which do the tasks of a region: awake while a loop of ours runs, asleep after it, whatever the environment says.

A region is handed over in a few numbers that all threads see, the *board*. Its pieces are taken one by one by whoever is free,
the thread that asks among them, so that a thread which is late keeps nobody waiting for more than the piece that it has taken. A
piece is taken by moving the *ticket* on: the number of the region in its upper half, of the next piece in its lower.
"""

from __future__ import annotations

import ctypes
import platform
import threading
import time
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types

from energydsl.backends.numba.runtime.blas import Blas
from energydsl.backends.numba.runtime.compiling import cached, edge, primitive
from energydsl.backends.numba.runtime.tasks import SLOTS, call
from energydsl.backends.numpy.runtime.arrays import Array

# Where the numbers of the board stand, each in a line of the cache of its own: the ticket; the records of the region, and how
# many; into how many pieces it is cut; how many are done; how many threads may help.
TICKET, RECORDS, COUNT, PIECES, DONE, HELPERS = range(0, 6 * 128, 128)
# For how long a thread waits awake for a region, and after how long it lets others run meanwhile, in seconds.
PATIENCE, POLITE = 1e-3, 2e-5

_WHOLE = ir.IntType(64)
_PAUSES = platform.machine() in ("x86_64", "AMD64")


@primitive
def look(context: Any, address: Any) -> Any:
    """The whole number at an address, as other threads have left it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        return builder.load_atomic(builder.inttoptr(arguments[0], _WHOLE.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), code


@primitive
def publish(context: Any, address: Any, value: Any) -> Any:
    """Write a whole number, and all that was written before it, for other threads to see."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        builder.store_atomic(arguments[1], builder.inttoptr(arguments[0], _WHOLE.as_pointer()), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@primitive
def count_on(context: Any, address: Any) -> Any:
    """Add 1 to a whole number that several threads count."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        target = builder.inttoptr(arguments[0], _WHOLE.as_pointer())
        builder.atomic_rmw("add", target, ir.Constant(_WHOLE, 1), "seq_cst")
        return context.get_dummy_value()

    return types.void(types.int64), code


@primitive
def exchange(context: Any, address: Any, before: Any, after: Any) -> Any:
    """Put one number in the place of another; False, and nothing is done, where another stands there."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        target = builder.inttoptr(arguments[0], _WHOLE.as_pointer())
        return builder.extract_value(builder.cmpxchg(target, *arguments[1:], "seq_cst", "seq_cst"), 1)

    return types.boolean(types.int64, types.int64, types.int64), code


@primitive
def pause(context: Any) -> Any:
    """Let the other thread of the processor's core work for some cycles."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction, where the processor has one for it."""
        if _PAUSES:
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), nothing), [])
        return context.get_dummy_value()

    return types.void(), code


@primitive
def give_way(context: Any, routine: Any) -> Any:
    """Let another program run, by the routine of the system at an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One call."""
        builder.call(builder.inttoptr(arguments[0], ir.FunctionType(ir.IntType(32), []).as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), code


@cached
def share(records: int, count: int, piece: int, pieces: int) -> None:
    """One piece of the rows of all tasks, in turn."""
    for k in range(count):
        record = records + 8 * SLOTS * k
        rows = look(record + 8)
        top, bottom = edge(rows, piece, pieces), edge(rows, piece + 1, pieces)
        if top < bottom:
            call(look(record), record, top, bottom)


@cached
def take(board: int, turn: int) -> None:
    """Do pieces of a region until none is left."""
    while True:
        ticket = look(board + TICKET)
        piece, pieces = ticket & 0xFFFFFFFF, look(board + PIECES)
        records, count = look(board + RECORDS), look(board + COUNT)
        if ticket >> 32 != turn or piece >= pieces:
            return
        if exchange(board + TICKET, ticket, ticket + 1):
            share(records, count, piece, pieces)
            count_on(board + DONE)


@cached
def serve(board: int, loops: int, index: int, seen: int, looks: int, polite: int, routine: int) -> int:
    """Help with regions after the one `seen`, until there was none for so many looks, or no loop; the last one that was seen.

    loops: where the number of loops stands that run.
    """
    left = looks
    while left > 0 and look(loops) != 0:
        turn = look(board + TICKET) >> 32
        if turn != seen:
            if index < look(board + HELPERS):
                take(board, turn)
            seen, left = turn, looks
        left -= 1
        pause()
        if left < looks - polite and routine != 0:
            give_way(routine)
    return seen


@cached
def begin(board: int, records: int, count: int, pieces: int, helpers: int) -> None:
    """Hand a region over."""
    publish(board + RECORDS, records)
    publish(board + COUNT, count)
    publish(board + PIECES, pieces)
    publish(board + HELPERS, helpers)
    publish(board + DONE, 0)
    publish(board + TICKET, ((look(board + TICKET) >> 32) + 1) << 32)


@cached
def lead(board: int, polite: int, routine: int) -> None:
    """Do pieces of the region that was handed over, and wait until all are done."""
    take(board, look(board + TICKET) >> 32)
    looks = 0
    while look(board + DONE) < look(board + PIECES):
        pause()
        looks += 1
        if looks > polite and routine != 0:
            give_way(routine)


@cached
def pauses(count: int) -> None:
    """So many looks at a board."""
    board = np.zeros(8, np.int64)
    for _ in range(count):
        if look(board.ctypes.data) == 0:
            pause()


class Pool:
    """The threads that help, one fewer than Numba has; they begin with the first region, and end with the process."""

    def __init__(self) -> None:
        self.board = np.zeros(1024, np.int64)
        self.address = -(-self.board.ctypes.data // 128) * 128
        self.turn = threading.Lock()
        self.locks: list[Any] = []
        self.asleep: set[int] = set()
        self.looks = self.polite = self.routine = 0

    def start(self) -> None:
        """Begin: see how long a look takes, and put the threads to work."""
        system = ctypes.CDLL(None) if platform.system() != "Windows" else None
        if system is not None:
            self.routine = ctypes.cast(system.sched_yield, ctypes.c_void_p).value or 0
        pauses(10)
        started = time.perf_counter()
        pauses(1000)
        each = max((time.perf_counter() - started) / 1000, 1e-9)
        self.looks, self.polite = int(PATIENCE / each) + 1, int(POLITE / each) + 1
        for index in range(numba.config.NUMBA_NUM_THREADS - 1):
            lock = threading.Lock()
            lock.acquire()
            self.locks.append(lock)
            threading.Thread(target=self.live, args=(index,), daemon=True, name=f"energydsl {index}").start()

    def live(self, index: int) -> None:
        """Help, and sleep where there is nothing to be done."""
        seen, loops = -1, Blas.holders.ctypes.data
        while True:
            seen = serve(self.address, loops, index, seen, self.looks, self.polite, self.routine)
            self.asleep.add(index)
            # A region that was handed over meanwhile is looked at, unless its loop has ended without this thread.
            if self.now() != seen and Blas.holders.any() and self.woken(index):
                continue
            self.locks[index].acquire()

    def now(self) -> int:
        """The number of the last region."""
        return int(self.board[(self.address - self.board.ctypes.data) // 8 + TICKET // 8]) >> 32

    def woken(self, index: int) -> bool:
        """Take a thread from those that sleep; False where another was faster."""
        try:
            self.asleep.remove(index)
        except KeyError:
            return False
        return True

    def do(self, records: Array, pieces: int, threads: int) -> None:
        """Do all tasks of the records, in so many pieces of their rows, on so many threads."""
        if not self.turn.acquire(blocking=False):
            # Another thread of Python has them.
            share(records.ctypes.data, len(records), 0, 1)
            return
        try:
            if not self.looks:
                self.start()
            begin(self.address, records.ctypes.data, len(records), pieces, threads - 1)
            for index in range(threads - 1):
                if index in self.asleep and self.woken(index):
                    self.locks[index].release()
            lead(self.address, self.polite, self.routine)
        finally:
            self.turn.release()


POOL = Pool()
