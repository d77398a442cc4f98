"""What an update is: the gradient of all objectives, and a step of the optimiser down it.

`Learner` is frozen; what an update overwrites is in `LearnerState`: arrays on the device, at the same addresses for the whole
run, so that the work of an update can be recorded once and repeated (`kernels.repeated`). What varies between updates lies
in such arrays too: the batch, the rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.learning.checkpoint_arrays import part
from energydsl.learning.divergence import Diverged
from energydsl.learning.objective import Objective
from energydsl.learning.optimizer import Optimizer, Scale, Slots
from energydsl.learning.optimizer.bounded import bound
from energydsl.learning.optimizer.centred import Centring, Offsets
from energydsl.learning.optimizer.fisher import Fisher
from energydsl.learning.population import Population
from energydsl.program import Engine
from energydsl.random import Rng

Sums = dict[str, tuple[Any, Any]]


@dataclass
class LearnerState:
    """What an update overwrites, in place.

    params: by name, in the shapes of the model. slots: of the optimiser, by parameter. objectives: the state of each. random: the stream of all chains.
    rate, scale_rate, average_share, fisher_rate: arrays of one number. shrunk: of steps with a bound since the last report, how many
    there were, the sum of the shares by which they were shrunk, and the largest. average: of the parameters, by name; empty where none is kept. work: an update but for the batch and the rates; sums of squares of gradients and
    of new values by parameter. sums: those of the last update; None before the first.
    """

    params: Arrays
    slots: Slots
    objectives: list[Any]
    random: Rng
    rate: Any
    scale_rate: Any
    average_share: Any
    fisher_rate: Any
    shrunk: Any
    average: Arrays = field(default_factory=dict)
    offsets: Offsets | None = None
    work: Callable[[], Sums] = dict
    sums: Sums | None = None


@dataclass(frozen=True)
class Learner:
    """Steps down the gradient of all objectives.

    learned: the parameters that are, by name. direct: those of them whose gradient is one product and whose step is nothing
    but a multiple of it, so that the product is added onto the parameter at once; its size is found when it is asked for.
    scales: parameters that set the scale of units. centring: None where plain gradients are followed. fisher: what the optimiser
    asks of the states of the model.
    """

    engine: Engine
    objectives: tuple[Objective[Any], ...]
    optimizer: Optimizer
    learned: tuple[str, ...]
    direct: tuple[str, ...]
    scales: Mapping[str, Scale] = field(default_factory=dict)
    centring: Centring | None = None
    fisher: Fisher | None = None

    def _followed(self, state: LearnerState) -> list[tuple[Objective[Any], Any]]:
        """The objectives that have a weight, with their states."""
        both = zip(self.objectives, state.objectives, strict=True)
        return [(objective, own) for objective, own in both if objective.weight]

    def step(
        self, state: LearnerState, data: Arrays, update: int, progress: float, weights: Array | None = None
    ) -> None:
        """One update on a batch: rows first, layers by name. update: those made before. progress: the fraction of training done.

        weights: how much each row counts, (rows,) of mean 1 over all data; None where all count alike.
        """
        with self.engine.single_threaded_blas():
            for objective, own in self._followed(state):
                objective.load(own, data, weights)
            pace = self._before(state)
            state.rate.fill(pace * self.optimizer.rate(progress, update))
            state.scale_rate.fill(pace * self.optimizer.scale_lr * self.optimizer.pace(progress) ** 2)
            state.average_share.fill(self.optimizer.average_share(progress, update))
            if state.offsets is not None:
                Centring.at(state.offsets, update)
            if self.fisher is not None:
                state.fisher_rate.fill(self.fisher.rate(update))
                self.fisher.renew(state.slots, update)
            state.sums = state.work()

    def _before(self, state: LearnerState) -> float:
        """Go back to other parameters where an objective asks for it, with nothing left of momentum; what is left of the rates."""
        pace = 1.0
        for objective, own in self._followed(state):
            for name, value in (objective.before(own, state.params) or {}).items():
                state.params[name][...] = value
                for slot in self.optimizer.momenta:
                    if slot in state.slots.get(name, {}):
                        state.slots[name][slot].fill(0)
            pace *= objective.pace(own)
        return pace

    def recorded(self, state: LearnerState, batch: int) -> Callable[[], Sums]:
        """The work of an update, made cheap to repeat where it is the same on the same arrays every time."""
        work = partial(self._work, state)
        if not self.optimizer.repeatable or not all(
            objective.repeats(own) for objective, own in zip(self.objectives, state.objectives, strict=True)
        ):
            return work
        multiplications = int(2 * batch * sum(a.size for a in state.params.values()))
        repeated: Callable[[], Sums] = self.engine.kernels.repeated(work, state.random, multiplications)
        return repeated

    def _work(self, state: LearnerState) -> Sums:
        """All of an update that is done on the device; sums of squares of gradients and new values."""
        for objective, own in self._followed(state):
            objective.step(own, state.params)
        self._look(state)
        names = [n for n in self.learned if n not in self.direct]
        gradients = self._gradients(state, names)
        if self.centring is not None and state.offsets is not None:
            turn = self.centring.turned if self.optimizer.carried else self.centring.apply
            gradients = turn(state.offsets, gradients)
        afterwards = self.optimizer.max_kl is not None or (self.centring is not None and self.optimizer.carried)
        before = {n: self.engine.xp.array(state.params[n]) for n in names} if afterwards else {}
        for objective, own in self._followed(state):
            objective.follow(own, gradients, state.rate)
        sums = {}
        for name, gradient in gradients.items():
            sums[name] = self.optimizer.step(
                self.engine.model.params[name],
                state.params[name],
                gradient.astype(self.engine.dtype, copy=False),
                state.slots[name],
                state.rate,
                name in self.engine.derived.couplings,
                self.engine.kernels,
                self.scales.get(name),
                state.scale_rate,
            )
        if self.direct:
            for objective, own in self._followed(state):
                objective.descend(own, state.params, self.direct, -state.rate)
        if before:
            self._finish(state, before)
        for name, average in state.average.items():
            average += state.average_share * (state.params[name] - average)
        return sums

    def _population(self, state: LearnerState) -> Population:
        """The states that stand for the model."""
        found = (objective.population(own) for objective, own in self._followed(state))
        return next(population for population in found if population is not None)

    def _pulled(self, state: LearnerState, name: str, by: Array) -> None:
        self.optimizer.pulled(state.slots[name], by)

    def _note(self, state: LearnerState, share: Any) -> None:
        """Take down by which share of itself a step was shrunk."""
        shrunk = state.shrunk
        shrunk[0] += 1.0
        shrunk[1] += share
        shrunk[2] = self.engine.xp.maximum(shrunk[2], share)

    def _look(self, state: LearnerState) -> None:
        """Move what is followed of both phases, before the gradient is taken: offsets, and the Fisher matrix."""
        if self.centring is not None and state.offsets is not None:
            first, own = self._followed(state)[0]
            self.centring.follow(state.offsets, partial(first.middle, own))
        if self.fisher is not None:
            population, rate = self._population(state), state.fisher_rate
            self.fisher.follow(state.slots, population, state.params, state.random, rate, self.centring, state.offsets)

    def _finish(self, state: LearnerState, before: Arrays) -> None:
        """What is done to a step once all parameters have taken it. before: the parameters it began at."""
        if self.centring is not None and state.offsets is not None and self.optimizer.carried:
            self.centring.carry(state.offsets, before, state.params)
        if self.optimizer.max_kl is not None:
            population = self._population(state)
            left = bound(population, before, state.params, self.optimizer.max_kl, partial(self._pulled, state))
            self._note(state, 1.0 - left)

    def evaluated(self, state: LearnerState) -> Arrays:
        """The parameters that figures are of: averages where these are kept, else the last."""
        return state.params | state.average

    def _gradients(self, state: LearnerState, names: list[str]) -> Arrays:
        """The gradient of the whole objective, by parameter."""
        (first, own), *others = self._followed(state)
        total = first.gradient(own, state.params, names)
        if others:
            total = {n: self.engine.xp.array(g) for n, g in total.items()}
        for objective, own in others:
            for name, gradient in objective.gradient(own, state.params, names).items():
                total[name] += gradient
        return total

    def check(self, state: LearnerState, sizes: bool = False) -> dict[str, float]:
        """The norms of the last gradients by parameter, of direct ones with `sizes` only; none before the first update.

        Raises `Diverged` where a parameter or its gradient has left the finite numbers.
        """
        if state.sums is None:
            return {}
        host, square_sum = self.engine.host, self.engine.kernels.square_sum
        with self.engine.single_threaded_blas(), np.errstate(all="ignore"):
            found = dict(state.sums)
            for name in self.direct:
                slope = square_sum(self._gradients(state, [name])[name]) if sizes else 0.0
                found[name] = slope, square_sum(state.params[name])
        norms = {}
        for name, pair in found.items():
            slope, size = (p if isinstance(p, float) else float(host(p).sum()) for p in pair)
            if sizes or name not in self.direct:
                norms[name] = math.sqrt(slope) if math.isfinite(slope) else math.inf
            if not (math.isfinite(slope) and math.isfinite(size)):
                raise Diverged(name, "it" if math.isfinite(slope) else "its gradient")
        return norms

    def figures(self, state: LearnerState) -> dict[str, float]:
        """What the objectives have to show, and by how much steps were shrunk since the last report; after the first update."""
        if state.sums is None:
            return {}
        followed = self._followed(state)
        found = {n: f for objective, own in followed for n, f in objective.figures(own, state.params).items()}
        if self.optimizer.max_kl is not None:
            count, total, most = self.engine.host(state.shrunk).tolist()
            state.shrunk.fill(0.0)
            found |= {"step_shrunk_mean": total / max(count, 1.0), "step_shrunk_max": most}
        return found

    def chains(self, state: LearnerState) -> Arrays:
        """The states of the model, by layer: those its expectations come from."""
        both = zip(self.objectives, state.objectives, strict=True)
        return {n: a for objective, own in both for n, a in objective.chain_states(own).items()}

    def lasting(self, state: LearnerState, most: int | None = None) -> Arrays:
        """The states of chains of the undirected part that go on from update to update, by layer; none where there are none.

        most: how many of them are asked for, where not all are.
        """
        each = (objective.lasting(own, most) for objective, own in self._followed(state))
        return next((states for states in each if states), {})

    def take(self, state: LearnerState, chains: Arrays) -> None:
        """Go on from the chains of another run."""
        for objective, own in zip(self.objectives, state.objectives, strict=True):
            objective.take(own, chains)

    def arrays(self, state: LearnerState) -> Arrays:
        """What the next update depends on, on the host, by its name in a checkpoint."""
        host = self.engine.host
        arrays = {f"param/{n}": host(a) for n, a in state.params.items()}
        arrays |= {f"slot/{n}/{k}": host(a) for n, slots in state.slots.items() for k, a in slots.items()}
        arrays |= {f"average/{n}": host(a) for n, a in state.average.items()}
        if self.optimizer.max_kl is not None:
            arrays["shrunk/steps"] = host(state.shrunk)
        for objective, own in zip(self.objectives, state.objectives, strict=True):
            arrays |= {f"chain/{n}": a for n, a in objective.arrays(own).items()}
        if state.offsets is not None:
            arrays |= {f"offset/{n}": host(a) for n, a in state.offsets.values.items()}
        return arrays

    def restore(self, state: LearnerState, arrays: Arrays, random: str) -> None:
        """Go on from the arrays of a checkpoint and the state of its random stream."""
        load = self.engine.kernels.load
        state.params = {n: self.engine.xp.array(a) for n, a in part(arrays, "param/").items()}
        for name, slots in state.slots.items():
            for key in slots:
                load(slots[key], arrays[f"slot/{name}/{key}"])
        for objective, own in zip(self.objectives, state.objectives, strict=True):
            objective.restore(own, part(arrays, "chain/"))
        for name, average in state.average.items():
            load(average, arrays[f"average/{name}"])
        if self.optimizer.max_kl is not None:
            load(state.shrunk, arrays["shrunk/steps"])
        if state.offsets is not None:
            for name, offset in state.offsets.values.items():
                load(offset, arrays[f"offset/{name}"])
        state.random.restore(random)
