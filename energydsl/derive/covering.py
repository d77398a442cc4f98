"""Which units of a layer have a term whose factor is positive whatever the parameters and the other units are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from energydsl.derive.signs import sign_of_factors
from energydsl.domains import DOMAINS
from energydsl.energy.rules import Rules
from energydsl.energy.targets import by_unit, others
from energydsl.energy.terms import At, Monomial
from energydsl.functions import POSITIVE, UNKNOWN
from energydsl.graph.edges import Integers
from energydsl.graph.places import places
from energydsl.model.records import Layer, Resolved


def may_be_negative(monomial: Monomial, unit: At, model: Resolved) -> bool:
    """Whether the factor of a unit's statistic in a term is not proved to be 0 or more."""
    rest = replace(others(monomial, unit), coefficient=1.0)
    return monomial.coefficient < 0 or sign_of_factors(rest, model) == UNKNOWN


def uncovered(model: Resolved, layer: Layer, terms: Sequence[tuple[Monomial, At]]) -> str:
    """The first unit of a layer that no term holds firmly, as text; empty where each is held.

    terms: with the unit that each holds; none can be negative.
    """
    rules = Rules(model)
    held = np.zeros(layer.size, bool)
    by_state: list[Integers] = []
    for monomial, unit in terms:
        state, firm = _firmness(others(monomial, unit), model)
        if not firm:
            continue
        if state is None and _everywhere(monomial, unit, layer, rules):
            return ""
        visited = places(model, monomial)
        if visited is None:
            continue
        units = visited.units(unit, rules)
        if state is None:
            held[units] = True
            continue
        number = np.full(visited.count, list(model.layers).index(state.name))
        by_state.append(
            np.stack([units, number, visited.units(state, rules), visited.value(state.indices[-1])], axis=1)
        )
    if by_state:
        found = np.unique(np.concatenate(by_state), axis=0)
        sites, states = np.unique(found[:, :3], axis=0, return_counts=True)
        all_states = np.array([a.energy_shape[-1] if a.energy_shape else 1 for a in model.layers.values()])
        held[sites[states == all_states[sites[:, 1]], 0]] = True
    if held.all():
        return ""
    at = np.unravel_index(int(np.argmin(held)), layer.shape) if layer.shape else ()
    return f"`{layer.name}[{', '.join(str(k) for k in at)}]`" if layer.shape else f"`{layer.name}`"


def _firmness(rest: Monomial, model: Resolved) -> tuple[At | None, bool]:
    """The one-hot unit that switches a term, if there is one, and whether all else in it is positive."""
    hot = [a for a, _ in rest.factors if isinstance(a, At) and a.kind == "layer" and _one_hot(a, model)]
    state = hot[0] if len(hot) == 1 else None
    always = replace(rest, coefficient=1.0, factors=tuple((a, e) for a, e in rest.factors if a != state))
    return state, rest.coefficient > 0 and sign_of_factors(always, model) == POSITIVE


def _one_hot(atom: At, model: Resolved) -> bool:
    return DOMAINS[model.layers[atom.name].domain.name].one_hot


def _everywhere(monomial: Monomial, unit: At, layer: Layer, rules: Rules) -> bool:
    """Whether a term stands for every unit of a layer, seen from its loops alone."""
    part = by_unit("", monomial, unit, layer.energy_shape, 0, rules)[0]
    return part.solved and not part.monomial.predicates
