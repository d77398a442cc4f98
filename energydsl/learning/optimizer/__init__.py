"""Optimisers: what a step is. Each entry is one file, a frozen record with `init` and `step`, and a line of this table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from energydsl.learning.optimizer.adam import Adam as Adam
from energydsl.learning.optimizer.natural import Natural as Natural
from energydsl.learning.optimizer.natural import NaturalFactored as NaturalFactored
from energydsl.learning.optimizer.record import Optimizer as Optimizer
from energydsl.learning.optimizer.record import Scale as Scale
from energydsl.learning.optimizer.record import Slots as Slots
from energydsl.learning.optimizer.schedules import SCHEDULES as SCHEDULES
from energydsl.learning.optimizer.sgd import SGD as SGD
from energydsl.learning.optimizer.spectral import Spectral as Spectral

OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {o.name: o for o in (SGD, Adam, Natural, NaturalFactored, Spectral)}
)
