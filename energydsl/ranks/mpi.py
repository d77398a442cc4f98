"""A team of ranks by MPI (mpi4py). Whoever waits looks out for a rank that has stopped, so that none waits for ever."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from energydsl.ranks.team import Array, Stopped, Team

_DATA, _STOP = 0, 1
# Seconds after which what a rank that has stopped had sent before would have come.
_PATIENCE = 0.5
# Ranks that share a core let one another run.
_let_others: Callable[[], Any] = getattr(os, "sched_yield", lambda: time.sleep(0))


class Ranks(Team):
    """The ranks of a communicator; nobody else sends in it."""

    def __init__(self, comm: MPI.Intracomm):
        self.comm = comm.Dup()
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.stopped = False
        self._wire: Any = None

    def add(self, values: Array) -> Array:
        """Halves are exchanged with the neighbour, quarters with that of the next pair, and so on; then the sums go back.

        So every number is added along one tree, and each rank sends and receives 2 (1 - 1/size) times the array
        (Rabenseifner 2004).
        """
        exchange, whole = self._exchange_of(values)
        low, high, given = 0, len(whole), []
        received = self._like(whole)
        for level in range(self.size.bit_length() - 1):
            other, middle = self.rank ^ (1 << level), (low + high) // 2
            upper = self.rank >> level & 1
            give, keep = ((low, middle), (middle, high)) if upper else ((middle, high), (low, middle))
            mine = whole[slice(*keep)]
            exchange(whole[slice(*give)], received[: len(mine)], other)
            mine += received[: len(mine)]
            given.append((other, give))
            low, high = keep
        for other, give in reversed(given):
            exchange(whole[low:high], whole[slice(*give)], other)
            low, high = min(low, give[0]), max(high, give[1])
        if whole is not values:  # it went over the host
            values.set(whole)  # type: ignore[attr-defined]
        return values

    def gathered(self, part: Array) -> Array:
        """As `Team.gathered`."""
        part = np.ascontiguousarray(part)
        found = np.empty((self.size, *part.shape), part.dtype)
        self._wait(self.comm.Iallgather(_bytes(part), _bytes(found)))
        return found.reshape(-1, *part.shape[1:])

    def told_bytes(self, data: bytes) -> bytes:
        """As `Team.told_bytes`."""
        length = np.array([len(data)], np.int64)
        self._wait(self.comm.Ibcast(length))
        found = np.frombuffer(data, np.uint8).copy() if self.first else np.empty(int(length[0]), np.uint8)
        self._wait(self.comm.Ibcast(found))
        return found.tobytes()

    def most(self, number: int) -> int:
        """As `Team.most`."""
        mine, found = np.array([number], np.int64), np.empty(1, np.int64)
        self._wait(self.comm.Iallreduce(mine, found, MPI.MAX))
        return int(found[0])

    def stop(self, message: str, status: int) -> None:
        """As `Team.stop`."""
        if self.stopped:
            return
        self.stopped = True
        data = json.dumps({"message": f"rank {self.rank}: {message}", "status": status}).encode()
        for other in range(self.size):
            if other != self.rank:
                self.comm.Isend(data, other, _STOP)

    # --- how

    def _exchange_of(self, values: Array) -> tuple[Callable[[Array, Array, int], None], Array]:
        """How two ranks exchange numbers of an array's kind, and the array that is exchanged."""
        if isinstance(values, np.ndarray):
            return self._exchange, values
        from energydsl.ranks import nccl

        if self._wire is None:
            self._wire = nccl.exchange_of(self) or False
        return (self._wire, values) if self._wire else (self._exchange, values.get())

    @staticmethod
    def _like(values: Array) -> Array:
        """Room for what is received: half of an array."""
        return values[: (len(values) + 1) // 2].copy()

    def _exchange(self, give: Array, take: Array, other: int) -> None:
        """Send an array to a rank, and receive one from it."""
        self._wait(self.comm.Irecv(take, other, _DATA), self.comm.Isend(give, other, _DATA))

    def _wait(self, *requests: MPI.Request) -> None:
        """Until all are done. Raises `Stopped` where another rank has stopped, and so never comes."""
        told = 0.0
        while not MPI.Request.Testall(requests):
            status = MPI.Status()
            if not self.comm.Iprobe(MPI.ANY_SOURCE, _STOP, status):
                _let_others()
                continue
            # It may have stopped afterwards, with its part of this done.
            told = told or time.monotonic()
            if time.monotonic() - told > _PATIENCE:
                data = bytearray(status.Get_count(MPI.BYTE))
                self.comm.Recv(data, status.Get_source(), _STOP)
                found = json.loads(data)
                raise Stopped(found["message"], found["status"])


def _bytes(array: Array) -> Array:
    return array.reshape(-1).view(np.uint8)


def everybody() -> Team:
    """All ranks that were started together."""
    return Ranks(MPI.COMM_WORLD)
