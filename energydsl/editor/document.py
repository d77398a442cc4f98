"""A document: a text as far as it can be read, and, when asked for, what follows from it. Every feature is a function of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lsprotocol import types as lsp

from energydsl import compiler
from energydsl.augment.plain import without
from energydsl.diagnostics import Diagnostic, EnergyError, ModelError, Source, Span
from energydsl.editor.names import Occurrence, Symbol, declared, occurrences
from energydsl.editor.places import UTF16, Places
from energydsl.model import resolve
from energydsl.model.expressions import Typed
from energydsl.model.records import Directed, EnergyTerm, Resolved
from energydsl.model.resolve import Overrides
from energydsl.modules import bindings, written_out
from energydsl.modules.bind import Bound
from energydsl.modules.flat import Flat
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
    def whole(self) -> tree.Module:
        """The module with the files that it imports written out, places in theirs; as it is where that is refused."""
        try:
            return written_out(self.module, self.overrides).module
        except ModelError:
            return self.module

    @cached_property
    def bindings(self) -> tuple[dict[str, Flat], dict[Span, Bound]]:
        """What the files hold that it imports, and what each of its uses binds; as far as that can be read."""
        try:
            return bindings(self.module, self.overrides)
        except ModelError:
            return {}, {}

    @cached_property
    def names(self) -> dict[str, Symbol]:
        """What is declared, here or in a file that is used."""
        return declared(self.whole) | declared(self.module)

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """Every name as it is written, in order."""
        return occurrences(self.module, self.names)

    def at(self, position: lsp.Position) -> Occurrence | None:
        """The name at a position, or just before it."""
        offset = self.places.offset(position)
        return next((o for o in self.occurrences if o.span.start <= offset <= o.span.end), None)

    def here(self, span: Span) -> Span:
        """A place of this text: the span, or of one in a file that is imported, the place that leads to it."""
        while span.source is not self.source and span.source.used is not None:
            span = span.source.used
        return span

    def location(self, span: Span) -> lsp.Location:
        """A place in this text or in a file that it imports."""
        if span.source is self.source or span.source.used is None:
            return lsp.Location(self.uri, self.places.range(span))
        uri = Path(span.source.name).absolute().as_uri()
        return lsp.Location(uri, Places(span.source.text, self.places.encoding).range(span))

    @cached_property
    def resolved(self) -> Resolved | None:
        """The model as it is written, with shapes: where every name and shape is in order."""
        if self.unread or any(isinstance(s, tree.Use | tree.Import) for s in self.whole.statements):
            return None
        try:
            return resolve(without(self.whole, tree.Augment | tree.Marginalise | tree.Schedule), self.overrides)
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
