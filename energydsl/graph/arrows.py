"""Directed parts: whether their arrows close a cycle, and an order that follows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import networkx as nx

Item = TypeVar("Item")


def cycle_of(arrows: Iterable[tuple[str, str]]) -> list[str]:
    """The layers of a directed cycle, or none."""
    graph: nx.DiGraph[str] = nx.DiGraph(list(arrows))
    try:
        return [a for a, _ in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        return []


def downwards(parts: Sequence[Item], ends: Callable[[Item], tuple[Iterable[str], Iterable[str]]]) -> list[Item]:
    """Directed parts in an order in which all that is given is drawn before; ends: (given, targets) of a part."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(parts)))
    makers = {t: n for n, p in enumerate(parts) for t in ends(p)[1]}
    graph.add_edges_from((makers[g], n) for n, p in enumerate(parts) for g in ends(p)[0] if g in makers)
    return [parts[n] for n in nx.lexicographical_topological_sort(graph)]
