"""Index arithmetic: what may stand in a subscript, its range, and its value.

An `Index` is an integer combination of atoms plus a constant. An atom is a binder (by name), an index wrapped by `%`,
or the end of an edge. Everything is exact integer arithmetic on a handful of atoms, whatever the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Wrap:
    """`inner % modulus`."""

    inner: Index
    modulus: int


@dataclass(frozen=True, order=True)
class EdgeEnd:
    """The end (0: the smaller, 1: the larger) of the edge numbered by `binder` in `graph`."""

    graph: str
    side: int
    binder: str


Atom = str | Wrap | EdgeEnd


def _atom_key(atom: Atom) -> tuple[str, str]:
    return type(atom).__name__, repr(atom)


@dataclass(frozen=True)
class Index:
    """`sum(coefficient * atom) + constant`; terms are sorted and have no zero coefficient."""

    terms: tuple[tuple[Atom, int], ...] = ()
    constant: int = 0

    @classmethod
    def of(cls, atom: Atom) -> Index:
        """The index that is an atom, and nothing else."""
        return cls(((atom, 1),))

    def _combined(self, other: Index, factor: int) -> Index:
        total: dict[Atom, int] = dict(self.terms)
        for atom, coefficient in other.terms:
            total[atom] = total.get(atom, 0) + factor * coefficient
        kept = sorted(((a, c) for a, c in total.items() if c), key=lambda t: _atom_key(t[0]))
        return Index(tuple(kept), self.constant + factor * other.constant)

    def __add__(self, other: Index) -> Index:
        return self._combined(other, 1)

    def __sub__(self, other: Index) -> Index:
        return self._combined(other, -1)

    def __mul__(self, factor: int) -> Index:
        return Index()._combined(self, factor)

    def __lt__(self, other: Index) -> bool:
        return repr(self) < repr(other)

    @property
    def plain(self) -> str | None:
        """The binder, where the index is just that."""
        if self.constant == 0 and len(self.terms) == 1 and self.terms[0][1] == 1:
            atom = self.terms[0][0]
            return atom if isinstance(atom, str) else None
        return None

    def binders(self) -> list[str]:
        """The binders the index depends on, in order of appearance, each once."""
        found: list[str] = []
        for atom, _ in self.terms:
            match atom:
                case str():
                    found.append(atom)
                case Wrap(inner=inner):
                    found += inner.binders()
                case EdgeEnd(binder=binder):
                    found.append(binder)
        return list(dict.fromkeys(found))

    def replace(self, mapping: Mapping[str, Index]) -> Index:
        """The index with binders replaced."""
        result = Index(constant=self.constant)
        for atom, coefficient in self.terms:
            match atom:
                case str():
                    part = mapping.get(atom, Index.of(atom))
                case Wrap(inner=inner, modulus=modulus):
                    part = wrapped(inner.replace(mapping), modulus)
                case EdgeEnd(graph=graph, side=side, binder=binder):
                    new = mapping.get(binder, Index.of(binder)).plain
                    assert new is not None, "an edge is renamed, never computed"
                    part = Index.of(EdgeEnd(graph, side, new))
            result = result + part * coefficient
        return result

    def bounds(self, ranges: Mapping[str, tuple[int, int]], nodes: Callable[[str], int]) -> tuple[int, int]:
        """Smallest and largest value, both included, over binder ranges [low, high)."""
        low = high = self.constant
        for atom, coefficient in self.terms:
            match atom:
                case str():
                    first, last = ranges[atom][0], ranges[atom][1] - 1
                case Wrap(modulus=modulus):
                    first, last = 0, modulus - 1
                case EdgeEnd(graph=graph):
                    first, last = 0, nodes(graph) - 1
            ends = sorted((coefficient * first, coefficient * last))
            low, high = low + ends[0], high + ends[1]
        return low, high

    def value(self, environment: Mapping[str, Any], edge: Callable[[str, int, Any], Any]) -> Any:
        """The index evaluated for integers or integer arrays; `edge(graph, side, e)` gives edge ends."""
        total: Any = self.constant
        for atom, coefficient in self.terms:
            match atom:
                case str():
                    part = environment[atom]
                case Wrap(inner=inner, modulus=modulus):
                    part = inner.value(environment, edge) % modulus
                case EdgeEnd(graph=graph, side=side, binder=binder):
                    part = edge(graph, side, environment[binder])
            total = total + coefficient * part
        return total

    def show(self, name: Callable[[Atom], str] = str, modulo: str = "%") -> str:
        """The index as text, binders named by `name`."""
        text = ""
        for atom, coefficient in self.terms:
            inner = (
                f"({atom.inner.show(name, modulo)}) {modulo} {atom.modulus}" if isinstance(atom, Wrap) else name(atom)
            )
            size = "" if abs(coefficient) == 1 else f"{abs(coefficient)}*"
            sign = " - " if coefficient < 0 else " + "
            text += (sign if text else "-" * (coefficient < 0)) + size + inner
        if self.constant or not text:
            text += f" {'-' if self.constant < 0 else '+'} {abs(self.constant)}" if text else str(self.constant)
        return text


def wrapped(inner: Index, modulus: int) -> Index:
    """`inner % modulus`, folded where it is a number; what is taken modulo the same already need not be twice."""
    if not inner.terms:
        return Index(constant=inner.constant % modulus)
    for atom, coefficient in inner.terms:
        if isinstance(atom, Wrap) and atom.modulus == modulus:
            return wrapped(inner + (atom.inner - Index.of(atom)) * coefficient, modulus)
    return Index.of(Wrap(Index(inner.terms, inner.constant % modulus), modulus))
