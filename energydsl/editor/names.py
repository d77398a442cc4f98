"""Every name of a module with what it means: declared where, or bound by which sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from energydsl.diagnostics import Span
from energydsl.functions import WRITTEN
from energydsl.model import layer_graph
from energydsl.model.constants import KNOWN
from energydsl.syntax import tree
from energydsl.syntax.parser import RESERVED
from energydsl.syntax.printer import print_statement

LAYERS = ("visible", "hidden", "input")


@dataclass(frozen=True)
class Symbol:
    """What a name stands for. kind: the word that declares it, or term, index.

    span: the name where it is declared; for a parameter that `layers` brings, what brings it. entry: its declaration.
    """

    name: str
    kind: str
    span: Span
    entry: tree.Entry | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """How it is declared, as the formatter writes it."""
        if self.entry is None:
            return f"{self.kind} {self.name}"
        return print_statement(tree.Declaration(self.span, self.kind, (self.entry,)))


@dataclass(frozen=True)
class Occurrence:
    """A name as it is written. kind: that of its symbol, or what it is else: model, domain, constraint, function, unknown ..."""

    span: Span
    kind: str
    symbol: Symbol | None = None

    @property
    def declares(self) -> bool:
        """Whether the name is declared here."""
        return self.symbol is not None and self.symbol.span == self.span


Names = Mapping[str, Symbol]


def declared(module: tree.Module) -> dict[str, Symbol]:
    """Names that are declared, those that `layers`, `augment`, `import` and `use` bring included."""
    brought = (s.name for s in module.statements if isinstance(s, tree.Import | tree.Use) and s.name)
    found = {name.id: Symbol(name.id, "module", name.span) for name in brought}
    by_hand: dict[str, tuple[str, tree.Entry]] = {}
    for statement in module.statements:
        if isinstance(statement, tree.Declaration):
            for entry in statement.entries:
                by_hand.setdefault(entry.name.id, (statement.keyword, entry))
    for name, (keyword, entry) in by_hand.items():
        found[name] = Symbol(name, keyword, entry.name.span, entry)
    for statement in module.statements:
        if isinstance(statement, tree.Augment):
            for layer in (layer for _, layers in statement.terms for layer in layers):
                found.setdefault(layer.id, Symbol(layer.id, "hidden", layer.span))
    layers = {n: (k, e) for n, (k, e) in by_hand.items() if k in LAYERS}
    for statement in layer_graph.expand(module, layers, {n for n, (k, _) in by_hand.items() if k == "param"}):
        if isinstance(statement, tree.Declaration):
            for entry in statement.entries:
                found.setdefault(entry.name.id, Symbol(entry.name.id, "param", entry.name.span, entry))
    return found


def terms(module: tree.Module) -> dict[str, Symbol]:
    """Energy terms by name, each where it is named first."""
    found: dict[str, Symbol] = {}
    for statement in module.statements:
        if isinstance(statement, tree.Energy) and statement.name:
            found.setdefault(statement.name.id, Symbol(statement.name.id, "term", statement.name.span))
    return found


def occurrences(module: tree.Module, names: Names | None = None) -> tuple[Occurrence, ...]:
    """Every name that is written, in the order of the text. names: what they mean, by default what the module declares."""
    names, labels = declared(module) if names is None else names, terms(module)
    found = [o for s in module.statements for o in _statement(s, names, labels)]
    return tuple(sorted(found, key=lambda o: o.span.start))


def _meant(name: tree.Name, names: Names) -> Occurrence:
    symbol = names.get(name.id)
    return Occurrence(name.span, symbol.kind if symbol else "constant" if name.id in KNOWN else "unknown", symbol)


def _statement(statement: tree.Statement, names: Names, labels: Names) -> Iterator[Occurrence]:
    match statement:
        case tree.ModelName(name=name):
            yield Occurrence(name.span, "model")
        case tree.Declaration(keyword=keyword, entries=entries):
            for entry in entries:
                yield from _entry(entry, keyword, names)
        case tree.Energy(name=name, targets=targets, given=given, value=value):
            yield from (_meant(n, labels) for n in (name,) if n)
            yield from (_meant(n, names) for n in (*targets, *given))
            yield from _expression(value, names)
        case tree.Augment(terms=terms):
            yield from (_meant(n, labels) for n, _ in terms)
            yield from (_meant(n, names) for _, layers in terms for n in layers)
        case tree.Import(name=name):
            yield _meant(name, names)
        case tree.Use(module=used, arguments=arguments, name=name, layers=layers):
            yield from (_meant(n, names) for n in (used, name) if n)
            for _, value in arguments:
                yield from _expression(value, names)
            yield from (_meant(n, names) for _, n in layers)
        case tree.Layers() | tree.Schedule() | tree.Marginalise():
            yield from (_meant(n, names) for n in tree.names(statement))


def _entry(entry: tree.Entry, keyword: str, names: Names) -> Iterator[Occurrence]:
    yield _meant(entry.name, names)
    for axis in entry.axes:
        yield from _expression(axis, names)
    if entry.domain is not None:
        yield Occurrence(entry.domain.name.span, "domain")
        for argument in entry.domain.arguments:
            yield from _expression(argument, names)
    yield from (Occurrence(c.span, "constraint") for c in entry.constraints)
    if entry.value is not None:
        made = {"param": "initialiser", "graph": "generator"}.get(keyword, "function")
        yield from _expression(entry.value, names, made)


def _expression(node: Any, names: Names, made: str = "function") -> Iterator[Occurrence]:
    """The names of an expression. made: what a call is whose name is no function."""
    match node:
        case tree.Name():
            yield _meant(node, names)
        case tree.Call(function=function, arguments=arguments):
            if function.id not in RESERVED:
                yield Occurrence(function.span, "function" if function.id in WRITTEN else made)
            for _, argument in arguments:
                yield from _expression(argument, names, made)
        case tree.Reduce(binders=binders, body=body):
            for binder in binders:
                yield from _expression((binder.bounds, binder.graph), names)
                bound = {n.id: Symbol(n.id, "index", n.span) for n in binder.names}
                names = {**names, **bound}
                yield from (_meant(n, names) for n in binder.names)
            yield from _expression(body, names)
        case tuple():
            for part in node:
                yield from _expression(part, names, made)
        case tree.Node():
            yield from _expression(tuple(vars(node).values()), names, made)
