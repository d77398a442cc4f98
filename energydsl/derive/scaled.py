"""Whether conditionals stay distributions where the terms of an energy are multiplied by factors: beta, and weights of terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from energydsl.derive.joint import unbounded_pairs
from energydsl.derive.normalisable import normalisation_problems
from energydsl.derive.several_units import unconfined, without_conditional
from energydsl.diagnostics import Diagnostic
from energydsl.domains import Family
from energydsl.energy.terms import BASE, Energy
from energydsl.model.records import Resolved


def improper_when_scaled(
    model: Resolved, energy: Energy, families: Mapping[str, Family], factors: Mapping[str, float]
) -> Iterator[Diagnostic]:
    """Refusals where every term of the energy is multiplied by a factor, by label; families are those without factors."""
    kept = [t for t in energy.terms if t.label == BASE or factors[t.label]]
    scaled = [replace(t, monomial=t.monomial.scaled(factors.get(t.label, 1.0))) for t in kept]
    for name, layer in model.random_layers().items():
        declared, touching = ([t for t in terms if name in t.monomial.layers()] for terms in (energy.terms, scaled))
        if without_conditional(layer, declared):
            yield from unconfined(model, layer, touching)
        else:
            yield from normalisation_problems(model, families[name], layer, touching, declared, factors)
    yield from (d for d in unbounded_pairs(model, replace(energy, terms=tuple(scaled))) if d.severity == "error")
