"""What every optimiser is: `init` makes the slots, `step` updates parameters in place. State is passed, not held.

The size of a step is a number or an array of one, so that a step can be recorded once and repeated with other sizes.

A positive parameter is moved in its logarithm, so it stays positive, by 1/2 a step at most; a nonnegative one is cut off at
zero; symmetry and a zero diagonal are kept because gradients have them. Weight decay acts on couplings, not on biases; other
penalties are in `penalties.py`.
Parameters that set the scale of units take steps of their own, in units of their curvature (see `scales`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.backends.numpy import runtime as numpy_runtime
from energydsl.diagnostics import ArgumentError, one_of
from energydsl.learning.optimizer import penalties
from energydsl.learning.optimizer.average import Average, check_average, share
from energydsl.learning.optimizer.fisher import Fisher
from energydsl.learning.optimizer.penalties import Given, penalty
from energydsl.learning.optimizer.schedules import SCHEDULES
from energydsl.model.records import Param
from energydsl.program import Engine
from energydsl.random import Rng

Array = NDArray[Any]
Slot = dict[str, Array]
Slots = dict[str, Slot]
# The largest change of a logarithm in one step, and the range that a positive parameter never leaves.
_LARGEST_STEP, _RANGE = 0.5, (1e-12, 1e12)


@dataclass(frozen=True)
class Scale:
    """How a parameter s sets the scale of units, of the precision s^exponent: the curvature of -log p in log s."""

    exponent: float
    curvature: float


@dataclass(frozen=True)
class Optimizer:
    """lr: learning rate; None: that of the model's visible layers (`defaults.RATES`).

    schedule: how it falls over training: constant, linear or cosine (to zero), sqrt (1/sqrt(1+9t)). scale_lr: of parameters
    that set the scale of units: the share of what a variance lacks that a step makes up for, falling with the schedule squared.

    l1, l2, group: factors of penalties in nats a row, each for all couplings, or by parameter, {"W": 1e-4}; of groups "W:0" names the axes that
    number them. average: what of the parameters is kept beside the last and evaluated, "polyak" or a horizon in updates.

    max_kl: the most nats that a step may put between the model before it and after (see `bounded`); None: as many as it likes.
    """

    lr: float | None = None
    weight_decay: float = defaults.WEIGHT_DECAY
    schedule: str = defaults.SCHEDULE
    scale_lr: float = defaults.SCALE_RATE
    l1: Given = field(default=(), kw_only=True)
    l2: Given = field(default=(), kw_only=True)
    group: Given = field(default=(), kw_only=True)
    average: Average = field(default=None, kw_only=True)
    max_kl: float | None = field(default=None, kw_only=True)
    name = "optimizer"
    # The slots that carry the direction of past steps.
    momenta: ClassVar[tuple[str, ...]] = ()
    # Whether centring carries its steps over to the biases, as a change of parameters does, in place of its gradients.
    carried = False
    # Whether its steps hang on variances over states of the model.
    watches = False
    # Whether a step is the same work on the same arrays every time.
    repeatable = True

    def __post_init__(self) -> None:
        if self.lr is not None and not (self.lr > 0 and math.isfinite(self.lr)):
            raise ArgumentError("lr, the learning rate, is a positive number")
        if not 0 < self.scale_lr <= 1:
            raise ArgumentError("scale_lr is a share, above 0 and at most 1")
        if self.weight_decay < 0:
            raise ArgumentError("weight_decay is not negative")
        for kind, given in self.penalties.items():
            object.__setattr__(self, kind, penalty(kind, given))
        check_average(self.average)
        if self.max_kl is not None and not (self.max_kl > 0 and math.isfinite(self.max_kl)):
            raise ArgumentError("max_kl, the largest divergence of a step in nats, is a positive number")
        one_of("schedule", self.schedule, SCHEDULES)

    def fitted(self, unbounded: bool) -> Optimizer:
        """With the learning rate that belongs to bounded or unbounded visible layers, where none was given."""
        return replace(self, lr=defaults.RATES[self.name][unbounded]) if self.lr is None else self

    @property
    def penalties(self) -> dict[str, Given]:
        """Factors by kind of penalty."""
        return {"l1": self.l1, "l2": self.l2, "group": self.group}

    def plain(self, param: Param, coupling: bool) -> bool:
        """Whether nothing is asked of a parameter but the gradient: no constraint, decay or penalty."""
        penalised = any(penalties.factor(given, param.name, coupling) for given in self.penalties.values())
        return not param.constraints and not (self.weight_decay and coupling) and not penalised

    def average_share(self, progress: float, update: int) -> float:
        """The share of the way to the new parameters that their average goes in an update."""
        return share(self.average, progress, update)

    def pace(self, progress: float) -> float:
        """What is left of every rate after a fraction of training."""
        return SCHEDULES[self.schedule](progress)

    def rate(self, progress: float, update: int = 0) -> float:
        """The learning rate after a fraction of training; `update` counts those made before."""
        assert self.lr is not None
        return self.lr * self.pace(progress)

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        """The slots of every parameter, arrays of its shape by name, at zero.

        params: by name, (I, J) for `W[I, J]`. zeros_like: makes an array like one of these.
        """
        raise NotImplementedError

    def prepare(self, engine: Engine, slots: Slots, random: Rng) -> None:
        """Fill in what slots begin with, where that is not zero."""

    def metric(self, engine: Engine, learned: Sequence[str]) -> Fisher | None:
        """What its steps ask of the states of the model, or nothing."""
        return None

    def direct(self, param: Param, decays: bool) -> bool:
        """Whether a step is value -= lr * gradient and nothing else."""
        return False

    def step(
        self,
        param: Param,
        value: Array,
        gradient: Array,
        slots: Slot,
        lr: Any,
        decays: bool,
        kernels: Any = numpy_runtime,
        scale: Scale | None = None,
        rate: Any = 0.0,
    ) -> tuple[Any, Any]:
        """Move one parameter, in place, down the gradient of -log p; the sums of squares of gradient and new value.

        scale: of a parameter that sets the scale of units; rate: the share of what a variance lacks that such a step makes up for.
        kernels.axpy(value, direction, factor) adds factor * direction to the value and returns these sums for its
        arguments, as numbers or as arrays of parts of them.
        """
        slope = gradient
        l1, group = (penalties.factor(given, param.name, decays) for given in (self.l1, self.group))
        decay = self.weight_decay * decays + penalties.factor(self.l2, param.name, decays)
        if decay:
            slope = slope + decay * value
        if "positive" in param.constraints:
            slope = slope * value
        direction, factor = (
            (gradient, 0.0) if scale else self.change(slope, slots, lr, kernels.xp, param, bool(l1 or group))
        )
        if "positive" in param.constraints:
            if scale:
                self.rescale(value, slope, scale, rate, kernels.xp)
            else:
                value *= kernels.xp.exp(kernels.xp.clip(factor * direction, -_LARGEST_STEP, _LARGEST_STEP))
            kernels.xp.clip(value, *_RANGE, out=value)
            factor = 0.0
        size, new = kernels.axpy(value, direction, factor)
        if l1 or group:
            self._shrink(param, value, self.size(slots, lr, kernels.xp), l1, group, slots, kernels.xp)
            new = kernels.square_sum(value)
        if "nonnegative" in param.constraints:
            kernels.xp.maximum(value, 0, out=value)
        return size if direction is gradient else kernels.square_sum(gradient), new

    def _shrink(self, param: Param, value: Array, size: Any, l1: float, group: float, slots: Slot, xp: Any) -> None:
        """Take the proximal steps that are asked for, in place. size: of the step before."""
        before = xp.array(value)
        if l1:
            penalties.shrink(value, size * l1, xp)
        if group:
            penalties.shrink_groups(value, size * group, penalties.group_axes(self.group, param), xp)
        self.pulled(slots, value - before)

    @staticmethod
    def rescale(value: Array, slope: Array, scale: Scale, rate: Any, xp: Any) -> None:
        """Move the logarithm of a scale by the slope in it over its curvature: its variance by a share of what it lacks.

        For sigma of (x - b)^2 / (2 sigma^2) this is sigma^2 <- (1 - rate) sigma^2 + rate <(x - b)^2>, if the model fits.
        """
        lacking = rate * (scale.exponent / scale.curvature) * slope
        value *= (1.0 + xp.maximum(lacking, -_LARGEST_STEP)) ** (-1.0 / scale.exponent)

    def size(self, slots: Slot, lr: Any, xp: Any) -> Any:
        """How far a step goes for each unit of the gradient: one number, or one an entry."""
        raise NotImplementedError

    def pulled(self, slots: Slot, by: Array) -> None:
        """Take note of what was added to a parameter after a step, by penalties or by a bound.

        by: of the shape of the parameter, (I, J) for `W[I, J]`.
        """

    def change(self, gradient: Array, slots: Slot, lr: Any, xp: Any, param: Param, proximal: bool) -> tuple[Array, Any]:
        """The direction of a step and the factor it is taken with; `xp` is the library of the arrays.

        gradient: of the shape of the parameter, (I, J) for `W[I, J]`. proximal: whether a proximal step of `size` follows.
        """
        raise NotImplementedError
