"""The edges of declared graphs, and those of NetworkX graphs that are given from outside."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import ArgumentError, Diagnostic, ModelError
from energydsl.model.records import Graph

Integers = NDArray[np.int64]


@lru_cache(maxsize=32)
def edges_of(graph: Graph) -> Integers:
    """The edges of a declared graph, shape (edges, 2), each i < k, sorted. Raises `ModelError` (E0402).

    Hyperedges have a row each, filled up with -1.
    """
    if graph.kind == "absent":
        help = f'give it: ed.load(..., graphs={{"{graph.name}": graph}}), or write a generator'
        raise ModelError([Diagnostic("E0402", f"graph `{graph.name}` was not supplied", graph.span, help)])
    if graph.hyper:
        most = max(map(len, graph.edges))
        return np.array([edge + (-1,) * (most - len(edge)) for edge in graph.edges], np.int64)
    if graph.kind == "edges":
        pairs: Any = graph.edges
    elif graph.kind == "random_regular":
        pairs = nx.random_regular_graph(graph.degree, graph.nodes, seed=graph.seed).edges
    elif graph.kind == "complete":
        return np.stack(np.triu_indices(graph.nodes, 1), axis=1)  # in order as they are
    else:
        pairs = _grid_edges(graph)
    found = np.sort(np.asarray(list(pairs) if not isinstance(pairs, np.ndarray) else pairs, dtype=np.int64), axis=1)
    found = found.reshape(-1, 2)
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def _grid_edges(graph: Graph) -> Integers:
    number = np.arange(graph.nodes, dtype=np.int64).reshape(graph.sizes)
    parts = []
    for axis, size in enumerate(graph.sizes):
        steps = size if graph.periodic and size > 2 else size - 1
        here = np.take(number, np.arange(steps), axis=axis)
        there = np.take(number, (np.arange(steps) + 1) % size, axis=axis)
        parts.append(np.stack([here.ravel(), there.ravel()], axis=1))
    return np.concatenate(parts)


def pairs_of(graph: Any, name: str) -> tuple[list[tuple[int, int]], int]:
    """Edges and number of units of a NetworkX graph.

    Nodes that are whole numbers, Python's or NumPy's, are the numbers of units: 0, 1, 2, ...; one that is left out has no
    edge. Other nodes are numbered in their order in the graph. Raises `ModelError` (E0402) where neither is plain.
    """
    if not isinstance(graph, nx.Graph):
        raise ArgumentError(f"graph `{name}` is a {type(graph).__name__}: one given from outside is a NetworkX graph")
    if graph.is_multigraph() or graph.is_directed():
        kind = "has several edges between the same nodes" if graph.is_multigraph() else "is directed"
        raise _unfit(f"graph `{name}` {kind}: that of an energy joins pairs", "give networkx.Graph(graph)")
    loop = next(nx.selfloop_edges(graph), None)
    if loop is not None:
        help = "take them out: graph.remove_edges_from(list(networkx.selfloop_edges(graph)))"
        raise _unfit(f"an edge of graph `{name}` joins node {loop[0]!r} to itself", help)
    nodes = list(graph.nodes)
    if all(_is_whole(n) for n in nodes):
        number = {n: int(n) for n in nodes}
        _check_numbers(name, sorted(number.values()))
        count = max(number.values(), default=-1) + 1
    else:
        if all(isinstance(n, str) and n.isdecimal() for n in nodes):
            help = (
                "make them integers: networkx.read_edgelist(..., nodetype=int), or networkx.relabel_nodes(graph, int)"
            )
            raise _unfit(f"the nodes of graph `{name}` are text that reads as numbers, as {nodes[0]!r}", help)
        number, count = {n: k for k, n in enumerate(nodes)}, len(nodes)
    return [(number[a], number[b]) for a, b in graph.edges], count


def _is_whole(node: Any) -> bool:
    return isinstance(node, int | np.integer) or (isinstance(node, float | np.floating) and float(node).is_integer())


def _check_numbers(name: str, units: list[int]) -> None:
    """Units are numbered from 0. Raises `ModelError` where they are numbered from 1, or below 0."""
    if not units or (units[0] >= 0 and units != list(range(1, len(units) + 1))):
        return
    help = 'number them from 0: networkx.convert_node_labels_to_integers(graph, ordering="sorted")'
    if units[0] == 1:
        help += "; or, where unit 0 has no edge, graph.add_node(0)"
    raise _unfit(f"the nodes of graph `{name}` are numbered from {units[0]}, units are numbered from 0", help)


def _unfit(message: str, help: str) -> ModelError:
    return ModelError([Diagnostic("E0402", message, None, help)])
