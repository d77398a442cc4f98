"""`KernelProgram` -> `KernelProgram`: sums over the edges of a graph that joins many pairs run over pairs of its nodes.

    sum over edges e of  J[e] x[first end of e] x[second end of e]   =   sum over i, k of  D[i, k] x[i] x[k]

with D the matrix that is J[e] at the ends of e and 0 elsewhere. Nothing is gathered or scattered then: a field and the energy are
products with D, and dE/dJ is the product of the state with itself over the chains, picked at the edges. That holds for every product
that reads or writes units at the ends of edges, whatever else it holds. The numbers differ by the order of their sums alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from energydsl.kernels.plan import plan
from energydsl.kernels.program import BATCH, Access, Contract, Kernel, KernelProgram, Section, Spread, Step
from energydsl.model.indices import EdgeEnd, Index

# Gathering and scattering cost as much as a matrix product over so many pairs of nodes an edge.
_PAIRS_AN_EDGE = 8


def dense(program: KernelProgram, graphs: frozenset[str] | None = None) -> KernelProgram:
    """The program with sums over the edges of these graphs as sums over pairs of nodes; of those that join many pairs if not given.

    What is found for one unit at a time, or for a block, is left as it is.
    """

    def changed(kernel: Kernel, row: bool = False) -> Kernel:
        return replace(kernel, sections=tuple(_section(program, kernel, s, row, graphs) for s in kernel.sections))

    if not program.edges:
        return program
    layers = {n: replace(x, fields=tuple(map(changed, x.fields))) for n, x in program.layers.items()}
    return replace(
        program,
        layers=MappingProxyType(layers),
        energy=changed(program.energy),
        gradients=MappingProxyType({n: changed(k, row=True) for n, k in program.gradients.items()}),
        forms=MappingProxyType({n: changed(k) for n, k in program.forms.items()}),
        slopes=MappingProxyType({n: changed(k) for n, k in program.slopes.items()}),
    )


def dense_graphs(program: KernelProgram) -> frozenset[str]:
    """The graphs with a sum over edges that is one over pairs of nodes in this program."""
    found = set()
    for step in (step for kernel in program.kernels() for s in kernel.sections for step in s.steps):
        if isinstance(step, Spread):
            found.add(step.graph)
        elif isinstance(step, Contract) and step.left.source == "local":
            ends = (atom for i in step.left.indices or () for atom, _ in i.terms)
            found |= {end.graph for end in ends if isinstance(end, EdgeEnd)}
    return frozenset(found)


def _section(
    program: KernelProgram, kernel: Kernel, section: Section, row: bool, graphs: frozenset[str] | None
) -> Section:
    """A section with each of its sums over edges as one over nodes, where that can be and pays."""
    found = _factors(section)
    if found is None:
        return section
    places = [*(a.indices or () for a in found[1]), section.target or ()]
    ends = (atom for indices in places for i in indices for atom, _ in i.terms)
    for end in dict.fromkeys((e.binder, e.graph) for e in ends if isinstance(e, EdgeEnd)):
        if graphs is None or end[1] in graphs:
            made = _Sum(program, kernel, section, row, *end).over_nodes(graphs is not None)
            section = made or section
    return section


def _factors(section: Section) -> tuple[list[Step], list[Access]] | None:
    """The steps of a section that are no contractions, and the factors whose product it sums; None where it has no result."""
    made: dict[str, list[Access]] = {}

    def expand(access: Access) -> list[Access]:
        plain = access.source == "local" and access.exponent == 1.0 and access.indices is None
        return made.get(access.name, [access]) if plain else [access]

    kept: list[Step] = []
    for step in section.steps:
        if isinstance(step, Contract):
            made[step.out] = [x for a in (step.left, step.right) if a is not None for x in expand(a)]
        else:
            kept.append(step)
    factors = expand(section.result) if section.result is not None else []
    whole = section.result is not None and not any(a.source == "local" and a.name in made for a in factors)
    return (kept, factors) if whole else None


@dataclass(frozen=True)
class _Sum:
    """A section that sums over the letter `edge`, the edges of a graph; row: whether its output is summed over chains."""

    program: KernelProgram
    kernel: Kernel
    section: Section
    row: bool
    edge: str
    graph: str

    @property
    def nodes(self) -> tuple[str, str]:
        """The letters of the two nodes."""
        return f"{self.edge}_first", f"{self.edge}_second"

    def over_nodes(self, always: bool) -> Section | None:
        """The section with its sum over edges as one over pairs of nodes; None where it is not of that kind, or where that does not pay."""
        found = _factors(self.section)
        sizes = self.node_sizes(found[1]) if found else None
        if found is None or sizes is None or not (always or self.pays(sizes)) or not self.in_order():
            return None
        kept, factors = found
        target = self.section.target and tuple(self.at_node(i) for i in self.section.target)
        picked = target is None and self.edge in self.section.letters
        if picked and not self.row:
            return None
        keep = self.kernel.letters if target is None else tuple(x for i in target for x in i.binders())
        if picked:
            keep = self.beside(factors, self.section.letters)
        names = (name for n in itertools.count() if (name := f"d{n}") not in {step.out for step in kept})
        spread, placed = self.spread(factors, names)
        if picked and all(step.values is None for step in spread):
            spread, placed = [], placed[:-1]
        sizes |= self.section.sizes
        result, steps = plan(placed, keep if self.row else (BATCH, *keep), sizes, names)
        made = replace(
            self.section,
            steps=(*kept, *spread, *steps),
            result=result,
            sizes=MappingProxyType(sizes),
            target=target,
        )
        return self.picked(made, next(names)) if picked else self.solved(made)

    # --- whether

    def node_sizes(self, factors: list[Access]) -> dict[str, tuple[int, int]] | None:
        """The sizes of both nodes, where all that knows the edge is a value of it, or stands at one of its ends."""
        found: dict[str, set[int]] = {x: set() for x in self.nodes}
        if self.section.sizes.get(self.edge) != (0, len(self.program.edges[self.graph])):
            return None
        for access in factors:
            indices, known = access.indices or (), access.numbers is not None or access.predicate is not None
            ends = self.ends(indices)
            if ends is None or (known and self.edge in access.letters):
                return None
            if self.is_value(access) and BATCH in access.letters:
                return None
            if ends:
                axes = _axes(self.program.shapes[access.name], indices, access.flat)
                for place, node in ends.items():
                    found[node].add(axes[place])
        target = self.section.target or ()
        aimed = self.ends(target)
        if aimed is None:
            return None
        for place, node in aimed.items():
            found[node].add(_axes(self.kernel.shape, target, self.section.flat)[place])
        if any(len(sizes) != 1 for sizes in found.values()):
            return None
        return {x: (0, sizes.pop()) for x, sizes in found.items()}

    def is_value(self, access: Access) -> bool:
        """Whether a factor has a value for each edge."""
        return self.edge in access.letters and not self.ends(access.indices or ())

    def ends(self, indices: tuple[Index, ...]) -> dict[int, str] | None:
        """Which indices are an end of the edge, and of which node; none where all but read it, None where something else does both."""
        found = {}
        for place, index in enumerate(indices):
            if self.edge not in index.binders() or index.plain is not None:
                continue
            end = index.terms[0][0]
            if index != Index.of(end) or not isinstance(end, EdgeEnd) or end.graph != self.graph or end.side > 1:
                return None
            found[place] = self.nodes[end.side]
        return None if found and self.edge in self.plain(indices) else found

    @staticmethod
    def plain(indices: tuple[Index, ...]) -> list[str]:
        """The indices that are but a letter."""
        return [i.plain for i in indices if i.plain is not None]

    def pays(self, sizes: dict[str, tuple[int, int]]) -> bool:
        """Whether the graph joins many of its pairs."""
        return math.prod(high for _, high in sizes.values()) <= _PAIRS_AN_EDGE * len(self.program.edges[self.graph])

    def in_order(self) -> bool:
        """Whether the edges are pairs, each there once."""
        edges = self.program.edges[self.graph]
        if edges.shape[1] != 2 or edges.min() < 0:
            return False
        codes = edges[:, 0] * (edges.max() + 1) + edges[:, 1]
        return bool(np.all(codes[1:] > codes[:-1]))

    # --- how

    def at_node(self, index: Index) -> Index:
        """An index with a node for the end of the edge."""
        found = self.ends((index,))
        return Index.of(found[0]) if found else index

    def spread(self, factors: list[Access], names: Iterator[str]) -> tuple[list[Spread], list[Access]]:
        """Values of edges as matrices, and all factors over nodes; where there are no values, 1 at every edge."""
        steps, placed = [], []
        for access in factors:
            if self.is_value(access):
                step = Spread(
                    next(names), access, self.graph, self.edge, self.nodes, self.beside(factors, access.letters)
                )
                steps.append(step)
                placed.append(Access("local", step.out, step.letters))
            else:
                placed.append(self.placed(access) if self.edge in access.letters else access)
        if not steps:
            steps.append(Spread(next(names), None, self.graph, self.edge, self.nodes, self.nodes))
            placed.append(Access("local", steps[0].out, self.nodes))
        return steps, placed

    def placed(self, access: Access) -> Access:
        """A factor at the nodes of an edge; whole where it has every place of every axis."""
        indices = tuple(self.at_node(i) for i in access.indices or ())
        batch = (BATCH,) if BATCH in access.letters else ()
        letters = (*batch, *dict.fromkeys(b for i in indices for b in i.binders()))
        plain = self.plain(indices)
        shape = self.program.shapes[access.name]
        whole = not access.flat and len(set(plain)) == len(shape) and all(x in self.nodes or self.all_of(x, n) for x, n in zip(plain, shape, strict=True))  # fmt: skip
        return replace(access, letters=letters, indices=None if whole else indices)

    def all_of(self, letter: str, size: int) -> bool:
        """Whether a letter runs over a whole axis."""
        return self.section.sizes[letter] == (0, size)

    def beside(self, factors: list[Access], letters: tuple[str, ...]) -> tuple[str, ...]:
        """Axes with those of both nodes in the place of the edge, each node before the axes that it is met with: so products are matrices."""
        places = [*(a.indices or () for a in factors), self.section.target or ()]
        met: dict[str, list[str]] = {x: [] for x in self.nodes}
        for indices in places:
            for node in (self.ends(indices) or {}).values():
                met[node] += self.plain(indices)
        others = [x for x in letters if x != self.edge]
        first = [x for x in others if x in met[self.nodes[0]]]
        second = [x for x in others if x in met[self.nodes[1]] and x not in first]
        rest = [x for x in others if x not in first and x not in second]
        return (*rest, self.nodes[0], *first, self.nodes[1], *second)

    def picked(self, section: Section, name: str) -> Section:
        """A section over pairs of nodes, picked at the edges."""
        assert section.result is not None
        ends = {x: Index.of(EdgeEnd(self.graph, side, self.edge)) for side, x in enumerate(self.nodes)}
        indices = tuple(ends.get(x, Index.of(x)) for x in section.result.letters)
        letters = self.section.letters
        step = Contract(name, replace(section.result, letters=letters, indices=indices), None, letters)
        return replace(section, steps=(*section.steps, step), result=Access("local", name, letters))

    def solved(self, section: Section) -> Section:
        """A section that adds to every entry of its output once, as one over the axes of that."""
        target = section.target
        if target is None or section.flat or section.result is None:
            return section
        aimed = self.plain(target)
        whole = len(set(aimed)) == len(self.kernel.shape) and all(
            section.sizes[x] == (0, n) for x, n in zip(aimed, self.kernel.shape, strict=True)
        )
        if not whole:
            return section
        return _renamed(section, dict(zip(aimed, self.kernel.letters, strict=True)))


def _renamed(section: Section, names: dict[str, str]) -> Section:
    """A section whose output has these axes in the place of those that it is aimed at; as it is where other things name them."""
    found: list[Step] = []
    for step in section.steps:
        match step:
            case Contract():
                sides = [a and _with(a, names) for a in (step.left, step.right)]
                if sides[0] is None or (sides[1] is None) != (step.right is None):
                    return section
                found.append(replace(step, left=sides[0], right=sides[1], letters=_put(step.letters, names)))
            case Spread():
                values = step.values and _with(step.values, names)
                if (values is None) != (step.values is None):
                    return section
                first, second = step.nodes
                nodes = (names.get(first, first), names.get(second, second))
                found.append(replace(step, values=values, nodes=nodes, letters=_put(step.letters, names)))
            case _:
                return section
    result = section.result and _with(section.result, names)
    if result is None:
        return section
    sizes = {names.get(x, x): size for x, size in section.sizes.items()}
    return replace(section, steps=tuple(found), result=result, sizes=MappingProxyType(sizes), target=None)


def _put(letters: tuple[str, ...], names: dict[str, str]) -> tuple[str, ...]:
    return tuple(names.get(x, x) for x in letters)


def _with(access: Access, names: dict[str, str]) -> Access | None:
    """An array whose axes have other names; None where it is computed from these."""
    if not any(x in names for x in access.letters):
        return access
    if access.numbers is not None or access.predicate is not None:
        return None
    new = {a: Index.of(b) for a, b in names.items()}
    indices = access.indices and tuple(i.replace(new) for i in access.indices)
    return replace(access, letters=_put(access.letters, names), indices=indices)


def _axes(shape: tuple[int, ...], indices: tuple[Index, ...], flat: bool) -> tuple[int, ...]:
    """The sizes of the axes that indices stand for; flat: the first is over all axes of the units."""
    if not flat:
        return shape
    return (math.prod(shape),) if len(indices) == 1 else (math.prod(shape[:-1]), shape[-1])
