"""Whether the energy is a number where a run begins, and if not, which parameter is to blame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import TrainingError
from energydsl.program import Engine
from energydsl.program.states import random_state
from energydsl.random import Rng

_ROWS = 10


def check_start(
    program: Engine, params: Arrays, given: Mapping[str, Array], random: Rng, gradients: bool = True
) -> None:
    """Raises `TrainingError` where the energy of some rows, or its gradient, is not finite at the parameters."""
    rows = {n: a[:_ROWS] for n, a in given.items()}
    state = random_state(program, len(next(iter(rows.values()))) if rows else _ROWS, random, rows)
    if _finite(program, params, state, gradients):
        return
    for name, value in params.items():
        if _finite(program, {**params, name: program.xp.ones_like(value)}, state, gradients):
            here = program.host(value)
            shown = f"is {here.flat[0]:g}" if (here == here.flat[0]).all() else "has such values"
            raise TrainingError(
                f"the energy is not a finite number at the start: parameter `{name}` {shown} there. "
                f"Begin elsewhere, as by {name} = 1 where it is declared"
            )
    raise TrainingError("the energy is not a finite number at the start, for these parameters and data")


def _finite(program: Engine, params: Arrays, state: Arrays, gradients: bool) -> bool:
    with np.errstate(all="ignore"):
        found = list(program.term_energies(params, state).values())
        found += program.energy_gradient(params, state, program.settings()).values() if gradients else ()
        return all(bool(np.isfinite(program.host(a)).all()) for a in found)
