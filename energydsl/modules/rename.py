"""Statements of a file in the names of the file that uses it: what it declares is called otherwise, and every place knows its use.

Names that stand by position (domains, constraints, functions, options) stay; indices of sums stay too, as long as they hide no
name of the file that they come into.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from energydsl.diagnostics import Diagnostic, Source, Span, suggestion
from energydsl.model.constants import KNOWN
from energydsl.syntax import tree


@dataclass(frozen=True)
class Renaming:
    """How one use names what a file declares.

    names: of declarations. written: all that stand in the file. prefix: of energy terms, which live apart. source: of the file.
    taken: names of the file that uses it, which no index may hide. absent: layers that have no data here, so that no base rate is
    taken of them. problems: what is found on the way, at its place in the file, so that two uses of it find one problem.
    """

    names: Mapping[str, str]
    written: Set[str]
    prefix: tree.Name
    source: Source
    use: Span
    taken: Set[str]
    absent: Set[str]
    problems: list[Diagnostic]
    moved: dict[int, Source] = field(default_factory=dict)

    def statement(self, node: tree.Statement) -> tree.Statement:
        """A statement as it stands in the file that uses this one."""
        match node:
            case tree.Declaration(entries=entries):
                return replace(node, span=self.span(node.span), entries=tuple(map(self.entry, entries)))
            case tree.Energy(name=name, targets=targets):
                label = None if targets else self.label(name, node.span)
                unnamed: tree.Energy = self._tree(replace(node, name=None), {})
                return replace(unnamed, name=label)
            case tree.Augment(terms=terms):
                named = tuple((self.label(t, t.span), self._tree(layers, {})) for t, layers in terms)
                return tree.Augment(self.span(node.span), named)
        other: tree.Statement = self._tree(node, {})
        return other

    def label(self, name: tree.Name | None, span: Span) -> tree.Name:
        """The name of an energy term: that of the use, where it has none."""
        own = f"{self.prefix.id}_{name.id}" if name else self.prefix.id
        return tree.Name(self.span(span), own)

    def entry(self, entry: tree.Entry) -> tree.Entry:
        """A declaration, its constraints and the name of its domain as they are."""
        domain = entry.domain
        if domain is not None:
            name = replace(domain.name, span=self.span(domain.name.span))
            domain = tree.Domain(self.span(domain.span), name, self._tree(domain.arguments, {}))
        return tree.Entry(
            self.span(entry.span),
            self._tree(entry.name, {}),
            self._tree(entry.axes, {}),
            domain,
            tuple(replace(c, span=self.span(c.span)) for c in entry.constraints),
            None if self._without_data(entry.value) else self._tree(entry.value, {}),
        )

    def span(self, span: Span) -> Span:
        """A place in the file, used where this use stands."""
        return Span(self._moved(span.source), span.start, span.end)

    def _moved(self, source: Source) -> Source:
        """The source of a place: of the file itself, or of one that it uses. Equal ones stay one object."""
        if id(source) not in self.moved:
            inner = source.used
            own = inner is None or source == self.source
            self.moved[id(source)] = replace(source, used=self.use if own or inner is None else self.span(inner))
        return self.moved[id(source)]

    def _without_data(self, value: tree.Expr | None) -> bool:
        return (
            isinstance(value, tree.Call)
            and value.function.id == "base_rate"
            and any(isinstance(a, tree.Name) and a.id in self.absent for _, a in value.arguments)
        )

    def _tree(self, node: Any, indices: Mapping[str, str]) -> Any:
        match node:
            case tuple():
                return tuple(self._tree(part, indices) for part in node)
            case tree.Name():
                return tree.Name(self.span(node.span), self._name(node, indices))
            case tree.Call(function=function, arguments=arguments):
                function = replace(function, span=self.span(function.span))
                return tree.Call(self.span(node.span), function, self._tree(arguments, indices))
            case tree.Reduce(binders=binders):
                bound = [n.id for b in binders for n in b.names]
                indices = {**indices, **{n: self._index(n) for n in bound}}
        if not isinstance(node, tree.Node):
            return node
        parts = {k: self._tree(v, indices) for k, v in vars(node).items() if k != "span"}
        return replace(node, span=self.span(node.span), **parts)

    def _name(self, node: tree.Name, indices: Mapping[str, str]) -> str:
        if node.id in indices:
            return indices[node.id]
        if node.id in self.names:
            return self.names[node.id]
        if node.id not in KNOWN:
            help = (
                suggestion(node.id, self.names)
                or "a file knows its own names alone: bind a dim or a const in parentheses"
            )
            message = f"`{node.id}` is not declared in {self.source.short}"
            self.problems.append(Diagnostic("E0201", message, node.span, help))
        elif node.id in self.taken:
            message = f"`{node.id}` is a number in {self.source.short}, and a name in the file that uses it"
            self.problems.append(Diagnostic("E0510", message, node.span, "rename the other one"))
        return node.id

    def _index(self, name: str) -> str:
        """What an index is called: as it is written or, where something here has that name, with `_` behind it.

        One that hides a name of its own file goes on to do so, and is refused for it.
        """
        found = self.names.get(name, name)
        while found in self.taken and name not in self.names:
            found += "_"
            while found in self.written:
                found += "_"
        return found
