"""What ranks do together: add up, gather, tell, agree, and stop."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import EnergyError

Array = NDArray[Any]
INTERRUPTED = 130


class Stopped(EnergyError):
    """Another rank has failed or was interrupted: what it says, and the exit status that follows."""

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


class Team(ABC):
    """Ranks 0 .. size - 1. Every method but `stop` is called by all of them, in the same order.

    A rank that waits for others learns of one that has stopped, and raises `Stopped`.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the rank that prints and writes."""
        return self.rank == 0

    @abstractmethod
    def add(self, values: Array) -> Array:
        """The sum over ranks of arrays (n,), in place or not, on all of them the same bits.

        Ranks are added along a binary tree, neighbours first, so that it goes on where the trees of their own shards end.
        """

    @abstractmethod
    def gathered(self, part: Array) -> Array:
        """What every rank has, in their order along the first axis; parts are of one shape, and on the host."""

    @abstractmethod
    def told_bytes(self, data: bytes) -> bytes:
        """The bytes of rank 0."""

    @abstractmethod
    def most(self, number: int) -> int:
        """The largest of the numbers of all ranks."""

    @abstractmethod
    def stop(self, message: str, status: int) -> None:
        """Tell all others that this rank goes no further, once."""

    def told(self, make: Callable[[], Any]) -> Any:
        """What rank 0 makes, as JSON has it; the others make nothing."""
        return json.loads(self.told_bytes(json.dumps(make()).encode() if self.first else b""))

    def told_arrays(self, make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """Plain arrays by name that rank 0 makes; the others make nothing."""
        found = {n: np.ascontiguousarray(a) for n, a in make().items()} if self.first else {}
        kinds = self.told(lambda: [[n, a.dtype.str, list(a.shape)] for n, a in found.items()])
        data, arrays, place = self.told_bytes(b"".join(a.tobytes() for a in found.values())), {}, 0
        for name, kind, shape in kinds:
            count = int(np.prod(shape, dtype=np.int64))
            arrays[name] = np.frombuffer(data, kind, count, place).reshape(shape).copy()
            place += arrays[name].nbytes
        return arrays

    @contextmanager
    def together(self) -> Iterator[None]:
        """Whatever ends this rank early ends the others too, who would wait for it."""
        try:
            yield
        except Stopped:
            raise
        except EnergyError as error:
            self.stop(str(error), 1)
            raise
        except KeyboardInterrupt as error:
            self.stop("stopped", 128 + int(getattr(error, "number", INTERRUPTED - 128)))
            raise
        except Exception as error:
            self.stop(f"{type(error).__name__}: {error}", 3)
            raise


class Alone(Team):
    """A team of one."""

    def add(self, values: Array) -> Array:
        """As they are."""
        return values

    def gathered(self, part: Array) -> Array:
        """As it is."""
        return part

    def told_bytes(self, data: bytes) -> bytes:
        """As they are."""
        return data

    def told(self, make: Callable[[], Any]) -> Any:
        """As it is made."""
        return make()

    def told_arrays(self, make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """As they are made."""
        return make()

    def most(self, number: int) -> int:
        """It is the largest."""
        return number

    def stop(self, message: str, status: int) -> None:
        """There is nobody to tell."""


ALONE: Team = Alone()
