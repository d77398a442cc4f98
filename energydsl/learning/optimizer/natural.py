"""The natural gradient: steps down the gradient over the Fisher matrix of the model, by its diagonal or by factors of it.

A step of the diagonal is -lr g / (F + damping <F>), <F> the mean over the entries of the parameter (Amari 1998). One of a coupling with
factors A and B, whose eigenvectors are P and Q and eigenvalues a and b, is -lr P [(P' G Q)_ij / (a_i b_j + damping <a> <b>)] Q', which
inverts the damped product exactly (Martens & Grosse 2015, sec. 6.2; George et al. 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.diagnostics import ArgumentError
from energydsl.learning.optimizer import penalties
from energydsl.learning.optimizer.centred import coupling_pairs
from energydsl.learning.optimizer.fisher import DIAGONAL, Fisher
from energydsl.learning.optimizer.record import Array, Optimizer, Slot, Slots
from energydsl.model.records import Param
from energydsl.program import Engine

# Under what a variance is divided by, so that units that never vary leave no 0 / 0.
_LEAST = 1e-10


@dataclass(frozen=True)
class Natural(Optimizer):
    """Over the diagonal of the Fisher matrix (Amari 1998; Desjardins et al. 2013). damping: added to it, as a multiple of its mean over the parameter."""

    damping: float = defaults.DAMPING
    name = "natural"
    carried = True
    watches = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.damping > 0 and math.isfinite(self.damping)):
            raise ArgumentError("damping is a positive number")

    def init(self, params: dict[str, Array], zeros_like: Callable[[Array], Array] = np.zeros_like) -> Slots:
        """None of its own: those of the Fisher matrix are added to them."""
        return {n: {} for n in params}

    def metric(self, engine: Engine, learned: Sequence[str]) -> Fisher:
        """The variances of all parameters."""
        return Fisher(engine, tuple(learned))

    def size(self, slots: Slot, lr: Any, xp: Any) -> Any:
        """The rate over the damped variance: what is penalised is then the objective, not its scaled gradient."""
        return lr / (slots[DIAGONAL] + self.damping * slots[DIAGONAL].mean() + _LEAST)

    def change(self, gradient: Array, slots: Slot, lr: Any, xp: Any, param: Param, proximal: bool) -> tuple[Array, Any]:
        """The gradient over the Fisher matrix, and -lr."""
        if DIAGONAL in slots:
            return gradient * self.size(slots, 1.0, xp), -lr
        a, b, left, right = (slots[f"own/{n}"] for n in ("values_a", "values_b", "basis_a", "basis_b"))
        turned = left.T @ gradient.reshape(len(a), len(b)) @ right
        turned = turned / (a[:, None] * b + self.damping * a.mean() * b.mean() + _LEAST)
        return (left @ turned @ right.T).reshape(gradient.shape), -lr


@dataclass(frozen=True)
class NaturalFactored(Natural):
    """Over factors of the Fisher matrix for couplings of two layers, over its diagonal for the others (Grosse & Salakhutdinov 2015).

    refresh: updates between two times that the factors are diagonalised. Couplings with constraints, or an L1 or group penalty, whose
    proximal step belongs to a diagonal, have the diagonal.
    """

    refresh: int = defaults.FISHER_REFRESH
    name = "natural-factored"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refresh < 1:
            raise ArgumentError("refresh, the updates between two inverses, is at least 1")

    def metric(self, engine: Engine, learned: Sequence[str]) -> Fisher:
        """Factors of the couplings that have them, and the variances of all other parameters."""
        params, pairs = engine.model.params, []
        for pair in coupling_pairs(engine, list(learned)):
            penalised = any(penalties.factor(given, pair.param, True) for given in (self.l1, self.group))
            if not (params[pair.param].constraints or penalised):
                pairs.append(pair)
        factored = {pair.param for pair in pairs}
        return Fisher(engine, tuple(n for n in learned if n not in factored), tuple(pairs), self.refresh)
