"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.optimizer.record import Array, Optimizer, Slot, Slots
from energydsl.model.records import Param


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Polyak 1964): v <- momentum v - lr g; param <- param + v."""

    momentum: float = defaults.MOMENTUM
    name = "sgd"
    momenta = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ArgumentError("momentum lies in [0, 1)")

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        """The velocity of every parameter, of its shape; none without momentum."""
        return {n: {"velocity": zeros_like(p)} if self.momentum else {} for n, p in params.items()}

    def direct(self, param: Param, decays: bool) -> bool:
        """Without momentum, constraints and penalties."""
        return not self.momentum and self.plain(param, decays)

    def size(self, slots: Slot, lr: Any, xp: Any) -> Any:
        """The rate."""
        return lr

    def pulled(self, slots: Slot, by: Array) -> None:
        """The velocity is how far a parameter went, all in all (Ochs, Chen, Brox & Pock 2014)."""
        if self.momentum:
            slots["velocity"] += by

    def change(self, gradient: Array, slots: Slot, lr: Any, xp: Any, param: Param, proximal: bool) -> tuple[Array, Any]:
        """The gradient and -lr, or with momentum the new velocity and 1."""
        if not self.momentum:
            return gradient, -lr
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity -= lr * gradient
        return velocity, 1.0
