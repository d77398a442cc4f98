"""Exact samples of a model whose cheapest side can be listed: its states by their weights, the rest given them, Gaussian ones jointly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Arrays, Settings
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import NotApplicable, TooLarge
from energydsl.program import gaussian
from energydsl.program.engine import CoreEngine
from energydsl.program.exact import crossed, joint_states
from energydsl.program.states import random_state
from energydsl.random import Rng


def listable(engine: CoreEngine) -> bool:
    """Whether the states of the cheapest side are few enough to be kept in a list, all others summed out in closed form."""
    try:
        _, listed = engine.cheapest_sum(tuple(engine.model.random_layers()))
    except (TooLarge, NotApplicable):
        return False
    return log_states([engine.model.layers[n] for n in listed]) <= limits.LOG2_DRAWN


def exact_samples(
    engine: CoreEngine, p: Arrays, s: Settings, given: Mapping[str, Any], count: int, random: Rng
) -> Arrays:
    """`count` independent samples, by layer, for each row of the inputs, those of a row next to one another.

    given: the input layers, (rows, *layer), on the host. Asked for only where `listable` says so.
    """
    out, listed = engine.cheapest_sum(tuple(engine.model.random_layers()))
    held = {n: np.repeat(a, count, axis=0) for n, a in given.items()}
    rows = len(next(iter(given.values()))) if given else 1
    x = random_state(engine, rows * count, random, held)
    if listed:
        for row in range(rows):
            here = {n: engine.device(a[row : row + 1]) for n, a in given.items()}
            pieces, logs = [], []
            for states in joint_states(engine, listed):
                pieces.append({n: engine.host(a) for n, a in states.items()})
                logs.append(engine.host(engine.log_weights(p, crossed(engine, here, states), s, out)))
            log = np.concatenate(logs).astype(np.float64)
            upto = np.cumsum(np.exp(log - log.max()))
            uniform = random(np.empty(count, np.float64))
            chosen = np.minimum(np.searchsorted(upto, uniform * upto[-1], side="right"), len(upto) - 1)
            for name in listed:
                values = np.concatenate([piece[name] for piece in pieces])[chosen]
                x[name][row * count : (row + 1) * count] = engine.device(values)
    joint = engine.joint(out)
    for name in (n for n in out if n not in joint):
        engine.draw_layer(p, x, s, name, random)
    if joint:
        gaussian.draw(engine, p, x, s, joint, random)
    return x
