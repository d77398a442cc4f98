"""Who meets whom: the bipartite graph of layers and energy terms, and the pairs of layers that share a term."""

from __future__ import annotations

import itertools
from typing import TypeAlias

import networkx as nx

from energydsl.energy.terms import Energy, Monomial, entries
from energydsl.model.records import Resolved

# Nodes are names of layers, and `label:number` for the terms of the canonical energy.
TermGraph: TypeAlias = "nx.Graph[str]"


def term_graph(model: Resolved, energy: Energy) -> TermGraph:
    """Bipartite graph: layers (inputs too) and energy terms; an edge where the layer occurs in the term."""
    graph: TermGraph = nx.Graph(name=model.name)
    for name, layer in model.layers.items():
        graph.add_node(name, bipartite=0, kind="layer", role=layer.role, domain=str(layer.domain), size=layer.size)
    for number, term in enumerate(energy.terms):
        node = f"{term.label}:{number}"
        text = term.spans[0].text if term.spans else ""
        graph.add_node(node, bipartite=1, kind="term", label=term.label, text=text)
        for name in sorted(_all_layers(term.monomial)):
            graph.add_edge(name, node)
    return graph


def _all_layers(monomial: Monomial) -> set[str]:
    return {a.name for f, _ in monomial.factors for a in entries(f) if a.kind in ("layer", "input")}


def interactions(energy: Energy) -> dict[frozenset[str], int]:
    """Pairs of layers that share a term (or one layer that meets itself), with the number of the first such term.

    A layer that stands in a function of several units is said to meet itself: it is never summed out in closed form.
    """
    found: dict[frozenset[str], int] = {}
    for number, term in enumerate(energy.terms):
        for a, b in itertools.combinations(term.monomial.distinct_units(), 2):
            found.setdefault(frozenset((a.name, b.name)), number)
        for name in term.monomial.joint_layers():
            for other in term.monomial.layers():
                found.setdefault(frozenset((name, other)), number)
    return found
