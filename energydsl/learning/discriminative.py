"""The gradient of -log p(y | v) for one visible layer y of few states, exactly.

    d(-log p(y | v))/dparam = <dE/dparam>_(h | v, y) - sum_k p(k | v) <dE/dparam>_(h | v, k)

(Larochelle & Bengio 2008, eq. 8). Every row of data stands K times in one batch, once with each state k of y, with weight
1[k = y] - p(k | v) over the number of rows; the latents are replaced by their conditional means.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from energydsl.backends.interface import Arrays
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import ArgumentError, NotApplicable, suggestion
from energydsl.program import Engine
from energydsl.program.exact import joint_states
from energydsl.program.gradients import add_gradient, weighted_gradient
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import rest_energy
from energydsl.program.mean_field import has_second_moments

MOST_STATES = 256


class Discriminative:
    """The batch of all rows with all states of a layer, and the gradient it gives."""

    def __init__(self, program: Engine, layer: str, batch: int):
        model = program.model
        known = model.by_role("visible")
        if layer not in known:
            raise ArgumentError(f"there is no visible layer `{layer}` to predict. {suggestion(layer, known)}".strip())
        if log_states([model.layers[layer]]) > math.log2(MOST_STATES):
            raise NotApplicable(f"`{layer}` has too many joint states ({MOST_STATES} are the most)")
        self.out = program.derived.free_energy.summed_out
        left = [n for n in model.by_role("hidden") if n not in self.out]
        if left:
            raise NotApplicable(
                f"p({layer} | ...) has no exact gradient: `{left[0]}` cannot be summed out in closed form"
            )
        odd = [n for n in self.out if not program.derived.conditionals[n].linear]
        if odd:
            raise NotApplicable(f"p({layer} | ...) has no exact gradient: `{odd[0]}` enters by more than x and x^2")
        self.program, self.layer, self.batch = program, layer, batch
        [states] = joint_states(program, (layer,))
        self.states = program.host(states[layer])
        self.count = len(self.states)
        rows, xp = batch * self.count, program.xp
        x = {n: xp.zeros((rows, *a.energy_shape), program.dtype) for n, a in model.layers.items()}
        x[layer][...] = xp.asarray(np.repeat(self.states, batch, axis=0), program.dtype)
        self.x = Moments(x, {n: xp.zeros_like(x[n]) for n in self.out if has_second_moments(program, n)})
        self.neutral = {n: [program.device(b) for b in base_rate(program, n, None)] for n in self.out}
        self.truth: Any = xp.zeros((self.count, batch), program.dtype)
        self.row: Any = xp.zeros(rows, program.dtype)
        self.settings = program.settings()

    def load(self, data: Arrays) -> None:
        """Copy one batch of data to every state's rows."""
        kernels = self.program.kernels
        for name, array in data.items():
            if name == self.layer:
                wanted = self.program.host(array).reshape(self.batch, -1)
                same = [(wanted == state.reshape(-1)).all(axis=1) for state in self.states]
                kernels.load(self.truth, np.stack(same))
            else:
                whole = self.x[name].reshape(self.count, self.batch, *array.shape[1:])
                kernels.load(whole[0], array)
                whole[1:] = whole[:1]

    def step(self, params: Arrays) -> None:
        """Fill in the means of the latents and the weights of the rows."""
        layers, xp = self.program.kernels.layers, self.program.xp
        logits = -rest_energy(self.program, params, self.x, self.settings, self.out)
        for name in self.out:
            tempered = layers[name].tempered
            assert tempered is not None, "what is summed out is drawn whole"
            etas, same = tempered.split_fields(params, self.x, self.settings, self.program.workspace)
            start, end = (0.0, self.neutral[name]), (1.0, list(same))
            logits = logits + tempered.log_partition_difference(etas, start, end)
            whole = [eta + offset for eta, offset in zip(etas, same, strict=True)]
            layers[name].moments(self.x, *whole)
        logits = logits.reshape(self.count, self.batch)
        weights = xp.exp(logits - logits.max(axis=0, keepdims=True))
        p = weights / weights.sum(axis=0, keepdims=True)
        self.row[...] = ((self.truth - p) / self.batch).reshape(-1)

    def gradient(self, params: Arrays, names: list[str]) -> Arrays:
        """d(-log p(y | v))/dparam, the mean over the rows of the batch."""
        return weighted_gradient(self.program, params, self.x, self.settings, self.row, names)

    def add_gradient(self, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of a gradient onto its parameter; it is one of `direct`."""
        add_gradient(self.program, params, name, self.x, self.settings, self.row * factor)
