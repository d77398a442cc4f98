"""Layers that condition on themselves in order: `energy v | v, h = - b @ v - sum[j < i] v[i]*W[i, j]*v[j]`.

    p(v | h) = prod_i p(v_i | v_<i, h)

Every term belongs to the last of its units, and is an energy of that unit given those before it. Each of these is read from an
input like the layer, its *copy*, so that what is left is an ordinary conditional energy of units that are independent of one another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from energydsl.diagnostics import Span
from energydsl.domains import DOMAINS
from energydsl.model import expressions as ex
from energydsl.model.indices import Index
from energydsl.model.ordering import Less, before
from energydsl.model.records import Layer
from energydsl.syntax import tree


def copy_name(layer: str, taken: Collection[str]) -> str:
    """A name for what is drawn of a layer before a unit of it."""
    name = f"{layer}_before"
    while name in taken:
        name += "_"
    return name


def with_copy(value: tree.Expr, typed: ex.Expression, layer: Layer, copy: str, nodes: Callable[[str], int]) -> Any:
    """An energy with the copy in the place of every unit that comes before another of its term; typed: the same energy."""
    earlier = _Reader(layer, nodes).earlier(typed)
    return _renamed(value, {(span.start, span.end) for span in earlier}, copy)


def _renamed(node: Any, places: set[tuple[int, int]], copy: str) -> Any:
    if isinstance(node, tuple):
        return tuple(_renamed(part, places, copy) for part in node)
    if not isinstance(node, tree.Node):
        return node
    if isinstance(node, tree.Subscript) and (node.span.start, node.span.end) in places:
        return replace(node, base=tree.Name(node.base.span, copy))
    return replace(node, **{k: _renamed(v, places, copy) for k, v in vars(node).items() if k != "span"})


@dataclass
class _Reader:
    """Reads the terms of an energy, every binder under a name of its own; known: binders in order."""

    layer: Layer
    nodes: Callable[[str], int]
    known: list[Less] = field(default_factory=list)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)

    def earlier(self, node: ex.Expression, names: Mapping[str, Index] | None = None) -> Iterator[Span]:
        """The places of units that come before another unit of their term."""
        names = names or {}
        match node:
            case ex.Added(left=left, right=right):
                yield from self.earlier(left, names)
                yield from self.earlier(right, names)
            case ex.Negated(operand=inner) | ex.Totalled(operand=inner):
                yield from self.earlier(inner, names)
            case ex.Summed(binders=binders, body=inner):
                yield from self.earlier(inner, self._bound(binders, names))
            case ex.Multiplied(left=left, right=right) | ex.Divided(left=left, right=right) if not (
                self._units(left, names) and self._units(right, names)
            ):
                yield from self.earlier(left, names)
                yield from self.earlier(right, names)
            case _:
                units = self._units(node, names)
                for place, span in units:
                    if any(before(place, other, self.known, self.ranges, self.nodes) for other, _ in units):
                        yield span

    def _units(self, node: ex.Expression, names: Mapping[str, Index]) -> list[tuple[tuple[Index, ...], Span]]:
        """The units of the layer that an expression names, inside sums and functions too."""
        if isinstance(node, ex.Element) and isinstance(node.base, ex.Reference) and node.base.name == self.layer.name:
            count = len(node.indices) - DOMAINS[self.layer.domain.name].one_hot
            return [(tuple(i.replace(names) for i in node.indices[:count]), node.span)]
        if isinstance(node, ex.Reference) and node.name == self.layer.name:
            return [((), node.span)]
        if isinstance(node, ex.Summed | ex.ProductOver):
            names = self._bound(node.binders, names)
        return [unit for part in vars(node).values() if isinstance(part, ex.Typed) for unit in self._units(part, names)]  # type: ignore[arg-type]

    def _bound(self, binders: tuple[ex.AnyBinder, ...], names: Mapping[str, Index]) -> Mapping[str, Index]:
        """The names of outer binders, and new ones for these."""
        found = dict(names)

        def bind(name: str, low: int, high: int) -> Index:
            unique = f"{name} {len(self.ranges)}"
            self.ranges[unique] = (low, high)
            found[name] = Index.of(unique)
            return found[name]

        for binder in binders:
            match binder:
                case ex.Range(name=name, low=low, high=high, above=above, strict=strict):
                    index = bind(name, low, high)
                    if above is not None:
                        self.known.append((found[above] if strict else found[above] - Index(constant=1), index))
                case ex.Edges(left=left, right=right, graph=graph):
                    self.known.append((bind(left, 0, self.nodes(graph)), bind(right, 0, self.nodes(graph))))
                case ex.Members(name=name, graph=graph):
                    bind(name, 0, self.nodes(graph))
                case ex.Hyperedges(name=name):
                    bind(name, 0, 1)
        return found
