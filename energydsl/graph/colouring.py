"""Layers, and the units of a layer, in colours: what interacts is never updated together.

A regular lattice is coloured by arithmetic on its axes; a graph of units is built only where the coupling is irregular.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np

from energydsl import limits
from energydsl.energy.held import Held, among, held
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

    @property
    def coupled(self) -> bool:
        """Whether some of its units meet."""
        return self.kind == "scan" or self.count > 1


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
class _Pair:
    """Two entries of one layer that stand in a term together, at the places of some loops where predicates hold.

    joint: whether a function of several units holds them.
    """

    places: Monomial
    a: At
    b: At
    joint: bool = False


@dataclass(frozen=True)
class _Coupled:
    """The pairs of entries of one layer that meet."""

    model: Resolved
    layer: str
    pairs: tuple[_Pair, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.model.layers[self.layer].shape

    @property
    def size(self) -> int:
        return self.model.layers[self.layer].size


def unit_colouring(model: Resolved, energy: Energy, layer: str) -> UnitColouring:
    """How the units of a layer can be visited so that no two that interact are updated together.

    The first rule that knows the coupling decides: every pair, constant distances, a declared graph, else all pairs listed.
    Units that functions of several units hold have colours even where no two meet, then one: the energy is not linear in
    them, so that they are no layer like others.
    """
    rules = Rules(model)
    pairs = tuple(dict.fromkeys(pair for term in energy.terms for pair in _pairs(term.monomial, layer, rules)))
    if not pairs:
        joint = any(layer in term.monomial.joint_layers() for term in energy.terms)
        return _coloured(np.zeros(model.layers[layer].shape, np.int64)) if joint else UnitColouring("whole")
    coupled = _Coupled(model, layer, pairs)
    for rule in (_every_pair, _at_constant_distances, _along_a_graph):
        found = rule(coupled)
        if found is not None:
            return found
    return _listed(coupled)


def _pairs(monomial: Monomial, layer: str, rules: Rules) -> Iterator[_Pair]:
    """The pairs of entries of a layer in a term: factors of a product, or anywhere inside a function of several units."""
    if layer not in monomial.joint_layers():
        places = replace(monomial, coefficient=1.0, factors=())
        for a, b in itertools.combinations(monomial.distinct_units(), 2):
            if a.name == b.name == layer:
                yield _Pair(places, a, b)
        return
    for first, second in itertools.combinations_with_replacement(held(monomial, layer), 2):
        other = _apart(second)
        if _sites(first.at, rules) == _sites(other.at, rules):
            continue
        binders = {b for at in (first.at, other.at) for i in _sites(at, rules) for b in i.binders()}
        loops = tuple(x for x in (*monomial.loops, *first.loops, *other.loops) if x.name in binders)
        predicates = among((*monomial.predicates, *first.predicates, *other.predicates), binders)
        yield _Pair(Monomial(1.0, loops, predicates), first.at, other.at, joint=True)


def _sites(at: At, rules: Rules) -> tuple[Index, ...]:
    return at.indices[: rules.sites(at)]


def _apart(entry: Held) -> Held:
    """An entry under loops of its own, so that it may stand at another place of the same function."""
    names = {loop.name: Index.of(f"{loop.name}'") for loop in entry.loops}
    return Held(
        replace(entry.at, indices=tuple(i.replace(names) for i in entry.at.indices)),
        tuple(replace(loop, name=f"{loop.name}'") for loop in entry.loops),
        tuple(p.replace(names) for p in entry.predicates),
    )


def _coloured(colours: Integers) -> UnitColouring:
    return UnitColouring("colours", int(colours.max()) + 1, colours.ravel())


# --- every pair


def _every_pair(coupled: _Coupled) -> UnitColouring | None:
    """Units of which any two may meet."""
    rules = Rules(coupled.model)
    dense = [pair for pair in coupled.pairs if _dense(pair, coupled.shape, rules)]
    if not dense:
        return None
    if any(pair.joint for pair in dense):
        return UnitColouring("scan", why="functions of several units hold them, and change with each")
    return UnitColouring("scan", why="every pair of units may interact")


def _dense(pair: _Pair, shape: tuple[int, ...], rules: Rules) -> bool:
    """Both entries run freely over the layer: x_i ... x_k for every i < k; in a function, over most of each axis."""
    loops = {loop.name: loop for loop in pair.places.loops}
    a, b = (_sites(at, rules) for at in (pair.a, pair.b))
    if any(i.plain is None or loops[i.plain].graph for i in (*a, *b)):
        return False
    apart = [x != y for x, y in zip(a, b, strict=True)]
    if not pair.joint:
        return any(apart)
    ranges = [[loops[str(i.plain)] for i in at] for at in (a, b)]
    return all(apart) and all(2 * (x.high - x.low) > n for at in ranges for x, n in zip(at, shape, strict=True))


# --- constant distances


def _at_constant_distances(coupled: _Coupled) -> UnitColouring | None:
    """Units of a lattice that meet at some distances, the same wherever they are."""
    rules = Rules(coupled.model)
    offsets: dict[Offset, None] = {}
    for pair in coupled.pairs:
        found = _offsets(pair, coupled.shape, rules)
        if found is None:
            return None
        offsets |= dict.fromkeys(found)
    colours = lattice_colours(coupled.shape, list(offsets))
    return None if colours is None else _coloured(colours)


def _offsets(pair: _Pair, shape: tuple[int, ...], rules: Rules) -> list[Offset] | None:
    """The distances between two entries; None where these hang on where the entries are, or are too many to list."""
    if pair.a.flat or pair.b.flat:
        return None
    ranges = {loop.name: (loop.low, loop.high) for loop in pair.places.loops}
    axes = [_step(*x, ranges) for x in zip(_sites(pair.a, rules), _sites(pair.b, rules), shape, strict=True)]
    known = [axis for axis in axes if axis is not None]
    binders = list(dict.fromkeys(b for gap, _ in known for b in gap.binders()))
    if len(known) < len(axes) or math.prod(ranges[b][1] - ranges[b][0] for b in binders) > limits.DISTANCES:
        return None
    grids = dict(zip(binders, np.meshgrid(*(np.arange(*ranges[b]) for b in binders), indexing="ij"), strict=True))
    rings = tuple(ring for _, ring in known)
    steps = np.stack(np.broadcast_arrays(*(gap.value(grids, _no_edges) for gap, _ in known)), axis=-1)
    return [Offset(tuple(step), rings) for step in _distinct(steps.reshape(-1, len(shape)), shape, rings).tolist()]


def _no_edges(graph: str, side: int, number: Any) -> Any:
    raise AssertionError("a gap of edges is no distance")


def _distinct(steps: Integers, shape: tuple[int, ...], rings: tuple[bool, ...]) -> Integers:
    """Steps that lead from a unit to another one, each once in one of its two directions; around a ring the short way."""
    size, ring = np.array(shape), np.array(rings)
    steps = np.where(ring, (steps + size // 2) % size - size // 2, steps)
    steps = steps[(abs(steps) < size).all(axis=1) & steps.any(axis=1)]
    lead = np.take_along_axis(steps, (steps != 0).argmax(axis=1)[:, None], axis=1)
    return np.unique(steps * np.sign(lead), axis=0)


def _step(left: Index, right: Index, size: int, ranges: Mapping[str, tuple[int, int]]) -> tuple[Index, bool] | None:
    """How far apart two indices are along one axis, and whether it closes to a ring; None where edges or `%` are in it."""
    wrapped = [_unwrapped(i, size) for i in (left, right)]
    ring = any(w is not None for w in wrapped)
    inner = [i if w is None else w for w, i in zip(wrapped, (left, right), strict=True)]
    if ring and not all(
        w is not None or ranges.get(i.plain or "") == (0, size) for w, i in zip(wrapped, inner, strict=True)
    ):
        return None
    gap = inner[0] - inner[1]
    return (gap, ring) if all(isinstance(atom, str) for atom, _ in gap.terms) else None


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
    graphs = {_edge_graph(_sites(pair.a, rules), _sites(pair.b, rules)) for pair in coupled.pairs}
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
    """The graph of which the units at these places are the two ends of one edge."""
    found = set()
    for index, other in zip(a, b, strict=False):
        if index == other:
            continue
        ends = [i.terms[0][0] for i in (index, other) if len(i.terms) == 1 and i.constant == 0]
        edges = [(e.graph, e.binder) for e in ends if isinstance(e, EdgeEnd)]
        if len(edges) != 2 or edges[0] != edges[1]:
            return None
        found.add(edges[0][0])
    return found.pop() if len(found) == 1 else None


# --- everything else


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
    for pair in coupled.pairs:
        visited = places(coupled.model, pair.places)
        if visited is None:
            return None
        units = np.stack([visited.units(x, rules) for x in (pair.a, pair.b)], axis=-1)
        found.append(np.sort(units[units[:, 0] != units[:, 1]], axis=1))
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
