"""Maximum likelihood with the true gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from energydsl.learning.methods.record import WithoutChains
from energydsl.learning.objective import ExactLikelihood, Objective


@dataclass(frozen=True)
class Exact(WithoutChains):
    """Maximum likelihood with the true gradient, all states listed (Ackley, Hinton & Sejnowski 1985)."""

    name = "exact"
    entry = "exact gradient"

    def objectives(self) -> tuple[Objective[Any], ...]:
        """The likelihood."""
        return (ExactLikelihood(),)
