"""Chains of a model that are watched while consts, weights and beta are moved; a new text takes over what still fits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import Any

import numpy as np

from energydsl.api import Model
from energydsl.backends.interface import Array
from energydsl.diagnostics import EnergyError, Source
from energydsl.model.resolve import Overrides
from energydsl.options import Backend
from energydsl.program.samplers import transition
from energydsl.program.states import check_drawn, check_params, random_layer, random_state
from energydsl.random import Rng, stream
from energydsl.studio.analysis import CHAINS, too_large
from energydsl.studio.pixels import pixels

Numbers = Mapping[str, float] | None
# Seconds after which a picture is shown with as many sweeps as were run.
_PICTURE_SECONDS = 0.25


class Chains:
    """The chains of one text. trained: parameters by name, which are taken where their shapes fit; else initial values are.

    before: chains whose states go on, layer by layer, where the layer is the same. Inputs are held at values drawn at random.
    Raises `EnergyError`.
    """

    def __init__(
        self,
        text: str,
        name: str,
        overrides: Overrides,
        trained: Mapping[str, Array],
        backend: Backend,
        seed: int,
        before: Chains | None = None,
    ):
        model = Model(Source(name, text), overrides)
        if too_large(model.resolved):
            raise EnergyError(
                f"{CHAINS} chains of this model take more memory than is given to them: make its dims smaller"
            )
        self.program = model.compile(backend)
        engine = self.program.engine
        initial = self.program.init(seed)
        fit = {n: trained[n] for n, p in model.params.items() if n in trained and np.shape(trained[n]) == p.shape}
        self.untrained = [n for n in model.params if n not in fit] if trained else []
        self.params = check_params(engine, initial | fit)
        rng = Rng(stream(seed, "initial state"))
        old = before.program.model.layers if before else {}
        kept = {n: before.values(n) for n, layer in model.layers.items() if before and old.get(n) == layer}
        for layer in model.resolved.by_role("input"):
            kept.setdefault(layer, random_layer(engine, model.layers[layer], CHAINS, rng))
        self.state = random_state(engine, CHAINS, rng, kept)
        self.sweeps: int = before.sweeps if before and kept else 0
        self.rng: Rng = before.rng if before else Rng(stream(seed, "samples"))
        self.move = transition(engine)
        self.move.follow()
        self.move.begin(self.state)

    def values(self, layer: str) -> Array:
        """The state of a layer, on the host."""
        return np.array(self.program.engine.host(self.state[layer]))

    def advance(self, sweeps: int, beta: float = 1.0, weights: Numbers = None, consts: Numbers = None) -> None:
        """Run sweeps, or as many as there is time for. Raises `EnergyError`; the state is then what it was."""
        engine = self.program.engine
        settings = engine.settings(beta, weights, consts)
        begun, before = monotonic(), {n: engine.xp.array(a) for n, a in self.state.items()}
        try:
            for _ in range(sweeps):
                self.move.sweep(self.params, self.state, settings, self.rng)
                self.sweeps += 1
                if monotonic() - begun > _PICTURE_SECONDS:
                    break
            check_drawn(engine, self.state)
        except EnergyError:
            self.state = before
            raise

    def shown(self, layer: str, means: bool, **settings: Any) -> dict[str, Any]:
        """A picture of a layer, of its draws or its conditional means, with the mean energy of the chains."""
        program, record = self.program, self.program.model.layers.get(layer)
        if record is None:
            raise EnergyError(f"the model has no layer `{layer}`")
        values = self.values(layer)
        if means:
            values = program.engine.host(program.mean(self.params, self.state, layer, **settings))
        energy = float(program.engine.host(program.energy(self.params, self.state, **settings)).mean())
        return pixels(record, values) | {"sweeps": self.sweeps, "energy": energy if math.isfinite(energy) else None}
