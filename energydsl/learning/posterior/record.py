"""What every posterior is: how the latents are found given data, in the positive phase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from energydsl import defaults
from energydsl.backends.interface import Arrays
from energydsl.learning.phases import Phases
from energydsl.model.records import Resolved
from energydsl.program import Engine
from energydsl.program.samplers import Transition


@dataclass(frozen=True)
class Posterior(ABC):
    """sweeps: over the latents, where one does not draw them exactly.

    needs: the row of the table of applicability that a model with latents has to pass, "" where every one does.
    repeatable: whether a step is the same work on the same arrays every time. straight: whether it may wait for the end of a `region` of
    the kernels, where the sampler may.
    """

    sweeps: int = defaults.LATENT_SWEEPS
    needs = ""
    repeatable = True
    straight = False
    # Why shards of its rows would not add up to the whole, or nothing.
    indivisible = ""

    def clamped(self, model: Resolved) -> frozenset[str]:
        """The random layers that are held at the data."""
        return frozenset(model.by_role("visible"))

    def averaged(self, engine: Engine, move: Transition) -> set[str]:
        """The latents whose means are taken in place of their samples."""
        return set(move.averaged) & set(engine.model.by_role("hidden"))

    def count(self, move: Transition) -> int:
        """The sweeps of an update."""
        return self.sweeps

    def load(self, phases: Phases, data: Arrays) -> None:
        """Copy a batch to the rows of the positive phase."""
        for name, array in data.items():
            phases.engine.kernels.load(phases.positive.samples[name], array)

    @abstractmethod
    def step(self, phases: Phases, params: Arrays) -> None:
        """Find the latents for the batch that was loaded, in place."""
