"""Naive maximum likelihood: chains start at random and burn in, every update anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

from energydsl import defaults
from energydsl.learning.chains.record import Chains, equal_share, restart
from energydsl.learning.phases import Phases
from energydsl.model.records import Resolved


@dataclass(frozen=True)
class Restarted(Chains):
    """So many chains, whatever the batch; with inputs one a row."""

    sweeps: int = defaults.BURN_IN
    count: int = defaults.CHAINS
    repeatable = False

    def number(self, model: Resolved, batch: int) -> int:
        """`count`, or one a row of data where there are inputs."""
        return batch if model.by_role("input") else self.count

    def divided(self, shards: int) -> Restarted:
        """Its share of `count`."""
        return replace(self, count=equal_share(self.count, shards))

    def start(self, phases: Phases) -> None:
        """Random states."""
        restart(phases)
