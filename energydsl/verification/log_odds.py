"""The log odds of two values of one unit, from natural parameters."""

from __future__ import annotations

import numpy as np

from energydsl.backends.interface import Array
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.program.marginals import statistics
from energydsl.program.undirected import Undirected
from energydsl.verification.oracle import log_factorial


def log_odds(engine: Undirected, layer: Layer, unit: int, etas: tuple[Array, ...], old: Array, new: Array) -> float:
    """log p(new | rest) - log p(old | rest) of one unit: the gain in sum_k eta_k T_k(x) + log h(x).

    etas: one row of the natural parameters of the layer; old, new: one row of its values, which differ in that unit.
    """
    family = engine.derived.conditionals[layer.name].distribution
    before, after = (np.asarray(engine.host(x)).reshape(layer.size, -1)[unit] for x in (old, new))
    gain = float((log_factorial(before) - log_factorial(after)).sum()) if family.factorial_base else 0.0
    if family.parameter_per_state and not family.one_hot:
        low, _ = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
        table = engine.host(etas[0]).reshape(layer.size, -1)[unit]
        return gain + float(table[int(after[0] - low)] - table[int(before[0] - low)])
    count = len(family.density.statistics) if family.density else len(etas)
    moved = [engine.device(engine.host(m).reshape(layer.size, -1)[unit]) for m in etas[count:]]
    ends = (statistics(engine, layer.name, engine.device(x), *moved) for x in (before, after))
    for eta, first, last in zip(etas[:count], *ends, strict=True):
        change = engine.host(last) - engine.host(first)
        gain += float((change * engine.host(eta).reshape(layer.size, -1)[unit]).sum())
    return gain
