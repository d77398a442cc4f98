"""Adaptive moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.learning.optimizer.record import Array, Optimizer, Slot, Slots
from energydsl.model.records import Param


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moments (Kingma & Ba 2015, algorithm 1)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    name = "adam"
    momenta = ("first",)

    def rate(self, progress: float, update: int = 0) -> float:
        """The learning rate with the correction for moments that start at zero."""
        corrected = math.sqrt(1 - self.beta2 ** (update + 1)) / (1 - self.beta1 ** (update + 1))
        return super().rate(progress) * corrected

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        """Two arrays a parameter, of its shape: the moving means of the gradient and of its square."""
        return {n: {"first": zeros_like(p), "second": zeros_like(p)} for n, p in params.items()}

    def size(self, slots: Slot, lr: Any, xp: Any) -> Any:
        """The rate over the root of the mean square: what is penalised is then the objective, not its scaled gradient."""
        return lr / (xp.sqrt(slots["second"]) + self.epsilon)

    def change(self, gradient: Array, slots: Slot, lr: Any, xp: Any, param: Param, proximal: bool) -> tuple[Array, Any]:
        """The mean gradient over the root of its mean square, and the factor -lr."""
        first, second = slots["first"], slots["second"]
        first *= self.beta1
        first += (1 - self.beta1) * gradient
        second *= self.beta2
        second += (1 - self.beta2) * xp.square(gradient)
        return first / (xp.sqrt(second) + self.epsilon), -lr
