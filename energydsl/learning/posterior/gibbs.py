"""Latents drawn by Gibbs sweeps from where they were left; exactly, in one, where they are one block given the data."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.backends.interface import Arrays
from energydsl.derive.records import Schedule
from energydsl.learning.phases import Phases
from energydsl.learning.posterior.record import Posterior


@dataclass(frozen=True)
class Gibbs(Posterior):
    """Latents drawn by Gibbs sweeps."""

    def count(self, schedule: Schedule) -> int:
        """One exact pass where the latents form one block, else several sweeps."""
        exact = len(schedule) == 1 and all(part.kind == "whole" for part in schedule[0])
        return 1 if exact else self.sweeps

    def step(self, phases: Phases, params: Arrays) -> None:
        """Draw the latents; means of those drawn last stand in the shared rows."""
        side = phases.positive
        if phases.engine.model.by_role("hidden"):
            phases.engine.sweep(
                params, side.samples, phases.settings, phases.random, side.parts, side.sweeps, side.means
            )
