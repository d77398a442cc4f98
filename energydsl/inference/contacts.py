"""Couplings between the units of a layer, found in the terms of the energy, and scores of contacts made of them.

log p(x | all else) = const + sum_n h_n(x_n) + sum_{n < m} J_nm(x_n, x_m)

Scores are those of direct coupling analysis (Ekeberg et al., Phys. Rev. E 2013): J in the gauge in which each of its rows and columns
sums to zero, F_nm its Frobenius norm without the state of the gap, and the average-product correction (Dunn et al., Bioinformatics
2008): F_nm - F_n F_m / F, F_n and F means over pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import ArgumentError, NotApplicable, TooLarge, suggestion
from energydsl.domains import DOMAINS
from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Monomial
from energydsl.learning.run import Run
from energydsl.learning.sampling import as_run
from energydsl.model.alphabet import gap_of
from energydsl.model.records import Layer, Resolved
from energydsl.program import Program
from energydsl.program.coefficients import coefficients
from energydsl.program.engine import CoreEngine
from energydsl.program.states import check_params


@dataclass(frozen=True)
class Contacts:
    """Couplings of the units of a layer, in the order of its flattened axes.

    couplings: (units, states, units, states), in the zero-sum gauge, J_nm(a, b) = J_mn(b, a). norms: (units, units), their Frobenius norms
    without the gap. scores: (units, units), the norms with the average-product correction, 0 on the
    diagonal.
    """

    layer: str
    couplings: Array
    norms: Array
    scores: Array

    def ranked(self) -> list[tuple[int, int, float, float]]:
        """Pairs n < m of units with score and norm, the highest score first."""
        n, m = np.triu_indices(len(self.scores), 1)
        order = np.argsort(-self.scores[n, m], kind="stable")
        return [(int(n[k]), int(m[k]), float(self.scores[n[k], m[k]]), float(self.norms[n[k], m[k]])) for k in order]


def contacts(run: Run | Program, params: Mapping[str, Any] | None = None, *, layer: str | None = None) -> Contacts:
    """Scores of contacts between the units of a layer, from the couplings in the energy.

    run: or a program, with its params: arrays by name of the shapes declared, (N, K) for `g[N, K]`. layer: whose units; by default the only
    one whose units have states. Zero-sum gauge, Frobenius norms and average-product correction as in Ekeberg et al. 2013. Raises
    `NotApplicable` where the layer stands in other terms than pairs, with the reason, `ArgumentError` for a layer that is none, and `TooLarge`
    where the couplings of all pairs are more than fit.

    >>> import energydsl as ed
    >>> program = ed.zoo("protein_potts", dims={"N": 5}).compile("numpy")
    >>> found = ed.contacts(program)
    >>> found.scores.shape, found.couplings.shape
    ((5, 5), (5, 21, 5, 21))
    """
    run = as_run(run, params, 0)
    model = run.program.model
    chosen = layer_with_states(model, layer)
    if chosen.size < 2:
        raise NotApplicable(f"`{chosen.name}` has one unit: there is no pair")
    if (
        math.prod(chosen.energy_shape if DOMAINS[chosen.domain.name].one_hot else (*chosen.shape, 2)) ** 2
        > limits.COUPLINGS
    ):
        raise TooLarge(
            f"`{chosen.name}` has too many units: there are more than {limits.COUPLINGS:,} couplings of states"
        )
    engine = run.program.engine.in_float64
    if engine.core is not engine:
        raise NotApplicable("couplings are of undirected models: conditional parts of a model are normalised apart")
    found = _couplings(engine.core, check_params(engine, run.params), chosen)
    found -= found.mean(axis=1, keepdims=True)
    found -= found.mean(axis=3, keepdims=True)
    norms = _norms(found, gap_of(chosen.letters))
    return Contacts(chosen.name, found, norms, _corrected(norms))


def layer_with_states(model: Resolved, name: str | None) -> Layer:
    """The layer of a name, or the only one with several units that have states. Raises `ArgumentError`, `NotApplicable`."""
    fits = {n: a for n, a in model.random_layers().items() if DOMAINS[a.domain.name].points is not None}
    if name is not None:
        if name not in model.layers:
            raise ArgumentError(f"the model has no layer `{name}`. {suggestion(name, fits)}".rstrip())
        if name not in fits:
            raise NotApplicable(f"the units of `{name}` are {model.layers[name].domain}: they have no few states")
        return fits[name]
    visible = [a for a in fits.values() if a.role == "visible" and a.size > 1]
    if len(visible) != 1:
        raise ArgumentError(f"name a layer: {', '.join(fits) or 'none has units with states'}")
    return visible[0]


def _couplings(engine: CoreEngine, params: Arrays, layer: Layer) -> Array:
    """J before a gauge, (units, states, units, states)."""
    domain, rules = DOMAINS[layer.domain.name], Rules(engine.model)
    states = layer.energy_shape[-1] if domain.one_hot else 1
    found = np.zeros((layer.size, states, layer.size, states))
    for term in engine.derived.energy.terms:
        pair = _pair(term.monomial, layer)
        for places, values in coefficients(engine, params, term.monomial) if pair else ():
            sites = [places.units(at, rules) for at in pair]
            codes = [places.value(at.indices[-1]) if domain.one_hot else np.zeros_like(sites[0]) for at in pair]
            np.add.at(found, (sites[0], codes[0], sites[1], codes[1]), -values)
            np.add.at(found, (sites[1], codes[1], sites[0], codes[0]), -values)
    if domain.one_hot:
        return found
    assert domain.points is not None
    points = np.asarray(domain.points)
    return np.asarray(found * points[:, None, None] * points)


def _pair(monomial: Monomial, layer: Layer) -> tuple[At, ...]:
    """The two units of the layer in a term; nothing where it couples none of them. Raises `NotApplicable`."""
    if layer.name not in monomial.layers():
        return ()
    if layer.name in monomial.joint_layers():
        raise NotApplicable(f"`{layer.name}` stands in a function of several units, which is no sum over pairs")
    found = tuple(monomial.distinct_units())
    others = [a.name for a in found if a.name != layer.name]
    if others:
        raise NotApplicable(
            f"`{layer.name}` is coupled to `{others[0]}`, by which its own units are coupled too, and not in pairs alone; "
            "a hidden layer may be summed out first: energydsl marginalise"
        )
    if len(found) > 2:
        raise NotApplicable(f"units of `{layer.name}` meet {len(found)} at a time, not in pairs alone")
    return found if len(found) == 2 else ()


def _norms(couplings: Array, gap: int | None) -> Array:
    """Frobenius norms over the states that are no gap."""
    kept = [a for a in range(couplings.shape[1]) if a != gap]
    rows = (couplings[n][np.ix_(kept, range(len(couplings)), kept)] for n in range(len(couplings)))
    found = np.triu(np.stack([np.sqrt((row**2).sum(axis=(0, 2))) for row in rows]), 1)
    return np.asarray(found + found.T)


def _corrected(norms: Array) -> Array:
    """Less the average product."""
    means = norms.sum(axis=1) / (len(norms) - 1)
    if not means.any():
        return np.zeros_like(norms)
    scores: Array = norms - means[:, None] * means / means.mean()
    np.fill_diagonal(scores, 0.0)
    return scores
