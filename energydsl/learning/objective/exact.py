"""Exact maximum likelihood: both expectations of d(-log p)/dparam = <dE/dparam>_data - <dE/dparam>_model by enumeration.

What a closed form sums out is replaced by its conditional means; the rest is listed, state by state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.derive.free_energy import log_states, summable_sets
from energydsl.diagnostics import TooLarge
from energydsl.learning.objective.free_rows import ByRows, FreeRows, RowState, free_rows, row_weights
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base
from energydsl.program import Engine
from energydsl.program.exact import joint_states
from energydsl.random import Rng


@dataclass
class ExactState(RowState):
    """parts: the data, each row with all listed states of its latents; and all listed states of the model, for each row of the
    inputs where there are such. posterior, states: how many a row has. share: what each row of data counts, (batch,).
    floors: what is added to the squares of the data, by layer.
    """

    posterior: int
    states: int
    share: Array
    floors: Mapping[str, Array]


@dataclass(frozen=True)
class ExactLikelihood(ByRows[ExactState]):
    """-log p(data), with its true gradient."""

    likelihood = True
    undivided = "its sum over all states would be made anew in every shard"
    without_population = "it lists states of some layers only, the others as means"

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> ExactState:
        """All states. Raises `TooLarge` where they are too many, `NotApplicable` where a layer can be neither listed nor summed out."""
        inputs = engine.model.by_role("input")
        given, posterior = _listed(engine, engine.model.by_role("hidden"), batch)
        whole, states = _listed(engine, tuple(engine.model.random_layers()), batch if inputs else 1)
        xp = engine.xp
        kept = {n: engine.device(f) for n, f in floors.items() if n in engine.model.layers}
        return ExactState(
            [given, whole], xp.zeros((), np.float64), posterior, states, row_weights(engine, batch, None), kept
        )

    def load(self, state: ExactState, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch, every row as often as its latents have states; the inputs to the states of the model too."""
        given, whole = state.parts
        engine, batch = given.engine, len(state.share)
        if weights is not None:
            state.share[...] = row_weights(engine, batch, weights)
        inputs = engine.model.by_role("input")
        for part, count, names in ((given, state.posterior, tuple(data)), (whole, state.states, inputs)):
            for name in names:
                rows = part.x[name].reshape(count, batch, *data[name].shape[1:])
                engine.kernels.load(rows[0], data[name])
                rows[1:] = rows[:1]
        given.square(tuple(data))
        for name, floor in state.floors.items():
            if name in data and name in given.x.second:
                given.x.second[name] += floor

    def step(self, state: ExactState, params: Arrays) -> None:
        """The probabilities of all states, given the data and without them."""
        given, whole = state.parts
        xp, batch = given.engine.xp, len(state.share)
        log_data, p = _normalised(xp, -given.free_energies(params).reshape(state.posterior, batch))
        given.row[...] = (p * state.share).reshape(-1)
        log_z, q = _normalised(xp, -whole.free_energies(params).reshape(state.states, -1))
        share = state.share if whole.engine.model.by_role("input") else state.share.sum()
        whole.row[...] = -(q * share).reshape(-1)
        state.value[...] = (state.share * (log_z - log_data)).sum()


def _listed(engine: Engine, over: tuple[str, ...], rows: int) -> tuple[FreeRows, int]:
    """Rows for all states of the layers of `over` that no closed form sums out, so many times over; and their number."""
    core = engine.core
    candidates = [n for n in over if n in core.derived.conditionals and core.derived.conditionals[n].linear]
    sets = summable_sets(core.model, core.derived.energy, candidates)

    def size(out: tuple[str, ...]) -> float:
        return log_states([core.model.layers[n] for n in over if n not in out])

    out = min(sets, key=size)
    listed = tuple(n for n in over if n not in out)
    if size(out) > math.log2(limits.LISTED_STATES):
        raise TooLarge(f"the exact gradient lists 2^{size(out):.4g} states; at most {limits.LISTED_STATES:,} are")
    chunks = list(joint_states(core, listed)) if listed else []
    count = sum(len(next(iter(chunk.values()))) for chunk in chunks) or 1
    if count * rows > limits.LISTED_ROWS:
        raise TooLarge(
            f"the exact gradient lists {count:,} states for {rows:,} rows; at most {limits.LISTED_ROWS:,} in all are. Take "
            "a smaller batch, or another objective"
        )
    part = free_rows(engine, count * rows, out)
    for name in listed:
        states = engine.xp.concatenate([chunk[name] for chunk in chunks])
        part.x[name].reshape(count, rows, *states.shape[1:])[...] = states[:, None]
    part.square(listed)
    return part, count


def _normalised(xp: Any, logs: Array) -> tuple[Array, Array]:
    """log of the sum over the first axis of exp, and exp over that sum."""
    top = logs.max(axis=0, keepdims=True)
    weights = xp.exp(logs - top)
    whole = weights.sum(axis=0, keepdims=True)
    return (top + xp.log(whole))[0], weights / whole
