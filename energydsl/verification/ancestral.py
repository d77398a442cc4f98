"""Units that are drawn in order are drawn from their conditionals given the values that those before them were given.

With the same uniform numbers u,   x_i = F^-1(u_i; x_<i)   for all i in turn,   and   x = F^-1(u; x)   for all at once,

where the second reads every unit before i from x as it was drawn: the first is a fixed point of the second.
"""

from __future__ import annotations

import numpy as np

from energydsl.derive.directed.network import Network
from energydsl.options import Backend
from energydsl.program.directed import Conditional, Directed
from energydsl.program.states import check_params, random_state
from energydsl.random import Rng, Uniforms, stream
from energydsl.verification.case import generator, input_row, random_param
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

_USE = "draws in order"
_ROWS = 256


def ancestral(network: Network, seed: int, backend: Backend) -> list[Check]:
    """Every part whose units are drawn in order."""
    engine = Directed(network, backend, "float64")
    ordered = [c for c in (*engine.generative, *engine.recognition) if c.copies]
    return [
        Check(f"{c.factor.name}: units are drawn in order, each given those before it", _error(engine, c, seed), 1e-6)
        for c in ordered
    ]


def _error(engine: Directed, part: Conditional, seed: int) -> float:
    """By how much a second draw from the same numbers, given the first, differs from it."""
    rng, model = generator(seed, _USE), engine.model
    params = check_params(engine, {n: random_param(p, rng) for n, p in model.params.items()})
    inputs = {n: input_row(model.layers[n], rng) for n in model.by_role("input")}
    x = random_state(engine, _ROWS, Rng(stream(seed, "certificate", len(_USE))), inputs)
    (name,) = part.targets
    settings = engine.settings(0.7).parts[part.factor.name]
    numbers = rng.random((_ROWS, *model.layers[name].shape))
    part.draw(params, x, Uniforms([numbers]), settings)
    again = {**part.inputs(x), name: engine.xp.array(x[name])}
    kernels, workspace = part.engine.kernels, part.engine.workspace
    kernels.layers[name].sample(part.params(params), again, settings, Uniforms([numbers]), workspace)
    return largest(np.asarray(engine.host(again[name])) - np.asarray(engine.host(x[name])))
