"""The energy of the kernels is that of a walk over the expressions as they were written."""

from __future__ import annotations

from collections.abc import Iterator

from energydsl.verification.case import Case
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

NAME = "energy = tree walk"
TOLERANCE = 1e-11


def energies(case: Case) -> Iterator[Check]:
    """E(x) at every state, with term weights and consts but without beta, relative to the largest energy."""
    scalars = case.scalars
    found = case.program.energy(case.params, case.x, weights=scalars["weights"], consts=scalars["consts"])
    yield Check(NAME, largest(case.host(found) - case.energies) / case.scale, TOLERANCE)
