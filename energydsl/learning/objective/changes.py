"""Objectives of single changes: the free energy of rows with a block of units in each of its other states.

For models with latents, functions of several units, or blocks of more than one unit. Where there are more units than are
changed in an update, blocks are drawn anew for each, so that gradients are right on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import NotApplicable
from energydsl.domains import DOMAINS
from energydsl.learning.objective.differences import Score
from energydsl.learning.objective.free_rows import RowState, free_rows, latents_out, row_weights
from energydsl.model.records import Layer
from energydsl.program import Engine
from energydsl.random import Rng


@dataclass(frozen=True)
class Changed:
    """The changes of one layer: so many blocks of so many units, and the shifts of each, (other states, units of a block).

    rows: where its rows begin. scale: how many blocks each stands for.
    """

    layer: Layer
    blocks: int
    shifts: Array
    rows: int
    scale: float


@dataclass
class ChangeState(RowState):
    """data: the batch, by layer. share: what each of its rows counts, (batch,). changed: a layer each."""

    data: Arrays
    share: Array
    changed: tuple[Changed, ...]
    random: Rng


def init(engine: Engine, batch: int, random: Rng, size: int, units: int) -> ChangeState:
    """Buffers: the batch, then every block in every other state. size: units of a block; units: how many are changed, at most.

    Raises `NotApplicable` where a latent is left, a visible layer has infinitely many states, or a block too many.
    """
    out = latents_out(engine, "changes of single units need F")
    visible = [engine.model.layers[n] for n in engine.model.by_role("visible")]
    whole, begin, changed = sum(layer.size for layer in visible), batch, []
    for layer in visible:
        states = _states(layer)
        most = min(size, layer.size)
        if states**most > limits.DISCRIMINATED_STATES:
            raise NotApplicable(
                f"{most} units of `{layer.name}` have {states**most:,} joint states ({limits.DISCRIMINATED_STATES} are the most)"
            )
        blocks = min(layer.size // most, max(1, round(units * layer.size / (whole * most))))
        shifts = np.stack(np.unravel_index(np.arange(1, states**most), (states,) * most), axis=1)
        changed.append(Changed(layer, blocks, shifts, begin, layer.size / (blocks * most)))
        begin += blocks * len(shifts) * batch
    rows = free_rows(engine, begin, out)
    data = {n: rows.x[n][:batch] for n in engine.model.layers if n not in out}
    value = engine.xp.zeros((), np.float64)
    return ChangeState([rows], value, data, row_weights(engine, batch, None), tuple(changed), random)


def step(state: ChangeState, params: Arrays, score: Score) -> None:
    """Fill in the rows, their free energies, and what each counts in the gradient."""
    [rows] = state.parts
    engine, batch = rows.engine, len(state.share)
    xp = engine.xp
    state.random.next()
    for name in state.data:
        rest = rows.x[name][batch:]
        rest.reshape(-1, batch, *rest.shape[1:])[...] = state.data[name]
    for change in state.changed:
        _change(state, change)
    rows.square(tuple(state.data))
    free = rows.free_energies(params)
    value: Any = 0.0
    rows.row[:batch] = 0.0
    for change in state.changed:
        shape = (change.blocks, len(change.shifts), batch)
        here = slice(change.rows, change.rows + change.blocks * len(change.shifts) * batch)
        d = (free[:batch] - free[here].reshape(shape)).transpose(0, 2, 1)
        worth, slope = score(xp, d)
        slope = slope * (change.scale * state.share)[:, None]
        value = value + change.scale * worth.sum(axis=0)
        rows.row[here] = -slope.transpose(0, 2, 1).reshape(-1)
        rows.row[:batch] += slope.sum(axis=(0, 2))
    state.value[...] = (state.share * value).sum()


def _change(state: ChangeState, change: Changed) -> None:
    """Put blocks of a layer in their other states, in the rows that are theirs."""
    engine, layer, batch = state.parts[0].engine, change.layer, len(state.share)
    xp = engine.xp
    # Blocks are the same for all rows, in whichever shard these are.
    first, state.random.chain = state.random.chain, 0
    order = np.argsort(state.random(np.empty((1, layer.size)))[0])
    state.random.chain = first
    width = change.shifts.shape[1]
    units = xp.asarray(order[: change.blocks * width].reshape(change.blocks, width))
    count = change.blocks * len(change.shifts)
    x = state.parts[0].x[layer.name][change.rows : change.rows + count * batch]
    flat = x.reshape(change.blocks, len(change.shifts), batch, layer.size, -1)
    blocks = xp.arange(change.blocks)
    for number, shifts in enumerate(change.shifts.tolist()):
        for unit, shift in enumerate(shifts):
            here = flat[:, number]
            here[blocks, :, units[:, unit]] = _shifted(engine, layer, here[blocks, :, units[:, unit]], shift)


def _shifted(engine: Engine, layer: Layer, values: Array, shift: int) -> Array:
    """Values (..., entries of a unit) moved on by so many states, round and round."""
    domain, xp = DOMAINS[layer.domain.name], engine.xp
    if domain.one_hot:
        states = values.shape[-1]
        return values[..., (xp.arange(states) - shift) % states]
    low, high = domain.bounds(layer.domain.arguments) if not domain.points else domain.points
    if domain.points:
        return low + high - values if shift else values
    return low + xp.mod(values - low + shift, _states(layer))  # type: ignore[no-any-return]


def _states(layer: Layer) -> int:
    """How many states a unit has. Raises `NotApplicable` where they are infinitely many."""
    domain = DOMAINS[layer.domain.name]
    if not domain.finite:
        raise NotApplicable(f"`{layer.name}` has infinitely many states: its units have no other ones to compare with")
    return 2 if domain.points and not domain.one_hot else layer.field_shape[-1]
