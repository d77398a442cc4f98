"""Both phases of a gradient estimate side by side in one batch of rows.

Rows 0..B-1 hold the positive phase, rows B..B+C-1 the negative. With row weights 1/B and -1/C one pass of the gradient
kernels gives <dE/dparam>_data - <dE/dparam>_model.

Rao-Blackwell: units of the block drawn last in a phase are replaced by their conditional means. They are independent
given the rest and no term holds a unit twice, so the expectation of every statistic is exact (Swersky et al. 2010).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive.records import BlockPart
from energydsl.program import Engine
from energydsl.program.engine import Base
from energydsl.program.mean_field import has_second_moments
from energydsl.program.samplers import Choice, Transition
from energydsl.random import Rng


@dataclass
class Side:
    """One phase: arrays on the device that every update overwrites, views of the shared rows where that does not mix them up.

    samples: what was drawn, by layer, rows first. means: moments of the layers drawn last, which the gradient takes in
    place of their samples. move: what draws them. parts: Gibbs blocks of one sweep. sweeps: how many an update makes. keep: entries that are known and held,
    where some are missing. copied: layers that start an update as they are in the other phase.
    """

    samples: Arrays
    means: Moments
    move: Transition
    parts: tuple[BlockPart, ...]
    sweeps: int
    keep: Arrays = field(default_factory=dict)
    copied: tuple[str, ...] = ()


@dataclass
class Phases:
    """The buffers of both phases for one batch size.

    both: shared rows, by layer, shape (batch + chains, *layer), and their squares where these are statistics. row: the
    weight of each row in the gradient. weighted: whether rows of data count differently. floors: what is added to the squares of the
    data, by layer (see `scales`). base: natural parameters of the base rates of the data, by layer. sampler: how chains are
    moved. own: what the chains keep beside their samples. replay, replayed_gradient: how both phases, and steps down the gradient, are done again
    (`Replay` of the kernels). scaled: `row` times a factor.
    """

    engine: Engine
    random: Rng
    settings: Settings
    batch: int
    both: Moments
    row: Any
    floors: Arrays
    positive: Side
    negative: Side
    base: Base = field(default_factory=dict)
    sampler: Choice = defaults.SAMPLER
    own: Any = None
    weighted: bool = False
    replay: Any = None
    replayed_gradient: Any = None
    scaled: Any = None


def weigh(phases: Phases, weights: Array, share: float, paired: bool) -> None:
    """Let rows of data count by their weights, (batch,) of mean 1 over all data: so the gradient is right on average.

    share: of the objective. paired: whether each chain belongs to a row, and has the weight of that; else all count alike.
    """
    half, load = phases.batch, phases.engine.kernels.load
    load(phases.row[:half], (share / half) * weights)
    if paired:
        load(phases.row[half:], (-share / half) * weights)
    phases.weighted = True


@contextmanager
def numbered(phases: Phases) -> Iterator[None]:
    """The stream at the numbers of the chains: as many pieces of chains stand before these as of rows before the rows."""
    first, count = phases.random.chain, len(phases.row) - phases.batch
    phases.random.chain = first // phases.batch * count
    yield
    phases.random.chain = first


def shared_rows(engine: Engine, rows: int, squared: Iterable[str]) -> Moments:
    """Zeros for all layers, and for squares of those in `squared` whose family has them."""
    both = {n: engine.xp.zeros((rows, *x.energy_shape), engine.dtype) for n, x in engine.model.layers.items()}
    return Moments(both, {n: engine.xp.zeros_like(both[n]) for n in sorted(squared) if has_second_moments(engine, n)})


def side_of(
    engine: Engine,
    both: Moments,
    rows: slice,
    averaged: set[str],
    clamped: frozenset[str],
    move: Transition,
    sweeps: int,
) -> Side:
    """One phase in some of the shared rows; layers that are averaged have samples of their own."""
    views = {n: a[rows] for n, a in both.items()}
    samples = {n: engine.xp.zeros_like(a) if n in averaged else a for n, a in views.items()}
    squares = {n: a[rows] for n, a in both.second.items() if n in averaged}
    means = Moments({n: a for n, a in views.items() if n in averaged}, squares)
    return Side(samples, means, move, engine.parts(clamped), sweeps)


def fill_second_moments(phases: Phases) -> None:
    """Squares of the samples in a phase that does not average the layer, and the floors of the data."""
    half, square = phases.batch, phases.engine.xp.square
    for name, squares in phases.both.second.items():
        if name not in phases.positive.means.second:
            square(phases.both[name][:half], out=squares[:half])
        if name in phases.floors:
            squares[:half] += phases.floors[name]
        if name not in phases.negative.means.second:
            square(phases.both[name][half:], out=squares[half:])


def on_device(engine: Engine, floors: Mapping[str, Array]) -> Arrays:
    """The floors of the layers that a model has."""
    return {n: engine.device(f) for n, f in floors.items() if n in engine.model.layers}


def middle(x: Array, batch: int, row: Any = None) -> Array:
    """The mean over both phases, one half each; rows before `batch` are the positive one. row: the weights of rows, where they differ."""
    if row is None:
        found: Array = 0.5 * (x[:batch].mean(axis=0) + x[batch:].mean(axis=0))
        return found
    one, other = (_mean(row[rows], x[rows]) for rows in (slice(0, batch), slice(batch, None)))
    found = 0.5 * (one + other)
    return found


def _mean(row: Any, x: Array) -> Array:
    """The weighted mean over rows."""
    found: Array = (row @ x.reshape(len(row), -1) / row.sum()).reshape(x.shape[1:])
    return found
