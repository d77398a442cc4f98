"""All states of the cheapest side, each with the likeliest values of the other side, which has no two units that meet."""

from __future__ import annotations

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import NotApplicable, TooLarge
from energydsl.inference.least.likeliest import closed, likeliest
from energydsl.inference.least.record import Least, Method, Problem
from energydsl.program.exact import crossed, joint_states


class Enumeration(Method):
    """Exact."""

    name = "enumeration"

    def solve(self, problem: Problem) -> Least | str:
        """The best of every row; not where there are too many states, or values that cannot be listed."""
        try:
            out, listed = problem.engine.cheapest_sum(problem.free)
        except (TooLarge, NotApplicable):
            return "its states are too many to be listed, or not finite"
        odd = [n for n in out if not closed(problem.engine.core, n)]
        if odd:
            return f"the likeliest value of `{odd[0]}` has no closed form"
        size = log_states([problem.engine.model.layers[n] for n in listed])
        if size > limits.LOG2_LEAST:
            return f"it has 2^{size:.4g} states to list ({limits.LOG2_LEAST:.0f} is the most)"
        found = [_best(problem, row, out, listed) for row in range(problem.rows)]
        return Least({n: np.stack([one[n] for one in found]) for n in problem.free}, True)


def _best(problem: Problem, row: int, out: tuple[str, ...], listed: tuple[str, ...]) -> dict[str, Array]:
    """The free layers of one row. out: those at their likeliest values given the listed ones."""
    engine, least, best = problem.engine, np.inf, dict[str, Array]()
    for states in joint_states(engine, listed):
        x: Arrays = crossed(engine, problem.row(row), states) or {"": engine.xp.zeros((1, 0))}
        x |= {n: likeliest(engine.core, problem.params, x, n) for n in out}
        energies = problem.energy(x)
        place = int(np.argmin(energies))
        if not best or energies[place] < least:
            least, best = energies[place], {n: np.array(engine.host(x[n][place])) for n in problem.free}
    return best
