"""Two chains drawn together, so that they become one in finite time, each by its own law (Jacob, O'Leary & Atchade 2020).

Units of finitely many states are drawn from a maximal coupling of their conditionals p and q: they differ with probability
1 - sum_k min(p_k, q_k), and no coupling makes that less. Two values are so by inversion with one uniform number for both. Of more
states, m = min(p, q) comes first for both chains, then p - m for one and q - m for the other: both take the same state
where the number is below sum_k m_k. Inversion in the order of the states would part them wherever anything before a state has moved.

All other units are drawn as the kernels draw them, from the same numbers: they are equal where their neighbours are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive.records import BlockPart
from energydsl.domains import DOMAINS
from energydsl.program.engine import CoreEngine
from energydsl.program.samplers.record import uniforms
from energydsl.random import Rng

Pair = tuple[Arrays, Arrays]


def sweep_together(
    engine: CoreEngine,
    parts: Sequence[BlockPart],
    p: Arrays,
    pair: Pair,
    s: Settings,
    random: Rng,
    means: tuple[Moments, Moments],
) -> None:
    """A Gibbs sweep of two batches in place, chain by chain together; conditional moments of the layers in `means` go there.

    pair: states by layer, (chains, *layer), as many of both. means: of each, of layers that are drawn last and whole.
    """
    random.next()
    with engine.single_threaded_blas():
        for part in parts:
            if engine.derived.conditionals[part.layer].distribution.parameter_per_state:
                for x, moments in zip(pair, means, strict=True):
                    if part.layer in moments:
                        engine.kernels.layers[part.layer].means(p, x, s, engine.workspace, moments)
                _draw_states(engine, part, p, pair, s, random)
                continue
            block = random.block
            for x, moments in zip(pair, means, strict=True):
                random.block = block
                last = moments if part.layer in moments else None
                engine.kernels.update(part, p, x, s, random, engine.workspace, last)


def maximal(xp: Any, p: Array, q: Array, u: Array) -> tuple[Array, Array]:
    """States drawn from p and from q, (...), that are equal as often as can be.

    p, q: probabilities, (..., states), float64. u: uniform numbers, (...).
    """
    states = p.shape[-1]
    both = xp.minimum(p, q)

    def drawn(own: Array) -> Array:
        upto = xp.concatenate([both, own - both], axis=-1).cumsum(axis=-1)
        place = (upto <= u[..., None]).sum(axis=-1)
        return xp.minimum(place, 2 * states - 1) % states  # type: ignore[no-any-return]

    return drawn(p), drawn(q)


def _draw_states(engine: CoreEngine, part: BlockPart, p: Arrays, pair: Pair, s: Settings, random: Rng) -> None:
    """Draw the units of a part, each of which has a natural parameter for every state."""
    layer = engine.model.layers[part.layer]
    domain, chains = DOMAINS[layer.domain.name], len(pair[0][part.layer])
    uniform = uniforms(engine, random, (chains, layer.size))
    for units in _together(engine, part):
        one, other = (_probabilities(engine, part, p, x, s, units) for x in pair)
        for x, state in zip(pair, maximal(engine.xp, one, other, uniform[:, units]), strict=True):
            flat = x[part.layer].reshape(chains, layer.size, *layer.energy_shape[len(layer.shape) :])
            if domain.one_hot:
                flat[:, units] = state[..., None] == engine.xp.arange(one.shape[-1])
            else:
                flat[:, units] = state + domain.bounds(layer.domain.arguments)[0]


def _together(engine: CoreEngine, part: BlockPart) -> Iterator[Any]:
    """The units of a part that are drawn at once, as an index into the flat layer."""
    if part.kind == "scan":
        yield from (slice(unit, unit + 1) for unit in range(engine.model.layers[part.layer].size))
        return
    coloured = engine.kernels.layers[part.layer].units
    yield slice(None) if coloured is None else coloured[part.colour]


def _probabilities(engine: CoreEngine, part: BlockPart, p: Arrays, x: Arrays, s: Settings, units: Any) -> Array:
    """Of every state of some units given the rest, (chains, units, states), float64."""
    layer, kernels, xp = engine.model.layers[part.layer], engine.kernels.layers[part.layer], engine.xp
    chains = len(x[part.layer])
    if part.kind == "scan":
        at = map(int, np.unravel_index(units.start, layer.shape))
        eta = kernels.unit_fields[0](p, x, s, engine.workspace, *at)[:, None]
    else:
        (eta,) = kernels.fields(p, x, s, engine.workspace)
        eta = xp.broadcast_to(eta, (chains, *layer.field_shape)).reshape(chains, layer.size, -1)[:, units]
    weights = xp.exp(eta.astype(np.float64) - eta.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]
