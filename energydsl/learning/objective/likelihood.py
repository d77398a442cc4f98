"""Maximum likelihood: d(-log p)/dparam = <dE/dparam>_data - <dE/dparam>_model, each expectation from samples of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.learning.chains.record import Chains
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base, Objective
from energydsl.learning.phases import (
    Phases,
    fill_second_moments,
    middle,
    numbered,
    on_device,
    shared_rows,
    side_of,
    weigh,
)
from energydsl.learning.population import Population
from energydsl.learning.posterior.record import Posterior
from energydsl.options import SamplerName
from energydsl.program import Engine
from energydsl.program.gradients import add_gradient, weighted_gradient
from energydsl.program.samplers import fitting, transition
from energydsl.random import Rng


@dataclass(frozen=True)
class Likelihood(Objective[Phases]):
    """-log p(data).

    posterior: how latents are found given data. chains: where the model's expectation comes from. sampler: how both are drawn.
    """

    posterior: Posterior
    chains: Chains
    weight: float = 1.0
    sampler: SamplerName = defaults.SAMPLER

    @property
    def without_population(self) -> str:  # type: ignore[override]
        """Nothing, but where the chains are not at the parameters."""
        return "its chains are moved at other parameters" if self.chains.follows else ""

    @property
    def repeatable(self) -> bool:
        """Whether neither phase makes arrays anew."""
        return self.posterior.repeatable and self.chains.repeatable

    def repeats(self, state: Phases) -> bool:
        """Nor what moves the chains."""
        return self.repeatable and state.positive.move.repeatable and state.negative.move.repeatable

    def divided(self, shards: int) -> Likelihood:
        """With its share of the chains."""
        return replace(self, chains=self.chains.divided(shards))

    def indivisible(self, state: Phases) -> str:
        """What the posterior and the chains say, and whether a sampler adapts."""
        moves = {state.positive.move, state.negative.move}
        adapts = "its sampler adapts to all chains together" if any(move.adaptive for move in moves) else ""
        return self.posterior.indivisible or self.chains.indivisible or adapts

    def by_row(self, name: str) -> bool:
        """Samples, and replicas of them."""
        kind, *rest = name.split("/")
        return kind in ("negative", "positive") or (kind == "sampler" and rest[1].startswith("replica."))

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> Phases:
        """Both phases in one batch, and chains where they begin."""
        model, count = engine.model, self.chains.number(engine.model, batch)
        clamped, nothing = self.posterior.clamped(model), frozenset[str]()
        given, free = fitting(engine, self.sampler, clamped), transition(engine, self.sampler)
        for move in (given, free):
            move.follow()
        means = self.posterior.averaged(engine, given), set(free.averaged)
        kept = on_device(engine, floors)
        both = shared_rows(engine, batch + count, means[0] | means[1] | set(kept))
        row = engine.xp.full(batch + count, 1.0 / batch, engine.dtype)
        row[batch:] = -1.0 / count
        row *= self.weight
        half, rest, sweeps = slice(0, batch), slice(batch, batch + count), self.posterior.count(given)
        positive = side_of(engine, both, half, means[0], clamped, given, sweeps)
        negative = side_of(engine, both, rest, means[1], nothing, free, self.chains.sweeps)
        settings = engine.settings()
        phases = Phases(engine, random, settings, batch, both, row, kept, positive, negative, base, self.sampler)
        phases.replay = engine.kernels.Replay(engine.workspace, random)
        phases.replayed_gradient, phases.scaled = engine.kernels.Replay(engine.workspace), engine.xp.empty_like(row)
        with numbered(phases):
            self.chains.init(phases)
        for side in (positive, negative):
            side.move.begin(side.samples)
        return phases

    def load(self, state: Phases, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch of data; the chains get its inputs, and those that belong to a row its weight."""
        self.posterior.load(state, data)
        for name in state.engine.model.by_role("input"):
            state.negative.samples[name][...] = state.positive.samples[name]
        if weights is not None:
            weigh(state, weights, self.weight, self.chains.paired(state.engine.model))

    def step(self, state: Phases, params: Arrays) -> None:
        """Find the latents given the data, run the chains, and fill in the squares of both."""
        straight = self.posterior.straight and self.chains.straight
        if straight and state.positive.move.straight and state.negative.move.straight:
            state.replay(partial(self._both, state, params), self._arrays(state, params))
        else:
            self._both(state, params)
        fill_second_moments(state)

    def _both(self, state: Phases, params: Arrays) -> None:
        """Both phases."""
        self.posterior.step(state, params)
        with numbered(state):
            self.chains.step(state, params)

    @staticmethod
    def _arrays(state: Phases, params: Arrays) -> list[Array]:
        """What both phases read and write."""
        sides = (state.positive, state.negative)
        return [
            *params.values(),
            *state.both.values(),
            *(a for side in sides for x in (side.samples, side.means.second) for a in x.values()),
        ]

    def gradient(self, state: Phases, params: Arrays, names: list[str]) -> Arrays:
        """d(-log p)/dparam times the weight, estimated from the rows as they are, and what the chains add to it."""
        found = weighted_gradient(state.engine, params, state.both, state.settings, state.row, names)
        return self.chains.corrected(state, found)

    def add_gradient(self, state: Phases, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of it onto a parameter."""
        add_gradient(state.engine, params, name, state.both, state.settings, state.row * factor)

    def descend(self, state: Phases, params: Arrays, names: Sequence[str], factor: Any) -> None:
        """Add multiples of gradients onto their parameters."""
        engine, row = state.engine, state.scaled
        engine.xp.multiply(state.row, factor, out=row)

        def added() -> None:
            for name in names:
                add_gradient(engine, params, name, state.both, state.settings, row)

        if state.weighted:
            added()
        else:
            state.replayed_gradient(added, [*params.values(), *state.both.values(), row])

    def direct(self, state: Phases) -> set[str]:
        """Those of the kernels; none where the chains ask for gradients."""
        return set() if self.chains.follows or self.chains.corrects else set(state.engine.kernels.direct)

    def follow(self, state: Phases, gradients: Arrays, rate: Any) -> None:
        """What the chains do with the gradient."""
        self.chains.follow(state, gradients, rate)

    def middle(self, state: Phases, layer: str) -> Array:
        """The mean of a layer over both phases, one half each, shape (*layer)."""
        return middle(state.both[layer], state.batch, state.row if state.weighted else None)

    def before(self, state: Phases, params: Arrays) -> Arrays | None:
        """As the chains say."""
        return self.chains.before(state, params)

    def pace(self, state: Phases) -> float:
        """As the chains say."""
        return self.chains.pace(state)

    def figures(self, state: Phases, params: Arrays) -> dict[str, float]:
        """Those of the chains, and what moves them has to show: rates of acceptance and of swaps."""
        return self.chains.figures(state, params) | dict(state.negative.move.figures())

    def population(self, state: Phases) -> Population:
        """The states of the chains, all layers drawn."""
        engine, x = state.engine, state.negative.samples
        weights = state.row[state.batch :]

        def free_energies(params: Arrays) -> Array:
            return engine.free_energy(params, x, state.settings)

        return Population(engine, x, state.settings, weights / weights.sum(), free_energies)

    def chain_states(self, state: Phases) -> Arrays:
        """The samples of the negative phase, (chains, *layer)."""
        return state.negative.samples

    def lasting(self, state: Phases, most: int | None = None) -> Arrays:
        """The same, where these persist and belong to no row of data."""
        model = state.engine.model
        return state.negative.samples if self.chains.lasting and not self.chains.paired(model) else {}

    def take(self, state: Phases, chains: Arrays) -> None:
        """Go on from the chains of another run, as often as they are needed."""
        self.chains.take(state, chains)

    def arrays(self, state: Phases) -> Arrays:
        """The chains, and latents that are carried over."""
        saved = {f"negative/{n}": a for n, a in state.negative.samples.items()}
        saved |= {f"positive/{n}": state.positive.samples[n] for n in state.engine.model.by_role("hidden")}
        saved |= self.chains.arrays(state)
        for name, side in (("negative", state.negative), ("positive", state.positive)):
            saved |= {f"sampler/{name}/{n}": a.astype(state.engine.dtype) for n, a in side.move.arrays().items()}
        return {n: state.engine.host(a) for n, a in saved.items()}

    def restore(self, state: Phases, saved: Arrays) -> None:
        """Go on from what `arrays` gave."""
        sides = {"negative": state.negative, "positive": state.positive}
        for key, array in saved.items():
            kind, *names = key.split("/")
            if kind == "sampler":
                sides[names[0]].move.restore({names[1]: array})
            elif kind in sides:
                state.engine.kernels.load(sides[kind].samples[names[0]], array)
        self.chains.restore(state, saved)
