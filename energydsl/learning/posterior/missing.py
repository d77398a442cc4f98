"""Entries of the data that are missing (NaN), drawn with the latents given those that are known."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.backends.interface import Arrays
from energydsl.learning.phases import Phases
from energydsl.learning.posterior.record import Posterior
from energydsl.model.records import Resolved
from energydsl.program.states import initialise_missing


@dataclass(frozen=True)
class WithMissing(Posterior):
    """Sweeps over everything, from which known entries come out as they were."""

    repeatable = False
    indivisible = "missing entries are drawn layer by layer, where there are any in a batch"

    def clamped(self, model: Resolved) -> frozenset[str]:
        """No layer as a whole."""
        return frozenset()

    def load(self, phases: Phases, data: Arrays) -> None:
        """Copy a batch, missing entries filled in at random, and note which are known."""
        engine, inputs = phases.engine, phases.engine.model.by_role("input")
        data, known = initialise_missing(engine, data, phases.random)
        everything = {n: engine.xp.ones(data[n].shape, bool) for n in data if n not in inputs}
        phases.positive.keep = {**everything, **known}
        super().load(phases, data)

    def step(self, phases: Phases, params: Arrays) -> None:
        """Draw all that is missing, then average the latents drawn last, given it."""
        engine, side, settings = phases.engine, phases.positive, phases.settings
        side.move.sweep(params, side.samples, settings, phases.random, side.sweeps, None, side.keep)
        for name in side.means:
            engine.kernels.layers[name].means(params, side.samples, settings, engine.workspace, side.means)
