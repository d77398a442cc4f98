"""What every method is: a frozen record that puts objectives together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.learning.objective import Objective


@dataclass(frozen=True)
class Method:
    """What a training makes small, and how. entry: in the table of applicability, where it is not the name."""

    name = "method"
    entry = ""
    centred = False
    impute = False
    predict = ""
    sampler = defaults.SAMPLER

    def objectives(self) -> tuple[Objective[Any], ...]:
        """What is made small, the first of them with the states that centring follows."""
        raise NotImplementedError

    @property
    def needs(self) -> str:
        """The entry of the table of applicability that the posterior needs, or nothing."""
        return ""
