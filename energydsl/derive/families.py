"""The family of a layer's conditional: derived from the statistics of its units in the energy, never declared."""

from __future__ import annotations

from energydsl.derive.normalisable import unproven
from energydsl.domains import DOMAINS, Family
from energydsl.energy.statistics import power_of, statistics_of, without_closed_form
from energydsl.energy.terms import BASE, Term
from energydsl.model.records import Layer, Resolved


def family_of(model: Resolved, layer: Layer, touching: list[Term]) -> Family:
    """The family of a layer: by the statistics of its units in the energy, and whether it has a base measure.

    Raises `DiagnosticError` (E0310, E0311) where there is no closed form and the density cannot be integrated either.
    """
    domain = DOMAINS[layer.domain.name]
    weighted = any(t.label == BASE for t in touching)
    statistics = statistics_of(layer, touching)
    powers = {power_of(s) for s in statistics}
    others = powers if domain.integrated else set()
    found = domain.family(powers, weighted) or domain.family(others | set(domain.powers), weighted)
    if found is None or (domain.integrated and domain.bounded and any(unproven(model, found, layer, touching))):
        return without_closed_form(layer, statistics, touching)
    return found
