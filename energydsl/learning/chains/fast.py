"""Persistent chains with fast weights: a copy of the parameters that moves away from where the chains are (Tieleman & Hinton 2009).

Chains are moved at parameters + fast weights. The fast weights follow the same gradient with a rate of their own, and fade: so the
energy rises where chains stand, and they mix faster than the parameters themselves would let them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.learning.chains.persistent import Persistent
from energydsl.learning.phases import Phases


@dataclass(frozen=True)
class Fast(Persistent):
    """decay: what is left of the fast weights after an update. rate: of their steps, as a multiple of the learning rate."""

    decay: float = defaults.FAST_DECAY
    rate: float = defaults.FAST_RATE
    follows = True

    def init(self, phases: Phases) -> None:
        """Random chains, and fast weights of zero for the parameters that may have any value."""
        super().init(phases)
        engine = phases.engine
        phases.own = {
            n: engine.xp.zeros(p.shape, engine.dtype) for n, p in engine.model.params.items() if not p.constraints
        }

    def step(self, phases: Phases, params: Arrays) -> None:
        """Run the sweeps at the parameters and fast weights together."""
        super().step(phases, {n: a + phases.own[n] if n in phases.own else a for n, a in params.items()})

    def follow(self, phases: Phases, gradients: Arrays, rate: Any) -> None:
        """A step of the fast weights, which fade."""
        for name, fast in phases.own.items():
            if name in gradients:
                fast *= self.decay
                fast -= self.rate * rate * gradients[name]

    def arrays(self, phases: Phases) -> Arrays:
        """The fast weights."""
        return {f"fast/{n}": a for n, a in phases.own.items()}

    def restore(self, phases: Phases, saved: Mapping[str, Array]) -> None:
        """Go on from them."""
        for name, fast in phases.own.items():
            phases.engine.kernels.load(fast, saved[f"fast/{name}"])
