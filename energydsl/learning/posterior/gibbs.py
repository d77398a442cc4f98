"""Latents drawn by sweeps from where they were left; exactly, in one, where their sampler does so given the data."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.backends.interface import Arrays
from energydsl.learning.phases import Phases
from energydsl.learning.posterior.record import Posterior
from energydsl.program.samplers import Transition


@dataclass(frozen=True)
class Gibbs(Posterior):
    """Latents drawn by sweeps, Gibbs or otherwise."""

    straight = True

    def count(self, move: Transition) -> int:
        """One pass where that is exact, as it is where the latents form one block, else several sweeps."""
        return 1 if move.exact else self.sweeps

    def step(self, phases: Phases, params: Arrays) -> None:
        """Draw the latents; means of those drawn last stand in the shared rows."""
        side = phases.positive
        if phases.engine.model.by_role("hidden"):
            side.move.sweep(params, side.samples, phases.settings, phases.random, side.sweeps, side.means)
