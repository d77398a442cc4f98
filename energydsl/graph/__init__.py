"""Who meets whom: the bipartite graph of layers and terms, and the colouring of units that interact inside a layer.

The only module that knows NetworkX. A regular lattice is coloured by arithmetic on its axes, whatever its size; a unit
graph is built only where the coupling is irregular.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from energydsl import limits
from energydsl.diagnostics import ArgumentError, Diagnostic, ModelError
from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Energy, Monomial, entries
from energydsl.model.indices import EdgeEnd, Index, Wrap
from energydsl.model.records import Graph, Resolved

Integers = NDArray[np.int64]


# --- edges -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def edges_of(graph: Graph) -> Integers:
    """The edges of a declared graph, shape (edges, 2), each i < k, sorted. Raises `ModelError` (E0402)."""
    if graph.kind == "absent":
        help = f'give it: ed.load(..., graphs={{"{graph.name}": graph}}), or write a generator'
        raise ModelError([Diagnostic("E0402", f"graph `{graph.name}` was not supplied", graph.span, help)])
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


# --- layers and terms --------------------------------------------------------------------------------------------


def term_graph(model: Resolved, energy: Energy) -> nx.Graph[str]:
    """Bipartite graph: layers (inputs too) and energy terms; an edge where the layer occurs in the term."""
    graph: nx.Graph[str] = nx.Graph(name=model.name)
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


def layer_layout(graph: nx.Graph[str]) -> tuple[dict[str, tuple[float, float]], list[tuple[str, str]]]:
    """Places for the layers of a term graph, and the pairs that share a term, for drawing."""
    joined: nx.Graph[str] = nx.Graph()
    joined.add_nodes_from(n for n, d in graph.nodes(data=True) if d["kind"] == "layer")
    for node, d in graph.nodes(data=True):
        if d["kind"] == "term":
            joined.add_edges_from(itertools.combinations(sorted(graph.neighbors(node)), 2))
    place = nx.spring_layout(joined, seed=1) if len(joined) > 1 else dict.fromkeys(joined, (0.0, 0.0))
    return {n: (float(x), float(y)) for n, (x, y) in place.items()}, list(joined.edges)


def interactions(energy: Energy) -> dict[frozenset[str], int]:
    """Pairs of layers that share a term (or one layer that meets itself), with the number of the first such term."""
    found: dict[frozenset[str], int] = {}
    for number, term in enumerate(energy.terms):
        for a, b in itertools.combinations(term.monomial.distinct_units(), 2):
            found.setdefault(frozenset((a.name, b.name)), number)
    return found


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


def cycle_of(arrows: Iterable[tuple[str, str]]) -> list[str]:
    """The layers of a directed cycle, or none."""
    graph: nx.DiGraph[str] = nx.DiGraph(list(arrows))
    try:
        return [a for a, _ in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        return []


Item = TypeVar("Item")


def downwards(parts: Sequence[Item], ends: Callable[[Item], tuple[Iterable[str], Iterable[str]]]) -> list[Item]:
    """Directed parts in an order in which all that is given is drawn before; ends: (given, targets) of a part."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(parts)))
    makers = {t: n for n, p in enumerate(parts) for t in ends(p)[1]}
    graph.add_edges_from((makers[g], n) for n, p in enumerate(parts) for g in ends(p)[0] if g in makers)
    return [parts[n] for n in nx.lexicographical_topological_sort(graph)]


# --- where the loops of a monomial go ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """All places of the loops of a monomial where its predicates hold: the values of every loop, each of shape (count,)."""

    model: Resolved
    count: int
    loops: Mapping[str, Integers]

    def value(self, index: Index) -> Integers:
        """The index at every place."""
        return np.broadcast_to(np.asarray(index.value(self.loops, self._edge), np.int64), (self.count,))

    def units(self, atom: At, rules: Rules) -> Integers:
        """The flat number of the unit that an entry of a layer names, at every place."""
        values = [self.value(i) for i in atom.indices[: rules.sites(atom)]]
        if atom.flat:
            return values[0]
        number = np.zeros(self.count, np.int64)
        for value, size in zip(values, self.model.layers[atom.name].shape, strict=True):
            number = number * size + value
        return number

    def _edge(self, graph: str, side: int, number: Any) -> Any:
        return edges_of(self.model.graphs[graph])[number, side]


