"""Layers, and the units of a layer, in colours: what interacts is never updated together.

A regular lattice is coloured by arithmetic on its axes; a graph of units is built only where the coupling is irregular.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Energy, Monomial
from energydsl.graph.edges import Integers
from energydsl.graph.lattice import Offset, lattice_colours
from energydsl.graph.places import places
from energydsl.model.indices import EdgeEnd, Index, Wrap
from energydsl.model.records import Resolved


@dataclass(frozen=True)
class UnitColouring:
    """How the units of one layer are visited: `whole`, by `colours`, or one by one in a `scan`.

    colours: the colour of every unit in flat order, for `colours`.
    """

    kind: str
    count: int = 1
    colours: Integers | None = field(default=None, compare=False, repr=False)
    why: str = ""


def colour_layers(layers: Iterable[str], pairs: Iterable[frozenset[str]]) -> list[list[str]]:
    """Layers in groups that do not meet: two groups where that is possible (even and odd), else greedily few."""
    graph: nx.Graph[str] = nx.Graph()
    ordered = list(layers)
    graph.add_nodes_from(ordered)
    graph.add_edges_from(sorted((min(p), max(p)) for p in pairs if len(p) == 2 and p <= set(ordered)))
    if nx.is_bipartite(graph):
        colours: dict[str, int] = {}
        for component in nx.connected_components(graph):
            part = nx.bipartite.color(graph.subgraph(sorted(component, key=ordered.index)))
            first = min(component, key=ordered.index)
            colours |= {n: (c - part[first]) % 2 for n, c in part.items()}
    else:
        colours = nx.greedy_color(graph, strategy="DSATUR")
    groups: dict[int, list[str]] = {}
    for name in ordered:
        groups.setdefault(colours[name], []).append(name)
    return list(groups.values())


@dataclass(frozen=True)
class _Coupled:
    """The pairs of entries of one layer that stand in a term together."""

    model: Resolved
    layer: str
    pairs: tuple[tuple[Monomial, At, At], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.model.layers[self.layer].shape

    @property
    def size(self) -> int:
        return self.model.layers[self.layer].size


def unit_colouring(model: Resolved, energy: Energy, layer: str) -> UnitColouring:
    """How the units of a layer can be visited so that no two that interact are updated together.

    The first rule that knows the coupling decides: constant distances, a declared graph, every pair, else all pairs listed.
    """
    if any(layer in term.monomial.joint_layers() for term in energy.terms):
        return UnitColouring("scan", why="functions of several units hold them, and change with each")
    pairs = tuple(
        (term.monomial, a, b)
        for term in energy.terms
        for a, b in itertools.combinations(term.monomial.distinct_units(), 2)
        if a.name == b.name == layer
    )
    if not pairs:
        return UnitColouring("whole")
    coupled = _Coupled(model, layer, pairs)
    for rule in (_at_constant_distances, _along_a_graph, _every_pair):
        found = rule(coupled)
        if found is not None:
            return found
    return _listed(coupled)


def _coloured(colours: Integers) -> UnitColouring:
    return UnitColouring("colours", int(colours.max()) + 1, colours.ravel())


# --- constant distances


def _at_constant_distances(coupled: _Coupled) -> UnitColouring | None:
    """Units of a lattice that meet at constant distances."""
    rules = Rules(coupled.model)
    offsets = []
    for monomial, a, b in coupled.pairs:
        offset = _offset(monomial, a, b, coupled.shape, rules)
        if offset is None:
            return None
        offsets.append(offset)
    colours = lattice_colours(coupled.shape, offsets)
    return None if colours is None else _coloured(colours)


def _offset(monomial: Monomial, a: At, b: At, shape: tuple[int, ...], rules: Rules) -> Offset | None:
    """The constant distance between two entries, or None where it varies."""
    if a.flat or b.flat:
        return None
    sites = rules.sites(a)
    ranges = {loop.name: (loop.low, loop.high) for loop in monomial.loops}
    axes = [_step(*x, ranges) for x in zip(a.indices[:sites], b.indices[:sites], shape, strict=True)]
    known = [axis for axis in axes if axis is not None]
    if len(known) < len(axes):
        return None
    return Offset(tuple(step for step, _ in known), tuple(ring for _, ring in known))


def _step(left: Index, right: Index, size: int, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, bool] | None:
    """The constant distance of two indices along one axis, and whether it closes to a ring; None where it varies."""
    wrapped = [_unwrapped(i, size) for i in (left, right)]
    ring = any(w is not None for w in wrapped)
    inner = [i if w is None else w for w, i in zip(wrapped, (left, right), strict=True)]
    if ring and not all(
        w is not None or ranges.get(i.plain or "") == (0, size) for w, i in zip(wrapped, inner, strict=True)
    ):
        return None
    gap = inner[0] - inner[1]
    return None if gap.terms else (gap.constant, ring)


def _unwrapped(index: Index, size: int) -> Index | None:
    """What is taken modulo the length of an axis, or None where nothing is."""
    if len(index.terms) == 1 and index.constant == 0 and index.terms[0][1] == 1:
        atom = index.terms[0][0]
        if isinstance(atom, Wrap) and atom.modulus == size:
            return atom.inner
    return None


# --- declared graphs


def _along_a_graph(coupled: _Coupled) -> UnitColouring | None:
    """Units that meet along the edges of one declared graph, where that is complete or a grid."""
    rules = Rules(coupled.model)
    graphs = {_edge_graph(a.indices[: rules.sites(a)], b.indices[: rules.sites(b)]) for _, a, b in coupled.pairs}
    if len(graphs) != 1 or None in graphs:
        return None
    graph = coupled.model.graphs[str(next(iter(graphs)))]
    if graph.nodes != coupled.size:
        return None  # further axes beside that of the graph's units
    if graph.kind == "complete":
        return UnitColouring("scan", why=f"graph `{graph.name}` joins every pair")
    if graph.kind != "grid":
        return None
    ring = (graph.periodic,) * len(graph.sizes)
    steps = np.eye(len(graph.sizes), dtype=int)
    colours = lattice_colours(graph.sizes, [Offset(tuple(int(s) for s in step), ring) for step in steps])
    return None if colours is None else _coloured(colours)


def _edge_graph(a: tuple[Index, ...], b: tuple[Index, ...]) -> str | None:
    """The graph whose edge the units at these places are the ends of."""
    found = set()
    for index, other in zip(a, b, strict=False):
        if index == other:
            continue
        ends = [i.terms[0][0] for i in (index, other) if len(i.terms) == 1 and i.constant == 0]
        if len(ends) != 2 or not all(isinstance(e, EdgeEnd) for e in ends):
            return None
        found |= {e.graph for e in ends if isinstance(e, EdgeEnd)}
    return found.pop() if len(found) == 1 else None


# --- everything else


def _every_pair(coupled: _Coupled) -> UnitColouring | None:
    """Units of which any two may meet."""
    if any(_dense(*pair) for pair in coupled.pairs):
        return UnitColouring("scan", why="every pair of units may interact")
    return None


def _dense(monomial: Monomial, a: At, b: At) -> bool:
    """Both entries run freely over the layer: x_i ... x_k for every i < k."""
    loops = {loop.name: loop for loop in monomial.loops}
    plain = [i.plain for i in (*a.indices, *b.indices)]
    free = all(p is not None and not loops[p].graph for p in plain)
    return free and any(x != y for x, y in zip(a.indices, b.indices, strict=False))


def _listed(coupled: _Coupled) -> UnitColouring:
    """A greedy colouring of all pairs of units that meet; unit by unit where they are too many."""
    pairs = _unit_pairs(coupled)
    if pairs is None:
        return UnitColouring("scan", why="the units are coupled too densely to colour")
    found = _coloured(_greedy(coupled.size, pairs))
    if found.count > max(2, coupled.size // 2):
        return UnitColouring("scan", why="nearly every pair of units interacts")
    return found


def _unit_pairs(coupled: _Coupled) -> Integers | None:
    """All pairs of flat unit numbers that are coupled, or None where there are too many to list."""
    rules, found = Rules(coupled.model), []
    for monomial, a, b in coupled.pairs:
        visited = places(coupled.model, monomial)
        if visited is None:
            return None
        pair = np.stack([visited.units(x, rules) for x in (a, b)], axis=-1)
        found.append(np.sort(pair[pair[:, 0] != pair[:, 1]], axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    size = coupled.size
    return None if len(pairs) > size * (size - 1) / 4 and size > 8 else pairs


def _greedy(size: int, pairs: Integers) -> Integers:
    """A colour for every unit: two where that is possible, else the fewer of two greedy orders."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(pairs.tolist())
    if nx.is_bipartite(graph):
        colours = nx.bipartite.color(graph)
    else:
        tries = [nx.greedy_color(graph, strategy=s) for s in ("largest_first", "smallest_last")]
        colours = min(tries, key=lambda c: max(c.values()))
    return np.array([colours[n] for n in range(size)], dtype=np.int64)
