"""What is known of an expression before its model is resolved: its axes as they are written, its sign, the units in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from energydsl.domains import DOMAINS
from energydsl.functions import FUNCTIONS, NONNEGATIVE, POSITIVE, UNKNOWN, WRITTEN
from energydsl.syntax import tree
from energydsl.syntax.parser import RESERVED

_RANDOM = ("visible", "hidden")
Axes = tuple[tree.Expr, ...]


@dataclass(frozen=True)
class Declared:
    """The declarations of a module by name, with their keywords. taken: every name that is written anywhere in it."""

    entries: dict[str, tuple[str, tree.Entry]]
    taken: set[str] = field(default_factory=set)
    _axes: dict[str, Axes] = field(default_factory=dict, repr=False)
    _signs: dict[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, statements: Iterable[tree.Statement]) -> Declared:
        """All declarations among some statements."""
        statements = tuple(statements)
        declared = (s for s in statements if isinstance(s, tree.Declaration))
        entries = {e.name.id: (s.keyword, e) for s in declared for e in s.entries}
        return cls(entries, {n.id for s in statements for n in tree.names(s)} | {*RESERVED, *WRITTEN, "range"})

    def with_free_letters(self) -> Declared:
        """The same, where indices of sums that are written may be used for sums of their own."""
        return Declared(self.entries, {*self.entries, *RESERVED, *WRITTEN, "range"})

    def fresh(self, wanted: str) -> str:
        """A name that nothing has: the one wanted, or that with the first free number behind it. It is then taken."""
        names = (wanted if n == 1 else f"{wanted}_{n}" for n in range(1, len(self.taken) + 3))
        found = next(n for n in names if n not in self.taken)
        self.taken.add(found)
        return found

    def keyword(self, node: Any) -> str:
        """What a name was declared by; "" for anything else."""
        return self.entries[node.id][0] if isinstance(node, tree.Name) and node.id in self.entries else ""

    def through(self, node: tree.Expr) -> tree.Expr:
        """The value of an abbreviation, and anything else as it is."""
        for _ in range(len(self.entries)):
            if not isinstance(node, tree.Name) or self.keyword(node) != "let":
                break
            node = self.entries[node.id][1].value or node
        return node

    def axes(self, node: tree.Expr) -> Axes:
        """The axes of an expression as they are written where its arrays are declared; of one in which shapes clash, some."""
        match node:
            case tree.Name(id=name) if name in self.entries:
                if name not in self._axes:  # so that abbreviations of abbreviations are opened once
                    keyword, entry = self.entries[name]
                    opened = entry.value if keyword == "let" else None
                    self._axes[name] = self.axes(opened) if opened else self._declared_axes(entry)
                return self._axes[name]
            case tree.Call(function=function, arguments=((_, inner), *_)) if function.id != "sum":
                return self.axes(inner)
            case tree.Power(base=inner) | tree.Negate(operand=inner):
                return self.axes(inner)
            case tree.Transpose(operand=inner):
                return self.axes(inner)[::-1]
            case tree.Sum(head=head, tail=tail):
                return next((a for part in (head, *(p for _, p in tail)) if (a := self.axes(part))), ())
            case tree.Product(head=head, tail=tail):
                found = self.axes(head)
                for sign, part in tail:
                    other = self.axes(part)
                    found = found[:-1] + other[1:] if sign == "@" else found or other
                return found
        return ()

    def _declared_axes(self, entry: tree.Entry) -> Axes:
        domain = entry.domain
        known = DOMAINS.get(domain.name.id) if domain else None
        return entry.axes + (domain.arguments if domain and known and known.one_hot else ())

    def length(self, binder: str, nodes: Iterable[tree.Expr]) -> tree.Expr | None:
        """The axis that an index subscripts by itself somewhere in some expressions."""
        for node in self._walk(nodes):
            if isinstance(node, tree.Subscript):
                pairs = zip(node.indices, self.axes(node.base), strict=False)
                found = next((axis for i, axis in pairs if isinstance(i, tree.Name) and i.id == binder), None)
                if found is not None:
                    return found
        return None

    def _walk(self, root: Any) -> Iterator[Any]:
        """All nodes of a tree, abbreviations opened."""
        todo = [root]
        seen: set[str] = set()
        while todo:
            node = todo.pop()
            if isinstance(node, tree.Name) and self.keyword(node) == "let":
                if node.id not in seen:
                    seen.add(node.id)
                    todo.append(self.entries[node.id][1].value)
            elif isinstance(node, tree.Node):
                yield node
                todo += [v for k, v in vars(node).items() if k != "span"]
            elif isinstance(node, tuple | list):
                todo += node

    def layers(self, node: Any) -> set[str]:
        """The random layers in an expression, abbreviations opened."""
        names = (n.id for n in self._walk(node) if isinstance(n, tree.Name))
        return {n for n in names if n in self.entries and self.entries[n][0] in _RANDOM}

    def several_units(self, node: tree.Expr) -> bool:
        """Whether an entry of an expression holds more than one unit."""
        node = self.through(node)
        here = [n for n in self._walk(node) if isinstance(n, tree.Reduce | tree.Product | tree.Call)]
        for part in here:
            if isinstance(part, tree.Call) and part.function.id == "sum" and self.layers(part):
                return True
            if isinstance(part, tree.Reduce) and self._bound_unit(part):
                return True
            if isinstance(part, tree.Product) and any(sign == "@" for sign, _ in part.tail) and self.layers(part):
                return True
        return len(self._entries(node)) > 1

    def function_of_several(self, node: tree.Expr) -> tree.Expr | None:
        """The first part that no polynomial of degree two or less can be: a function, or another power, of several units."""
        for part in self._walk(node):
            match part:
                case tree.Call(function=function, arguments=((_, inner),)) if function.id in FUNCTIONS:
                    pass
                case tree.Power(base=inner, exponent=exponent):
                    if isinstance(exponent, tree.Number) and float(exponent.text) in (1.0, 2.0):
                        continue
                case _:
                    continue
            if self.several_units(inner):
                return part  # type: ignore[no-any-return]
        return None

    def _bound_unit(self, node: tree.Reduce) -> bool:
        """Whether a sum runs over units."""
        own = {n.id for b in node.binders for n in b.names}
        subscripts = (n for n in self._walk(node.body) if isinstance(n, tree.Subscript) and self.layers(n.base))
        return any(own & {n.id for i in s.indices for n in tree.names(i)} for s in subscripts)

    def _entries(self, root: tree.Expr) -> set[tree.Expr]:
        """The different entries of random layers in an expression."""
        nodes = list(self._walk(root))
        bases = {id(n.base) for n in nodes if isinstance(n, tree.Subscript)}
        alone = (n for n in nodes if isinstance(n, tree.Name) and id(n) not in bases)
        elements = (n for n in nodes if isinstance(n, tree.Subscript) and self.keyword(n.base) in _RANDOM)
        return {*elements, *(n for n in alone if self.keyword(n) in _RANDOM)}

    def sign(self, node: tree.Expr) -> int:
        """The proved sign of every entry of an expression, for all admissible parameters and units."""
        match node:
            case tree.Number(text=text):
                return POSITIVE if float(text) > 0 else NONNEGATIVE
            case tree.Name(id=name) if name in self.entries:
                if name not in self._signs:
                    self._signs[name] = self._declared_sign(*self.entries[name])
                return self._signs[name]
            case tree.Subscript(base=inner) | tree.Transpose(operand=inner):
                return self.sign(inner)
            case tree.Reduce(binders=binders, body=inner):
                empty = any(b.orders or b.graph for b in binders)
                return min(self.sign(inner), NONNEGATIVE) if empty else self.sign(inner)
            case tree.Power(base=base, exponent=exponent):
                even = isinstance(exponent, tree.Number) and float(exponent.text) % 2 == 0
                return max(self.sign(base), NONNEGATIVE) if even else self.sign(base)
            case tree.Call(function=function, arguments=((_, inner), *_)):
                known = FUNCTIONS.get(function.id)
                if known is None:
                    return self.sign(inner) if function.id == "sum" else UNKNOWN
                return max(known.sign, self.sign(inner) if known.keeps_sign else UNKNOWN)
            case tree.Product(head=head, tail=tail):
                return min(self.sign(part) for part in (head, *(p for _, p in tail)))
            case tree.Sum(head=head, tail=tail) if all(sign == "+" for sign, _ in tail):
                signs = [self.sign(part) for part in (head, *(p for _, p in tail))]
                return UNKNOWN if UNKNOWN in signs else max(signs)
        return UNKNOWN

    def _declared_sign(self, keyword: str, entry: tree.Entry) -> int:
        if keyword == "dim":
            return POSITIVE
        if keyword == "let" and entry.value:
            return self.sign(entry.value)
        words = {c.id for c in entry.constraints}
        if "positive" in words:
            return POSITIVE
        known = DOMAINS.get(entry.domain.name.id) if entry.domain else None
        return NONNEGATIVE if "nonnegative" in words or (known and known.nonnegative) else UNKNOWN


def letter(axis: tree.Expr, declared: Declared) -> str:
    """An index letter for an axis: its own in lower case, where it is one, else the first that is free. It is then taken."""
    own = axis.id.lower() if isinstance(axis, tree.Name) and re.fullmatch(r"[A-DF-Z]", axis.id) else ""
    found = next((n for n in (*own, *"ijklmnpqrst") if n not in declared.taken), None) or declared.fresh("i")
    declared.taken.add(found)
    return found
