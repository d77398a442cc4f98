"""The gradient of -log p(y | v) for one visible layer y of few states, exactly.

    d(-log p(y | v))/dparam = <dE/dparam>_(h | v, y) - sum_k p(k | v) <dE/dparam>_(h | v, k)

(Larochelle & Bengio 2008, eq. 8). Every row of data stands K times in one batch, once with each state k of y, with weight
1[k = y] - p(k | v) over the number of rows; the latents are replaced by their conditional means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import ArgumentError, NotApplicable, suggestion
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base, Objective
from energydsl.program import Engine
from energydsl.program.exact import joint_states
from energydsl.program.gradients import add_gradient, weighted_gradient
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import rest_energy
from energydsl.program.mean_field import has_second_moments
from energydsl.random import Rng


@dataclass
class AllStates:
    """The batch of all rows with all states of a layer, overwritten by every step.

    x: by layer, shape (K * batch, *layer), the states of the layer in turn, each with all rows. states: (K, *layer). truth:
    1[k = y], (K, batch). row: the weight of each row of x. weights: of the rows of data, (batch,), None where all count alike. neutral: natural parameters of the latents without input.
    """

    engine: Engine
    settings: Settings
    batch: int
    states: Array
    x: Moments
    truth: Any
    row: Any
    neutral: dict[str, list[Array]]
    weights: Any = None


@dataclass(frozen=True)
class Prediction(Objective[AllStates]):
    """-log p(layer | all other visible layers)."""

    layer: str

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> AllStates:
        """The buffers. Raises `ArgumentError` for a layer that is not visible, `NotApplicable` where no sum is exact."""
        _check(engine.derived, self.layer)
        out, xp = engine.derived.free_energy.summed_out, engine.xp
        [found] = joint_states(engine, (self.layer,))
        states = engine.host(found[self.layer])
        rows = batch * len(states)
        x = {n: xp.zeros((rows, *a.energy_shape), engine.dtype) for n, a in engine.model.layers.items()}
        x[self.layer][...] = xp.asarray(np.repeat(states, batch, axis=0), engine.dtype)
        moments = Moments(x, {n: xp.zeros_like(x[n]) for n in out if has_second_moments(engine, n)})
        neutral = {n: [engine.device(b) for b in base_rate(engine, n, None)] for n in out}
        truth, row = xp.zeros((len(states), batch), engine.dtype), xp.zeros(rows, engine.dtype)
        return AllStates(engine, engine.settings(), batch, states, moments, truth, row, neutral)

    def load(self, state: AllStates, data: Arrays, weights: Array | None = None) -> None:
        """Copy one batch of data to every state's rows."""
        engine, count = state.engine, len(state.states)
        for name, array in data.items():
            if name == self.layer:
                wanted = engine.host(array).reshape(state.batch, -1)
                same = [(wanted == one.reshape(-1)).all(axis=1) for one in state.states]
                engine.kernels.load(state.truth, np.stack(same))
            else:
                whole = state.x[name].reshape(count, state.batch, *array.shape[1:])
                engine.kernels.load(whole[0], array)
                whole[1:] = whole[:1]
        if weights is not None:
            if state.weights is None:
                state.weights = engine.xp.ones(state.batch, engine.dtype)
            engine.kernels.load(state.weights, weights)

    def step(self, state: AllStates, params: Arrays) -> None:
        """Fill in the means of the latents and the weights of the rows."""
        engine, layers, x, s = state.engine, state.engine.kernels.layers, state.x, state.settings
        out = engine.derived.free_energy.summed_out
        logits = -rest_energy(engine, params, x, s, out)
        for name in out:
            tempered = layers[name].tempered
            assert tempered is not None, "what is summed out is drawn whole"
            etas, same = tempered.split_fields(params, x, s, engine.workspace)
            start, end = (0.0, state.neutral[name]), (1.0, list(same))
            logits = logits + tempered.log_partition_difference(etas, start, end)
            whole = [eta + offset for eta, offset in zip(etas, same, strict=True)]
            layers[name].moments(x, *whole)
        logits = logits.reshape(len(state.states), state.batch)
        weights = engine.xp.exp(logits - logits.max(axis=0, keepdims=True))
        p = weights / weights.sum(axis=0, keepdims=True)
        error = (state.truth - p) / state.batch
        state.row[...] = (error if state.weights is None else error * state.weights).reshape(-1)

    def gradient(self, state: AllStates, params: Arrays, names: list[str]) -> Arrays:
        """d(-log p(y | v))/dparam, the mean over the rows of the batch."""
        return weighted_gradient(state.engine, params, state.x, state.settings, state.row, names)

    def add_gradient(self, state: AllStates, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of it onto a parameter."""
        add_gradient(state.engine, params, name, state.x, state.settings, state.row * factor)

    def direct(self, state: AllStates) -> set[str]:
        """Those of the kernels."""
        return set(state.engine.kernels.direct)


def _check(derived: Derived, layer: str) -> None:
    """Raises `ArgumentError` for a layer that is not visible, `NotApplicable` where p(layer | the others) is not exact."""
    model = derived.model
    known = model.by_role("visible")
    if layer not in known:
        raise ArgumentError(f"there is no visible layer `{layer}` to predict. {suggestion(layer, known)}".strip())
    if log_states([model.layers[layer]]) > math.log2(limits.DISCRIMINATED_STATES):
        raise NotApplicable(f"`{layer}` has too many joint states ({limits.DISCRIMINATED_STATES} are the most)")
    out = derived.free_energy.summed_out
    left = [n for n in model.by_role("hidden") if n not in out]
    if left:
        raise NotApplicable(f"p({layer} | ...) has no exact gradient: `{left[0]}` cannot be summed out in closed form")
    odd = [n for n in out if not derived.conditionals[n].linear]
    if odd:
        raise NotApplicable(f"p({layer} | ...) has no exact gradient: `{odd[0]}` enters by more than x and x^2")
