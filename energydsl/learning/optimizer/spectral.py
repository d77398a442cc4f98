"""Spectral descent: the steepest step where the size of a coupling is its largest singular value (Carlson, Cevher & Carin 2015).

Of a matrix, with the gradient U S V', that is -lr |S|_1 U V' / n, n the number of singular values, all of which become their mean; of
other parameters, whose size is that of their largest entry, -lr |g|_1 sign(g) / n over n entries. The paper's step has no n in
it, and a rate by the size of the model instead. Directions without a gradient stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.optimizer.record import Array, Optimizer, Slot, Slots
from energydsl.model.records import Param
from energydsl.program import Engine
from energydsl.program.gradients import projected
from energydsl.random import Rng

# Powers of a matrix times its transpose that random directions are multiplied by: their singular values then fall fast enough.
_POWERS = 2
_DIRECTIONS = "own/directions"


@dataclass(frozen=True)
class Spectral(Optimizer):
    """rank: the most singular directions of a step; where a matrix has more, the largest are found from random ones (Halko, Martinsson & Tropp 2011).

    Parameters with an L1 or group penalty take the steps of `sgd`, which a proximal step can follow.
    """

    rank: int = defaults.SPECTRAL_RANK
    name = "spectral"
    carried = True
    repeatable = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise ArgumentError("rank, the singular directions of a step, is at least 1")

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        """Of a matrix with more singular values than are followed: the directions they are found from, (columns, rank)."""
        large = {n: p.ndim == 2 and min(p.shape) > self.rank for n, p in params.items()}
        return {n: {_DIRECTIONS: zeros_like(p[: self.rank].T)} if large[n] else {} for n, p in params.items()}

    def prepare(self, engine: Engine, slots: Slots, random: Rng) -> None:
        """Random signs."""
        for own in slots.values():
            for directions in own.values():
                random.next()
                u = engine.kernels.fill(random, engine.xp.empty(directions.shape, engine.dtype))
                directions[...] = engine.xp.sign(u - 0.5)

    def size(self, slots: Slot, lr: Any, xp: Any) -> Any:
        """The rate."""
        return lr

    def change(self, gradient: Array, slots: Slot, lr: Any, xp: Any, param: Param, proximal: bool) -> tuple[Array, Any]:
        """The direction, as large as the gradient in its dual norm over the number of directions, and -lr."""
        if proximal:
            return gradient, -lr
        if gradient.ndim != 2:
            sizes = xp.abs(gradient)
            return sizes.mean() * xp.sign(gradient) * _there(sizes), -lr
        # Numbers that are not finite are found where all parameters are looked at; no decomposition is made of them.
        whole = xp.where(xp.isfinite(gradient), gradient, 0.0)
        left, values, right = _largest(xp, whole, slots[_DIRECTIONS]) if slots else _decomposed(xp, whole)
        direction = values.mean() * ((left * _there(values)) @ right)
        return projected(xp, param, direction.astype(gradient.dtype, copy=False)), -lr


def _there(sizes: Array) -> Array:
    """Which sizes are more than rounding."""
    return sizes > max(sizes.shape, default=1) * float(np.finfo(sizes.dtype).eps) * sizes.max()  # type: ignore[no-any-return]


def _decomposed(xp: Any, matrix: Array) -> tuple[Array, Array, Array]:
    left, values, right = xp.linalg.svd(matrix, full_matrices=False)
    return left, values, right


def _largest(xp: Any, matrix: Array, directions: Array) -> tuple[Array, Array, Array]:
    """About the largest singular values, as many as there are directions, (columns, rank), and their vectors."""
    found, _ = xp.linalg.qr(matrix @ directions)
    for _ in range(_POWERS):
        found, _ = xp.linalg.qr(matrix @ (matrix.T @ found))
    left, values, right = _decomposed(xp, found.T @ matrix)
    return found @ left, values, right
