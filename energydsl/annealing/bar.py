"""Bennett's acceptance ratio, BAR: log Z from walks along a path in both directions (Bennett 1976, eq. 12).

The log weights w of walks from the base to the model, and -w of walks back, are the works of a process and of its reverse:
p_F(w) exp(w) = Z p_R(w) (Crooks 1999). Of all estimates that weigh both, the one of least variance is the root c = log Z of

    sum over F of 1 / (1 + r exp(c - w)) = sum over R of 1 / (1 + exp(w - c) / r),    r = n_F / n_R.
"""

from __future__ import annotations

import numpy as np

from energydsl.annealing.partition import LogPartition, log_mean_weight
from energydsl.annealing.path import Array

# Halvings of the bracket of the root: below the rounding of any log Z.
_HALVINGS = 100


def bennett(forwards: Array, backwards: Array) -> LogPartition:
    """log Z in nats, and its error by Bennett's eq. 10.

    forwards: (chains,) log weights of walks from base to model, whose mean weight is Z; backwards: of walks from samples of the
    model to the base, whose mean weight is 1 / Z. The steps back must be those of the way there in reverse order. Raises
    `EstimateError` where a weight is not finite.
    """
    effective = min(log_mean_weight(w)[2] for w in (forwards, backwards))
    chains = min(len(forwards), len(backwards))
    work = -backwards
    ratio = np.log(len(forwards) / len(backwards))

    def accepted(c: float) -> tuple[Array, Array]:
        return _fermi(ratio + c - forwards), _fermi(work - c - ratio)

    low, high = min(forwards.min(), work.min()) - abs(ratio) - 1.0, max(forwards.max(), work.max()) + abs(ratio) + 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        there, back = accepted(middle)
        low, high = (middle, high) if there.sum() > back.sum() else (low, middle)
    error = np.sqrt(sum(f.var(ddof=1) / f.mean() ** 2 / len(f) for f in accepted(low)))
    return LogPartition(float(low), float(error), effective, chains, "estimate")


def _fermi(x: Array) -> Array:
    """1 / (1 + exp(x))."""
    return np.exp(-np.logaddexp(0.0, x))
