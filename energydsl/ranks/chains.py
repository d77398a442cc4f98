"""Chains in shards: each draws the numbers of its own chains, whoever has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import ArgumentError
from energydsl.random import Rng
from energydsl.ranks.shards import Shards

Array = NDArray[Any]
Progress = Callable[[float], None]
Work = Callable[[slice, Progress | None], dict[str, Array]]


def each_shard(shards: Shards, random: Rng, count: int) -> Iterator[slice]:
    """Which of so many chains each shard of this rank has, one after the other, with the stream at the number of its first.

    The stream ends where it does after one of them.
    """
    begun, first = (random.sweep, random.block), random.chain
    for number in shards.local:
        part = shards.part(number, count)
        random.sweep, random.block = begun
        random.chain = first + part.start
        yield part
    random.chain = first


def in_shards(
    shards: Shards, random: Rng, count: int, work: Work, progress: Progress | None = None
) -> dict[str, Array]:
    """What is found for so many chains, arrays of the host by name, chains first; the same for any number of ranks.

    work: finds it for some of them, and takes a part of the progress. Raises `ArgumentError` for more shards than chains.
    """
    if shards.count == 1:
        return work(slice(0, count), progress)
    if count < shards.count:
        raise ArgumentError(
            f"{count} chains cannot be cut into {shards.count} shards: take more chains, or fewer shards"
        )
    parts = []
    for place, part in enumerate(each_shard(shards, random, count)):
        parts.append(work(part, _part_of(progress, place, len(shards.local))))
    return shards.joined({n: np.concatenate([found[n] for found in parts]) for n in parts[0]}, count)


def _part_of(progress: Progress | None, place: int, places: int) -> Progress | None:
    return None if progress is None else lambda fraction: progress((place + fraction) / places)
