"""Data told from noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.methods.record import WithoutChains
from energydsl.learning.objective import NoiseContrast, Objective


@dataclass(frozen=True)
class NoiseContrastive(WithoutChains):
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
