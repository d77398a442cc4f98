"""Units of two values that meet in pairs, none frustrated: a minimum cut (Greig, Porteous & Seheult 1989)."""

from __future__ import annotations

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Arrays
from energydsl.graph.minimum_cut import least_by_cut
from energydsl.inference.least.pairs import factors, pairs_of
from energydsl.inference.least.record import Least, Method, Problem


class MinimumCut(Method):
    """Exact for ferromagnets, and whatever becomes one where the two values of some units change places."""

    name = "minimum-cut"

    def solve(self, problem: Problem) -> Least | str:
        """One cut a row; not where more than two units meet, pairs are too many, or some are frustrated."""
        layers = problem.engine.model.layers
        state: Arrays = {n: np.zeros((problem.rows, *layers[n].energy_shape)) for n in problem.free}
        for row in range(problem.rows):
            given = factors(problem, row)
            if given is None or not given.pairwise:
                return "its units have more values than two, or too many of them meet"
            found = pairs_of(given)
            if len(found.pairs) > limits.CUT_PAIRS:
                return f"it has {len(found.pairs):,} pairs ({limits.CUT_PAIRS:,} are the most)"
            bits = least_by_cut(found.u, found.pairs, found.w)
            if bits is None:
                return "some of its pairs are frustrated"
            given.units.put(bits[None].astype(np.int64), {n: a[row : row + 1] for n, a in state.items()}, np)
        return Least(state, True)
