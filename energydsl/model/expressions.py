"""Resolved expressions: every name bound, every shape known, every index ranged. Frozen, with spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from energydsl.diagnostics import Span
from energydsl.model.indices import Index

Shape = tuple[int, ...]


# Levels an expression may have, abbreviations written out, so that no later stage runs out of stack.
MAX_LEVELS = 200


@dataclass(frozen=True)
class Typed:
    """An expression and its shape; `levels` is how deep it is."""

    levels_added: ClassVar[int] = 1

    shape: Shape
    span: Span = field(compare=False, repr=False)
    levels: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        inner = max((part.levels for part in vars(self).values() if isinstance(part, Typed)), default=0)
        object.__setattr__(self, "levels", inner + self.levels_added)


@dataclass(frozen=True)
class Constant(Typed):
    """A number; `name` is set where a dim was written."""

    value: float
    name: str = ""


@dataclass(frozen=True)
class Reference(Typed):
    """A whole array: `kind` is layer, input, param or const."""

    kind: str
    name: str


@dataclass(frozen=True)
class Element(Typed):
    """`base[indices]`, a scalar; `flat` where one index runs over all axes of a layer."""

    base: Expression
    indices: tuple[Index, ...]
    flat: bool = False


@dataclass(frozen=True)
class EdgeElement(Typed):
    """`J[i, k, a]`, a value of the edge (i, k) of `graph`; `left` and `right` name the binders of its ends.

    indices: along the axes that follow the edges.
    """

    param: str
    graph: str
    left: str
    right: str
    indices: tuple[Index, ...] = ()


@dataclass(frozen=True)
class IndexValue(Typed):
    """An index as a number: the n of `sum[n] (n + 0.5)*h[n]`."""

    index: Index


@dataclass(frozen=True)
class Negated(Typed):
    """-a"""

    operand: Expression


@dataclass(frozen=True)
class Added(Typed):
    """a + b, entry by entry."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Multiplied(Typed):
    """a * b, entry by entry."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Divided(Typed):
    """a / b, entry by entry."""

    levels_added: ClassVar[int] = 22

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Contracted(Typed):
    """`left @ right`."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Transposed(Typed):
    """The transposed matrix."""

    operand: Expression


@dataclass(frozen=True)
class Raised(Typed):
    """a ^ n, entry by entry."""

    levels_added: ClassVar[int] = 22

    base: Expression
    exponent: float


@dataclass(frozen=True)
class Applied(Typed):
    """An elementwise function. What is inside is a polynomial of its own, handled apart: several levels."""

    levels_added: ClassVar[int] = 22

    function: str
    operand: Expression


@dataclass(frozen=True)
class Totalled(Typed):
    """`sum(x)` over all entries."""

    operand: Expression


@dataclass(frozen=True)
class Range:
    """A binder that runs over [low, high); `above` names the binder it must exceed or, where not `strict`, be at least."""

    name: str
    low: int
    high: int
    above: str | None = None
    strict: bool = True


@dataclass(frozen=True)
class Edges:
    """Two binders that run together over the edges of a graph, left < right."""

    left: str
    right: str
    graph: str


@dataclass(frozen=True)
class Hyperedges:
    """A binder that runs over the hyperedges of a graph."""

    name: str
    graph: str


@dataclass(frozen=True)
class Members:
    """A binder that runs over the units of the hyperedge that the binder `of` stands for."""

    name: str
    of: str
    graph: str


AnyBinder = Range | Edges | Hyperedges | Members


@dataclass(frozen=True)
class Summed(Typed):
    """`sum[binders] body`."""

    binders: tuple[AnyBinder, ...]
    body: Expression


@dataclass(frozen=True)
class ProductOver(Typed):
    """`prod[binders] body`."""

    binders: tuple[AnyBinder, ...]
    body: Expression


Expression = (
    Constant
    | Reference
    | Element
    | EdgeElement
    | IndexValue
    | Negated
    | Added
    | Multiplied
    | Divided
    | Contracted
    | Transposed
    | Raised
    | Applied
    | Totalled
    | Summed
    | ProductOver
)


def references(node: Typed) -> Iterator[Reference]:
    """The whole arrays that stand in an expression."""
    if isinstance(node, Reference):
        yield node
    for part in vars(node).values():
        if isinstance(part, Typed):
            yield from references(part)
