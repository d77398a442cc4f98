"""An energy, as it is written, in pieces: a sign, sums around, and a product of factors, in one of which a form may stand.

Sums are taken apart where that changes nothing but the order of addition, so a piece is added up like the text that it comes from:
over its binders, or (`total`) over all entries of its factors, which are then arrays or numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from energydsl.augment.known import Declared
from energydsl.augment.write import number_apart, number_of, product, times, total
from energydsl.diagnostics import Span
from energydsl.syntax import tree


@dataclass(frozen=True)
class Piece:
    """sign * sum over binders, or over all entries, of the product of factors over the product of divisors."""

    span: Span
    sign: str
    factors: tuple[tree.Expr, ...]
    divisors: tuple[tree.Expr, ...] = ()
    binders: tuple[tree.Binder, ...] = ()
    total: bool = False

    def body(self) -> tree.Expr:
        """The product, without its sign and sums."""
        return product(self.span, self.factors, self.divisors)

    def added_up(self, body: tree.Expr) -> tree.Expr:
        """Another product in the place of this one: with the sums around it."""
        scale, rest = number_apart(body)
        if self.total:
            return product(body.span, [*scale, total(rest)])
        return product(body.span, [*scale, tree.Reduce(body.span, self.binders, rest)]) if self.binders else body

    def without(self, factor: tree.Expr) -> tuple[float, tuple[tree.Expr, ...], tuple[tree.Expr, ...]]:
        """What multiplies one factor: a number, and the factors and divisors that are none; without the sign."""
        rest = [f for f in self.factors if f is not factor]
        number = 1.0
        for value in map(number_of, rest):
            number *= 1.0 if value is None else value
        for value in map(number_of, self.divisors):
            number /= value or 1.0
        return (
            number,
            tuple(f for f in rest if number_of(f) is None),
            tuple(d for d in self.divisors if number_of(d) is None),
        )

    def only(self, factor: tree.Expr) -> bool:
        """Whether a factor stands alone, with the factor 1."""
        return self.without(factor) == (1.0, (), ())

    def calls(self, function: str) -> Iterator[tuple[tree.Expr, tree.Expr]]:
        """The factors that are a function of something, and what that is."""
        for factor in self.factors:
            if isinstance(factor, tree.Call) and factor.function.id == function and len(factor.arguments) == 1:
                yield factor, factor.arguments[0][1]


# Pieces beyond which an energy is not taken apart any further.
_MOST = 2000


def pieces(node: tree.Expr, declared: Declared) -> list[Piece]:
    """The pieces of a scalar expression; itself where there are too many."""
    try:
        return _pieces(node, declared, "+")
    except _TooMany:
        return [Piece(node.span, "+", (node,))]


class _TooMany(Exception):
    pass


def _pieces(node: tree.Expr, declared: Declared, sign: str) -> list[Piece]:
    node = declared.through(node)
    found = _taken_apart(node, declared, sign)
    if len(found) > _MOST:
        raise _TooMany
    return found


def _taken_apart(node: tree.Expr, declared: Declared, sign: str) -> list[Piece]:
    match node:
        case tree.Sum(head=head, tail=tail) if _one_shape(node, declared):
            found = _pieces(head, declared, sign)
            return found + [p for s, part in tail for p in _pieces(part, declared, signed(sign, s))]
        case tree.Negate(operand=operand):
            return _pieces(operand, declared, signed(sign, "-"))
        case tree.Reduce(binders=binders, body=body):
            inner = _pieces(body, declared, sign)
            if any(p.total for p in inner):
                return [Piece(node.span, sign, (node,))]
            return [replace(p, span=node.span, binders=(*binders, *p.binders)) for p in inner]
        case tree.Call(function=function, arguments=((_, inner_node),)) if function.id == "sum":
            inner = _pieces(inner_node, declared, sign)
            if any(p.total or p.binders for p in inner):
                return [Piece(node.span, sign, (node,))]
            return [replace(p, span=node.span, total=True) for p in inner]
        case tree.Product():
            return _of_product(node, declared, sign)
    return [Piece(node.span, sign, (node,))]


def signed(sign: str, other: str) -> str:
    """The sign of a term of one sign in a sum that has another."""
    return "+" if sign == other else "-"


def _one_shape(node: tree.Sum, declared: Declared) -> bool:
    """Whether no term of a sum is repeated over the entries of another."""
    shapes = {len(declared.axes(part)) for part in (node.head, *(p for _, p in node.tail))}
    return len(shapes) == 1


def _of_product(node: tree.Product, declared: Declared, sign: str) -> list[Piece]:
    """A product in which at most one factor is a sum of units: that is taken apart."""
    head, tail = node.head, list(node.tail)
    if isinstance(head, tree.Negate):
        return _of_product(replace(node, head=head.operand), declared, signed(sign, "-"))
    scalars: list[tree.Expr] = []
    while any(s == "@" for s, _ in tail) and tail[0][0] == "*" and not declared.axes(head):
        scalars.append(head)
        head, tail = tail[0][1], tail[1:]
        if isinstance(head, tree.Negate):
            head, sign = head.operand, signed(sign, "-")
    if any(s == "@" for s, _ in tail):
        found = _contraction(tree.Product(node.span, head, tuple(tail)), declared, sign)
        return [replace(p, span=node.span, factors=(*scalars, *p.factors)) for p in found]
    factors = [head, *(part for s, part in tail if s == "*")]
    divisors = tuple(part for s, part in tail if s == "/")
    open_ones = [f for f in factors if _sums(declared.through(f)) and declared.layers(f)]
    if len(open_ones) != 1 or len(declared.axes(open_ones[0])) != len(declared.axes(node)):
        flat = tuple(f.operand if isinstance(f, tree.Negate) else f for f in factors)
        for factor in factors:
            sign = signed(sign, "-") if isinstance(factor, tree.Negate) else sign
        return [Piece(node.span, sign, flat, divisors)]
    rest = tuple(f for f in factors if f is not open_ones[0])
    inner = _pieces(open_ones[0], declared, sign)
    return [replace(p, span=node.span, factors=(*rest, *p.factors), divisors=(*divisors, *p.divisors)) for p in inner]


def _sums(node: tree.Expr) -> bool:
    """Whether an expression is made of sums: taken apart, its parts are pieces."""
    return isinstance(node, tree.Sum | tree.Reduce | tree.Negate) or (
        isinstance(node, tree.Call) and node.function.id == "sum"
    )


def _contraction(node: tree.Product, declared: Declared, sign: str) -> list[Piece]:
    """A scalar a @ f, entry by entry; x @ A @ A' @ x as the sum of the squares of x @ A. Anything else stays whole."""
    parts = [node.head, *(part for _, part in node.tail)]
    only = all(s == "@" for s, _ in node.tail)
    if declared.axes(node) or not only:
        return [Piece(node.span, sign, (node,))]
    half = len(parts) // 2
    if len(parts) % 2 == 0 and all(_mirrored(a, b) for a, b in zip(parts[:half], parts[: half - 1 : -1], strict=True)):
        root = parts[0] if half == 1 else replace(node, head=parts[0], tail=tuple(("@", p) for p in parts[1:half]))
        square = tree.Power(node.span, root, tree.Number(node.span, "2"))
        return [Piece(node.span, sign, (square,), total=True)]
    if len(parts) == 2:
        inner = _pieces(times(*parts), declared, sign)
        if not any(p.total or p.binders for p in inner):
            return [replace(p, total=True) for p in inner]
    return [Piece(node.span, sign, (node,))]


def _mirrored(a: tree.Expr, b: tree.Expr) -> bool:
    """Whether one is written as the transpose of the other; a vector is its own."""
    bare = [n.operand if isinstance(n, tree.Transpose) else n for n in (a, b)]
    transposed = isinstance(a, tree.Transpose) != isinstance(b, tree.Transpose)
    return bare[0] == bare[1] and (transposed or a == b)
