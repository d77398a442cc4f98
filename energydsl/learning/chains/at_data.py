"""Contrastive divergence: chains start at the data, and at the latents that were found given them (Hinton 2002)."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.learning.chains.record import Chains
from energydsl.learning.phases import Phases
from energydsl.model.records import Resolved


@dataclass(frozen=True)
class AtData(Chains):
    """One chain a row of data, from the samples of the positive phase on."""

    straight = True

    def number(self, model: Resolved, batch: int) -> int:
        """As many as rows of data."""
        return batch

    def paired(self, model: Resolved) -> bool:
        """Every chain starts at a row."""
        return True

    def init(self, phases: Phases) -> None:
        """What is drawn first need not be copied; a layer that both phases average is one array of samples for both."""
        engine, positive, negative = phases.engine, phases.positive, phases.negative
        copied = [n for n in engine.model.random_layers() if n not in negative.move.first]
        shared = [
            n for n in engine.model.by_role("hidden") if n in copied and n in negative.means and n in positive.means
        ]
        for name in shared:
            negative.samples[name] = positive.samples[name]
        negative.copied = tuple(n for n in copied if n not in shared)
        super().init(phases)

    def start(self, phases: Phases) -> None:
        """Copy what the sweep does not draw first from the positive phase."""
        for name in phases.negative.copied:
            phases.engine.kernels.load(phases.negative.samples[name], phases.positive.samples[name])
