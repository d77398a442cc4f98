"""Which layers can be summed out in closed form, and the free energy that leaves.

A set of layers that do not meet one another, nor themselves, factorises given the rest, so
    F(rest) = E_0(rest) - sum_{units u of the set} A(eta_u(rest)),
E_0 being the terms free of the set (Freund & Haussler 1991; Salakhutdinov & Murray 2008, eq. 9).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from energydsl import limits
from energydsl.derive.records import Conditional, FreeEnergy
from energydsl.domains import DOMAINS
from energydsl.energy.formula import MINUS, PLUS, Call, Equation, Formula, Number, Sum, Summation, Symbol
from energydsl.energy.notation import Letters, filled, sum_formula
from energydsl.energy.terms import Energy
from energydsl.graph.terms import interactions
from energydsl.model.records import Layer, Resolved


def summable_sets(model: Resolved, energy: Energy, candidates: Sequence[str]) -> list[tuple[str, ...]]:
    """All sets of candidate layers that can be summed out together, the empty one included."""
    pairs = interactions(energy)
    single = [n for n in candidates if frozenset((n,)) not in pairs][: limits.SUMMABLE_LAYERS]
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
    arguments = tuple(Symbol(n) for n in model.layers if n not in best)
    terms = [*(sum_formula(rest, letters).terms or [(PLUS, Number(0.0))])]
    for name in best:
        binders = tuple(letters.target(name)[: len(model.layers[name].shape)])
        cumulant = log_partition_formula(conditionals[name])
        terms.append((MINUS, Summation(binders, (), cumulant, bare=True) if binders else cumulant))
    return FreeEnergy(best, Equation(Call("F", arguments), Sum(tuple(terms))))


def log_partition_formula(conditional: Conditional) -> Formula:
    """A of the fields of a layer, by the name of the function it is."""
    fields = tuple(f.formula for f in conditional.fields)
    written = conditional.distribution.log_partition_formula
    return filled(written, fields[0]) if written else Call("A", fields)


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
