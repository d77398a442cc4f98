"""Methods that need no Z: scores of what single units, or blocks of them, do given the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.methods.record import WithoutChains
from energydsl.learning.objective import Conditionals, Objective


@dataclass(frozen=True)
class PseudoLikelihood(WithoutChains):
    """The sum over units of -log p(unit | all other visible units) (Besag 1975).

    units: how many are changed in an update where not all conditionals are there at once: with latents, above all.
    """

    units: int = defaults.CHANGED_UNITS
    name = "pseudo-likelihood"

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ArgumentError("units is at least 1")

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The score of every conditional."""
        return (Conditionals("logarithmic", units=self.units),)


@dataclass(frozen=True)
class CompositeLikelihood(PseudoLikelihood):
    """The sum over blocks of `size` units, drawn anew for every update, of -log p(block | the rest) (Lindsay 1988)."""

    size: int = defaults.BLOCK_UNITS
    name = "composite-likelihood"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 2:
            raise ArgumentError(
                "size, the units of a block, is at least 2; blocks of one unit are the pseudo-likelihood"
            )

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The score of every block."""
        return (Conditionals("logarithmic", self.size, self.units),)


@dataclass(frozen=True)
class RatioMatching(PseudoLikelihood):
    """The squared distance of every conditional distribution from the datum (Hyvarinen 2007)."""

    name = "ratio-matching"

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The score of every conditional."""
        return (Conditionals("quadratic", units=self.units),)


@dataclass(frozen=True)
class MinimumProbabilityFlow(PseudoLikelihood):
    """The flow of probability from the data to states that differ in one unit (Sohl-Dickstein, Battaglino & DeWeese 2011)."""

    name = "minimum-probability-flow"

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The score of every conditional."""
        return (Conditionals("flow", units=self.units),)
