"""Stochastic maximum likelihood: chains go on from update to update (Younes 1989; Tieleman 2008)."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl import defaults
from energydsl.learning.chains.record import Chains
from energydsl.learning.phases import Phases
from energydsl.model.records import Resolved


@dataclass(frozen=True)
class Persistent(Chains):
    """So many chains, whatever the batch; with inputs one a row, since a chain belongs to their values."""

    count: int = defaults.CHAINS
    lasting = True

    def number(self, model: Resolved, batch: int) -> int:
        """`count`, or one a row of data where there are inputs."""
        return batch if model.by_role("input") else self.count

    def start(self, phases: Phases) -> None:
        """They are where the last update left them."""
