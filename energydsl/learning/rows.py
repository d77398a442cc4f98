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
from energydsl.model.records import Resolved
from energydsl.random import stream
from energydsl.ranks import WHOLE, Shards


def split(data: Data, fraction: float, seed: int) -> tuple[Data, Data | None]:
    """The rows to train on, and those held out where the fraction makes up one row or more; both in their order.

    The fraction is of rows, whatever they weigh; those of weight 0 are in neither.
    """
    data = data.counted()
    count = int(len(data) * fraction)
    if not count:
        return data, None
    order = np.random.default_rng(stream(seed, "held-out rows")).permutation(len(data))
    return data.rows(np.sort(order[count:])), data.rows(np.sort(order[:count]))


def held_out(
    data: Data, config: Mapping[str, Any], model: Resolved, sources: Iterable[str], key: str | None
) -> tuple[str, Data]:
    """What a run is judged on: the test split of a source that has one, else the rows held out, else all rows."""
    names = [s.rpartition("=")[2] for s in sources]
    if all(n.partition(":")[0] == "digits" or Path(n).is_dir() for n in names):
        return "test", load_data(model, sources, "test", config["data"]["binarise"], key)
    rest = split(data, config["validation"], config["seed"])[1]
    return ("held-out", rest) if rest is not None else ("training", data)


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

        Of several ranks each gets its own rows of the `size`. Weights have mean 1 over all rows; None where all count alike.
        """
        weights = None if self.data.weights is None else weighted.relative(self.data.weights)
        order = np.random.default_rng(stream(self.seed, "order of rows", number)).permutation(len(self.data))
        for batch in range(position, self.per_epoch):
            rows = np.sort(order[batch * self.size : (batch + 1) * self.size])
            draws = stream(self.seed, "grey values of a batch", number, batch)
            drawn = self.data.draw(np.random.Generator(np.random.SFC64(draws)), rows)
            own = self.shards.own(self.size)
            part = self.checked({n: a[own] for n, a in drawn.items()})
            yield part, None if weights is None else weights[rows[own]]
