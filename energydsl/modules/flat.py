"""A file with its uses written out, in its own names: sections of statements, each from one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from energydsl.diagnostics import Source
from energydsl.syntax import tree

LAYERS = ("visible", "hidden", "input")


@dataclass(frozen=True)
class Section:
    """Statements that stand together in one file, and its comments there. heading: the statement that they came by, as it was written."""

    heading: str
    statements: tuple[tree.Statement, ...]
    comments: tuple[tree.Comment, ...]


@dataclass(frozen=True)
class Fit:
    """A layer of a used file that is to be like the layer it is bound to, once all sizes are known.

    entry: its declaration, in the names of the file that holds this record. axes: as its own file wrote them. at: where it is bound.
    """

    entry: tree.Entry
    axes: tuple[str, ...]
    name: str
    layer: tree.Name
    at: tree.Name


@dataclass(frozen=True)
class Flat:
    """What a file says. size: letters of all that was written out. layers: its own, in the order in which they are bound."""

    source: Source
    sections: tuple[Section, ...]
    fits: tuple[Fit, ...]
    size: int
    layers: tuple[tree.Entry, ...]

    @cached_property
    def statements(self) -> tuple[tree.Statement, ...]:
        """All statements, in order."""
        return tuple(s for section in self.sections for s in section.statements)

    @cached_property
    def names(self) -> int:
        """How many names stand in them."""
        return sum(1 for s in self.statements for _ in tree.names(s))


def declared(statements: tuple[tree.Statement, ...]) -> dict[str, tuple[str, tree.Entry]]:
    """What statements declare: the keyword and the entry, by name."""
    found = ((s.keyword, e) for s in statements if isinstance(s, tree.Declaration) for e in s.entries)
    return {e.name.id: (k, e) for k, e in found}


def made(statements: tuple[tree.Statement, ...]) -> Iterator[tree.Name]:
    """The layers of auxiliary units that `augment` statements name."""
    for statement in statements:
        if isinstance(statement, tree.Augment):
            for _, layers in statement.terms:
                yield from layers


def terms(statements: tuple[tree.Statement, ...]) -> Mapping[str, tree.Name]:
    """The names of energy terms."""
    return {s.name.id: s.name for s in statements if isinstance(s, tree.Energy) and s.name}
