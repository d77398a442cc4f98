"""Wake-sleep with contrastive steps in the core (Hinton, Osindero & Teh 2006, appendix B).

Wake: latents are recognised from the data upwards; every generative part p(a | b) follows the gradient of its own
log-likelihood at these states. Core: contrastive divergence from the states that were recognised (or chains that
persist). Sleep: the directed layers are drawn downwards from where the core's chains ended; every recognition part follows
its own gradient at those states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import NotApplicable
from energydsl.learning.chains import AtData
from energydsl.learning.objective.likelihood import Likelihood
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base, Objective
from energydsl.learning.phases import Phases
from energydsl.program import Engine
from energydsl.program.engine import PartGradient
from energydsl.random import Rng


@dataclass
class WakeAndSleep:
    """The buffers of an update, overwritten by every step.

    core: of the undirected part. generative, recognition: the gradients of the directed ones. wake: states recognised from
    the data, by layer, (batch, *layer). sleep: states drawn downwards, (chains, *layer). weights: of the rows of data.
    """

    engine: Engine
    random: Rng
    settings: Any
    core: Phases
    generative: list[PartGradient]
    recognition: list[PartGradient]
    wake: Arrays
    sleep: Arrays
    weights: Array | None = None

    @property
    def parts(self) -> list[PartGradient]:
        """The gradients of all directed parts."""
        return [*self.generative, *self.recognition]


@dataclass(frozen=True)
class WakeSleepBound(Objective[WakeAndSleep]):
    """core: the objective of the undirected part, with the data that are recognised."""

    core: Likelihood
    without_population = "it learns a recognition beside the model"

    @property
    def repeatable(self) -> bool:
        """No: parts take their states in arrays made anew."""
        return False

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> WakeAndSleep:
        """The buffers. Raises `NotApplicable` where chains of the core persist beside inputs."""
        if engine.model.by_role("input") and not isinstance(self.core.chains, AtData):
            raise NotApplicable("chains of the core do not persist where there are inputs: chains=0")
        core = self.core.init(engine.core, batch, random, floors)
        dreams = len(core.row) - batch
        generative, recognition = engine.part_gradients(batch, dreams, floors)
        wake, sleep = (
            {n: engine.xp.zeros((rows, *x.energy_shape), engine.dtype) for n, x in engine.model.layers.items()}
            for rows in (batch, dreams)
        )
        return WakeAndSleep(engine, random, engine.settings(), core, generative, recognition, wake, sleep)

    def load(self, state: WakeAndSleep, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch of data to where the wake phase reads it; dreams count as the rows that their chains start at."""
        for name, array in data.items():
            state.engine.kernels.load(state.wake[name], array)
        state.weights = weights
        if weights is not None:
            paired = self.core.chains.paired(state.engine.core.model)
            for part in state.parts if paired else state.generative:
                part.weigh(weights)

    def step(self, state: WakeAndSleep, params: Arrays) -> None:
        """Up-pass, contrastive steps in the core, down-pass."""
        engine, model = state.engine, state.engine.core.model
        engine.recognise(params, state.wake, state.settings, state.random)
        recognised = {n: state.wake[n] for n in (*model.by_role("visible"), *model.by_role("input"))}
        self.core.load(state.core, recognised, state.weights)
        self.core.step(state.core, engine.core_params(params))
        for name in model.layers:
            state.sleep[name][...] = state.core.negative.samples[name]
        for name in engine.model.by_role("input"):
            state.sleep[name][...] = state.wake[name]
        engine.generate(params, state.sleep, state.settings, state.random)
        for part in state.generative:
            part.fill(params, state.wake, state.settings)
        for part in state.recognition:
            part.fill(params, state.sleep, state.settings)

    def gradient(self, state: WakeAndSleep, params: Arrays, names: list[str]) -> Arrays:
        """Each parameter's descent direction: of contrastive divergence in the core, of -log p or -log q elsewhere."""
        engine = state.engine
        total: Arrays = {}
        found = [self.core.gradient(state.core, engine.core_params(params), _own(engine.core, names))]
        found += [part.gradient(params, _own(part.engine, names)) for part in state.parts]
        for gradients in found:
            for name, gradient in gradients.items():
                total[name] = total[name] + gradient if name in total else gradient
        return total

    def add_gradient(self, state: WakeAndSleep, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of it onto a parameter, in the part that has it."""
        if name in state.engine.core.model.params:
            self.core.add_gradient(state.core, state.engine.core_params(params), name, factor)
        for part in state.parts:
            if name in part.engine.model.params:
                part.add_gradient(params, name, factor)

    def direct(self, state: WakeAndSleep) -> set[str]:
        """Parameters of one part alone whose gradient is one product."""
        owners = [state.engine.core, *(part.engine for part in state.parts)]
        held = [n for engine in owners for n in engine.model.params]
        return {n for engine in owners for n in engine.kernels.direct if held.count(n) == 1}

    def chain_states(self, state: WakeAndSleep) -> Arrays:
        """The dreams, from which sampling goes on."""
        return state.sleep

    def lasting(self, state: WakeAndSleep, most: int | None = None) -> Arrays:
        """The chains of the core, where these persist."""
        return self.core.lasting(state.core)

    def figures(self, state: WakeAndSleep, params: Arrays) -> dict[str, float]:
        """Those of the core's chains."""
        return self.core.figures(state.core, state.engine.core_params(params))

    def take(self, state: WakeAndSleep, chains: Arrays) -> None:
        """Go on from the dreams of another run."""
        self.core.take(state.core, chains)

    def arrays(self, state: WakeAndSleep) -> Arrays:
        """The dreams, and what the core carries over."""
        dreams = {f"negative/{n}": state.engine.host(a) for n, a in state.sleep.items()}
        return dreams | {f"core/{n}": a for n, a in self.core.arrays(state.core).items()}

    def restore(self, state: WakeAndSleep, saved: Arrays) -> None:
        """Go on from what `arrays` gave."""
        self.core.restore(state.core, {n.removeprefix("core/"): a for n, a in saved.items() if n.startswith("core/")})
        for name, array in state.sleep.items():
            state.engine.kernels.load(array, saved[f"negative/{name}"])


def _own(engine: Engine, names: list[str]) -> list[str]:
    """The parameters of a part, in its order."""
    wanted = set(names)
    return [n for n in engine.model.params if n in wanted]
