"""The energy of units of finite layers, taken apart: by factors, and where all have two values and meet in pairs, as a sum over bits.

E = constant + sum_i u_i x_i + sum_ij w_ij x_i x_j
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array
from energydsl.graph.scopes import TooDense
from energydsl.inference.least.record import Problem
from energydsl.program.elimination import eliminable
from energydsl.program.factors import Table, Units, tables


@dataclass(frozen=True)
class Factors:
    """units: of the free layers. found: of one row, the tables of log factors. constant: what no free unit changes."""

    units: Units
    found: Sequence[Table]
    constant: float

    @property
    def pairwise(self) -> bool:
        """Whether all units have two values and at most two stand in a factor."""
        return set(self.units.states) <= {2} and all(t.units.shape[1] <= 2 for t in self.found)


@dataclass(frozen=True)
class Pairs:
    """The sum over bits. u: (bits,); pairs: (pairs, 2), each once; w: (pairs,)."""

    constant: float
    u: Array
    pairs: Array
    w: Array


def factors(problem: Problem, row: int) -> Factors | None:
    """The factors of one row; None where a layer is not finite, or there are too many."""
    engine = problem.engine
    if engine.core is not engine or not eliminable(engine.derived, problem.free):
        return None
    units = Units(engine.derived, problem.free, limits.LISTED_PLACES)
    try:
        found, constant = tables(units, engine.core, problem.params, problem.row(row), engine.settings())
    except TooDense:
        return None
    host = [Table(t.units, np.asarray(engine.host(t.log)[0])) for t in found]
    return Factors(units, host, -float(engine.host(constant)[0]))


def pairs_of(given: Factors) -> Pairs:
    """The sum over bits of factors that are pairwise."""
    u, constant = np.zeros(len(given.units.states)), given.constant
    places, weights = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
    for table in given.found:
        energy = -table.log
        if table.units.shape[1] == 1:
            constant += float(energy[:, 0].sum())
            np.add.at(u, table.units[:, 0], energy[:, 1] - energy[:, 0])
            continue
        constant += float(energy[:, 0, 0].sum())
        np.add.at(u, table.units[:, 0], energy[:, 1, 0] - energy[:, 0, 0])
        np.add.at(u, table.units[:, 1], energy[:, 0, 1] - energy[:, 0, 0])
        places.append(np.sort(table.units, axis=1))
        weights.append(energy[:, 1, 1] - energy[:, 1, 0] - energy[:, 0, 1] + energy[:, 0, 0])
    pairs, number = np.unique(np.concatenate(places), axis=0, return_inverse=True)
    w = np.bincount(number.reshape(-1), np.concatenate(weights), len(pairs))
    return Pairs(constant, u, pairs, w)
