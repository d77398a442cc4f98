"""dE/dparam of the kernels is the finite difference of the oracle's energy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energydsl.verification.case import Case
from energydsl.verification.gradients import gradient_check
from energydsl.verification.records import Check

NAME = "dE/dparam = finite difference of E"
# States over which the mean is taken, chosen at random where there are more.
_ROWS = 8


def slopes(case: Case) -> Iterator[Check]:
    """The mean over some states, of each parameter that has entries."""
    if not any(min(p.shape, default=1) > 0 for p in case.model.params.values()):
        return
    rows = case.generator(f"rows of {NAME}").permutation(case.rows)[:_ROWS]
    x = {n: v[rows] for n, v in case.x.items()}
    mean = np.full(len(rows), 1.0 / len(rows))
    yield gradient_check(case, NAME, x, mean, lambda energies: float(energies @ mean))
