"""Noise contrastive estimation: tell data from noise by log p~(x) - log Z - log q(x), with log Z a number that is learned.

    -log sigma(u(x) - log r) over data - r log sigma(log r - u(y)) over noise,    u = -F - c - log q

for r rows of noise a row of data (Gutmann & Hyvarinen 2012, eq. 8). The noise are independent units with the base rates of the
data. The c that is best for a batch is found by Newton's method: the objective is convex in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import NotApplicable
from energydsl.learning.objective.free_rows import ByRows, RowState, draw_states, free_rows, latents_out, row_weights
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base
from energydsl.program import Engine
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import external_energy, neutral, summed_log_partition
from energydsl.random import Rng

# Steps of Newton's method in an update, and the longest.
_STEPS, _LONGEST = 3, 2.0


@dataclass
class NoiseState(RowState):
    """parts: the rows of data, then those of noise. share: what each row of data counts, (batch,). constant: c, an array of one.

    base: natural parameters of the noise, by layer.
    """

    share: Array
    constant: Any
    base: Base
    random: Rng


@dataclass(frozen=True)
class NoiseContrast(ByRows[NoiseState]):
    """ratio: rows of noise for each row of data."""

    ratio: int = defaults.NOISE_ROWS
    undivided = "log Z is found anew from all rows of a batch together"

    def init(
        self,
        engine: Engine,
        batch: int,
        random: Rng,
        floors: Mapping[str, Array] = NO_FLOORS,
        base: Base = NO_BASE,
    ) -> NoiseState:
        """Buffers. Raises `NotApplicable` where a latent is left, or log Z is no single number."""
        if engine.model.by_role("input"):
            raise NotApplicable("noise contrastive estimation learns one log Z, and this model has one for each input")
        out = latents_out(engine, "noise contrastive estimation needs F")
        rows = free_rows(engine, (1 + self.ratio) * batch, out)
        known = {n: base.get(n) or base_rate(engine, n, None) for n in engine.model.random_layers()}
        fields = {n: tuple(engine.device(f) for f in found) for n, found in known.items()}
        xp = engine.xp
        return NoiseState(
            [rows],
            xp.zeros((), np.float64),
            row_weights(engine, batch, None),
            xp.zeros((), engine.dtype),
            fields,
            random,
        )

    def load(self, state: NoiseState, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch."""
        [rows] = state.parts
        for name, array in data.items():
            rows.engine.kernels.load(rows.x[name][: len(state.share)], array)
        state.random.next()
        draw_states(rows.engine, {n: a[: len(state.share)] for n, a in rows.x.items()}, state.random)
        if weights is not None:
            state.share[...] = row_weights(rows.engine, len(state.share), weights)

    def step(self, state: NoiseState, params: Arrays) -> None:
        """Draw noise, find log Z, and fill in what each row counts."""
        [rows] = state.parts
        engine, share = rows.engine, state.share
        xp, batch = engine.xp, len(share)
        state.random.next()
        noise = {n: rows.x[n][batch:] for n in engine.model.layers}
        engine.sweep(params, noise, engine.settings(0.0, external=state.base), state.random, engine.parts(), 1)
        visible = engine.model.by_role("visible")
        rows.square(visible)
        log_odds = -rows.free_energies(params) - self._log_noise(state, visible) - math.log(self.ratio)
        signs = xp.ones(len(log_odds))
        signs[batch:] = -1.0
        # What a row counts: its share, and that of the data row that it stands beside.
        counts = xp.concatenate([share] * (1 + self.ratio))
        for _ in range(_STEPS):
            wrong = 1.0 / (1.0 + xp.exp(signs * (log_odds - state.constant)))
            slope, bend = (counts * signs * wrong).sum(), (counts * wrong * (1.0 - wrong)).sum()
            state.constant -= xp.clip(slope / (bend + 1e-12), -_LONGEST, _LONGEST)
        margin = signs * (log_odds - state.constant)
        rows.row[...] = counts * signs / (1.0 + xp.exp(margin))
        state.value[...] = (counts * (xp.maximum(-margin, 0.0) + xp.log1p(xp.exp(-xp.abs(margin))))).sum()

    @staticmethod
    def _log_noise(state: NoiseState, visible: tuple[str, ...]) -> Array:
        """log q of each row, (rows,)."""
        [rows] = state.parts
        engine = rows.engine
        total: Any = 0.0
        for name in visible:
            fields, still = state.base[name], neutral(engine, name)
            each = [engine.xp.broadcast_to(f, (1, *f.shape)) for f in (*fields, *still)]
            total = total + external_energy(engine, name, rows.x[name], fields, still)
            total = total - summed_log_partition(engine, name, each)
            if engine.derived.families[name].factorial_base:
                flat = rows.x[name].reshape(len(rows.row), -1)
                total = total - engine.kernels.lgamma(flat + 1.0).sum(axis=1)
        return total  # type: ignore[no-any-return]

    def arrays(self, state: NoiseState) -> Arrays:
        """The constant, and what the noise is."""
        host = state.parts[0].engine.host
        fields = {f"own/noise/{n}/{k}": host(f) for n, found in state.base.items() for k, f in enumerate(found)}
        return {"own/constant": host(state.constant), **fields}

    def restore(self, state: NoiseState, saved: Arrays) -> None:
        """Go on from what `arrays` gave."""
        load = state.parts[0].engine.kernels.load
        load(state.constant, saved["own/constant"])
        for name, fields in state.base.items():
            for number, field in enumerate(fields):
                load(field, saved[f"own/noise/{name}/{number}"])
