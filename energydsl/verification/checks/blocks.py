"""Units of a block are independent given the rest: no mixed difference of the energy is left inside a block.

E(a, a') - E(a, b') - E(b, a') + E(b, b') = 0

for two units of a block, of values a, b and a', b'.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from energydsl.verification.case import Case, Listed
from energydsl.verification.moves import another_value, with_value
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

NAME = "no mixed difference inside a block"
TOLERANCE = 1e-11
# Pairs of units a block where not all states can be listed.
_PAIRS = 12


def listed_blocks(case: Listed) -> Iterator[Check]:
    """Every pair of units of a block, every pair of their values, every state of the rest."""
    if not case.drawn:
        return
    table = case.energies.reshape(case.radices())
    axis = {unit: k for k, unit in enumerate(case.unit_names())}
    worst = 0.0
    for block in case.blocks():
        for a, b in itertools.combinations(block, 2):
            along = np.moveaxis(table, (axis[a], axis[b]), (0, 1))
            worst = max(worst, largest(along - along[:1] - along[:, :1] + along[:1, :1]))
    yield Check(NAME, worst / case.scale, TOLERANCE)


def sampled_blocks(case: Case) -> Iterator[Check]:
    """Some pairs of units of a block, each moved to one other value."""
    if not case.drawn:
        return
    worst, rng = 0.0, case.generator(NAME)
    for block in case.blocks():
        for _ in range(_PAIRS if len(block) > 1 else 0):
            (a, i), (b, k) = (block[n] for n in rng.choice(len(block), 2, replace=False))
            first = with_value(case, case.x, a, i, another_value(case, a))
            second, both = (with_value(case, x, b, k, another_value(case, b)) for x in (case.x, first))
            corners = [case.oracle.energy(case.params, x) for x in (first, second, both)]
            worst = max(worst, largest(case.energies - corners[0] - corners[1] + corners[2]))
    yield Check(NAME, worst / case.scale, TOLERANCE)
