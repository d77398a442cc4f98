"""Annealed importance sampling, AIS (Neal 2001; Salakhutdinov & Murray 2008): log Z from walks from the base to the model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from energydsl import defaults, limits
from energydsl.annealing.partition import LogPartition, from_below
from energydsl.annealing.path import Array, Base, Path, Progress
from energydsl.arrays import Values
from energydsl.backends.interface import Arrays
from energydsl.diagnostics import ArgumentError
from energydsl.inference.temperatures import even, placed
from energydsl.program.engine import CoreEngine
from energydsl.program.exact import check_normalisable
from energydsl.program.initialise import base_rate
from energydsl.program.samplers import Choice
from energydsl.program.states import check_params, checked_arrays
from energydsl.random import Rng, stream
from energydsl.ranks import WHOLE, Shards, in_shards

# Chains on which what adapts is tuned, at most.
PILOTS = 50
# The steps that are timed, after as many that compile what they need.
_TIMED = 10


@dataclass(frozen=True)
class Ladder:
    """A path and the temperatures at which it is walked, for the distinct rows of its inputs.

    times: rising from 0, the base, to 1, the model. inputs: by layer, (rows, *layer), on the host; rows: how many, 1 without inputs.
    shards: into which chains are cut.
    """

    path: Path
    times: Array
    inputs: Arrays
    rows: int
    shards: Shards = WHOLE

    def held(self, chains: int) -> Arrays:
        """The inputs of `chains` chains for each row, those of a row next to one another."""
        return {n: np.repeat(a, chains, axis=0) for n, a in self.inputs.items()}

    def pieces(self, chains: int, progress: Progress | None) -> Iterator[tuple[Ladder, Progress | None]]:
        """As many rows at a time as chains are worked on at once, each with its part of the progress."""
        together = max(1, limits.STATES_AT_ONCE // chains)
        for start in range(0, self.rows, together):
            rows = min(together, self.rows - start)
            inputs = {n: a[start : start + rows] for n, a in self.inputs.items()}
            yield replace(self, inputs=inputs, rows=rows), part_of(progress, start / self.rows, rows / self.rows)


def ladder(
    program: CoreEngine,
    params: Mapping[str, Values],
    base: Base,
    betas: int,
    chains: int,
    seed: int,
    given: Mapping[str, Values],
    sampler: Choice = defaults.SAMPLER,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> Ladder:
    """The path of a model, and `betas` temperatures placed by a pilot.

    Raises `NotNormalisable`, and `ArgumentError` where an input layer is not given.
    """
    check_normalisable(program, params, beta=beta, weights=weights, consts=consts)
    path = Path(program, check_params(program, params), base, beta, weights, consts, sampler)
    inputs = _inputs(program, given)
    path.tune(inputs, min(chains, PILOTS), Rng(stream(seed, "annealing pilot")))
    times = placed(path, betas, chains, inputs, Rng(stream(seed, "temperatures")))
    return Ladder(path, times, inputs, len(next(iter(inputs.values()))) if inputs else 1)


def ais(
    program: CoreEngine,
    params: Mapping[str, Values],
    base: Base,
    betas: int = defaults.TEMPERATURES,
    chains: int = defaults.ANNEALED_CHAINS,
    seed: int = defaults.SEED,
    progress: Progress | None = None,
    given: Mapping[str, Values] | None = None,
    *,
    sampler: Choice = defaults.SAMPLER,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> LogPartition:
    """An estimate of log Z, in nats, from `betas` temperatures and `chains` chains; a bound from below in expectation.

    base: natural parameters of the base distribution, by layer one array for each statistic in the shape of the layer;
    layers without any begin at their base rates without data. given: the input layers, a batch of one row. beta, weights of
    energy terms and consts are those of the model at the end of the path. sampler: how chains are moved at each temperature. The standard error follows from the log weights by
    the delta method; that of log Z is the relative error of the mean weight. Raises `NotNormalisable` and `EstimateError`
    where there is no finite Z to estimate, `ArgumentError` where an input layer is not given.
    """
    return ais_each(
        program,
        params,
        base,
        betas,
        chains,
        seed,
        progress,
        given,
        sampler=sampler,
        beta=beta,
        weights=weights,
        consts=consts,
    )[0]


def ais_each(
    program: CoreEngine,
    params: Mapping[str, Values],
    base: Base,
    betas: int = defaults.TEMPERATURES,
    chains: int = defaults.ANNEALED_CHAINS,
    seed: int = defaults.SEED,
    progress: Progress | None = None,
    given: Mapping[str, Values] | None = None,
    *,
    sampler: Choice = defaults.SAMPLER,
    beta: float = 1.0,
    weights: Mapping[str, float] | None = None,
    consts: Mapping[str, float] | None = None,
) -> list[LogPartition]:
    """As `ais`, one estimate for every row of the input layers: `chains` chains each, those of many rows side by side.

    A core without layers has Z = 1, exactly.
    """
    if not program.model.random_layers():
        return [LogPartition(0.0, 0.0, None, None)]
    found = ladder(program, params, base, betas, chains, seed, given or {}, sampler, beta, weights, consts)
    rng = Rng(stream(seed, "annealing"))
    walks = [forwards(piece, chains, rng, part) for piece, part in found.pieces(chains, progress)]
    return [from_below(row) for walk in walks for row in walk]


def forwards(ladder: Ladder, chains: int, rng: Rng, progress: Progress | None = None) -> Array:
    """log weights of walks from the base to the model, (rows, chains), whose mean weight is Z."""
    path, count, held = ladder.path, ladder.rows * chains, ladder.held(chains)

    def walked(part: slice, progress: Progress | None) -> Arrays:
        own = part.stop - part.start
        x = path.start(own, {n: a[part] for n, a in held.items()}, rng)
        start = path.log_z_base() + path.log_z_moved(x, own)
        return {"log weights": start + path.walk(x, ladder.times.tolist(), rng, progress)}

    return in_shards(ladder.shards, rng, count, walked, progress)["log weights"].reshape(ladder.rows, chains)


def ais_seconds(
    program: CoreEngine,
    params: Mapping[str, Values],
    base: Base,
    betas: int,
    chains: int,
    given: Arrays,
    sampler: Choice = defaults.SAMPLER,
) -> float:
    """How many seconds `ais_each` will take, measured by a few steps for one row of the inputs."""
    if not program.model.random_layers():
        return 0.0
    path, inputs = Path(program, check_params(program, params), base, sampler=sampler), _inputs(program, given)
    rows = len(next(iter(inputs.values()))) if inputs else 1
    for _ in range(2):
        since = time.perf_counter()
        x = path.start(chains, {n: np.repeat(a[:1], chains, axis=0) for n, a in inputs.items()}, Rng(0))
        path.walk(x, even(_TIMED).tolist(), Rng(0))
    return (time.perf_counter() - since) / _TIMED * betas * rows


def with_latent_rates(program: CoreEngine, base: Base, own: Arrays) -> Base:
    """A base with the rates that latents have in the model's own chains, by layer, where there are such.

    Fields of independent units with the marginals of the model are nearer to it than those of fair ones: chains have less far to go.
    """
    latent = [n for n in program.model.by_role("hidden") if len(own.get(n, ()))]
    return {**base, **{n: base_rate(program, n, program.host(own[n])) for n in latent if n not in base}}


def _inputs(program: CoreEngine, given: Mapping[str, Values]) -> Arrays:
    """The input layers, on the host."""
    names = program.model.by_role("input")
    for name in names:
        if name not in given:
            raise ArgumentError(f"log Z depends on the input `{name}`: ais(..., given={{'{name}': values}})")
    return {n: program.host(a) for n, a in checked_arrays(program, {n: given[n] for n in names}).items()}


def part_of(progress: Progress | None, done: float, share: float) -> Progress | None:
    """The progress of a part, as that of the whole: from `done`, by `share`, both fractions."""
    return None if progress is None else lambda fraction: progress(done + share * fraction)
