"""What every kind of chains is: where the states come from that the model's expectation is taken over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import ArgumentError
from energydsl.learning.phases import Phases
from energydsl.model.records import Resolved
from energydsl.program.states import random_state


@dataclass(frozen=True)
class Chains(ABC):
    """sweeps: an update makes. repeatable: whether a step is the same work on the same arrays every time.

    straight: whether a step may wait for the end of a `region` of the kernels, where the sampler may.
    """

    sweeps: int = defaults.SWEEPS
    repeatable = True
    straight = False
    # Whether something of its own goes down the gradient after it was found.
    follows = False
    # Whether the gradient has more than the rows hold.
    corrects = False
    # Whether a chain goes on from update to update, so that what it shows is a series.
    lasting = False
    # Why shards of its rows would not add up to the whole, or nothing.
    indivisible = ""

    def divided(self, shards: int) -> Chains:
        """The chains of one of so many equal shards. Raises `ArgumentError` where their number cannot be divided."""
        return self

    @abstractmethod
    def number(self, model: Resolved, batch: int) -> int:
        """How many chains there are beside so many rows of data."""

    def paired(self, model: Resolved) -> bool:
        """Whether every chain belongs to a row of data, as it does to the values of inputs, and so counts as that does."""
        return bool(model.by_role("input"))

    @abstractmethod
    def start(self, phases: Phases) -> None:
        """Put the chains where an update begins, in place."""

    def init(self, phases: Phases) -> None:
        """Random chains."""
        restart(phases)

    def step(self, phases: Phases, params: Arrays) -> None:
        """Put the chains where they begin, and run their sweeps; the last leaves means of what is drawn last."""
        self.start(phases)
        side = phases.negative
        side.move.sweep(params, side.samples, phases.settings, phases.random, side.sweeps, side.means)

    def corrected(self, phases: Phases, gradients: Arrays) -> Arrays:
        """The gradient by parameter, with what the rows do not hold."""
        return gradients

    def follow(self, phases: Phases, gradients: Arrays, rate: Any) -> None:  # noqa: B027
        """What goes down the gradient beside the parameters. rate: the learning rate, an array of one."""

    def before(self, phases: Phases, params: Arrays) -> Arrays | None:
        """Parameters to go back to before an update; None where it may begin."""
        return None

    def pace(self, phases: Phases) -> float:
        """What is left of the learning rate."""
        return 1.0

    def figures(self, phases: Phases, params: Arrays) -> dict[str, float]:
        """What is worth a column of the metrics."""
        return {}

    def arrays(self, phases: Phases) -> Arrays:
        """What the next step needs beside the samples, by its name in a checkpoint."""
        return {}

    def restore(self, phases: Phases, saved: Mapping[str, Array]) -> None:  # noqa: B027
        """Go on from what `arrays` gave."""

    def take(self, phases: Phases, chains: Arrays) -> None:
        """Go on from the chains of another run, as often as they are needed."""
        samples = phases.negative.samples
        for name, array in chains.items():
            if name in samples and len(array):
                repeated = array[np.arange(len(samples[name])) % len(array)]
                phases.engine.kernels.load(samples[name], repeated)


def restart(phases: Phases) -> None:
    """Random states in place of the chains; inputs stay."""
    samples = phases.negative.samples
    given = {n: samples[n] for n in phases.engine.model.by_role("input")}
    count = len(phases.row) - phases.batch
    for name, array in random_state(phases.engine, count, phases.random, given).items():
        samples[name][...] = array


def equal_share(count: int, shards: int) -> int:
    """The chains of each of some shards. Raises `ArgumentError` where they would not have as many each."""
    if count % shards:
        near = count - count % shards or shards
        raise ArgumentError(
            f"{count} chains cannot be cut into {shards} equal shards: take {near} or {near + shards} chains, or another number "
            "of shards"
        )
    return count // shards
