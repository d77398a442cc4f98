"""Optimisers: `init` makes the slots, `step` updates parameters in place. State is passed, not held.

The size of a step is a number or an array of one, so that a step can be recorded once and repeated with other sizes.

A positive parameter is moved in its logarithm, so it stays positive; a nonnegative one is cut off at zero; symmetry and
a zero diagonal are kept because gradients have them. Weight decay acts on couplings, not on biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.backends import numpy_runtime
from energydsl.diagnostics import ArgumentError
from energydsl.model.records import Param

Array = NDArray[Any]
Slots = dict[str, dict[str, Array]]
SCHEDULES = ("constant", "linear", "cosine", "sqrt")


@dataclass(frozen=True)
class Optimizer:
    """lr: learning rate. schedule: how it falls over training: constant, linear or cosine (to zero), sqrt (1/sqrt(1+9t))."""

    lr: float = 0.05
    weight_decay: float = 0.0
    schedule: str = "constant"
    name = "optimizer"

    def __post_init__(self) -> None:
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise ArgumentError("the learning rate is a positive number")
        if self.weight_decay < 0:
            raise ArgumentError("weight decay is not negative")
        if self.schedule not in SCHEDULES:
            raise ArgumentError(f"schedule is one of {', '.join(SCHEDULES)}")

    def rate(self, progress: float, update: int = 0) -> float:
        """The learning rate after a fraction of training; `update` counts those made before."""
        factors = {
            "constant": 1.0,
            "linear": 1.0 - progress,
            "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
            "sqrt": 1.0 / math.sqrt(1.0 + 9.0 * progress),
        }
        return self.lr * factors[self.schedule]

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        raise NotImplementedError

    def direct(self, param: Param, decays: bool) -> bool:
        """Whether a step is value -= lr * gradient and nothing else."""
        return False

    def step(
        self,
        param: Param,
        value: Array,
        gradient: Array,
        slots: dict[str, Array],
        lr: Any,
        decays: bool,
        kernels: Any = numpy_runtime,
    ) -> tuple[Any, Any]:
        """Move one parameter, in place, down the gradient of -log p; the sums of squares of gradient and new value.

        kernels.axpy(value, direction, factor) adds factor * direction to the value and returns these sums for its
        arguments, as numbers or as arrays of parts of them.
        """
        slope = gradient
        if self.weight_decay and decays:
            slope = slope + self.weight_decay * value
        if "positive" in param.constraints:
            slope = slope * value
        direction, factor = self.change(slope, slots, lr, kernels.xp)
        if "positive" in param.constraints:
            value *= kernels.xp.exp(factor * direction)
            factor = 0.0
        size, new = kernels.axpy(value, direction, factor)
        if "nonnegative" in param.constraints:
            kernels.xp.maximum(value, 0, out=value)
        return size if direction is gradient else kernels.square_sum(gradient), new

    def change(self, gradient: Array, slots: dict[str, Array], lr: Any, xp: Any) -> tuple[Array, Any]:
        """The direction of a step and the factor it is taken with; `xp` is the library of the arrays."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Polyak 1964): v <- momentum v - lr g; param <- param + v."""

    momentum: float = 0.0
    name = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ArgumentError("momentum lies in [0, 1)")

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        return {n: {"velocity": zeros_like(p)} if self.momentum else {} for n, p in params.items()}

    def direct(self, param: Param, decays: bool) -> bool:
        return not self.momentum and not param.constraints and not (self.weight_decay and decays)

    def change(self, gradient: Array, slots: dict[str, Array], lr: Any, xp: Any) -> tuple[Array, Any]:
        if not self.momentum:
            return gradient, -lr
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity -= lr * gradient
        return velocity, 1.0


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moments (Kingma & Ba 2015, algorithm 1)."""

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    name = "adam"

    def rate(self, progress: float, update: int = 0) -> float:
        """The learning rate with the correction for moments that start at zero."""
        corrected = math.sqrt(1 - self.beta2 ** (update + 1)) / (1 - self.beta1 ** (update + 1))
        return super().rate(progress) * corrected

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        return {n: {"first": zeros_like(p), "second": zeros_like(p)} for n, p in params.items()}

    def change(self, gradient: Array, slots: dict[str, Array], lr: Any, xp: Any) -> tuple[Array, Any]:
        first, second = slots["first"], slots["second"]
        first *= self.beta1
        first += (1 - self.beta1) * gradient
        second *= self.beta2
        second += (1 - self.beta2) * xp.square(gradient)
        return first / (xp.sqrt(second) + self.epsilon), -lr


OPTIMIZERS: dict[str, type[Optimizer]] = {o.name: o for o in (SGD, Adam)}
