"""log Z from both sides: what each method finds along one path, and whether the sides agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from energydsl.annealing.bar import bennett
from energydsl.annealing.partition import AGREEMENT, LogPartition, from_below
from energydsl.annealing.path import Array, Progress
from energydsl.backends.interface import Arrays
from energydsl.inference.ais import Ladder, forwards, part_of
from energydsl.inference.model_samples import ModelSamples, model_samples
from energydsl.inference.reverse_ais import backwards, most_cautious
from energydsl.options import Estimator
from energydsl.random import Rng, stream

Method = Literal["exact", "ais", "reverse-ais", "bar", "tempering"]
Side = Literal["best", "below", "above"]
SIDES: tuple[Side, ...] = get_args(Side)

# Sweeps of the chains from which walks back begin: a share of the temperatures, and at least so many.
_SWEEPS, _FEWEST_SWEEPS = 2, 100
# Of the time that both sides take, the walks there and the sweeps: the rest are the walks back.
_THERE, _SWEPT = 0.4, 0.2


@dataclass(frozen=True)
class Sides:
    """log Z of one row of the inputs. best: the figure to quote; below, above: bounds, where they were found.

    An exact one is best, and both bounds.
    """

    best: LogPartition
    below: LogPartition | None = None
    above: LogPartition | None = None

    def at_least(self, value: float) -> Sides:
        """No estimate below a value that is known of log Z."""
        return Sides(
            _raised(self.best, value),
            self.below and _raised(self.below, value),
            self.above and _raised(self.above, value),
        )


def _raised(partition: LogPartition, value: float) -> LogPartition:
    return partition if partition.chains is None else replace(partition, log_z=max(partition.log_z, value))


@dataclass(frozen=True)
class Found:
    """sides: one for each row of the inputs. doubts: what shows that samples were not those of the model, a sentence each. figures: of
    the chains behind them, by name.
    """

    sides: Sequence[Sides]
    method: Method
    doubts: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)

    def mean(self, side: Side, shares: Array) -> Estimate | None:
        """The mean over the rows of the inputs by their shares, (rows,), and its error; None for a side that is not there."""
        found = [p for p in (getattr(s, side) for s in self.sides) if p is not None]
        if len(found) < len(self.sides):
            return None
        values, errors = (np.array([getattr(p, name) for p in found]) for name in ("log_z", "log_z_std"))
        return Estimate(float(shares @ values), float(np.linalg.norm(shares * errors)))

    def at_least(self, least: Sequence[float]) -> Found:
        """No log Z below what is known of each row of the inputs, exact ones left as they are."""
        return replace(self, sides=[s.at_least(value) for s, value in zip(self.sides, least, strict=True)])


class Estimate(NamedTuple):
    """A mean log Z in nats, and its standard error."""

    value: float
    error: float


def exactly(partitions: Sequence[LogPartition]) -> Found:
    """What is known of log Z that was summed: each is both its bounds."""
    return Found([Sides(p, p, p) for p in partitions], "exact")


def from_sides(
    ladder: Ladder, method: Estimator, chains: int, own: Arrays, seed: int, progress: Progress | None = None
) -> Found:
    """What a method finds along a path: "ais", "reverse-ais", both and Bennett's ratio ("bar"), or both as may be ("auto").

    own: the model's own chains, by layer, if it has such. Raises `EstimateError` where no estimate is finite, and
    `NotApplicable` where Bennett's ratio is asked for and a sweep cannot be run backwards.
    """
    if method == "bar":
        ladder.path.check_reversible("Bennett's ratio")
    random = (
        Rng(stream(seed, "annealing")),
        Rng(stream(seed, "samples of the model")),
        Rng(stream(seed, "reverse annealing")),
    )
    found = [_piece(piece, method, chains, own, random, part) for piece, part in ladder.pieces(chains, progress)]
    doubts = next((f.doubts for f in found if f.doubts), ())
    return Found([sides for f in found for sides in f.sides], found[0].method, doubts)


def _piece(
    ladder: Ladder, method: Estimator, chains: int, own: Arrays, random: Sequence[Rng], progress: Progress | None
) -> Found:
    """As `from_sides`, for rows whose chains are worked on at once."""
    forth, sampled, back = random
    if method == "ais":
        return Found([Sides(low, low) for low in map(from_below, forwards(ladder, chains, forth, progress))], "ais")
    alone = method == "reverse-ais"
    there = None if alone else forwards(ladder, chains, forth, part_of(progress, 0.0, _THERE))
    begun = 0.0 if alone else _THERE
    sweeps = max(_FEWEST_SWEEPS, (len(ladder.times) - 1) // _SWEEPS)
    samples = model_samples(ladder, chains, sweeps, own, sampled, part_of(progress, begun, _SWEPT))
    begun += _SWEPT
    returned = backwards(ladder, samples, chains, back, part_of(progress, begun, 1.0 - begun))
    bounds = [most_cautious(row, samples) for row in returned]
    highs, doubts = [high for high, _ in bounds], (*samples.doubts, *_apart(bounds, samples))
    if there is None:
        return Found([Sides(high, None, high) for high in highs], "reverse-ais", doubts)
    lows, reversible = [from_below(row) for row in there], ladder.path.reversible
    best = [bennett(*rows) for rows in zip(there, returned, strict=True)] if reversible else lows
    sides = [Sides(*each) for each in zip(best, lows, highs, strict=True)]
    return Found(sides, "bar" if reversible else "ais", doubts)


def _apart(bounds: Sequence[tuple[LogPartition, str]], samples: ModelSamples) -> list[str]:
    """That the bounds of chains from different starts are not one."""
    names = sorted({name for _, name in bounds if name})
    return [
        f"walks back from {' and from '.join(samples.starts)} give bounds of log Z that differ by more than {AGREEMENT:g} nat; "
        f"the highest is taken, from {name}"
        for name in names
    ]
