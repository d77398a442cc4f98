"""Objectives of what single units, or blocks of them, do given the rest: pseudolikelihood and its kin.

All are scores of the conditional distributions of the model, none of which needs Z. Where all fields are there at once they are
read off them (`fields`), else from free energies of changed rows (`changes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.learning.objective import changes, fields
from energydsl.learning.objective.differences import SCORES
from energydsl.learning.objective.free_rows import ByRows, draw_states, row_weights
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base
from energydsl.program import Engine
from energydsl.random import Rng

ConditionalState = fields.FieldState | changes.ChangeState


@dataclass(frozen=True)
class Conditionals(ByRows[ConditionalState]):
    """The sum over units of a score of p(unit | all other visible ones).

    score: "logarithmic" (pseudolikelihood), "quadratic" (ratio matching) or "flow" (minimum probability flow). size: units of
    a block, drawn together; units: how many are changed in an update, where not all are read off their fields.
    """

    score: str = "logarithmic"
    size: int = 1
    units: int = defaults.CHANGED_UNITS

    def repeats(self, state: ConditionalState) -> bool:
        """Not where blocks are drawn anew, by sorting."""
        return isinstance(state, fields.FieldState)

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> ConditionalState:
        """Buffers. Raises `NotApplicable` where neither way fits."""
        if self.size == 1 and not fields.obstacle(engine.derived, SCORES[self.score]):
            return fields.init(engine, batch, random)
        return changes.init(engine, batch, random, self.size, self.units)

    def load(self, state: ConditionalState, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch."""
        engine = state.parts[0].engine
        for name, array in data.items():
            engine.kernels.load(state.data[name], array)
        if weights is not None:
            state.share[...] = row_weights(engine, len(state.share), weights)
        state.random.next()
        draw_states(engine, state.data, state.random)

    def step(self, state: ConditionalState, params: Arrays) -> None:
        """Fill in rows whose weighted sum of dF/dparam is the gradient."""
        if isinstance(state, changes.ChangeState):
            changes.step(state, params, SCORES[self.score])
        else:
            fields.step(state, params, SCORES[self.score])
