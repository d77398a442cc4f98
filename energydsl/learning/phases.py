"""One gradient estimate: positive and negative phase side by side in one batch of rows.

Rows 0..B-1 hold the positive phase, rows B..B+C-1 the negative. With row weights 1/B and -1/C one pass of the gradient
kernels gives <dE/dparam>_data - <dE/dparam>_model.

Rao-Blackwell: units of the block drawn last in a phase are replaced by their conditional means. They are independent
given the rest and no term holds a unit twice, so the expectation of every statistic is exact (Swersky et al. 2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.backends.interface import Arrays
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive.records import Schedule
from energydsl.diagnostics import NotApplicable
from energydsl.learning.methods import CD, MCMC, PCD, Method
from energydsl.program import Engine
from energydsl.program.gradients import add_gradient, weighted_gradient
from energydsl.program.mean_field import has_second_moments, initial_moments, mean_field_sweeps
from energydsl.program.states import initialise_missing, random_state
from energydsl.random import Rng

Array = NDArray[Any]


def applicable(program: Engine, method: Method) -> None:
    """Raises `NotApplicable` where a method does not fit a model."""
    verdict = next(v for v in program.derived.verdicts if v.name == method.name)
    if not verdict.ok:
        raise NotApplicable(f"{method.name} does not fit this model: {verdict.why}")
    mean_field = next(v for v in program.derived.verdicts if v.name == "mean_field")
    if method.positive == "mean-field" and program.model.by_role("hidden") and not mean_field.ok:
        raise NotApplicable(f"a positive phase by mean field does not fit this model: {mean_field.why}")


class Phases:
    """The buffers of both phases for one batch size, and the step that fills them.

    floors: what is added to the squares of the data, by layer (see `scales`).
    """

    def __init__(
        self, program: Engine, method: Method, batch: int, rng: Rng, floors: Mapping[str, Array] = MappingProxyType({})
    ):
        self.program, self.method, self.rng = program, method, rng
        self.floors = {n: program.device(f) for n, f in floors.items() if n in program.model.layers}
        model = program.model
        self.hidden = model.by_role("hidden")
        self.inputs = model.by_role("input")
        self.batch = batch
        self.copied: list[str] = []
        self.chains = method.chains if isinstance(method, PCD | MCMC) and not self.inputs else batch
        rows = batch + self.chains
        both = {n: program.xp.zeros((rows, *layer.energy_shape), program.dtype) for n, layer in model.layers.items()}
        self.row = program.xp.full(rows, 1.0 / batch, program.dtype)
        self.row[batch:] = -1.0 / self.chains
        self.keep: Arrays = {}
        clamped = frozenset(() if method.impute else model.by_role("visible"))
        self.positive_schedule = program.derived.schedule(clamped)
        self.negative_schedule = program.derived.schedule(frozenset())
        self.settles = method.positive == "mean-field" and bool(self.hidden)
        positive = set(self.hidden) if self.settles else self._averaged(self.positive_schedule) & set(self.hidden)
        negative = self._averaged(self.negative_schedule)
        squared = [n for n in sorted(positive | negative | set(self.floors)) if has_second_moments(program, n)]
        self.both = Moments(both, {n: program.xp.zeros_like(both[n]) for n in squared})
        self.positive, self.positive_means = self._side(slice(0, batch), positive)
        self.negative, self.negative_means = self._side(slice(batch, rows), negative)
        if isinstance(method, CD):
            self._start_at_data(negative)
        self.settings = program.settings()
        self.restart()

    def _averaged(self, schedule: Schedule) -> set[str]:
        """Layers of the last block that are drawn whole, and have moments: these are replaced by their means."""
        known = self.program.derived.conditionals
        return {p.layer for p in schedule[-1] if p.kind == "whole" and known[p.layer].linear} if schedule else set()

    def _side(self, rows: slice, averaged: set[str]) -> tuple[Arrays, Moments]:
        """Samples and means of one phase; both are views of the shared rows where that does not mix them up."""
        views = {n: self.both[n][rows] for n in self.program.model.layers}
        samples = {n: self.program.xp.zeros_like(a) if n in averaged else a for n, a in views.items()}
        squares = {n: a[rows] for n, a in self.both.second.items() if n in averaged}
        return samples, Moments({n: a for n, a in views.items() if n in averaged}, squares)

    def _start_at_data(self, averaged: set[str]) -> None:
        """CD: the negative phase goes on from the samples of the positive one; what it draws first need not be copied."""
        first = {p.layer for p in self.negative_schedule[0] if p.kind == "whole"}
        self.copied = [n for n in self.program.model.random_layers() if n not in first]
        for name in self.hidden:
            if name in self.copied and name in averaged and name in self.positive_means:
                self.negative[name] = self.positive[name]
                self.copied.remove(name)

    def restart(self) -> None:
        """Random chains."""
        given = {n: self.negative[n] for n in self.inputs}
        fresh = random_state(self.program, self.chains, self.rng, given)
        for name, array in fresh.items():
            self.negative[name][...] = array

    def take(self, chains: Arrays) -> None:
        """Go on from the chains of another run, as often as they are needed."""
        for name, array in chains.items():
            if name in self.negative and len(array):
                self.program.kernels.load(self.negative[name], array[np.arange(self.chains) % len(array)])

    def load(self, data: Arrays) -> None:
        """Copy one batch of data to where the phases read it."""
        if self.method.impute:
            data, known = initialise_missing(self.program, data, self.rng)
            everything = {n: self.program.xp.ones(data[n].shape, bool) for n in data if n not in self.inputs}
            self.keep = {**everything, **known}
        for name, array in data.items():
            self.program.kernels.load(self.positive[name], array)
            if name in self.inputs:
                self.negative[name][...] = self.positive[name]

    def step(self, params: Arrays) -> None:
        """Fill both phases for the batch of data that was loaded."""
        start_at_data = isinstance(self.method, CD)
        if self.settles:
            self._settle(params)
        elif self.method.impute:
            self._sweeps(params, self.positive, None, self.positive_schedule, self.method.latent_sweeps, self.keep)
            self._average(params)
        elif self.hidden:
            self._sweeps(params, self.positive, self.positive_means, self.positive_schedule, self._latent_sweeps())
        if start_at_data:
            for name in self.copied:
                self.negative[name][...] = self.positive[name]
        elif isinstance(self.method, MCMC):
            self.restart()
        self._sweeps(params, self.negative, self.negative_means, self.negative_schedule, self.method.k)
        self._fill_second_moments()

    def _settle(self, params: Arrays) -> None:
        """Mean field of the latents given data, from where it always starts (Salakhutdinov & Hinton 2009, sec. 2.1)."""
        x = Moments({**self.positive, **self.positive_means}, self.positive_means.second)
        initial_moments(self.program, x, self.hidden)
        parts = [part for block in self.positive_schedule for part in block]
        mean_field_sweeps(self.program, params, x, self.settings, parts, self.method.latent_sweeps)

    def _latent_sweeps(self) -> int:
        """One exact pass where the latents form one block, else several sweeps from where they were left."""
        exact = len(self.positive_schedule) == 1 and all(p.kind == "whole" for p in self.positive_schedule[0])
        return 1 if exact else self.method.latent_sweeps

    def _sweeps(
        self,
        params: Arrays,
        x: Arrays,
        means: Moments | None,
        schedule: Schedule,
        count: int,
        keep: Arrays | None = None,
    ) -> None:
        parts = [part for block in schedule for part in block]
        self.program.sweep(params, x, self.settings, self.rng, parts, count, means, keep)

    def _average(self, params: Arrays) -> None:
        """Moments of the latents drawn last, given all that was drawn."""
        layers, workspace = self.program.kernels.layers, self.program.workspace
        for name in self.positive_means:
            layers[name].means(params, self.positive, self.settings, workspace, self.positive_means)

    def _fill_second_moments(self) -> None:
        """Squares of the samples in a phase that does not average the layer."""
        half = self.batch
        for name, squares in self.both.second.items():
            if name not in self.positive_means.second:
                self.program.xp.square(self.both[name][:half], out=squares[:half])
            if name in self.floors:
                squares[:half] += self.floors[name]
            if name not in self.negative_means.second:
                self.program.xp.square(self.both[name][half:], out=squares[half:])

    @property
    def direct(self) -> set[str]:
        """Parameters whose gradient is one product, so that it can be added onto them as it is made."""
        return set(self.program.kernels.direct)

    @property
    def repeatable(self) -> bool:
        """Whether a step is the same work on the same arrays every time."""
        return not isinstance(self.method, MCMC) and not self.method.impute

    def gradient(self, params: Arrays, names: list[str]) -> Arrays:
        """d(-log p)/dparam, estimated from the rows as they are."""
        return weighted_gradient(self.program, params, self.both, self.settings, self.row, names)

    def add_gradient(self, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of a gradient onto its parameter; it is one of `direct`."""
        add_gradient(self.program, params, name, self.both, self.settings, self.row * factor)

    def state(self) -> Arrays:
        """What the next step needs: the chains, and latents that are carried over."""
        saved = {f"negative/{n}": a for n, a in self.negative.items()}
        saved |= {f"positive/{n}": self.positive[n] for n in self.hidden}
        return {n: self.program.host(a) for n, a in saved.items()}

    def restore(self, saved: Arrays) -> None:
        for key, array in saved.items():
            side, name = key.split("/")
            self.program.kernels.load((self.negative if side == "negative" else self.positive)[name], array)
