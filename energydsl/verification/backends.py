"""Sweeps of one backend are those of NumPy on the same random stream."""

from __future__ import annotations

import numpy as np

from energydsl.derive import Derived
from energydsl.options import Backend
from energydsl.program import Program
from energydsl.program.undirected import Undirected
from energydsl.random import Rng
from energydsl.verification.case import all_states
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

_CHAINS, _SWEEPS = 50, 3


def same_sweeps(derived: Derived, seed: int, backend: Backend) -> Check:
    """The largest difference of states after some sweeps from the same states, relative from 1 on."""
    case = all_states(derived, seed)
    start = case.program.init_state(case.params, _CHAINS, seed, dict(case.inputs))
    states = []
    for name in ("numpy", backend):
        program = Program(Undirected(derived, name, "float64"))
        after = program.gibbs(case.params, start, _SWEEPS, rng=Rng(seed), **case.scalars)
        states.append({n: program.engine.host(a) for n, a in after.items()})
    error = max(largest((a - states[1][n]) / np.maximum(1.0, np.abs(a))) for n, a in states[0].items())
    return Check(f"sweeps on {backend} = sweeps on numpy", error, 1e-9)
