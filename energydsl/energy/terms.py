"""The canonical energy: an ordered sum of monomials over loops.

    E(x) = sum_t  coefficient_t * sum_{loops_t, predicates_t}  prod_f  atom_f ^ exponent_f

An atom is one entry of a layer, parameter or input, a run-time constant, or a function of such. Equal energies are
equal records: loops are numbered, factors sorted, monomials merged and sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from energydsl.diagnostics import Span
from energydsl.model.indices import Index


@dataclass(frozen=True)
class Loop:
    """A summation index over [low, high), or over the edges of `graph`."""

    name: str
    low: int
    high: int
    graph: str = ""


@dataclass(frozen=True)
class Predicate:
    """A relation between two index tuples: `less` (in lexicographic order), `equal`, or `differ`."""

    kind: str
    left: tuple[Index, ...]
    right: tuple[Index, ...]

    def replace(self, mapping: Mapping[str, Index]) -> Predicate:
        """With other indices for its binders."""
        left = tuple(i.replace(mapping) for i in self.left)
        right = tuple(i.replace(mapping) for i in self.right)
        if self.kind != "less" and repr(right) < repr(left):
            left, right = right, left
        return Predicate(self.kind, left, right)

    def binders(self) -> list[str]:
        """The names that it binds or reads, each as often as it stands there."""
        return [b for i in (*self.left, *self.right) for b in i.binders()]

    def settled(self) -> bool | None:
        """True or False where the relation does not depend on any loop, else None."""
        pairs = list(zip(self.left, self.right, strict=True))
        for a, b in pairs:
            difference = a - b
            if difference.terms:
                return None
            if difference.constant:
                return {"less": difference.constant < 0, "equal": False, "differ": True}[self.kind]
        return self.kind == "equal"

    def holds(self, value: Callable[[Index], Any]) -> Any:
        """Where the relation holds, for the value of each index (integers, or arrays of them)."""
        less: Any = False
        equal: Any = True
        for left, right in reversed(list(zip(self.left, self.right, strict=True))):
            a, b = value(left), value(right)
            less, equal = (a < b) | ((a == b) & less), (a == b) & equal
        return {"less": less, "equal": equal, "differ": ~np.asarray(equal, bool)}[self.kind]


@dataclass(frozen=True)
class At:
    """One entry of a layer, an input or a parameter; a const has no indices. `flat`: one index over all axes.

    The entry of kind "index" is its own index as a number, and has no name.
    """

    kind: str
    name: str
    indices: tuple[Index, ...] = ()
    flat: bool = False


@dataclass(frozen=True)
class Function:
    """A function of a polynomial; `function` is "" for the polynomial itself, which is kept together.

    Of several units, it is *joint*: its argument is then multilinear in the statistics of distinct units, but for joint
    functions that stand in it in turn.
    """

    function: str
    argument: tuple[Monomial, ...]

    @cached_property
    def joint(self) -> bool:
        """Whether it holds several units: a function of one unit is a statistic of it, this is not."""
        return len(self._places) > 1 or any(bound for _, bound in self._places)

    @cached_property
    def _places(self) -> frozenset[tuple[At, bool]]:
        """The units inside, and whether their indices run over loops of their own."""
        found: set[tuple[At, bool]] = set()
        for monomial in self.argument:
            own = {loop.name for loop in monomial.loops}
            for atom, _ in monomial.factors:
                places = atom._places if isinstance(atom, Function) else {(atom, False)}
                inside = ((a, bound or not own.isdisjoint(atom_binders(a))) for a, bound in places)
                found |= {place for place in inside if place[0].kind == "layer"}
        return frozenset(found)

    @cached_property
    def layers(self) -> frozenset[str]:
        """Names of the random layers inside."""
        return frozenset(a.name for a, _ in self._places)


Atom = At | Function


def is_joint(atom: Atom) -> bool:
    """Whether an atom is a function of several units."""
    return isinstance(atom, Function) and atom.joint


Factor = tuple[Atom, float]


@dataclass(frozen=True)
class Monomial:
    """coefficient * sum over loops, where predicates hold, of the product of factors."""

    coefficient: float
    loops: tuple[Loop, ...] = ()
    predicates: tuple[Predicate, ...] = ()
    factors: tuple[Factor, ...] = ()

    def scaled(self, factor: float) -> Monomial:
        """With its coefficient multiplied."""
        return replace(self, coefficient=self.coefficient * factor)

    def times(self, other: Monomial) -> Monomial:
        """The product; the loops of the two must have different names."""
        return Monomial(
            self.coefficient * other.coefficient,
            self.loops + other.loops,
            self.predicates + other.predicates,
            self.factors + other.factors,
        )

    def replace_binders(self, mapping: Mapping[str, Index]) -> Monomial:
        """Every index with its binders replaced; loops keep their names."""
        return replace(
            self,
            predicates=tuple(p.replace(mapping) for p in self.predicates),
            factors=tuple((replace_in_atom(a, mapping), e) for a, e in self.factors),
        )

    def units(self) -> list[tuple[int, At]]:
        """Factors that are units, with their places."""
        return [(n, a) for n, (a, _) in enumerate(self.factors) if isinstance(a, At) and a.kind == "layer"]

    def distinct_units(self) -> list[At]:
        """The different units that occur, inside functions of one unit too."""
        found = (a for f, _ in self.factors if not is_joint(f) for a in entries(f) if a.kind == "layer")
        return list(dict.fromkeys(found))

    def joint_layers(self) -> frozenset[str]:
        """Names of the random layers that occur inside functions of several units."""
        return frozenset(n for f, _ in self.factors if isinstance(f, Function) and f.joint for n in f.layers)

    def layers(self) -> frozenset[str]:
        """Names of the random layers that occur, inside functions too."""
        return self._layers

    @cached_property
    def _layers(self) -> frozenset[str]:
        return frozenset(a.name for f, _ in self.factors for a in entries(f) if a.kind == "layer")


def replace_in_atom(atom: Atom, mapping: Mapping[str, Index]) -> Atom:
    """The atom with binders replaced."""
    if isinstance(atom, At):
        return replace(atom, indices=tuple(i.replace(mapping) for i in atom.indices))
    return Function(atom.function, tuple(_replace_under(m, mapping) for m in atom.argument))


def _replace_under(monomial: Monomial, mapping: Mapping[str, Index]) -> Monomial:
    """Replace free binders below the loops of a function's argument: bound names are left, and never capture new ones."""
    bound = {loop.name for loop in monomial.loops}
    free = {name: index for name, index in mapping.items() if name not in bound}
    incoming = {b for index in free.values() for b in index.binders()}
    clashing = {name: name for name in bound & incoming}
    for name in clashing:
        while clashing[name] in bound | incoming:
            clashing[name] += "_"
    if clashing:
        renamed = monomial.replace_binders({a: Index.of(b) for a, b in clashing.items()})
        loops = tuple(replace(loop, name=clashing.get(loop.name, loop.name)) for loop in monomial.loops)
        monomial = replace(renamed, loops=loops)
    return monomial.replace_binders(free)


