"""What every method is: a frozen record that puts objectives together."""

from __future__ import annotations

from dataclasses import dataclass, field
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
        """What is made small; centring follows the rows of the first that has a weight."""
        raise NotImplementedError

    @property
    def needs(self) -> str:
        """The entry of the table of applicability that the posterior needs, or nothing."""
        return ""


@dataclass(frozen=True)
class WithoutChains(Method):
    """What makes small a function of the data and the energy. centred: follow the gradient of the energy in units less their mean."""

    centred: bool = field(default=False, kw_only=True)
