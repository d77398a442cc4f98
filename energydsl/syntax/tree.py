"""The tree: frozen records, one for one with what was written, a span on every node.

Two trees are equal when the same thing was written; spans, spacing and redundant parentheses do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from energydsl.diagnostics import Source, Span


@dataclass(frozen=True)
class Node:
    """Anything with a place."""

    span: Span = field(compare=False, repr=False)


# --- expressions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Node):
    """A number as it was written: `0.5`, `1e-3`; `text` keeps its digits."""

    text: str


@dataclass(frozen=True)
class Name(Node):
    """A name, in the normal form NFKC of Unicode."""

    id: str


@dataclass(frozen=True)
class Boolean(Node):
    """`true` or `false`, as an argument of a generator."""

    value: bool


@dataclass(frozen=True)
class String(Node):
    """A quoted string, without its quotes: the file of `edges("file.csv")`."""

    value: str


@dataclass(frozen=True)
class Call(Node):
    """`f(x)`, `normal(sd = 0.01)`, `sum(x)`; an argument is (name or "", expression)."""

    function: Name
    arguments: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Subscript(Node):
    """`base[indices]`, one index for each axis."""

    base: Expr
    indices: tuple[Expr, ...]


@dataclass(frozen=True)
class Transpose(Node):
    """`operand'`, the transpose of a matrix."""

    operand: Expr


@dataclass(frozen=True)
class Power(Node):
    """`base^exponent`, entry by entry."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True)
class Negate(Node):
    """`-operand`."""

    operand: Expr


@dataclass(frozen=True)
class Modulo(Node):
    """`left % modulus`, which stands only in subscripts: a ring."""

    left: Expr
    modulus: Expr


@dataclass(frozen=True)
class Product(Node):
    """`a * b / c @ d`, evaluated from left to right; `tail` holds (operator, operand)."""

    head: Expr
    tail: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Sum(Node):
    """`a + b - c`; `tail` holds (sign, operand)."""

    head: Expr
    tail: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Reduce(Node):
    """`sum[binders] body`, or `prod[binders] body`."""

    binders: tuple[Binder, ...]
    body: Expr
    operator: str = "sum"


Expr = (
    Number | Name | Boolean | String | Call | Subscript | Transpose | Power | Negate | Modulo | Product | Sum | Reduce
)


@dataclass(frozen=True)
class Binder(Node):
    """`i` | `i < j <= k` | `i in range(bounds)` | `(i, k) in graph` | `c in graph` | `i in c`; `orders` has `<` or `<=` between one name and the next."""

    names: tuple[Name, ...]
    orders: tuple[str, ...] = ()
    bounds: tuple[Expr, ...] = ()
    graph: Name | None = None


# --- statements --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Domain(Node):
    """The domain of a layer with its arguments: `categorical[10]`, `interval[a, b]`."""

    name: Name
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class Entry(Node):
    """One declared name with whatever its statement allows: axes, domain, constraints, a value."""

    name: Name
    axes: tuple[Expr, ...] = ()
    domain: Domain | None = None
    constraints: tuple[Name, ...] = ()
    value: Expr | None = None


@dataclass(frozen=True)
class ModelName(Node):
    """`model name`, the first statement of a file."""

    name: Name


@dataclass(frozen=True)
class Declaration(Node):
    """`dim const visible hidden input param graph let`, by `keyword`."""

    keyword: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Energy(Node):
    """`energy [name] = value`, or with `targets | given` a normalised conditional (`recognition` likewise)."""

    keyword: str
    name: Name | None
    targets: tuple[Name, ...]
    given: tuple[Name, ...]
    value: Expr


@dataclass(frozen=True)
class Schedule(Node):
    """Blocks of (layer, by parts): `x*` takes the layer unit by unit or colour by colour."""

    blocks: tuple[tuple[tuple[Name, bool], ...], ...]


@dataclass(frozen=True)
class Hop(Node):
    """The step to the next layer of a chain: `-- b (W)`, `<- b`, `-> b`."""

    link: str
    layer: Name
    weight: Name | None


@dataclass(frozen=True)
class Chain(Node):
    """`a -- b -- c`: the layer that it starts at, and its steps."""

    start: Name
    hops: tuple[Hop, ...]


@dataclass(frozen=True)
class Layers(Node):
    """`layers chain, chain`: the standard energy of layers in chains."""

    chains: tuple[Chain, ...]


@dataclass(frozen=True)
class Augment(Node):
    """`augment term (layer, ...), term`: energy terms, and names for the layers of auxiliary units that they are to have."""

    terms: tuple[tuple[Name, tuple[Name, ...]], ...]


@dataclass(frozen=True)
class Marginalise(Node):
    """`marginalise h, g`: hidden layers that are summed out."""

    layers: tuple[Name, ...]


@dataclass(frozen=True)
class Augmented(Node):
    """What an augmentation did, which no text writes: exp(-before) = exp(-constant) times the sum of exp(-after) over layers.

    layers: (name, the share of the constant that each of its units has).
    """

    layers: tuple[tuple[Name, float], ...]
    before: Expr
    after: Expr


@dataclass(frozen=True)
class Import(Node):
    """`import "file.energy" as name`: a file that `use` can name."""

    file: String
    name: Name


@dataclass(frozen=True)
class Use(Node):
    """`use module(I = 784) as name on v, h = h1`: the model of a file as a block of this one.

    arguments: (dim or const of the file, its value here). layers: (layer of the file, or None where they are bound in the order of
    declaration; layer here).
    """

    module: Name
    arguments: tuple[tuple[Name, Expr], ...]
    name: Name | None
    layers: tuple[tuple[Name | None, Name], ...]

    @property
    def prefix(self) -> Name:
        """What the names that come with it begin with: its own name, or that of the file."""
        return self.name or self.module


Statement = ModelName | Declaration | Energy | Schedule | Layers | Augment | Marginalise | Augmented | Import | Use


@dataclass(frozen=True)
class Comment:
    """A comment without its `#` and outer blanks."""

    text: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Module:
    """A whole file: its statements, and its comments in order."""

    source: Source = field(compare=False, repr=False)
    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...]


def inlined(node: Any, values: Mapping[str, Expr]) -> Any:
    """A tree with expressions in the place of names, names in these expressions too."""
    if isinstance(node, Name) and node.id in values:
        return inlined(values[node.id], values)
    if isinstance(node, tuple):
        return tuple(inlined(n, values) for n in node)
    if not isinstance(node, Node):
        return node
    return replace(node, **{k: inlined(v, values) for k, v in vars(node).items() if k != "span"})


def names(root: Node) -> Iterator[Name]:
    """The names in a tree, in the order they were written."""
    todo: list[Any] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, Name):
            yield node
        elif isinstance(node, tuple | Node):
            todo += reversed(node if isinstance(node, tuple) else tuple(vars(node).values()))
