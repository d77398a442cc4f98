"""What greedy training is told: epochs, method and optimiser of its stages."""

from __future__ import annotations

from dataclasses import dataclass, field

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.methods import CD, Method
from energydsl.learning.optimizer import SGD, Optimizer


@dataclass(frozen=True)
class Greedy:
    """epochs: of each stage, the last number for all that follow. method and optimizer: of every stage."""

    epochs: tuple[int, ...]
    method: Method = field(default_factory=CD)
    optimizer: Optimizer = field(default_factory=lambda: SGD(schedule=defaults.GREEDY_SCHEDULE))

    def __post_init__(self) -> None:
        if not self.epochs or min(self.epochs) < 0:
            raise ArgumentError("greedy takes a number of epochs for each stage, none negative")
