"""Where the layers of a model stand in a picture of its graph."""

from __future__ import annotations

import itertools

import networkx as nx

from energydsl.graph.terms import TermGraph


def layer_layout(graph: TermGraph) -> tuple[dict[str, tuple[float, float]], list[tuple[str, str]]]:
    """Places for the layers of a term graph, and the pairs that share a term, for drawing."""
    joined: nx.Graph[str] = nx.Graph()
    joined.add_nodes_from(n for n, d in graph.nodes(data=True) if d["kind"] == "layer")
    for node, d in graph.nodes(data=True):
        if d["kind"] == "term":
            joined.add_edges_from(itertools.combinations(sorted(graph.neighbors(node)), 2))
    place = nx.spring_layout(joined, seed=1) if len(joined) > 1 else dict.fromkeys(joined, (0.0, 0.0))
    return {n: (float(x), float(y)) for n, (x, y) in place.items()}, list(joined.edges)
