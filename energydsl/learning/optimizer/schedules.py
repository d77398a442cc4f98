"""How the learning rate falls over training: what is left of it after a fraction of all updates, between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

SCHEDULES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "constant": lambda progress: 1.0,
        "linear": lambda progress: 1.0 - progress,
        "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
        "sqrt": lambda progress: 1.0 / math.sqrt(1.0 + 9.0 * progress),
    }
)
