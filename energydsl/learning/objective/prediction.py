"""The gradient of -log p(y | v) for one visible layer y of few states, exactly.

    d(-log p(y | v))/dparam = <dE/dparam>_(h | v, y) - sum_k p(k | v) <dE/dparam>_(h | v, k)

(Larochelle & Bengio 2008, eq. 8). Every row of data stands K times in one batch, once with each state k of y, with weight
1[k = y] - p(k | v) over the number of rows; the latents are replaced by their conditional means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.derive import Derived
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import ArgumentError, NotApplicable, suggestion
from energydsl.learning.objective.free_rows import ByRows, RowState, free_rows, latents_out, row_weights
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base
from energydsl.program import Engine
from energydsl.program.exact import joint_states
from energydsl.random import Rng


@dataclass
class AllStates(RowState):
    """parts: one, of (K * batch) rows: the states of a layer in turn, each with all rows of data.

    states: (K, *layer). truth: 1[k = y], (K, batch). share: what each row of data counts, (batch,).
    """

    states: Array
    truth: Any
    share: Array


@dataclass(frozen=True)
class Prediction(ByRows[AllStates]):
    """-log p(layer | all other visible layers)."""

    layer: str
    likelihood = True

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> AllStates:
        """The buffers. Raises `ArgumentError` for a layer that is not visible, `NotApplicable` where no sum is exact."""
        _check(engine.derived, self.layer)
        [found] = joint_states(engine, (self.layer,))
        states = engine.host(found[self.layer])
        out = latents_out(engine, f"p({self.layer} | ...) has no exact gradient")
        rows = free_rows(engine, batch * len(states), out)
        rows.x[self.layer][...] = engine.xp.asarray(np.repeat(states, batch, axis=0), engine.dtype)
        truth = engine.xp.zeros((len(states), batch), engine.dtype)
        return AllStates([rows], engine.xp.zeros(()), states, truth, row_weights(engine, batch, None))

    def load(self, state: AllStates, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch of data to every state's rows."""
        [rows], (count, batch) = state.parts, state.truth.shape
        engine = rows.engine
        for name, array in data.items():
            if name == self.layer:
                wanted = engine.host(array).reshape(batch, -1)
                same = [(wanted == one.reshape(-1)).all(axis=1) for one in state.states]
                engine.kernels.load(state.truth, np.stack(same))
            else:
                whole = rows.x[name].reshape(count, batch, *array.shape[1:])
                engine.kernels.load(whole[0], array)
                whole[1:] = whole[:1]
        if weights is not None:
            state.share[...] = row_weights(engine, batch, weights)
        rows.square(engine.model.by_role("visible"))

    def step(self, state: AllStates, params: Arrays) -> None:
        """Fill in the means of the latents and the weights of the rows."""
        [rows], xp = state.parts, state.parts[0].engine.xp
        logits = -rows.free_energies(params).reshape(state.truth.shape)
        top = logits.max(axis=0, keepdims=True)
        weights = xp.exp(logits - top)
        whole = weights.sum(axis=0, keepdims=True)
        rows.row[...] = ((state.truth - weights / whole) * state.share).reshape(-1)
        state.value[...] = (state.share * (top + xp.log(whole) - (state.truth * logits).sum(axis=0))[0]).sum()


def _check(derived: Derived, layer: str) -> None:
    """Raises `ArgumentError` for a layer that is not visible, `NotApplicable` where p(layer | the others) is not exact."""
    model = derived.model
    known = model.by_role("visible")
    if layer not in known:
        raise ArgumentError(f"there is no visible layer `{layer}` to predict. {suggestion(layer, known)}".strip())
    if log_states([model.layers[layer]]) > math.log2(limits.DISCRIMINATED_STATES):
        raise NotApplicable(f"`{layer}` has too many joint states ({limits.DISCRIMINATED_STATES} are the most)")
