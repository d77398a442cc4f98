"""Score matching: the slope of log p in the data against that of the data's own density.

With s = -dF/dx at a row x, G = dF/dparam, and d/dv the slope along v:

  score matching (Hyvarinen 2005)             sum_i s_i^2 / 2 + ds_i/dx_i       gradient  - dG/ds - sum_i d^2G/dx_i^2
  denoising score matching (Vincent 2011)     |r|^2 / 2, r = s(x + sd n) + n / sd        gradient  - dG/dr at x + sd n

The sum of second slopes is the mean of d^2G/de^2 over random signs e (Hutchinson 1990; sliced score matching, Song et al. 2019).
Slopes along a line are central differences of the derived dF/dparam, in float64: relative errors are below 1e-6 on the models of the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.learning.objective.free_rows import ByRows, RowState, free_rows, in_precision, latents_out, row_weights
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base
from energydsl.program import Engine
from energydsl.program.gradients import score
from energydsl.random import Rng

# The step of a difference, in units of the root mean square of the data.
_STEP = 1e-3


@dataclass
class ScoreState(RowState):
    """parts: the rows whose score is taken, (batch); and those on both sides of them along each direction.

    share: what each row of data counts, (batch,). layers: the visible ones.
    """

    share: Array
    layers: tuple[str, ...]
    random: Rng


@dataclass(frozen=True)
class Scores(ByRows[ScoreState]):
    """sd: the noise of denoising, in units of the data; 0: none, with `directions` random ones for the second slopes."""

    sd: float = 0.0
    directions: int = defaults.DIRECTIONS
    own_precision = False

    @property
    def repeatable(self) -> bool:
        """A step makes arrays anew."""
        return False

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> ScoreState:
        """Buffers in float64. Raises `NotApplicable` where a latent is left."""
        exact = engine.in_float64
        out = latents_out(exact, "score matching needs F")
        sides = 2 if self.sd else 2 * (1 + self.directions)
        parts = [free_rows(exact, batch, out), free_rows(exact, sides * batch, out)]
        layers = engine.model.by_role("visible")
        return ScoreState(parts, exact.xp.zeros(()), row_weights(exact, batch, None), layers, random)

    def load(self, state: ScoreState, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch."""
        engine = state.parts[0].engine
        for name, array in data.items():
            engine.kernels.load(state.parts[0].x[name], array)
        if weights is not None:
            state.share[...] = row_weights(engine, len(state.share), weights)

    def step(self, state: ScoreState, params: Arrays) -> None:
        """Fill in the rows on both sides, and what each counts."""
        here, moved = state.parts
        engine, layers, batch, share = here.engine, state.layers, len(state.share), state.share
        xp, p = engine.xp, in_precision(engine, params)
        state.random.next()
        step = _STEP * _root_mean_square(xp, here.x, layers) * xp.ones(batch)
        noise = {n: _normal(state, n) for n in layers} if self.sd else {}
        for name, drawn in noise.items():
            here.x[name] += self.sd * drawn
        here.square(layers)
        free = here.free_energies(p)
        slope = score(engine, p, here.x, here.settings, layers)
        along = {n: slope[n] + noise[n] / self.sd for n in layers} if self.sd else slope
        squares = sum((along[n].reshape(batch, -1) ** 2).sum(axis=1) for n in layers)
        # The slope along s or r, of length 1 a unit on average.
        length = xp.sqrt(squares / sum(along[n][0].size for n in layers)) + _STEP
        _put(state, 0, along, step / length)
        moved.row[: 2 * batch] = xp.concatenate([-share, share]) * xp.concatenate([0.5 * length / step] * 2)
        directions = 0 if self.sd else self.directions
        for number in range(1, 1 + directions):
            _put(state, number, {n: xp.where(_uniform(state, n) < 0.5, -1.0, 1.0) for n in layers}, step)
            moved.row[2 * number * batch : 2 * (number + 1) * batch] = xp.concatenate(
                [-share / (directions * step**2)] * 2
            )
        here.row[...] = 2.0 * share / step**2 if directions else 0.0
        moved.square(layers)
        sides = moved.free_energies(p).reshape(-1, batch)[2:]
        bend = (2.0 * free - sides.sum(axis=0) / directions) / step**2 if directions else 0.0
        state.value[...] = (share * (0.5 * squares + bend)).sum()


def _put(state: ScoreState, number: int, direction: Arrays, step: Array) -> None:
    """The rows of one direction: those of the first part, plus and minus a step (batch,) along it."""
    here, moved = state.parts
    batch = len(step)
    for side, sign in enumerate((1.0, -1.0)):
        rows = slice((2 * number + side) * batch, (2 * number + side + 1) * batch)
        for name, values in here.x.items():
            if name in direction:
                way = sign * step.reshape(-1, *[1] * (values.ndim - 1))
                moved.x[name][rows] = values + way * direction[name]
            elif name not in here.out:
                moved.x[name][rows] = values


def _uniform(state: ScoreState, name: str) -> Array:
    """A uniform number for every unit of a layer, (batch, *layer)."""
    engine = state.parts[0].engine
    return engine.kernels.fill(state.random, engine.xp.empty(state.parts[0].x[name].shape, engine.dtype))


def _normal(state: ScoreState, name: str) -> Array:
    """A standard normal number for every unit of a layer, (batch, *layer) (Box & Muller 1958)."""
    xp, first = state.parts[0].engine.xp, 1.0 - _uniform(state, name)
    return xp.sqrt(-2.0 * xp.log(first)) * xp.cos(2.0 * math.pi * _uniform(state, name))  # type: ignore[no-any-return]


def _root_mean_square(xp: Any, x: Mapping[str, Array], layers: tuple[str, ...]) -> Any:
    """Of all entries of some layers; 1 where all are 0."""
    whole = sum((x[n] ** 2).sum() for n in layers) / sum(x[n].size for n in layers)
    return xp.sqrt(xp.where(whole > 0, whole, 1.0))
