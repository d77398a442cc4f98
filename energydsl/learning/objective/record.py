"""What every objective is: a frozen record of its settings, with `init` that makes its state and `step` that goes on with it.

A state holds arrays on the device, made once and overwritten by every step: so nothing is allocated while training, both
phases stand in one batch, and a step on the same arrays can be recorded and repeated. State is passed, not held.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from energydsl.backends.interface import Array, Arrays
from energydsl.learning.population import Population
from energydsl.program import Engine
from energydsl.program.engine import Base as Base
from energydsl.random import Rng

State = TypeVar("State")
NO_FLOORS: Mapping[str, Array] = MappingProxyType({})
NO_BASE: Base = MappingProxyType({})


class Objective(ABC, Generic[State]):
    """What is made small, and the gradient of it.

    weight: its part in the whole. At 0 no gradient of it is followed, but its chains are there for sampling to go on from.
    """

    weight: float = 1.0
    # Whether it is -log p(data), near whose least the curvature in the scales of units is known.
    likelihood = True
    # Why it holds no states that stand for the model, or nothing.
    without_population = "its gradient holds no mean over the model"

    @property
    def repeatable(self) -> bool:
        """Whether a step is the same work on the same arrays every time."""
        return True

    def divided(self, shards: int) -> Objective[State]:
        """That of one of so many equal shards of the rows and chains. Raises `ArgumentError` where they cannot be equal."""
        return self

    def indivisible(self, state: State) -> str:
        """Why shards of its rows would not add up to the whole; empty where they do."""
        return "the gradient of this method is no mean over rows and chains"

    def by_row(self, name: str) -> bool:
        """Whether an array of a checkpoint has an entry for each row or chain, along its first axis."""
        return False

    def repeats(self, state: State) -> bool:
        """Whether that holds with what the state holds."""
        return self.repeatable

    @abstractmethod
    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> State:
        """Buffers for batches of so many rows, and chains where they begin.

        floors: what is added to the squares of the data, by layer (see `scales`). base: natural parameters of the base rates of
        the data, by layer. Raises `NotApplicable`.
        """

    @abstractmethod
    def load(self, state: State, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch of data, by layer, rows first, to where `step` reads it.

        weights: how much each row counts, (rows,) on the host, of mean 1 over all data; None where all count alike. The
        gradient is the sum over the rows, each times its weight, over the size of the batch, so that it is right on average.
        """

    @abstractmethod
    def step(self, state: State, params: Arrays) -> None:
        """Draw and average what the gradient at these parameters needs, for the batch that was loaded."""

    @abstractmethod
    def gradient(self, state: State, params: Arrays, names: list[str]) -> Arrays:
        """The gradient by parameter, after a step; overwritten by the next call."""

    @abstractmethod
    def add_gradient(self, state: State, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of the gradient onto its parameter; it is one of `direct`."""

    def descend(self, state: State, params: Arrays, names: Sequence[str], factor: Any) -> None:
        """Add multiples of gradients onto their parameters; all of them are `direct`."""
        for name in names:
            self.add_gradient(state, params, name, factor)

    @abstractmethod
    def direct(self, state: State) -> set[str]:
        """Parameters whose gradient is one product, so that it can be added onto them as it is made."""

    def middle(self, state: State, layer: str) -> Array:
        """The mean of a layer over the rows that raise the energy and those that lower it, one half each, shape (*layer).

        This is what centring follows; any offsets make a gradient of the same objective.
        """
        raise NotImplementedError

    def population(self, state: State) -> Population | None:
        """The states that its mean over the model is taken over; after a step, where there are any."""
        return None

    def chain_states(self, state: State) -> Arrays:
        """The states of the chains by layer; none where the objective draws none."""
        return {}

    def lasting(self, state: State, most: int | None = None) -> Arrays:
        """The states by layer of chains of the undirected part that go on from update to update, whatever the data; else none.

        most: how many of them are asked for, where not all are.
        """
        return {}

    def follow(self, state: State, gradients: Arrays, rate: Any) -> None:
        """What goes down the gradient of the update beside the parameters. rate: the learning rate, an array of one."""

    def before(self, state: State, params: Arrays) -> Arrays | None:
        """Parameters to go back to before an update, by name; None where it may begin."""
        return None

    def pace(self, state: State) -> float:
        """What is left of the learning rate."""
        return 1.0

    def figures(self, state: State, params: Arrays) -> dict[str, float]:
        """What is worth a column of the metrics beside what every run has."""
        return {}

    def take(self, state: State, chains: Arrays) -> None:
        """Go on from the chains of another run."""

    def arrays(self, state: State) -> Arrays:
        """What the next step needs of this one, on the host, by its name in a checkpoint."""
        return {}

    def restore(self, state: State, saved: Arrays) -> None:
        """Go on from what `arrays` gave."""
