"""Unbiased contrastive divergence: pairs of chains from the data that meet (Qiu, Zhang & Wang 2020; Glynn & Rhee 2014).

Of each pair X is one sweep ahead of Y, both begin at the same row, and both are drawn together (`program.coupling`), so that from some
sweep on X_t = Y_(t - 1). Since X and Y have the same law,

    <f>_model = lim E f(X_t) = E[ f(X_k) + sum over t > k of f(X_t) - f(Y_(t - 1)) ],

where the terms are 0 once a pair has met: the estimate has no bias, however few the sweeps k and wherever the chains began. The
rows of the negative phase hold X_k, as in contrastive divergence; the gradient of the terms is added up here, sweep by sweep, for the pairs that
have not met.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.backends.numpy.runtime import Moments
from energydsl.diagnostics import NotApplicable
from energydsl.domains import DOMAINS
from energydsl.learning.chains.at_data import AtData
from energydsl.learning.phases import Phases, Side, shared_rows, side_of
from energydsl.program.coupling import sweep_together
from energydsl.program.gradients import weighted_gradient
from energydsl.program.samplers import Blocks


@dataclass
class Terms:
    """What the sweeps after the k-th have to add.

    gradient: by parameter. met_in: the mean number of sweeps to a meeting, those that have not met counted as at their last one.
    unmet: the share of the pairs that have not met.
    """

    gradient: Arrays
    met_in: float = math.nan
    unmet: float = math.nan


@dataclass
class Pairs:
    """Chains that have not met.

    both: shared rows, those of X and then as many of Y. ahead, behind: the two halves. row: what each pair counts in the
    gradient, (pairs,). same: whether all finite layers were equal at the last sweep, (pairs,), on the host.
    """

    both: Moments
    ahead: Side
    behind: Side
    row: Array
    same: Array


@dataclass(frozen=True)
class Coupled(AtData):
    """One pair a row of data. most: the sweeps after which a pair that has not met is given up."""

    most: int = defaults.MEETING_SWEEPS
    repeatable = False
    straight = False
    corrects = True
    indivisible = "pairs of chains go on until all of them have met"

    def init(self, phases: Phases) -> None:
        """As contrastive divergence. Raises `NotApplicable` for samplers other than Gibbs blocks."""
        super().init(phases)
        if not isinstance(phases.negative.move, Blocks):
            raise NotApplicable("pairs of chains are drawn together block by block: take the sampler gibbs")
        engine = phases.engine
        learned = {n: p for n, p in engine.model.params.items() if "frozen" not in p.constraints}
        phases.own = Terms({n: engine.xp.zeros(p.shape, engine.dtype) for n, p in learned.items()})

    def step(self, phases: Phases, params: Arrays) -> None:
        """Run pairs until they meet; the k-th state of X goes to the rows of the negative phase."""
        self.start(phases)
        terms, begun, count = phases.own, phases.negative.samples, len(phases.row) - phases.batch
        for gradient in terms.gradient.values():
            gradient.fill(0)
        pairs = _pairs(phases, (begun, begun), phases.row[phases.batch :], np.zeros(count, bool))
        apart = 0
        for sweep in range(1, self.most + 1):
            _sweep(phases, params, pairs, sweep == 1)
            if sweep == self.sweeps:
                _hand_over(pairs.ahead, phases.negative)
            if sweep > self.sweeps:
                self._add(phases, params, pairs)
            live = ~_met(phases, pairs)
            apart += int(live.sum())
            if sweep >= self.sweeps:
                if not live.any():
                    break
                pairs = pairs if live.all() else _kept(phases, pairs, live)
        terms.met_in, terms.unmet = 1.0 + apart / count, float(live.sum()) / count

    def _add(self, phases: Phases, params: Arrays, pairs: Pairs) -> None:
        """Add the gradient of f(X_t) - f(Y_(t - 1))."""
        engine, gradient = phases.engine, phases.own.gradient
        row = engine.xp.concatenate([pairs.row, -pairs.row])
        found = weighted_gradient(engine, params, pairs.both, phases.settings, row, list(gradient))
        for name, total in gradient.items():
            total += found[name]

    def corrected(self, phases: Phases, gradients: Arrays) -> Arrays:
        """With the terms of the sweeps after the k-th."""
        return {n: g + phases.own.gradient[n] for n, g in gradients.items()}

    def figures(self, phases: Phases, params: Arrays) -> dict[str, float]:
        """How soon the pairs of the last update met, and how many did not."""
        return {"met_in": phases.own.met_in, "unmet": phases.own.unmet}


def _pairs(phases: Phases, states: Sequence[Arrays], row: Array, same: Array) -> Pairs:
    """Pairs at copies of states, by layer, of X and of Y."""
    engine, move, count = phases.engine, phases.negative.move, len(same)
    both = shared_rows(engine, 2 * count, move.averaged)
    halves = slice(0, count), slice(count, 2 * count)
    ahead, behind = (side_of(engine, both, rows, set(move.averaged), frozenset(), move, 1) for rows in halves)
    for side, given in zip((ahead, behind), states, strict=True):
        for name, array in given.items():
            side.samples[name][...] = array
    return Pairs(both, ahead, behind, row, same)


def _kept(phases: Phases, pairs: Pairs, live: Array) -> Pairs:
    """The pairs that `live` marks."""
    rows: Any = phases.engine.xp.asarray(np.flatnonzero(live))
    states = [{n: a[rows] for n, a in side.samples.items()} for side in (pairs.ahead, pairs.behind)]
    return _pairs(phases, states, pairs.row[rows], pairs.same[live])


def _sweep(phases: Phases, params: Arrays, pairs: Pairs, first: bool) -> None:
    """Move both chains of every pair, or X alone, which goes ahead."""
    engine, settings, random, ahead, behind = phases.engine, phases.settings, phases.random, pairs.ahead, pairs.behind
    if first:
        ahead.move.sweep(params, ahead.samples, settings, random, 1, ahead.means)
        return
    states, means = (ahead.samples, behind.samples), (ahead.means, behind.means)
    sweep_together(engine.core, ahead.parts, params, states, settings, random, means)


def _hand_over(ahead: Side, negative: Side) -> None:
    """The states of X, and the moments of what was drawn last, to the rows of the negative phase."""
    held = (ahead.samples, negative.samples), (ahead.means, negative.means), (ahead.means.second, negative.means.second)
    for given, taken in held:
        for name, array in given.items():
            taken[name][...] = array


def _met(phases: Phases, pairs: Pairs) -> Array:
    """Which pairs are equal, (pairs,), on the host.

    Units of infinitely many states have neighbours of finitely many alone: they are equal, to rounding, once these have been so for two
    sweeps, whatever the order of the blocks.
    """
    engine, endless = phases.engine, False
    same = np.ones(len(pairs.same), bool)
    for name, layer in engine.model.random_layers().items():
        if not DOMAINS[layer.domain.name].finite:
            endless = True
            continue
        apart = abs(pairs.ahead.samples[name] - pairs.behind.samples[name]).reshape(len(same), -1).max(axis=1)
        same &= engine.host(apart) == 0
    before, pairs.same = pairs.same, same
    return same & before if endless else same
