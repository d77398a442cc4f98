"""Bounds from below on the least energy: no state has less than the sum of what each factor has at least."""

from __future__ import annotations

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array
from energydsl.graph.minimum_cut import roof_dual
from energydsl.inference.least.pairs import Factors, factors, pairs_of
from energydsl.inference.least.record import Problem


def bound_from_below(problem: Problem) -> Array | None:
    """(rows,); None where layers are not finite, or their factors too many to be listed."""
    given = [factors(problem, row) for row in range(problem.rows)]
    known = [g for g in given if g is not None]
    return np.array([_of_row(g) for g in known]) if len(known) == len(given) else None


def _of_row(given: Factors) -> float:
    """The roof dual where units have two values and meet in pairs, few enough; else the least value of each factor, added up."""
    if given.pairwise:
        found = pairs_of(given)
        if len(found.pairs) <= limits.CUT_PAIRS:
            return found.constant + roof_dual(found.u, found.pairs, found.w)
        return found.constant + float(np.minimum(found.u, 0.0).sum() + np.minimum(found.w, 0.0).sum())
    return given.constant - sum(float(t.log.reshape(len(t.units), -1).max(axis=1).sum()) for t in given.found)
