"""Mean field: a fully factorised approximation of p(latents | data), and the bound on log p~(data) that it gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive.records import BlockPart
from energydsl.diagnostics import NotApplicable
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.program.engine import Engine, MeanField
from energydsl.program.marginals import exponent


def mean_field(
    engine: Engine, p: Arrays, data: Arrays, s: Settings, tolerance: float, max_iterations: int
) -> MeanField:
    """Blocks are updated in turn, mu_k = E[T_k] at eta(mu), each of which can only raise the bound <-beta E> + entropy.

    Saul, Jaakkola & Jordan (1996). data: all layers but the hidden ones. Raises `NotApplicable`.
    """
    hidden = engine.model.by_role("hidden")
    if not hidden:
        raise NotApplicable("mean field needs a hidden layer")
    count = len(next(iter(data.values())))
    layers = engine.model.layers
    empty = {n: engine.xp.empty((count, *layers[n].energy_shape), engine.dtype) for n in hidden}
    x = Moments({**data, **empty}, {n: engine.xp.empty_like(empty[n]) for n in hidden if has_second_moments(engine, n)})
    initial_moments(engine, x, hidden)
    parts = engine.parts(frozenset(layers) - set(hidden))
    with engine.single_threaded_blas():
        iterations, residuals = mean_field_sweeps(engine, p, x, s, parts, max_iterations, tolerance)
    bound = -exponent(engine.kernels.energy(p, x, s), s) + _factorial_weights(engine, x, hidden)
    for name in hidden:
        kernels = engine.kernels.layers[name]
        eta = kernels.fields(p, x, s, engine.workspace)
        entropy = engine.xp.broadcast_to(kernels.entropy(*eta), (count, *layers[name].shape))
        bound = bound + entropy.reshape(count, -1).sum(axis=1)
    worst = float(residuals.max(initial=0.0))
    return MeanField({n: x[n] for n in hidden}, bound, iterations, worst, residuals)


def has_second_moments(engine: Engine, layer: str) -> bool:
    """Whether the squares of the units of a layer are statistics of their family."""
    return 2 in engine.derived.conditionals[layer].distribution.powers


def initial_moments(engine: Engine, x: Moments, layers: Iterable[str]) -> None:
    """Moments from which mean field starts, written into x. Raises `NotApplicable` where x and x^2 are not all."""
    for name in layers:
        conditional = engine.derived.conditionals[name]
        if not conditional.linear:
            raise NotApplicable(
                f"mean field has the moments of {conditional.family} units only, and `{name}` "
                "enters the energy by other functions"
            )
        mean = neutral_mean(engine.model.layers[name])
        _begin(engine, f"mean:{name}", x[name], mean)
        if has_second_moments(engine, name):
            _begin(engine, f"square:{name}", x.second[name], mean**2 + 1.0)


def _begin(engine: Engine, name: str, target: Array, value: float) -> None:
    """Fill an array, in a region too."""
    start = engine.workspace(f"begin {name}", target.shape)
    start[...] = value
    engine.kernels.load(target, start)


def neutral_mean(layer: Layer) -> float:
    """Where mean field starts: the middle of a layer's values."""
    domain = DOMAINS[layer.domain.name]
    if domain.one_hot:
        return 1.0 / layer.energy_shape[-1]
    low, high = domain.bounds(layer.domain.arguments) if not domain.points else domain.points
    if math.isinf(high):
        return 1.0 if domain.nonnegative else 0.0
    return 0.5 * (low + high)


def mean_field_sweeps(
    engine: Engine,
    p: Arrays,
    x: Moments,
    s: Settings,
    parts: Sequence[BlockPart],
    iterations: int,
    tolerance: float = 0.0,
) -> tuple[int, Array]:
    """Mean-field updates of parts in turn, in place on checked arguments, until no moment moves by more than `tolerance`.

    Returns the number of iterations and the last largest change of each row; with tolerance 0 nothing is measured.
    """
    rows = len(next(iter(x.values())))
    if not tolerance and engine.straight(parts):
        with engine.single_threaded_blas(), engine.kernels.region():
            for _ in range(iterations):
                for part in parts:
                    _update_layer(engine, p, x, s, part)
        return iterations, np.zeros(rows)
    residuals, done = np.zeros(rows), 0
    while done < iterations and (not done or not tolerance or residuals.max(initial=0.0) > tolerance):
        residuals = np.zeros(rows)
        for part in parts:
            before = engine.xp.array(x[part.layer]) if tolerance else None
            _UPDATES[part.kind](engine, p, x, s, part)
            if before is not None:
                change = engine.host(abs(x[part.layer] - before)).reshape(rows, -1)
                residuals = np.maximum(residuals, change.max(axis=1, initial=0.0))
        done += 1
    return done, residuals


def _update_layer(engine: Engine, p: Arrays, x: Moments, s: Settings, part: BlockPart) -> None:
    engine.kernels.layers[part.layer].means(p, x, s, engine.workspace, x)


def _update_colour(engine: Engine, p: Arrays, x: Moments, s: Settings, part: BlockPart) -> None:
    name, kernels, xp = part.layer, engine.kernels.layers[part.layer], engine.xp
    squares = {name: xp.array(x.second[name])} if name in x.second else {}
    moved = Moments({name: xp.array(x[name])}, squares)
    kernels.means(p, x, s, engine.workspace, moved)
    assert kernels.units is not None
    layer = engine.model.layers[name]
    mask = xp.zeros(layer.size, bool)
    mask[kernels.units[part.colour]] = True
    mask = mask.reshape(layer.shape + (1,) * (len(layer.energy_shape) - len(layer.shape)))
    x[name][...] = xp.where(mask, moved[name], x[name])
    for key, new in moved.second.items():
        x.second[key][...] = xp.where(mask, new, x.second[key])


def _update_units(engine: Engine, p: Arrays, x: Moments, s: Settings, part: BlockPart) -> None:
    name, kernels, layer = part.layer, engine.kernels.layers[part.layer], engine.model.layers[part.layer]
    for unit in np.ndindex(*layer.shape):
        eta = [field(p, x, s, engine.workspace, *unit) for field in kernels.unit_fields]
        shaped = [e[:, None] if layer.field_shape == layer.shape else e[:, None, :] for e in eta]
        at = (slice(None), *unit)
        x[name][at] = kernels.mean(*shaped)[:, 0]
        if has_second_moments(engine, name):
            x.second[name][at] = x[name][at] ** 2 + kernels.variance(*shaped)[:, 0]


_UPDATES = {"whole": _update_layer, "colours": _update_colour, "scan": _update_units}


def _factorial_weights(engine: Engine, x: Arrays, hidden: Sequence[str]) -> Any:
    """sum of lgamma(mean + 1) of the latents with a base measure: their entropy is relative to it, so it must go."""
    total: Any = 0.0
    for name in hidden:
        if engine.derived.conditionals[name].distribution.factorial_base:
            values = x[name].reshape(len(x[name]), -1)
            total = total + engine.xp.asarray(engine.kernels.lgamma(values + 1.0)).sum(axis=1)
    return total