def places(model: Resolved, monomial: Monomial) -> Places | None:
    """Where the loops of a monomial go; None where there are too many places to list, or a graph was not supplied."""
    count = math.prod(loop.high - loop.low for loop in monomial.loops)
    if count > limits.PLACES_OF_A_TERM or any(model.graphs[g].kind == "absent" for g in _graphs(monomial)):
        return None
    grids = np.meshgrid(*(np.arange(loop.low, loop.high) for loop in monomial.loops), indexing="ij")
    every = Places(model, count, {loop.name: g.ravel() for loop, g in zip(monomial.loops, grids, strict=True)})
    keep = np.ones(count, bool)
    for predicate in monomial.predicates:
        keep &= predicate.holds(every.value)
    return Places(model, int(keep.sum()), {name: values[keep] for name, values in every.loops.items()})


def _graphs(monomial: Monomial) -> set[str]:
    return {loop.graph for loop in monomial.loops if loop.graph}


# --- units inside a layer ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnitColouring:
    """How the units of one layer are visited: `whole`, by `colours`, or one by one in a `scan`.

    colours: the colour of every unit in flat order, for `colours`.
    """

    kind: str
    count: int = 1
    colours: Integers | None = field(default=None, compare=False, repr=False)
    why: str = ""


@dataclass(frozen=True)
class Offset:
    """Units coupled at a constant distance: along each axis, and whether that axis closes to a ring."""

    steps: tuple[int, ...]
    rings: tuple[bool, ...]


