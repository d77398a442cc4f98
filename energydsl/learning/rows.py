"""Which rows are trained on and which are held out, and the batches of an epoch: functions of (seed, epoch, batch) alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from energydsl import weighted
from energydsl.backends.interface import Array, Arrays
from energydsl.data.sources import Data, load_data
from energydsl.data.streamed import Pass, Streamed, pass_of
from energydsl.model.records import Resolved
from energydsl.random import stream
from energydsl.ranks import WHOLE, Shards


def split(data: Data | Streamed, fraction: float, seed: int) -> tuple[Data | Streamed, Data | None]:
    """The rows to train on, and those held out where the fraction makes up one row or more; both in their order.

    The fraction is of rows, whatever they weigh; those of weight 0 are in neither. Of streamed data it is of blocks.
    """
    if isinstance(data, Streamed):
        return data.split(fraction, seed)
    data = data.counted()
    count = int(len(data) * fraction)
    if not count:
        return data, None
    order = np.random.default_rng(stream(seed, "held-out rows")).permutation(len(data))
    return data.rows(np.sort(order[count:])), data.rows(np.sort(order[:count]))


def in_memory(data: Data | Streamed, seed: int) -> Data:
    """The rows, or of streamed ones some that stand for all."""
    return data.known(seed) if isinstance(data, Streamed) else data


def held_out(
    data: Data | Streamed, config: Mapping[str, Any], model: Resolved, sources: Iterable[str], key: str | None
) -> tuple[str, Data]:
    """What a run is judged on: the test split of a source that has one, else the rows held out, else all rows."""
    names = [s.rpartition("=")[2] for s in sources]
    if all(n.partition(":")[0] == "digits" or Path(n).is_dir() for n in names):
        return "test", load_data(model, sources, "test", config["data"]["binarise"], key)
    rest = split(data, config["validation"], config["seed"])[1]
    return ("held-out", rest) if rest is not None else ("training", in_memory(data, config["seed"]))


@dataclass(frozen=True)
class Batches:
    """The rows to train on, `size` at a time: a permutation an epoch, and what does not fill a batch is left out.

    Grey values of binary layers are drawn anew for each batch, by a stream of its own. checked: what every batch passes
    through, so that no value is missing or outside its domain; the identity where missing entries are drawn. shards: of which this rank
    has its part of every batch.
    """

    data: Data
    size: int
    seed: int
    checked: Callable[[Arrays], Arrays]
    shards: Shards = WHOLE

    @property
    def per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return len(self.data) // self.size

    def epoch(self, number: int, position: int) -> Iterator[tuple[Arrays, Array | None]]:
        """The batches of an epoch from a position on: arrays by layer of shape (size, *shape), and the weights of the rows.

        Each batch is in the arrays of the one before: memory that is new costs as much as what is done to it. Of several ranks each gets
        its own rows of the `size`. Weights have mean 1 over all rows; None where all count alike.
        """
        weights = None if self.data.weights is None else weighted.relative(self.data.weights)
        order = np.random.default_rng(stream(self.seed, "order of rows", number)).permutation(len(self.data))
        room = self.data.room(self.size)
        for batch in range(position, self.per_epoch):
            rows = np.sort(order[batch * self.size : (batch + 1) * self.size])
            draws = stream(self.seed, "grey values of a batch", number, batch)
            drawn = self.data.draw(np.random.Generator(np.random.SFC64(draws)), rows, room)
            own = self.shards.own(self.size)
            part = self.checked({n: a[own] for n, a in drawn.items()})
            yield part, None if weights is None else weights[rows[own]]


@dataclass(frozen=True)
class StreamedBatches:
    """As `Batches`, of rows that stay in their files: in every epoch the blocks are dealt to the shards at random, and rows are shuffled
    among the blocks that a shard has in memory. So what an epoch is hangs on the number of shards, and each rank reads what it needs.
    """

    data: Streamed
    size: int
    seed: int
    checked: Callable[[Arrays], Arrays]
    shards: Shards = WHOLE

    @property
    def _pass(self) -> Pass:
        data = self.data
        return pass_of(len(data.blocks), data.block, data.block_bytes, self.size, self.shards.count)

    @property
    def per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self._pass.batches

    def epoch(self, number: int, position: int) -> Iterator[tuple[Arrays, Array | None]]:
        """As of `Batches`."""
        order = np.random.default_rng(stream(self.seed, "order of rows", number)).permutation(self.data.blocks)
        parts = [
            self._of_shard(order[shard :: self.shards.count], number, shard, position) for shard in self.shards.local
        ]
        for rows in zip(*parts, strict=True):
            yield self.checked({n: np.concatenate([part[n] for part in rows]) for n in rows[0]}), None

    def _of_shard(self, blocks: Array, epoch: int, shard: int, position: int) -> Iterator[Arrays]:
        """What a shard has of each batch from a position on, window by window."""
        going = self._pass
        for window in range(position // going.each, -(-going.batches // going.each)):
            inside = blocks[: going.blocks][window * going.window : (window + 1) * going.window]
            raw, numbers = self._window(inside), self.data.numbers(inside)
            order = np.random.default_rng(stream(self.seed, "rows of a window", epoch, shard, window)).permutation(
                len(numbers)
            )
            done = window * going.each
            for batch in range(max(position, done), min(going.batches, done + going.each)):
                rows = np.sort(order[(batch - done) * going.rows : (batch - done + 1) * going.rows])
                draws = stream(self.seed, "grey values of a batch", epoch, batch, shard)
                found = self.data.fitted({n: a[rows] for n, a in raw.items()}, numbers[rows])
                yield found.draw(np.random.Generator(np.random.SFC64(draws)))
            del raw

    def _window(self, blocks: Array) -> Arrays:
        """Blocks as they are stored, by layer, read one after the other into their place."""
        data, block = self.data, self.data.block
        found: Arrays = {}
        for place, number in enumerate(blocks):
            for name, array in data.read(int(number)).items():
                if name not in found:
                    found[name] = np.empty((len(blocks) * block, *array.shape[1:]), array.dtype)
                found[name][place * block : (place + 1) * block] = array
        return found
