"""Slopes of log p against those of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.methods.record import WithoutChains
from energydsl.learning.objective import Objective, Scores


@dataclass(frozen=True)
class ScoreMatching(WithoutChains):
    """The slope of log p in real units against that of the data's density (Hyvarinen 2005).

    directions: random ones that second slopes are averaged over (Song et al. 2019).
    """

    directions: int = defaults.DIRECTIONS
    name = "score-matching"

    def __post_init__(self) -> None:
        if self.directions < 1:
            raise ArgumentError("directions is at least 1")

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The score."""
        return (Scores(directions=self.directions),)


@dataclass(frozen=True)
class DenoisingScoreMatching(WithoutChains):
    """The slope of log p at noisy data against the way back to the data (Vincent 2011). sd: of the noise, in units of the data.

    What is fitted is the density of the data with that noise on them.
    """

    sd: float = defaults.NOISE_SD
    name = "denoising-score-matching"

    def __post_init__(self) -> None:
        if not (self.sd > 0 and math.isfinite(self.sd)):
            raise ArgumentError("sd, the noise, is a positive number")

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The score."""
        return (Scores(sd=self.sd),)