def unit_colouring(model: Resolved, energy: Energy, layer: str) -> UnitColouring:
    """How the units of a layer can be visited so that no two that interact are updated together."""
    rules = Rules(model)
    coupled = [
        (term.monomial, a, b)
        for term in energy.terms
        for a, b in itertools.combinations(term.monomial.distinct_units(), 2)
        if a.name == b.name == layer
    ]
    if not coupled:
        return UnitColouring("whole")
    shape = model.layers[layer].shape
    size = model.layers[layer].size
    offsets = [_offset(m, a, b, shape, rules) for m, a, b in coupled]
    if all(o is not None for o in offsets):
        colours = lattice_colours(shape, [o for o in offsets if o is not None])
        if colours is not None:
            return _coloured(colours)
    graphs = {_edge_graph(a, b) for _, a, b in coupled}
    if len(graphs) == 1 and None not in graphs:
        graph = model.graphs[str(next(iter(graphs)))]
        if graph.kind == "complete":
            return UnitColouring("scan", why=f"graph `{graph.name}` joins every pair")
        if graph.kind == "grid":
            steps = np.eye(len(graph.sizes), dtype=int)
            ring = (graph.periodic,) * len(graph.sizes)
            lattice = [Offset(tuple(int(s) for s in step), ring) for step in steps]
            colours = lattice_colours(graph.sizes, lattice)
            if colours is not None:
                return _coloured(colours)
    if any(_dense(m, a, b) for m, a, b in coupled):
        return UnitColouring("scan", why="every pair of units may interact")
    pairs = _unit_pairs(model, coupled, rules)
    if pairs is None:
        return UnitColouring("scan", why="the units are coupled too densely to colour")
    parts = _coloured(_greedy(size, pairs))
    if parts.count > max(2, size // 2):
        return UnitColouring("scan", why="nearly every pair of units interacts")
    return parts


def _coloured(colours: Integers) -> UnitColouring:
    return UnitColouring("colours", int(colours.max()) + 1, colours.ravel())


def _edge_graph(a: At, b: At) -> str | None:
    """The graph whose edge the two entries are the ends of."""
    found = set()
    for index, other in zip(a.indices, b.indices, strict=False):
        if index == other:
            continue
        ends = [i.terms[0][0] for i in (index, other) if len(i.terms) == 1 and i.constant == 0]
        if len(ends) != 2 or not all(isinstance(e, EdgeEnd) for e in ends):
            return None
        found |= {e.graph for e in ends if isinstance(e, EdgeEnd)}
    return found.pop() if len(found) == 1 else None


def _dense(monomial: Monomial, a: At, b: At) -> bool:
    """Both entries run freely over the layer: x_i ... x_k for every i < k."""
    loops = {loop.name: loop for loop in monomial.loops}
    plain = [i.plain for i in (*a.indices, *b.indices)]
    free = all(p is not None and not loops[p].graph for p in plain)
    return free and any(x != y for x, y in zip(a.indices, b.indices, strict=False))


def _offset(monomial: Monomial, a: At, b: At, shape: tuple[int, ...], rules: Rules) -> Offset | None:
    """The constant distance between two entries, or None where it varies."""
    if a.flat or b.flat:
        return None
    steps, rings = [], []
    sites = rules.sites(a)
    ranges = {loop.name: (loop.low, loop.high) for loop in monomial.loops}
    for left, right, size in zip(a.indices[:sites], b.indices[:sites], shape, strict=True):
        wrapped = [_unwrapped(i, size) for i in (left, right)]
        ring = any(w is not None for w in wrapped)
        if ring:
            inner = [w if w is not None else i for w, i in zip(wrapped, (left, right), strict=True)]
            whole = all(
                w is not None or ranges.get(i.plain or "") == (0, size) for w, i in zip(wrapped, inner, strict=True)
            )
            if not whole:
                return None
        else:
            inner = [left, right]
        gap = inner[0] - inner[1]
        if gap.terms:
            return None
        steps.append(gap.constant)
        rings.append(ring)
    return Offset(tuple(steps), tuple(rings))


def _unwrapped(index: Index, size: int) -> Index | None:
    if len(index.terms) == 1 and index.constant == 0 and index.terms[0][1] == 1:
        atom = index.terms[0][0]
        if isinstance(atom, Wrap) and atom.modulus == size:
            return atom.inner
    return None


def lattice_colours(shape: tuple[int, ...], offsets: list[Offset]) -> Integers | None:
    """A colouring of a lattice that separates units at the given distances; None where no simple one does.

    Two colours by parity if the rings are even; three for nearest neighbours on odd rings; else the smallest modulus m
    with a linear colouring sum(a_k i_k) mod m.
    """
    if math.prod(shape) > limits.COLOURED_UNITS:
        return None
    rings = tuple(any(o.rings[k] for o in offsets) for k in range(len(shape)))
    for modulus in range(2, 13):
        if modulus == 3:
            walk = _neighbour_walk(shape, offsets, rings)
            if walk is not None:
                return walk
        for factors in itertools.product(range(modulus), repeat=len(shape)):
            closes = all(not r or a * n % modulus == 0 for a, n, r in zip(factors, shape, rings, strict=True))
            apart = all(sum(a * s for a, s in zip(factors, o.steps, strict=True)) % modulus for o in offsets)
            if closes and apart:
                grids = np.indices(shape, sparse=True)
                total = sum(a * g for a, g in zip(factors, grids, strict=True)) % modulus
                return np.broadcast_to(np.asarray(total, dtype=np.int64), shape)
    return None


def _neighbour_walk(shape: tuple[int, ...], offsets: list[Offset], rings: tuple[bool, ...]) -> Integers | None:
    """Three colours: along each axis the colour steps by +-1 mod 3, and an odd ring closes with a 2."""
    if any(sum(map(abs, o.steps)) != 1 for o in offsets):
        return None
    total = np.zeros((1,) * len(shape), dtype=np.int64)
    for axis, (size, ring) in enumerate(zip(shape, rings, strict=True)):
        steps = np.arange(size, dtype=np.int64) % 2
        if ring and size % 2 and size > 1:
            steps[-1] = 2
        total = total + steps.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.broadcast_to(total % 3, shape)


def _unit_pairs(model: Resolved, coupled: list[tuple[Monomial, At, At]], rules: Rules) -> Integers | None:
    """All pairs of flat unit numbers that are coupled, or None where there are too many to list."""
    found = []
    for monomial, a, b in coupled:
        visited = places(model, monomial)
        if visited is None:
            return None
        pair = np.stack([visited.units(x, rules) for x in (a, b)], axis=-1)
        found.append(np.sort(pair[pair[:, 0] != pair[:, 1]], axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    size = model.layers[coupled[0][1].name].size
    return None if len(pairs) > size * (size - 1) / 4 and size > 8 else pairs


def _greedy(size: int, pairs: Integers) -> Integers:
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(pairs.tolist())
    if nx.is_bipartite(graph):
        colours = nx.bipartite.color(graph)
    else:
        tries = [nx.greedy_color(graph, strategy=s) for s in ("largest_first", "smallest_last")]
        colours = min(tries, key=lambda c: max(c.values()))
    return np.array([colours[n] for n in range(size)], dtype=np.int64)
