"""The free energy is minus the log of the sum of exp(-beta E) over the layers that are summed out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from energydsl.diagnostics import TooLarge
from energydsl.verification.case import Listed
from energydsl.verification.integrals import log_integral
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest


def free_energy(case: Listed) -> Iterator[Check]:
    """F at some states, relative to its size from 1 on; nothing where the oracle's integral is too large."""
    out = case.derived.free_energy.summed_out
    rest = [n for n in case.units if n not in out]
    if not rest:
        return
    rows = case.generator("free energy").integers(0, case.rows, 12)
    held = {n: case.states[n][rows] for n in rest}
    found = case.program.free_energy(case.params, case.with_inputs(held, len(rows)), **case.scalars)
    with contextlib.suppress(TooLarge):
        wanted = -log_integral(case, held, list(out))
        name = "free energy = -log of the sum" if out else "free energy = beta E"
        yield Check(name, largest((case.host(found) - wanted) / np.maximum(1.0, np.abs(wanted))), 1e-9)
