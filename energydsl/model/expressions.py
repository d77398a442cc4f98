"""Resolved expressions: every name bound, every shape known, every index ranged. Frozen, with spans."""

from __future__ import annotations

from dataclasses import dataclass, field

from energydsl.diagnostics import Span
from energydsl.model.indices import Index

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Typed:
    """An expression and its shape."""

    shape: Shape
    span: Span = field(compare=False, repr=False)


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
    """`J[i, k]`, the value of the edge (i, k) of `graph`; `left` and `right` name the binders of its ends."""

    param: str
    graph: str
    left: str
    right: str


@dataclass(frozen=True)
class Negated(Typed):
    operand: Expression


@dataclass(frozen=True)
class Added(Typed):
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Multiplied(Typed):
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Divided(Typed):
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Contracted(Typed):
    """`left @ right`."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Transposed(Typed):
    operand: Expression


@dataclass(frozen=True)
class Raised(Typed):
    base: Expression
    exponent: float


@dataclass(frozen=True)
class Applied(Typed):
    """An elementwise function."""

    function: str
    operand: Expression


@dataclass(frozen=True)
class Totalled(Typed):
    """`sum(x)` over all entries."""

    operand: Expression


@dataclass(frozen=True)
class Range:
    """A binder that runs over [low, high); `above` names the binder it must exceed."""

    name: str
    low: int
    high: int
    above: str | None = None


@dataclass(frozen=True)
class Edges:
    """Two binders that run together over the edges of a graph, left < right."""

    left: str
    right: str
    graph: str


@dataclass(frozen=True)
class Summed(Typed):
    """`sum[binders] body`."""

    binders: tuple[Range | Edges, ...]
    body: Expression


Expression = (
    Constant
    | Reference
    | Element
    | EdgeElement
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
)
