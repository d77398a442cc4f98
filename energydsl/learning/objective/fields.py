"""Objectives of the conditionals of all units at once, for models without latents.

Given the fields eta of every unit, a score of its conditional has the slope -delta in them, and
    d/dparam sum_i score_i = - sum_i delta_i . deta_i/dparam = d/dt dE/dparam(x + t delta) at t = 0:
the energy is multilinear in the statistics of distinct units. Along a line dE/dparam is a polynomial in t of the degree of the
energy, so its slope is a weighted sum of values at a few points, exactly (central differences).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.energy.terms import BASE
from energydsl.learning.objective.differences import Score, logarithmic
from energydsl.learning.objective.free_rows import RowState, free_rows, row_weights
from energydsl.program import Engine
from energydsl.program.mean_field import has_second_moments
from energydsl.random import Rng

# Weights of f(t) - f(-t) at t = 1, 2, ... that give f'(0) for every polynomial of twice so many degrees.
_CENTRAL = ((1 / 2,), (2 / 3, -1 / 12), (3 / 4, -3 / 20, 1 / 60))


def obstacle(derived: Derived, score: Score) -> str:
    """Why not all units have a conditional that is read off their fields, or nothing."""
    model = derived.model
    if model.by_role("hidden"):
        return "latents are summed out"
    for name in model.by_role("visible"):
        conditional, family = derived.conditionals.get(name), derived.families.get(name)
        if conditional is None or family is None or not conditional.linear:
            return f"`{name}` enters the energy by more than x and x^2"
        if family.parameter_per_state and not family.one_hot:
            return f"`{name}` has a table of fields"
        if score is not logarithmic and not (family.one_hot or DOMAINS[model.layers[name].domain.name].points):
            return f"`{name}` has more states than two"
    if degree(derived) > 2 * len(_CENTRAL):
        return "the energy has too many units in a term"
    return ""


def degree(derived: Derived) -> int:
    """The most different units in a term."""
    return max((len(t.monomial.distinct_units()) for t in derived.energy.terms if t.label != BASE), default=0)


@dataclass
class FieldState(RowState):
    """data: the batch, by layer, (batch, *layer). moments: of the visible layers given the rest. share: what each row counts, (batch,)."""

    data: Arrays
    moments: Moments
    share: Array
    random: Rng
    nodes: tuple[float, ...]


def init(engine: Engine, batch: int, random: Rng) -> FieldState:
    """Buffers for both sides of each point, for batches of so many rows."""
    nodes = _CENTRAL[max(0, (degree(engine.derived) - 1) // 2)]
    rows = free_rows(engine, 2 * len(nodes) * batch, ())
    xp, layers = engine.xp, engine.model.layers
    data = {n: xp.zeros((batch, *layer.energy_shape), engine.dtype) for n, layer in layers.items()}
    visible = engine.model.by_role("visible")
    squares = {n: xp.zeros_like(data[n]) for n in visible if has_second_moments(engine, n)}
    moments = Moments({n: xp.zeros_like(data[n]) for n in visible}, squares)
    return FieldState([rows], xp.zeros((), np.float64), data, moments, row_weights(engine, batch, None), random, nodes)


def step(state: FieldState, params: Arrays, score: Score) -> None:
    """Fill in the rows on both sides of the data, along the slope of the score of every unit."""
    [rows] = state.parts
    engine, data, s = rows.engine, state.data, rows.settings
    batch = len(state.share)
    value: Any = 0.0
    turns: dict[str, tuple[Any, Array | None]] = {}
    for name in engine.model.by_role("visible"):
        etas = engine.fields(params, data, name, s)
        worth, first, second = _scored(engine, state, name, etas, score)
        value = value + worth
        turns[name] = first, second
    state.value[...] = (state.share * value).sum()
    for number, weight in enumerate(state.nodes):
        for side, sign in enumerate((1.0, -1.0)):
            here = slice((2 * number + side) * batch, (2 * number + side + 1) * batch)
            rows.row[here] = sign * weight * state.share
            for name, values in data.items():
                along = sign * (number + 1)
                slope, bend = turns.get(name, (0.0, None))
                rows.x[name][here] = values + along * slope
                if name in rows.x.second:
                    rows.x.second[name][here] = values**2 if bend is None else values**2 + along * bend


def _scored(
    engine: Engine, state: FieldState, name: str, etas: tuple[Array, ...], score: Score
) -> tuple[Array, Array, Array | None]:
    """The score of the units of a layer, added up, (batch,), and its slopes, less the sign, in their statistics x and x^2."""
    xp, x, family = engine.xp, state.data[name], engine.derived.families[name]
    if score is logarithmic:
        kernels, moments = engine.kernels.layers[name], state.moments
        kernels.moments(moments, *etas)
        shape = (len(x), *engine.model.layers[name].shape)
        value = xp.broadcast_to(kernels.log_partition(*etas), shape).reshape(len(x), -1).sum(axis=1)
        powers = (1,) if family.one_hot else family.powers
        for power, eta in zip(powers, etas, strict=True):
            value = value - (eta * x**power).reshape(len(x), -1).sum(axis=1)
        if family.factorial_base:
            value = value + engine.kernels.lgamma(x + 1.0).reshape(len(x), -1).sum(axis=1)
        second = x**2 - moments.second[name] if name in moments.second else None
        return value, x - moments[name], second
    [eta] = etas
    if family.one_hot:
        own = (eta * x).sum(axis=-1, keepdims=True)
        worth, slope = score(xp, xp.where(x > 0.5, -math.inf, eta - own))
        first = x * slope.sum(axis=-1, keepdims=True) - slope
    else:
        points = DOMAINS[engine.model.layers[name].domain.name].points
        assert points, "see `obstacle`"
        low, high = points
        other = low + high - x
        worth, slope = score(xp, (eta * (other - x))[..., None])
        first = slope[..., 0] * (x - other)
    return worth.reshape(len(x), -1).sum(axis=1), first, None
