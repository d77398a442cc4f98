"""Annealed importance sampling, AIS (Neal 2001; Salakhutdinov & Murray 2008).

Chains go from independent units with the data's base rates (t = 0, Z known) to the model (t = 1) over
    E_t = (1 - t) E_base + t beta E,
which the kernels run as they are: beta scales the fields, the base enters as external fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults, limits
from energydsl.arrays import Values
from energydsl.backends.interface import Arrays
from energydsl.derive.free_energy import summable_sets
from energydsl.derive.records import BlockPart
from energydsl.diagnostics import ArgumentError, EstimateError, NotApplicable
from energydsl.program.engine import CoreEngine, Engine
from energydsl.program.exact import check_normalisable
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import external_energy, location_scale, neutral, rest_energy, summed_log_partition
from energydsl.program.samplers import Blocks, Choice, Transition, transition
from energydsl.program.states import check_params, checked_arrays, random_state
from energydsl.random import Rng, stream

Array = NDArray[Any]
Base = Mapping[str, tuple[Array, ...]]
Progress = Callable[[float], None]


# Temperatures at which what adapts is tuned, by how many sweeps, and on how many chains at most.
_KNOTS, _TUNING, _PILOTS = 10, 60, 50
# The steps that are timed, after as many that compile what they need.
_TIMED = 10


@dataclass(frozen=True)
class LogPartition:
    """log Z in nats, its standard error, and of how many chains; an exact one has no error, and chains are None.

    log_z_std: sampling error only, relative error of the mean weight: it knows nothing of modes that no chain has met.
    effective: the effective number of chains, (sum w)^2 / sum w^2 of their weights w (Neal 2001, section 4).
    """

    log_z: float
    log_z_std: float
    effective: float | None
    chains: int | None


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
    """An estimate of log Z, in nats, from `betas` temperatures and `chains` chains.

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
    check_normalisable(program, params, beta=beta, weights=weights, consts=consts)
    p, rng = check_params(program, params), Rng(stream(seed, "annealing"))
    path = _Path(program, p, base, beta, weights, consts, sampler)
    inputs = _inputs(program, given or {})
    count = len(next(iter(inputs.values()))) if inputs else 1
    path.tune(inputs, min(chains, _PILOTS), Rng(stream(seed, "annealing pilot")))
    together, log_z_base = max(1, limits.STATES_AT_ONCE // chains), path.log_z_base()
    found = []
    for start in range(0, count, together):
        rows = min(together, count - start)
        held = {n: np.repeat(a[start : start + rows], chains, axis=0) for n, a in inputs.items()}
        part = part_of(progress, start / count, rows / count)
        log_weights = _anneal(path, held, rows * chains, betas, rng, part)
        found += [_summary(each, log_z_base) for each in log_weights.reshape(rows, chains)]
    return found


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
    rows = len(next(iter(given.values()))) if given else 1
    path = _Path(program, check_params(program, params), base, sampler=sampler)
    held = {n: np.repeat(a[:1], chains, axis=0) for n, a in _inputs(program, given).items()}
    for _ in range(2):
        since = time.perf_counter()
        _anneal(path, held, chains, _TIMED, Rng(0), None)
    return (time.perf_counter() - since) / _TIMED * betas * rows


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


def _anneal(path: _Path, held: Arrays, chains: int, betas: int, rng: Rng, progress: Progress | None) -> Array:
    """log weights of chains from the base to the model, less log Z of the base."""
    program = path.program
    x = path.start(chains, held, rng)
    log_weights = path.log_z_moved(x, chains)
    times = np.linspace(0.0, 1.0, betas + 1).tolist()
    # What is not finite is refused by `_summary`, in words.
    with program.single_threaded_blas(), np.errstate(all="ignore"):
        for step in range(1, len(times)):
            log_weights += path.step(x, times[step - 1], times[step], rng, step == betas)
            if progress is not None and step % 50 == 0:
                progress(step / betas)
    return program.host(log_weights)


def _summary(log_weights: Array, log_z_base: float) -> LogPartition:
    count = len(log_weights)
    bad = int(np.count_nonzero(np.isnan(log_weights) | (log_weights == np.inf)))
    if bad or not np.isfinite(log_weights).any():
        raise EstimateError(
            f"annealing found no finite log Z: the weights of {bad or count} of {count} chains are NaN or infinite. "
            "Either the joint density cannot be normalised at these parameters (Z is infinite), or they are too large "
            "for this precision (float64 would show which)"
        )
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    mean = weights.mean()
    spread = float(weights.std(ddof=1) / mean / np.sqrt(count)) if count > 1 else float("nan")
    effective = float(weights.sum() ** 2 / np.square(weights).sum())
    return LogPartition(float(np.log(mean) + top + log_z_base), spread, effective, count)


class _Path:
    """The family of distributions between base and model."""

    def __init__(
        self,
        program: CoreEngine,
        params: Arrays,
        base: Base,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        sampler: Choice = defaults.SAMPLER,
    ):
        self.program, self.params = program, params
        self.beta, self.weights, self.consts = beta, weights, consts
        model = program.model
        self.base = {
            n: tuple(program.device(b) for b in base.get(n) or self._neutral(n)) for n in model.random_layers()
        }
        sets = summable_sets(model, program.derived.energy, list(model.random_layers()))
        self.out = max(sets, key=lambda s: sum(model.layers[n].size for n in s))
        self.based = [n for n in self.base if n not in self.out]
        layers = program.kernels.layers
        self.tempered_layers = {n: tempered for n in self.out if (tempered := layers[n].tempered) is not None}
        first, self.parts = [BlockPart(n) for n in self.out], program.parts()
        # The layers summed out are drawn first, so that their fields serve twice.
        self.moves = [transition(program, sampler)]
        blocks = isinstance(self.moves[0], Blocks)
        if self.moves[0].carries:
            raise NotApplicable(
                "annealing moves to another temperature at every step, where replicas would lag: take another sampler"
            )
        self.first = self.out if blocks and set(first) <= set(self.parts) and program.sparse is None else ()
        if self.moves[0].adaptive:
            self.moves += [transition(program, sampler) for _ in range(_KNOTS)]
        if self.first:
            self.parts = (*first, *(part for part in self.parts if part not in first))
        self.plain = program.settings(1.0, weights, consts)
        self.tempered = program.settings(beta, weights, consts)

    def _neutral(self, name: str) -> tuple[Array, ...]:
        return base_rate(self.program, name, None)

    def settings(self, t: float) -> Any:
        external = {n: tuple((1.0 - t) * b for b in fields) for n, fields in self.base.items()}
        if t == 1.0:
            external = {}
        return self.program.settings(t * self.beta, self.weights, self.consts, external=external)

    def tune(self, inputs: Arrays, chains: int, rng: Rng) -> None:
        """Let what adapts do so on chains of their own, at some temperatures of the path; from then on it stays as it is."""
        if not self.moves[0].adaptive:
            return
        x = self.start(chains, {n: np.repeat(a[:1], chains, axis=0) for n, a in inputs.items()}, rng)
        with self.program.single_threaded_blas(), np.errstate(all="ignore"):
            for knot, move in enumerate(self.moves):
                move.sweep(self.params, x, self.settings(knot / _KNOTS), rng, _TUNING)
                move.settle()

    def move(self, t: float) -> Transition:
        """What moves the chains at this point of the path."""
        return self.moves[round(t * _KNOTS) if len(self.moves) > 1 else 0]

    def start(self, chains: int, held: Arrays, rng: Rng) -> Arrays:
        """Exact samples of the base, inputs as they are held."""
        program = self.program
        x = random_state(program, chains, Rng(stream(0, "initial state")), held)
        for name, fields in self.base.items():
            tempered = program.kernels.layers[name].tempered
            if name not in program.derived.conditionals and tempered is not None:
                nothing = tuple(program.xp.zeros_like(x[name]) for _ in fields)
                tempered.draw(nothing, (0.0, fields), rng, x[name], program.workspace)
        self.program.sweep(self.params, x, self.settings(0.0), rng, self.parts)
        return x

    def step(self, x: Arrays, before: float, after: float, rng: Rng, last: bool) -> Array:
        """log p*_after(x) - log p*_before(x), then a sweep at `after`, but for the last.

        As many layers are summed out as can be; their fields are found once, for both temperatures and for their draw.
        """
        program, kernels = self.program, self.program.kernels
        rest = rest_energy(program, self.params, x, self.tempered, self.out, base_measure=False)
        start: Any = program.xp.zeros(len(rest))
        for n in self.based:
            start = start + external_energy(
                program, n, x[n], self.base[n], location_scale(program, n, self.params, x, self.plain)
            )
        gain: Array = (before - after) * (start + rest.astype(np.float64))
        fields, targets = {}, {}
        for name in self.out:
            etas, same = self.tempered_layers[name].split_fields(self.params, x, self.plain, program.workspace)
            base = self.base[name]
            start_at, target = (
                (t * self.beta, [t * self.beta * e + (1.0 - t) * b for e, b in zip(same, base, strict=True)])
                for t in (before, after)
            )
            gain = gain + self.tempered_layers[name].log_partition_difference(etas, start_at, target)
            fields[name], targets[name] = etas, target
        if last:
            return gain
        if not self.first:
            self.move(after).sweep(self.params, x, self.settings(after), rng)
            return gain
        rng.next()
        for name in self.first:
            self.tempered_layers[name].draw(fields[name], targets[name], rng, x[name], program.workspace)
        settings = self.settings(after)
        for part in self.parts[len(self.first) :]:
            kernels.update(part, self.params, x, settings, rng, program.workspace)
        return gain

    def log_z_base(self) -> float:
        """That of the layers whose units have no location and scale."""
        still = [n for n in self.base if not neutral(self.program, n)]
        return sum(log_z_units(self.program, n, self.base[n]) for n in still)

    def log_z_moved(self, x: Arrays, chains: int) -> Array:
        """log Z of the base of the other layers, (chains,): location and scale may hang on inputs."""
        program = self.program
        total: Array = program.xp.zeros(chains)
        for name, fields in self.base.items():
            if neutral(program, name):
                shape = (chains, *program.model.layers[name].shape)
                given = (*fields, *location_scale(program, name, self.params, x, self.plain))
                total = total + summed_log_partition(program, name, [program.xp.broadcast_to(f, shape) for f in given])
        return total


def log_z_units(program: Engine, layer: str, fields: Sequence[Array]) -> float:
    """log Z, in nats, of a layer of independent units with these natural parameters, one array for each statistic.

    Location and scale, where units have such, are 0 and 1.
    """
    wide = [program.xp.asarray(f, np.float64)[None] for f in fields]
    wide += [program.xp.broadcast_to(m, (1, *program.model.layers[layer].shape)) for m in neutral(program, layer)]
    return float(program.host(summed_log_partition(program, layer, wide))[0])
