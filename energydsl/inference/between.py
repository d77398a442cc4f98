"""Annealing from one run to another that shares layers with it, in place of independent units.

    E_t = (1 - t) (E_from + base of what E_to alone has) + t (E_to + base of what E_from alone has)
Layers that only one of the two has begin, or end, as independent units at their base rates, whose log Z is known. Walks begin at samples
of the first run, and log weights have the mean Z_to / Z_from, but for those base rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from energydsl import defaults
from energydsl.annealing.partition import LogPartition
from energydsl.annealing.path import Array, Base, Path, log_z_units
from energydsl.backends.interface import Arrays, Settings
from energydsl.derive.free_energy import summable_sets
from energydsl.derive.records import BlockPart
from energydsl.diagnostics import EstimateError, NotApplicable, TooLarge
from energydsl.inference.ais import PILOTS, Ladder, with_latent_rates
from energydsl.inference.joined import Joined, joined
from energydsl.inference.model_samples import ModelSamples, model_samples
from energydsl.inference.sides import Found, Sides
from energydsl.inference.temperatures import even, placed
from energydsl.program.engine import CoreEngine
from energydsl.program.exact import check_normalisable, log_sum
from energydsl.program.initialise import base_rate
from energydsl.program.samplers import Blocks, Choice, transition
from energydsl.program.states import check_params, random_state
from energydsl.random import Rng, stream

if TYPE_CHECKING:
    from energydsl.learning.run import Run


@dataclass(frozen=True)
class Origin:
    """The model where a path begins: its log Z in nats as it is quoted, and from below and above; exact: nothing of it was estimated."""

    best: LogPartition
    below: float
    above: float

    @property
    def exact(self) -> bool:
        """Whether nothing of it was estimated."""
        return self.best.chains is None


class Between(Path):
    """The family of distributions between two models.

    samples: of the first model, by layer, which walks use up, one after the other.
    """

    def __init__(self, both: Joined, base: Base, samples: Arrays, sampler: Choice = defaults.SAMPLER):
        program = self.program = both.engine
        self.both, self.params, self.samples, self.used = both, check_params(program, both.params), samples, 0
        alone = (*both.first_alone, *both.second_alone)
        self.base = {n: tuple(program.device(b) for b in base.get(n) or base_rate(program, n, None)) for n in alone}
        layers = program.model.layers
        sets = summable_sets(program.model, program.derived.energy, list(program.model.random_layers()))
        self.out = max(sets, key=lambda s: sum(layers[n].size for n in s))
        self.moves = [transition(program, sampler)]
        if not isinstance(self.moves[0], Blocks):
            raise NotApplicable("between two runs chains are moved by blocks: take the sampler gibbs, or none")
        self.drawn = tuple(BlockPart(n) for n in self.out)
        self.rest = tuple(part for part in program.parts() if part not in self.drawn)

    def settings(self, t: float) -> Settings:
        """The weights of terms and the external fields at this point of the path."""
        shares = dict.fromkeys(self.both.first_alone, t) | dict.fromkeys(self.both.second_alone, 1.0 - t)
        external = {n: tuple(shares[n] * b for b in fields) for n, fields in self.base.items()}
        found: Settings = self.program.settings(1.0, self.both.weights(t), None, external=external)
        return found

    def start(self, chains: int, held: Arrays, rng: Rng) -> Arrays:
        """The next samples of the first model, and independent units of the layers it has not."""
        program, rows = self.program, slice(self.used, self.used + chains)
        self.used += chains
        x = random_state(program, chains, Rng(stream(0, "initial state")))
        for name, values in self.samples.items():
            program.kernels.load(x[name], values[rows])
        program.sweep(self.params, x, self.settings(0.0), rng, program.parts())
        return x

    def step(self, x: Arrays, before: float, after: float, rng: Rng, last: bool) -> Array:
        """log p*_after(x) - log p*_before(x), then a sweep at `after`, but for the last."""
        program, settings = self.program, self.settings(after)
        logs = [program.log_weights(self.params, x, s, self.out) for s in (settings, self.settings(before))]
        gain: Array = logs[0].astype(np.float64) - logs[1]
        if not last:
            rest = self.rest or ()
            parts = (*self.drawn, *(rest if after > before else tuple(reversed(rest))))
            program.sweep(self.params, x, settings, rng, parts)
        return gain

    def log_z_base(self) -> float:
        """That of the layers which only the second model has, less that of those which only the first has."""
        both = self.both
        return sum(log_z_units(self.program, n, self.base[n]) for n in both.second_alone) - sum(
            log_z_units(self.program, n, self.base[n]) for n in both.first_alone
        )

    def log_z_moved(self, x: Arrays, chains: int) -> Array:
        """0: no layer here has location and scale of its own."""
        return np.zeros(chains)


def between(
    first: Run,
    second: tuple[CoreEngine, Mapping[str, Any], Base],
    betas: int,
    chains: int,
    seed: int,
    sampler: Choice,
) -> tuple[Ladder, Origin, ModelSamples]:
    """The way from a run to a model with its parameters and base rates, log Z where it begins, and samples of the model there.

    Raises `NotApplicable` where there is no such way, `EstimateError` where log Z of
    the first run is neither exact nor recorded from both sides.
    """
    engine = first.program.engine
    if engine is not engine.core:
        raise NotApplicable("no path between two runs: the first has directed parts")
    core, old = engine.core, check_params(engine, first.params)
    program, params, base = second
    check_normalisable(core, old)
    check_normalisable(program, params)
    both = joined(core, old, program, dict(params))
    origin = log_z_of(first)
    base_there = with_latent_rates(core, first.base, first.chains)
    rates = {both.names[n]: r for n, r in base_there.items() if both.names[n] in both.first_alone}
    rates |= {n: r for n, r in base.items() if n in both.second_alone}
    there = Ladder(Path(core, old, first.base, sampler=sampler), even(1), {}, 1)
    pilots = min(chains, PILOTS)
    count, sweeps = chains + 2 * pilots, max(100, betas // 2)
    samples = model_samples(there, count, sweeps, dict(first.chains), Rng(stream(seed, "samples of the first model")))
    state = {both.names[n]: core.host(a) for n, a in samples.state.items()}
    path = Between(both, rates, state, sampler)
    times = placed(path, betas, pilots, {}, Rng(stream(seed, "temperatures")))
    return Ladder(path, times, {}, 1), origin, samples


def log_z_of(run: Run) -> Origin:
    """log Z of a run: exact where that is feasible, else as its last evaluation from both sides has it."""
    engine = run.program.engine
    try:
        units = tuple(engine.model.random_layers())
        value = float(log_sum(engine.core, run.params, {}, units)[0])
        return Origin(LogPartition(value, 0.0, None, None), value, value)
    except (TooLarge, NotApplicable):
        pass
    from energydsl.learning.evaluations import read_evaluations

    for entry in reversed(read_evaluations(run.path) if run.path else []):
        if (
            entry.get("updates") == run.updates
            and entry.get("agree")
            and entry.get("parameters", "last") == run.evaluated
        ):
            value, mean = entry["log_z"], entry["log_likelihood"]
            best = LogPartition(value, entry["log_z_std"], entry["effective"], entry["chains"], "estimate")
            return Origin(best, value + mean - entry["log_likelihood_high"], value + mean - entry["log_likelihood_low"])
    raise EstimateError(
        "log Z of the first run is not known: it cannot be summed, and no evaluation of the run as it is has both sides that agree. "
        "Evaluate that run first"
    )


def beyond(found: Found, origin: Origin, samples: ModelSamples) -> Found:
    """What walks from the first model say of log Z of the second, given that of the first."""
    sides = [
        Sides(
            _moved(s.best, origin, origin.best.log_z, samples.exact),
            s.below and _moved(s.below, origin, origin.below, samples.exact),
            s.above and _moved(s.above, origin, origin.above, True),
        )
        for s in found.sides
    ]
    return replace(found, sides=sides, doubts=(*samples.doubts, *found.doubts))


def _moved(partition: LogPartition, origin: Origin, by: float, exact: bool) -> LogPartition:
    known = exact and origin.exact
    return replace(
        partition,
        log_z=partition.log_z + by,
        log_z_std=math.hypot(partition.log_z_std, origin.best.log_z_std),
        exactness=partition.exactness if known else "estimate",
    )
