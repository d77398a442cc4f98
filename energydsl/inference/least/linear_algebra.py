"""Real layers whose energy is jointly quadratic: P x = eta, P being the precision matrix (Rue & Held 2005, ch. 2)."""

from __future__ import annotations

import numpy as np

from energydsl import limits
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.inference.least.record import Least, Method, Problem
from energydsl.program.exact import check_normalisable, quadratic_form


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
        shapes = {n: engine.model.layers[n].shape for n in problem.free}
        ends = np.cumsum([engine.model.layers[n].size for n in problem.free])[:-1]
        found = []
        for row in range(problem.rows):
            precision, slope = quadratic_form(engine, problem.params, problem.free, engine.settings(), problem.row(row))
            pieces = np.split(np.linalg.solve(precision, slope), ends)
            found.append({n: a.reshape(shape) for (n, shape), a in zip(shapes.items(), pieces, strict=True)})
        return Least({n: np.stack([one[n] for one in found]) for n in problem.free}, True)
