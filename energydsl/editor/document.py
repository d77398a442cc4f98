"""A document: a text as far as it can be read, and, when asked for, what follows from it. Every feature is a function of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lsprotocol import types as lsp

from energydsl import compiler
from energydsl.augment.plain import without
from energydsl.diagnostics import Diagnostic, EnergyError, ModelError, Source
from energydsl.editor.names import Occurrence, Symbol, declared, occurrences
from energydsl.editor.places import UTF16, Places
from energydsl.model import resolve
from energydsl.model.expressions import Typed
from energydsl.model.records import Directed, EnergyTerm, Resolved
from energydsl.model.resolve import Overrides
from energydsl.syntax import tree
from energydsl.syntax.parser import read


@dataclass(frozen=True)
class Document:
    """A text that was read. unread: what is wrong with statements that `module` lacks; overrides: where its files are found."""

    uri: str
    source: Source
    overrides: Overrides
    places: Places
    module: tree.Module
    unread: tuple[Diagnostic, ...]

    @cached_property
    def names(self) -> dict[str, Symbol]:
        """What is declared."""
        return declared(self.module)

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """Every name as it is written, in order."""
        return occurrences(self.module)

    def at(self, position: lsp.Position) -> Occurrence | None:
        """The name at a position, or just before it."""
        offset = self.places.offset(position)
        return next((o for o in self.occurrences if o.span.start <= offset <= o.span.end), None)

    @cached_property
    def resolved(self) -> Resolved | None:
        """The model as it is written, with shapes: where every name and shape is in order."""
        if self.unread:
            return None
        try:
            return resolve(without(self.module, tree.Augment | tree.Marginalise | tree.Schedule), self.overrides)
        except ModelError:
            return None

    @cached_property
    def expressions(self) -> tuple[Typed, ...]:
        """Every expression of the energies that are written, and of abbreviations in them, those that hold others first."""
        if self.resolved is None:
            return ()
        written = {s.span for s in self.module.statements if isinstance(s, tree.Energy)}
        energies: list[EnergyTerm | Directed] = [*self.resolved.energies, *self.resolved.directed]
        return tuple(n for e in energies if e.span in written for n in _parts(e.expression))

    @cached_property
    def _checked(self) -> tuple[compiler.Checked | None, tuple[Diagnostic, ...]]:
        if self.unread:
            return None, self.unread
        try:
            checked = compiler.check_module(self.module, self.overrides)
        except ModelError as error:
            return None, tuple(error.diagnostics)
        return checked, checked.warnings

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that `energydsl check` says of the text."""
        return self._checked[1]

    @cached_property
    def compiled(self) -> compiler.Compiled | None:
        """What follows from the model, where it is refused for nothing."""
        checked = self._checked[0]
        try:
            return compiler.derive(checked) if checked else None
        except EnergyError:
            return None


def _parts(root: Typed) -> Iterator[Typed]:
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo += reversed([part for part in vars(node).values() if isinstance(part, Typed)])


def analyse(uri: str, name: str, text: str, folder: Path | None = None, encoding: str = UTF16) -> Document:
    """The document of a text. folder: where the files that it names are."""
    source = Source(name, text)
    module, unread = read(source)
    return Document(uri, source, Overrides({}, {}, {}, folder), Places(text, encoding), module, tuple(unread))
