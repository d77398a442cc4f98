"""What every method of finding the state of least energy is: a function of a problem, which it solves or does not fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.program import Engine


@dataclass(frozen=True)
class Problem:
    """The free layers of a model, all others held at values of some rows.

    engine: in float64. held: by layer, (rows, *layer). starts, sweeps, seed: of a search. progress: takes the fraction done.
    """

    engine: Engine
    params: Arrays
    held: Arrays
    free: tuple[str, ...]
    rows: int
    starts: int
    sweeps: int
    seed: int
    progress: Callable[[float], None] | None = None

    def energy(self, x: Arrays) -> Array:
        """E and the base measure of states, (rows,), on the host: minus the log of what a state weighs."""
        return energy_of(self.engine, self.params, x)

    def row(self, number: int) -> Arrays:
        """What is held in one row, (1, *layer)."""
        return {n: a[number : number + 1] for n, a in self.held.items()}

    def done(self, share: float) -> None:
        """Tell how far it is."""
        if self.progress is not None:
            self.progress(share)


@dataclass(frozen=True)
class Least:
    """state: the free layers, (rows, *layer), on the host. exact: whether no state has less, but for rounding."""

    state: Arrays
    exact: bool


class Method(ABC):
    """One way. name: the word of the option."""

    name = ""

    @abstractmethod
    def solve(self, problem: Problem) -> Least | str:
        """What it finds, or why it does not fit."""


def energy_of(engine: Engine, params: Arrays, x: Arrays) -> Array:
    """E and the base measure of states, (rows,), on the host."""
    total: Any = sum(engine.term_energies(params, x).values())
    return np.atleast_1d(np.asarray(engine.host(total), np.float64))
