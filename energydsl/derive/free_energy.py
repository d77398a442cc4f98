"""Which layers can be summed out in closed form, and the free energy that leaves.

A set of layers that do not meet one another, nor themselves, factorises given the rest, so
    F(rest) = E_0(rest) - sum_{units u of the set} A(eta_u(rest)),
E_0 being the terms free of the set (Freund & Haussler 1991; Salakhutdinov & Murray 2008, eq. 9).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from energydsl.derive.records import Conditional, FreeEnergy
from energydsl.domains import DOMAINS
from energydsl.energy.terms import Energy
from energydsl.energy.text import Letters, show_sum
from energydsl.graph.terms import interactions
from energydsl.model.records import Layer, Resolved

_CUMULANT = {
    "bernoulli": "softplus({0})",
    "spin": "log 2cosh({0})",
    "categorical": "logsumexp({0})",
    "table": "logsumexp({0})",
    "poisson": "exp({0})",
}


def summable_sets(model: Resolved, energy: Energy, candidates: Sequence[str]) -> list[tuple[str, ...]]:
    """All sets of candidate layers that can be summed out together, the empty one included."""
    pairs = interactions(energy)
    single = [n for n in candidates if frozenset((n,)) not in pairs][:12]
    return [
        chosen
        for count in range(len(single) + 1)
        for chosen in itertools.combinations(single, count)
        if not any(frozenset(p) in pairs for p in itertools.combinations(chosen, 2))
    ]


def free_energy(model: Resolved, energy: Energy, conditionals: Mapping[str, Conditional]) -> FreeEnergy:
    """The free energy with as many hidden units summed out as can be."""
    hidden = [n for n in model.by_role("hidden") if n in conditionals]
    best = max(summable_sets(model, energy, hidden), key=lambda s: sum(model.layers[n].size for n in s))
    letters = Letters(model)
    nothing: dict[str, str] = {}
    rest = [(t.monomial, nothing) for t in energy.terms if not t.monomial.layers() & set(best)]
    arguments = [n for n in model.layers if n not in best]
    text = f"F({', '.join(arguments)}) = {show_sum(rest, letters)}"
    for name in best:
        conditional = conditionals[name]
        names = letters.target(name)[: len(model.layers[name].shape)]
        over = f"sum_{''.join(names)} " if names else ""
        inside = ", ".join(f.text for f in conditional.fields)
        text += f" - {over}{_CUMULANT.get(conditional.family, 'A({0})').format(inside)}"
    return FreeEnergy(best, text)


def log_states(layers: Sequence[Layer]) -> float:
    """log2 of the number of joint states of layers; infinite for a layer of an infinite domain."""
    total = 0.0
    for layer in layers:
        domain = DOMAINS[layer.domain.name]
        if not domain.finite:
            return math.inf
        states = layer.field_shape[-1] if layer.field_shape != layer.shape else 2.0
        total += layer.size * math.log2(states)
    return total


def cheapest_side(model: Resolved, energy: Energy) -> float:
    """log2 of the fewest joint states left to enumerate when the best set of layers is summed out."""
    units = model.random_layers()
    sets = summable_sets(model, energy, list(units))
    return min(log_states([layer for n, layer in units.items() if n not in chosen]) for chosen in sets)
