"""Units eliminated one after the other by the largest value in place of the sum: max-product, Viterbi's algorithm on a chain."""

from __future__ import annotations

import numpy as np

from energydsl.backends.interface import Arrays
from energydsl.inference.least.record import Least, Method, Problem
from energydsl.program.elimination import at_once, likeliest, planned


class Elimination(Method):
    """Exact on trees, chains and narrow strips."""

    name = "elimination"

    def solve(self, problem: Problem) -> Least | str:
        """Forwards and backwards, some rows at once; not where in no order few units meet."""
        engine = problem.engine.core
        if engine is not problem.engine:
            return "it has directed parts"
        plan = planned(engine.derived, problem.free)
        if isinstance(plan, str):
            return plan
        model = engine.model.layers
        state: Arrays = {n: engine.xp.zeros((problem.rows, *model[n].energy_shape), engine.dtype) for n in problem.free}
        step = at_once(plan)
        for start in range(0, problem.rows, step):
            rows = slice(start, start + step)
            held = {n: a[rows] for n, a in problem.held.items()}
            codes = likeliest(engine, plan, problem.params, held, engine.settings())
            plan.units.put(codes, {n: a[rows] for n, a in state.items()}, engine.xp)
        return Least({n: np.array(engine.host(a)) for n, a in state.items()}, True)
