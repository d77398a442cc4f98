"""Stochastic maximum likelihood: chains go on from update to update (Younes 1989; Tieleman 2008)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.learning.chains.record import Chains, equal_share
from energydsl.learning.phases import Phases
from energydsl.model.records import Resolved

# Rounds of sweeps of one update, at most.
_ROUNDS = 100


@dataclass(frozen=True)
class Persistent(Chains):
    """So many chains, whatever the batch; with inputs one a row, since a chain belongs to their values.

    lag: by how many standard deviations the mean energy of the chains may still move in a round of sweeps for an update to go on; while
    it moves further the parameters wait, for 100 rounds at most. None: every update makes one round.
    """

    count: int = defaults.CHAINS
    lag: float | None = None
    lasting = True

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        """Where every update makes one round."""
        return self.lag is None

    @property
    def straight(self) -> bool:  # type: ignore[override]
        """Where nothing is looked at between rounds."""
        return self.lag is None

    @property
    def indivisible(self) -> str:  # type: ignore[override]
        """How far the mean energy of all chains has moved says how many rounds there are."""
        return "with a lag all chains together decide when an update ends" if self.lag is not None else ""

    def number(self, model: Resolved, batch: int) -> int:
        """`count`, or one a row of data where there are inputs."""
        return batch if model.by_role("input") else self.count

    def divided(self, shards: int) -> Persistent:
        """Its share of `count`."""
        return replace(self, count=equal_share(self.count, shards))

    def start(self, phases: Phases) -> None:
        """They are where the last update left them."""

    def step(self, phases: Phases, params: Arrays) -> None:
        """Run the sweeps, again and again while the chains lag behind the parameters."""
        super().step(phases, params)
        if self.lag is None:
            return
        energies = _energies(phases, params)
        for _ in range(_ROUNDS - 1):
            super().step(phases, params)
            before, energies = energies, _energies(phases, params)
            if not abs(energies.mean() - before.mean()) > self.lag * energies.std():
                return


def _energies(phases: Phases, params: Arrays) -> Array:
    """-log of what the states of the chains weigh, (chains,), on the host."""
    weights = phases.engine.log_weights(params, phases.negative.samples, phases.settings, ())
    return -np.asarray(phases.engine.host(weights), np.float64)
