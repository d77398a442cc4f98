"""Rows whose weighted sum of dF/dparam is the gradient of an objective; F is the energy with the latents summed out.

Every objective that is a function of energies alone has such a gradient, whatever the model: it chooses the rows and their
weights, and the derived dE/dparam does the rest, the latents replaced by their conditional means.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.diagnostics import NotApplicable
from energydsl.domains import DOMAINS
from energydsl.learning.objective.record import Objective
from energydsl.program import Engine
from energydsl.program.engine import CoreEngine
from energydsl.program.gradients import add_gradient, weighted_gradient
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import rest_energy, summed_log_partition
from energydsl.program.mean_field import has_second_moments
from energydsl.random import Rng

# Under the sum of weights, where all may be 0.
_LEAST = 1e-30


@dataclass
class FreeRows:
    """Rows, overwritten by every step.

    out: the layers that are summed out. x: by layer, (rows, *layer), those in `out` as conditional means; squares of all layers
    that have them as statistics. row: the weight of each row in the gradient, (rows,). neutral: natural parameters of what is
    summed out, without input; still: their log-partition, added up.
    """

    engine: CoreEngine
    settings: Settings
    out: tuple[str, ...]
    x: Moments
    row: Any
    neutral: Mapping[str, list[Array]]
    still: float

    def free_energies(self, params: Arrays) -> Array:
        """F of each row, (rows,), in float64; the means of what is summed out are filled in."""
        engine, x, s = self.engine, self.x, self.settings
        found = rest_energy(engine, params, x, s, self.out).astype(np.float64) - self.still
        for name in self.out:
            kernels = engine.kernels.layers[name]
            assert kernels.tempered is not None, "what is summed out is drawn whole"
            etas, same = kernels.tempered.split_fields(params, x, s, engine.workspace)
            start, end = (0.0, self.neutral[name]), (1.0, list(same))
            found = found - kernels.tempered.log_partition_difference(etas, start, end)
            kernels.moments(x, *[eta + offset for eta, offset in zip(etas, same, strict=True)])
        return found

    def square(self, layers: tuple[str, ...]) -> None:
        """Squares of the values of some layers, where these are statistics."""
        for name in layers:
            if name in self.x.second:
                self.engine.xp.square(self.x[name], out=self.x.second[name])


def free_rows(engine: Engine, count: int, out: tuple[str, ...]) -> FreeRows:
    """So many rows of zeros. Raises `NotApplicable` where what is summed out has no moments that the gradient is linear in."""
    engine = engine.core
    odd = [n for n in out if not engine.derived.conditionals[n].linear]
    if odd:
        raise NotApplicable(
            f"no exact gradient with `{odd[0]}` summed out: it enters the energy by more than x and x^2"
        )
    xp, layers = engine.xp, engine.model.layers
    x = {n: xp.zeros((count, *layer.energy_shape), engine.dtype) for n, layer in layers.items()}
    squared = [n for n in engine.model.random_layers() if has_second_moments(engine, n)]
    neutral = {n: [engine.device(b) for b in base_rate(engine, n, None)] for n in out}
    moments = Moments(x, {n: xp.zeros_like(x[n]) for n in squared})
    still = sum(
        float(engine.host(summed_log_partition(engine, n, [f[None] for f in fields]))[0])
        for n, fields in neutral.items()
    )
    return FreeRows(engine, engine.settings(), out, moments, xp.zeros(count, engine.dtype), neutral, still)


def latents_out(engine: Engine, why: str) -> tuple[str, ...]:
    """The latents, all of which a closed form sums out. Raises `NotApplicable` where one is left; why: what needs it."""
    out = engine.derived.free_energy.summed_out
    left = [n for n in engine.model.by_role("hidden") if n not in out]
    if left:
        raise NotApplicable(f"{why}: `{left[0]}` cannot be summed out in closed form")
    return out


@dataclass
class RowState:
    """What an objective by rows overwrites: the rows, and the value of the objective at the last step, an array of one."""

    parts: list[FreeRows]
    value: Any


State = TypeVar("State", bound=RowState)


class ByRows(Objective[State]):
    """An objective whose gradient is a weighted sum of dF/dparam over rows that its `step` fills in."""

    likelihood = False
    # Why shards of its rows would not add up to the whole, or nothing.
    undivided = ""
    # Whether the rows have the precision of the parameters.
    own_precision = True

    @abstractmethod
    def step(self, state: State, params: Arrays) -> None:
        """Fill in the rows and their weights, for the batch that was loaded."""

    def indivisible(self, state: State) -> str:
        """Rows do, where nothing is found from all of them together."""
        return self.undivided

    def gradient(self, state: State, params: Arrays, names: list[str]) -> Arrays:
        """The gradient by parameter: the sum over the parts, in the precision of each."""
        found: Arrays = {}
        for part in state.parts:
            given = in_precision(part.engine, params)
            here = weighted_gradient(part.engine, given, part.x, part.settings, part.row * self.weight, names)
            if len(state.parts) == 1:
                return here
            found = {n: found[n] + g if n in found else part.engine.xp.array(g) for n, g in here.items()}
        return found

    def add_gradient(self, state: State, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of it onto a parameter."""
        for part in state.parts:
            add_gradient(part.engine, params, name, part.x, part.settings, part.row * self.weight * factor)

    def direct(self, state: State) -> set[str]:
        """Those of the kernels, where these work in the precision of the parameters."""
        return set(state.parts[0].engine.kernels.direct) if self.own_precision else set()

    def middle(self, state: State, layer: str) -> Array:
        """The mean of a layer over the rows, each by the size of its weight."""
        engine = state.parts[0].engine
        sizes = [engine.xp.abs(part.row) for part in state.parts]
        totals = [size @ part.x[layer].reshape(len(size), -1) for size, part in zip(sizes, state.parts, strict=True)]
        whole = engine.xp.maximum(sum(size.sum() for size in sizes), _LEAST)
        return (sum(totals) / whole).reshape(engine.model.layers[layer].energy_shape)  # type: ignore[no-any-return]

    def figures(self, state: State, params: Arrays) -> dict[str, float]:
        """The value of the objective on the last batch."""
        return {"objective": float(state.parts[0].engine.host(state.value))}


def draw_states(engine: Engine, data: Arrays, random: Rng) -> None:
    """Draw states for data between two of them, in place, where such a datum is the probability of the upper one."""
    for name in engine.model.by_role("visible"):
        domain = DOMAINS[engine.model.layers[name].domain.name]
        if domain.grey and domain.points and not domain.one_hot:
            low, high = domain.points
            x = data[name]
            u = engine.kernels.fill(random, engine.xp.empty(x.shape, engine.dtype))
            x[...] = engine.xp.where(u * (high - low) < x - low, high, low)


def in_precision(engine: Engine, params: Arrays) -> Arrays:
    """Parameters as the engine takes them."""
    return {n: a.astype(engine.dtype, copy=False) for n, a in params.items()}


def row_weights(engine: Engine, batch: int, weights: Array | None) -> Array:
    """What each row of a batch counts, (batch,), on the device: one over their number, times its weight where it has one."""
    return engine.device(np.full(batch, 1.0 / batch) if weights is None else np.asarray(weights) / batch)
