"""Moments of the latents by mean field, which fits a bound on the likelihood (Salakhutdinov & Hinton 2009, sec. 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.backends.interface import Arrays
from energydsl.backends.numpy.runtime import Moments
from energydsl.learning.phases import Phases
from energydsl.learning.posterior.record import Posterior
from energydsl.program import Engine
from energydsl.program.mean_field import initial_moments, mean_field_sweeps
from energydsl.program.samplers import Transition


@dataclass(frozen=True)
class MeanField(Posterior):
    """Moments after `sweeps` iterations, from where mean field always starts."""

    needs = "mean_field"
    straight = True

    def averaged(self, engine: Engine, move: Transition) -> set[str]:
        """All latents."""
        return set(engine.model.by_role("hidden"))

    def step(self, phases: Phases, params: Arrays) -> None:
        """Iterate the moments of the latents in the shared rows."""
        engine, side = phases.engine, phases.positive
        hidden = engine.model.by_role("hidden")
        if hidden:
            x = Moments({**side.samples, **side.means}, side.means.second)
            initial_moments(engine, x, hidden)
            mean_field_sweeps(engine, params, x, phases.settings, side.parts, side.sweeps)
