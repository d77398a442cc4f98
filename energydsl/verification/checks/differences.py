"""Differences of the energy are log odds of the conditionals.

log p(a | rest) - log p(b | rest) = beta (E(b, rest) - E(a, rest))

for two values a, b of one unit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energydsl.verification.case import Case, Listed
from energydsl.verification.conditionals import log_conditionals
from energydsl.verification.log_odds import log_odds
from energydsl.verification.moves import another_value, with_value
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

NAME = "energy differences = log odds"
TOLERANCE = 1e-11
# Units a layer that are moved where not all states can be listed.
_UNITS = 12


def listed_differences(case: Listed) -> Iterator[Check]:
    """Of every unit, every pair of its values, every state of the rest."""
    if not case.drawn:
        return
    worst = 0.0
    table = case.exponents.reshape(case.radices())
    for axis, (name, unit) in enumerate(case.unit_names()):
        if name not in case.drawn:
            continue
        logits = log_conditionals(case, name)[:, unit, :]
        others = np.moveaxis(table, axis, -1).reshape(-1, table.shape[axis])
        expected = others[:, :1] - others
        found = np.moveaxis(logits.reshape(*table.shape, -1), axis, -2).reshape(len(others), table.shape[axis], -1)
        worst = max(worst, largest(found - found[:, :, :1] - expected[:, None, :]))
    yield Check(NAME, worst / case.scale, TOLERANCE)


def sampled_differences(case: Case) -> Iterator[Check]:
    """Of some units, moved from where they are to one other value."""
    if not case.drawn:
        return
    worst, rng = 0.0, case.generator(NAME)
    at_rest = case.oracle.exponent(case.params, case.x, case.beta)
    for name, layer in case.drawn.items():
        etas = case.natural_parameters(case.x, name)
        for unit in rng.permutation(layer.size)[:_UNITS]:
            moved = with_value(case, case.x, name, int(unit), another_value(case, name))
            gap = case.oracle.exponent(case.params, moved, case.beta) - at_rest
            for row in range(case.rows):
                one = slice(row, row + 1)
                odds = log_odds(
                    case.engine, layer, int(unit), tuple(e[one] for e in etas), case.x[name][one], moved[name][one]
                )
                worst = max(worst, largest(odds + gap[row]))
    yield Check(NAME, worst / case.scale, TOLERANCE)
