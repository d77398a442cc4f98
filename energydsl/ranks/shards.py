"""Shards: into how many pieces rows and chains are cut, which of them are whose, and how their sums are added.

What is added in one order has one rounding. So there are as many shards as are asked for, a power of two, however many ranks there
are; a rank has neighbouring ones, and sums are added in pairs, pairs of pairs and so on, within a rank and then across ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.diagnostics import ArgumentError, whole_number
from energydsl.ranks.launched import world
from energydsl.ranks.team import ALONE, Team

Array = NDArray[Any]
Fill = Callable[[Array], None]


@dataclass(frozen=True)
class Shards:
    """So many shards, of which a rank of a team has its share."""

    team: Team = ALONE
    count: int = 1

    @property
    def local(self) -> range:
        """The numbers of the shards of this rank."""
        share = self.count // self.team.size
        return range(share * self.team.rank, share * (self.team.rank + 1))

    def part(self, number: int, rows: int) -> slice:
        """Which of so many rows a shard has; all have as many, or one more than others."""
        return slice(number * rows // self.count, (number + 1) * rows // self.count)

    def own(self, rows: int) -> slice:
        """Which of so many rows this rank has."""
        return slice(self.part(self.local[0], rows).start, self.part(self.local[-1], rows).stop)

    def add(self, parts: Iterable[Fill], buffers: list[Array]) -> Array:
        """The sum over all shards. parts: for each of this rank's, in order, what writes its (n,) numbers into an array.

        buffers: of that size, on the device, as many as `depth`; the sum is in the first, or elsewhere.
        """
        waiting = 0
        for number, fill in enumerate(parts, 1):
            fill(buffers[waiting])
            waiting += 1
            while number % 2 == 0:
                buffers[waiting - 2] += buffers[waiting - 1]
                waiting, number = waiting - 1, number // 2
        return self.team.add(buffers[0])

    @property
    def depth(self) -> int:
        """How many sums wait at most while those of one rank are added up."""
        return len(self.local).bit_length()

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """One thread for BLAS libraries, where there are several shards: how a product is cut into threads may round it otherwise."""
        if self.count == 1:
            yield
            return
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            yield
            return
        with threadpool_limits(1, user_api="blas"):
            yield

    def joined(self, parts: Mapping[str, Array], rows: int) -> dict[str, Array]:
        """All rows by name, on the host, given those of this rank, where there are so many in all."""
        if self.team.size == 1:
            return dict(parts)
        share = self.count // self.team.size
        counts = [
            self.part((r + 1) * share - 1, rows).stop - self.part(r * share, rows).start for r in range(self.team.size)
        ]
        found = {}
        for name, part in parts.items():
            padded = np.zeros((max(counts), *part.shape[1:]), part.dtype)
            padded[: len(part)] = part
            whole = self.team.gathered(padded)
            kept = [whole[r * len(padded) : r * len(padded) + counts[r]] for r in range(self.team.size)]
            found[name] = np.concatenate(kept)
        return found


WHOLE = Shards()


def shards_of(team: Team, count: int | None, *divided: int) -> Shards:
    """The shards that are asked for; where nothing is said, one for a process alone, else 8, or as many as divide all that is `divided`.

    Raises `ArgumentError` where the number is no power of two, or where ranks cannot have equal shares of it.
    """
    if count is None:
        count = 1 if team.size == 1 else defaults.SHARDS
        while any(n % count for n in divided):
            count //= 2
    count = whole_number("shards", count, 1)
    if count & (count - 1):
        near = 1 << (count.bit_length() - 1)
        raise ArgumentError(
            f"shards is a power of two, since sums are added in pairs, not {count}: take {near} or {2 * near}"
        )
    if count % team.size:
        fitting = [str(1 << k) for k in range(count.bit_length())]
        raise ArgumentError(
            f"{count} shards cannot be shared equally by {team.size} ranks: run {', '.join(fitting[:-1])} or {fitting[-1]} ranks"
            if len(fitting) > 1
            else f"{count} shard cannot be shared by {team.size} ranks: batch and chains must be divisible, as --batch 128 --chains 128"
        )
    return Shards(team, count)


def asked_for(shards: int | Literal["auto"] | None, *divided: int) -> Shards:
    """The shards of an argument: None: one, of this process alone, whoever else there is; else shared by all that were started together.

    "auto": as many as `shards_of` takes where nothing is said.
    """
    if shards is None:
        return WHOLE
    return shards_of(world(), None if shards == "auto" else shards, *divided)
