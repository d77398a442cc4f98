"""Wake-sleep with contrastive steps in the core (Hinton, Osindero & Teh 2006, appendix B).

Wake: latents are recognised from the data upwards; every generative part p(a | b) follows the gradient of its own
log-likelihood at these states. Core: contrastive divergence from the states that were recognised (or chains that
persist). Sleep: the directed layers
are drawn downwards from where the core's chains ended; every recognition part follows its own gradient at those states.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from energydsl.backends.interface import Arrays
from energydsl.diagnostics import NotApplicable
from energydsl.learning.methods import CD, PCD, Method, WakeSleep
from energydsl.learning.phases import Phases
from energydsl.program import Engine
from energydsl.program.directed import Contrast, Directed
from energydsl.random import Rng

Array = NDArray[Any]


class WakeSleepPhases:
    """What `Phases` is for an undirected model: the buffers of an update, the step that fills them, its gradient."""

    repeatable = False

    def __init__(
        self,
        program: Directed,
        method: WakeSleep,
        batch: int,
        rng: Rng,
        floors: Mapping[str, Array] = MappingProxyType({}),
    ):
        self.program, self.rng, self.batch = program, rng, batch
        self.settings = program.settings()
        inner: Method = CD(k=method.k, latent_sweeps=method.latent_sweeps)
        if method.chains:
            inner = PCD(k=method.k, latent_sweeps=method.latent_sweeps, chains=method.chains)
            if program.model.by_role("input"):
                raise NotApplicable("chains of the core do not persist where there are inputs: chains=0")
        self.core = Phases(program.core, inner, batch, rng, floors)
        dreams = self.core.chains
        self.parts = [Contrast(c, batch, floors) for c in program.generative]
        self.parts += [Contrast(c, dreams) for c in program.recognition]
        layers = program.model.layers
        self.data = [*program.model.by_role("visible"), *program.model.by_role("input")]
        self.wake: Arrays = {
            n: program.xp.zeros((batch, *layer.energy_shape), program.dtype) for n, layer in layers.items()
        }
        self.negative: Arrays = {
            n: program.xp.zeros((dreams, *layer.energy_shape), program.dtype) for n, layer in layers.items()
        }

    @property
    def direct(self) -> set[str]:
        """Parameters of one part alone whose gradient is one product, so that it can be added as it is made."""
        owners = [self.core.program, *(p.part.engine for p in self.parts)]
        held = [n for program in owners for n in program.model.params]
        return {n for program in owners for n in program.kernels.direct if held.count(n) == 1}

    def take(self, chains: Arrays) -> None:
        """Go on from the dreams of another run."""
        self.core.take(chains)

    def load(self, data: Arrays) -> None:
        """Copy one batch of data to where the wake phase reads it."""
        for name, array in data.items():
            self.program.kernels.load(self.wake[name], array)

    def step(self, params: Arrays) -> None:
        """Up-pass, contrastive steps in the core, down-pass."""
        program = self.program
        program.recognise(params, self.wake, self.settings, self.rng)
        visible = (*program.core.model.by_role("visible"), *program.core.model.by_role("input"))
        self.core.load({n: self.wake[n] for n in visible})
        self.core.step(program.core_params(params))
        for name in program.core.model.layers:
            self.negative[name][...] = self.core.negative[name]
        for name in program.model.by_role("input"):
            self.negative[name][...] = self.wake[name]
        program.generate(params, self.negative, self.settings, self.rng)
        for part in self.parts:
            generative = part.part in program.generative
            part.fill(params, self.wake if generative else self.negative, self.settings.parts[part.part.factor.name])

    def gradient(self, params: Arrays, names: list[str]) -> Arrays:
        """Each parameter's descent direction: of contrastive divergence in the core, of -log p or -log q elsewhere."""
        wanted: set[str] = set(names)
        total: Arrays = {}
        found = [self.core.gradient(self.program.core_params(params), self._own(self.program.core, wanted))]
        for part in self.parts:
            found.append(part.gradient(params, self._own(part.part.engine, wanted)))
        for gradients in found:
            for name, gradient in gradients.items():
                total[name] = total[name] + gradient if name in total else gradient
        return total

    @staticmethod
    def _own(program: Engine, wanted: set[str]) -> list[str]:
        return [n for n in program.model.params if n in wanted]

    def add_gradient(self, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of a gradient onto its parameter; it is one of `direct`."""
        if name in self.program.core.model.params:
            self.core.add_gradient(self.program.core_params(params), name, factor)
        for part in self.parts:
            if name in part.part.engine.model.params:
                part.add_gradient(params, name, factor)

    def state(self) -> Arrays:
        """The dreams, from which sampling goes on, and what the core carries over."""
        host = self.program.host
        dreams = {f"negative/{n}": host(a) for n, a in self.negative.items()}
        return dreams | {f"core/{n}": a for n, a in self.core.state().items()}

    def restore(self, saved: Arrays) -> None:
        self.core.restore({n.removeprefix("core/"): a for n, a in saved.items() if n.startswith("core/")})
        for name, array in self.negative.items():
            self.program.kernels.load(array, saved[f"negative/{name}"])
