"""Real layers whose energy is jointly quadratic: P x = eta, P being the precision matrix (Rue & Held 2005, ch. 2)."""

from __future__ import annotations

import numpy as np

from energydsl import limits
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.inference.least.record import Least, Method, Problem
from energydsl.program import gaussian
from energydsl.program.exact import check_normalisable


class LinearAlgebra(Method):
    """Exact."""

    name = "linear-algebra"

    def solve(self, problem: Problem) -> Least | str:
        """One system of equations a row; not where there are layers of other kinds, or too many units.

        Raises `NotNormalisable` where no state has the least energy.
        """
        engine = problem.engine.core
        known = coupled_quadratic(engine.model, engine.derived.energy) if engine is problem.engine else ()
        other = [n for n in problem.free if n not in known]
        if other or set(known) - set(problem.free):
            return f"its energy is not jointly quadratic in {', '.join(f'`{n}`' for n in problem.free)}, or its units do not meet"
        size = sum(engine.model.layers[n].size for n in problem.free)
        if size > limits.QUADRATIC_UNITS:
            return f"it has {size:,} units"
        check_normalisable(engine, problem.params)
        rows = [problem.row(row) for row in range(problem.rows)]
        found = [gaussian.means(engine, problem.params, row, engine.settings(), problem.free) for row in rows]
        return Least({n: np.concatenate([one[n] for one in found]) for n in problem.free}, True)