def with_entries(atom: Atom, change: Callable[[At], At]) -> Atom:
    """The atom with every entry changed, inside functions too."""
    if isinstance(atom, At):
        return change(atom)
    inner = (replace(m, factors=tuple((with_entries(a, change), e) for a, e in m.factors)) for m in atom.argument)
    return Function(atom.function, tuple(inner))


def with_entry(atom: Atom, unit: At, other: At) -> Atom:
    """The atom with another entry in the place of a unit."""
    return with_entries(atom, lambda entry: other if entry == unit else entry)


def entries(atom: Atom) -> Iterator[At]:
    """All entries an atom depends on."""
    if isinstance(atom, At):
        yield atom
        return
    for monomial in atom.argument:
        for inner, _ in monomial.factors:
            yield from entries(inner)


def layers_in(monomials: Iterable[Monomial]) -> set[str]:
    """Names of the layers that monomials hang on, random ones and inputs."""
    return {a.name for m in monomials for f, _ in m.factors for a in entries(f) if a.kind in ("layer", "input")}


def of_indices(atom: Atom) -> bool:
    """Whether an atom is made of indices and numbers alone, and so is known before there are parameters and states."""
    if isinstance(atom, At):
        return atom.kind == "index"
    return all(of_indices(a) for m in atom.argument for a, _ in m.factors)


def atom_binders(atom: Atom) -> list[str]:
    """The free binders of an atom."""
    if isinstance(atom, At):
        return [b for i in atom.indices for b in i.binders()]
    found = []
    for monomial in atom.argument:
        own = {loop.name for loop in monomial.loops}
        inner = [b for f, _ in monomial.factors for b in atom_binders(f)]
        inner += [b for p in monomial.predicates for b in p.binders()]
        found += [b for b in inner if b not in own]
    return list(dict.fromkeys(found))


# The label of terms that are a base measure, lgamma(x + 1): neither beta nor a weight touches them.
BASE = ""


@dataclass(frozen=True)
class Term:
    """A monomial of the energy, the energy statement it belongs to (or `BASE`), and where it was written."""

    label: str
    monomial: Monomial
    spans: tuple[Span, ...] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Energy:
    """The canonical energy of the undirected part."""

    terms: tuple[Term, ...]
