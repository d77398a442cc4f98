"""In which order units are eliminated from a factor graph: the least degree first, as NetworkX has it for tree decompositions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
from networkx.algorithms.approximation.treewidth import MinDegreeHeuristic

from energydsl.graph.edges import Integers


class TooWide(Exception):
    """A unit meets so many others when its turn comes that their joint states are too many."""


@dataclass(frozen=True)
class Order:
    """units: in the order of elimination, each with those that it meets then, which are eliminated later.

    log2_states: of the largest group of a unit and those it meets. log2_work: of the sum over all groups.
    """

    units: tuple[tuple[int, tuple[int, ...]], ...]
    log2_states: float
    log2_work: float


def elimination_order(scopes: Iterable[Integers], states: Sequence[int], most: float) -> Order:
    """An order of elimination; scopes: (places, units) each, states: of each unit. Raises `TooWide` above 2^most joint states."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(states)))
    for scope in scopes:
        for a, b in itertools.combinations(range(scope.shape[1]), 2):
            graph.add_edges_from(scope[:, [a, b]].tolist())
    size = [math.log2(s) for s in states]
    adjacent: Any = {u: set(graph[u]) for u in graph}
    least: Any = MinDegreeHeuristic(adjacent)
    found: list[tuple[int, set[int]]] = []
    while (unit := least.best_node(adjacent)) is not None:
        others = adjacent.pop(unit)
        if size[unit] + sum(size[o] for o in others) > most:
            raise TooWide
        for other in others:
            adjacent[other] |= others
            adjacent[other] -= {other, unit}
        found.append((unit, others))
    left = list(adjacent)  # they all meet one another
    if sum(size[u] for u in left) > most:
        raise TooWide
    found += [(unit, set(left[number + 1 :])) for number, unit in enumerate(left)]
    turn = {unit: number for number, (unit, _) in enumerate(found)}
    ordered = tuple((unit, tuple(sorted(others, key=turn.__getitem__))) for unit, others in found)
    logs = [size[unit] + sum(size[o] for o in others) for unit, others in ordered]
    return Order(ordered, max(logs, default=0.0), math.log2(sum(2.0**k for k in logs) or 1.0))
