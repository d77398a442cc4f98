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
from energydsl.learning.optimizer.centred import Centring, Offsets
from energydsl.program import Engine
from energydsl.random import Rng

Sums = dict[str, tuple[Any, Any]]


@dataclass
class LearnerState:
    """What an update overwrites, in place.

    params: by name, in the shapes of the model. slots: of the optimiser, by parameter. objectives: the state of each. random: the stream of all chains.
    rate, scale_rate, average_share: arrays of one number. average: of the parameters, by name; empty where none is kept. work: an update but for the batch and the rates; sums of squares of gradients and
    of new values by parameter. sums: those of the last update; None before the first.
    """

    params: Arrays
    slots: Slots
    objectives: list[Any]
    random: Rng
    rate: Any
    scale_rate: Any
    average_share: Any
    average: Arrays = field(default_factory=dict)
    offsets: Offsets | None = None
    work: Callable[[], Sums] = dict
    sums: Sums | None = None


@dataclass(frozen=True)
class Learner:
    """Steps down the gradient of all objectives.

    learned: the parameters that are, by name. direct: those of them whose gradient is one product and whose step is nothing
    but a multiple of it, so that the product is added onto the parameter at once; its size is found when it is asked for.
    scales: parameters that set the scale of units. centring: None where plain gradients are followed.
    """

    engine: Engine
    objectives: tuple[Objective[Any], ...]
    optimizer: Optimizer
    learned: tuple[str, ...]
    direct: tuple[str, ...]
    scales: Mapping[str, Scale] = field(default_factory=dict)
    centring: Centring | None = None

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
            state.sums = state.work()

    def _before(self, state: LearnerState) -> float:
        """Go back to other parameters where an objective asks for it, with nothing left of momentum; what is left of the rates."""
        pace = 1.0
        for objective, own in self._followed(state):
            for name, value in (objective.before(own, state.params) or {}).items():
                state.params[name][...] = value
                for slot in state.slots.get(name, {}).values():
                    slot.fill(0)
            pace *= objective.pace(own)
        return pace

    def recorded(self, state: LearnerState, batch: int) -> Callable[[], Sums]:
        """The work of an update, made cheap to repeat where it is the same on the same arrays every time."""
        work = partial(self._work, state)
        if not all(objective.repeats(own) for objective, own in zip(self.objectives, state.objectives, strict=True)):
            return work
        multiplications = int(2 * batch * sum(a.size for a in state.params.values()))
        repeated: Callable[[], Sums] = self.engine.kernels.repeated(work, state.random, multiplications)
        return repeated

    def _work(self, state: LearnerState) -> Sums:
        """All of an update that is done on the device; sums of squares of gradients and new values."""
        for objective, own in self._followed(state):
            objective.step(own, state.params)
        gradients = self._gradients(state, [n for n in self.learned if n not in self.direct])
        if self.centring is not None and state.offsets is not None:
            self.centring.follow(state.offsets, partial(self.objectives[0].middle, state.objectives[0]))
            gradients = self.centring.apply(state.offsets, gradients)
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
        for name in self.direct:
            for objective, own in self._followed(state):
                objective.add_gradient(own, state.params, name, -state.rate)
        for name, average in state.average.items():
            average += state.average_share * (state.params[name] - average)
        return sums

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
        """What the objectives have to show, after the first update."""
        if state.sums is None:
            return {}
        return {
            n: f for objective, own in self._followed(state) for n, f in objective.figures(own, state.params).items()
        }

    def chains(self, state: LearnerState) -> Arrays:
        """The states of the model, by layer: those its expectations come from."""
        both = zip(self.objectives, state.objectives, strict=True)
        return {n: a for objective, own in both for n, a in objective.chain_states(own).items()}

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
        if state.offsets is not None:
            for name, offset in state.offsets.values.items():
                load(offset, arrays[f"offset/{name}"])
        state.random.restore(random)
