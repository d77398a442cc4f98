"""The true gradient, score matching, and contrast with noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.methods.record import Method
from energydsl.learning.objective import ExactLikelihood, NoiseContrast, Objective, Scores


@dataclass(frozen=True)
class Exact(Method):
    """Maximum likelihood with the true gradient, all states listed."""

    name = "exact"
    entry = "exact gradient"

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The likelihood."""
        return (ExactLikelihood(),)


@dataclass(frozen=True)
class ScoreMatching(Method):
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
class DenoisingScoreMatching(Method):
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


@dataclass(frozen=True)
class NoiseContrastive(Method):
    """Data told from noise, with log Z as one more number that is learned (Gutmann & Hyvarinen 2012).

    ratio: rows of noise, independent units with the base rates of the data, for each row of data.
    """

    ratio: int = defaults.NOISE_ROWS
    name = "noise-contrastive"

    def __post_init__(self) -> None:
        if self.ratio < 1:
            raise ArgumentError("ratio is at least 1")

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The contrast."""
        return (NoiseContrast(self.ratio),)
