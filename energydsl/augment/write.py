"""Expressions of the tree, made: products and sums without idle ones, numbers as they would be written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from energydsl.diagnostics import Diagnostic, ModelError, Span
from energydsl.syntax import tree

# Beyond it a number is refused, as `energy.expand` does.
LARGEST = 1e300

Signed = tuple[str, tree.Expr]


def number(span: Span, value: float) -> tree.Expr:
    """A number; a negative one is the negation of one. Raises `ModelError` (E0212) where it is too large to be written."""
    if not abs(value) < LARGEST:
        raise ModelError([Diagnostic("E0212", "a number in this term is too large, multiplied out", span)])
    digits = repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return tree.Number(span, digits) if value >= 0 else tree.Negate(span, tree.Number(span, digits[1:]))


def number_of(node: tree.Expr) -> float | None:
    """The value of a number, or None for what is none."""
    match node:
        case tree.Number(text=text):
            return float(text)
        case tree.Negate(operand=operand):
            value = number_of(operand)
            return None if value is None else -value
        case tree.Product(head=head, tail=tail):
            found = number_of(head)
            for sign, part in tail:
                value = number_of(part)
                if found is None or value is None or sign == "@" or (sign == "/" and value == 0.0):
                    return None
                found = found * value if sign == "*" else found / value
            return found
    return None


def times(*factors: tree.Expr) -> tree.Expr:
    """A product, flat, entry by entry."""
    return product(factors[0].span, factors)


def product(span: Span, factors: Sequence[tree.Expr], divisors: Iterable[tree.Expr] = ()) -> tree.Expr:
    """factors over divisors, flat; what is 1 is left out, an index sum stands last."""
    above = [f for f in factors if number_of(f) != 1.0]
    last = [f for f in above if isinstance(f, tree.Reduce)]
    flat: list[Signed] = [step for f in above if f not in last for step in _steps(f)]
    flat += [("/", d) for d in divisors if number_of(d) != 1.0]
    flat += [("*", f) for f in last]
    if not flat or flat[0][0] == "/":
        flat.insert(0, ("*", tree.Number(span, "1")))
    (_, head), *tail = flat
    return tree.Product(span, head, tuple(tail)) if tail else head


def _steps(factor: tree.Expr) -> list[Signed]:
    """The factors of a product that is taken entry by entry; anything else is one factor."""
    if isinstance(factor, tree.Product) and all(s != "@" for s, _ in factor.tail):
        return [("*", factor.head), *factor.tail]
    return [("*", factor)]


def negated(node: tree.Expr) -> tree.Expr:
    """Minus an expression: the minus of a product stands before its first factor."""
    match node:
        case tree.Negate(operand=operand):
            return operand
        case tree.Product(head=head, tail=tail):
            return tree.Product(node.span, negated(head), tail)
    return tree.Negate(node.span, node)


def added(span: Span, terms: Sequence[Signed]) -> tree.Expr:
    """A sum of signed terms, flat; 0 where there are none."""
    flat: list[Signed] = []
    for sign, term in terms:
        if isinstance(term, tree.Negate) and not isinstance(term.operand, tree.Sum):
            sign, term = ("-" if sign == "+" else "+"), term.operand
        if isinstance(term, tree.Product) and isinstance(term.head, tree.Negate):
            sign, term = ("-" if sign == "+" else "+"), tree.Product(term.span, term.head.operand, term.tail)
        if isinstance(term, tree.Sum):
            flat.append((sign, term.head))
            flat += [(s if sign == "+" else "-" if s == "+" else "+", part) for s, part in term.tail]
        else:
            flat.append((sign, term))
    if not flat:
        return tree.Number(span, "0")
    (sign, first), *rest = flat
    head = negated(first) if sign == "-" else first
    return tree.Sum(span, head, tuple(rest)) if rest else head


def number_apart(term: tree.Expr) -> tuple[list[tree.Expr], tree.Expr]:
    """The number that a product begins with, if it does, and what it multiplies."""
    match term:
        case tree.Product(head=tree.Number() as head, tail=(("*", first), *tail)):
            return [head], tree.Product(term.span, first, tuple(tail)) if tail else first
    return [], term


def call(name: str, argument: tree.Expr) -> tree.Call:
    """A function of an expression."""
    return tree.Call(argument.span, tree.Name(argument.span, name), (("", argument),))


def total(body: tree.Expr) -> tree.Expr:
    """The sum of all entries."""
    return call("sum", body)


def power(base: tree.Expr, exponent: float) -> tree.Expr:
    """A power; of exponent 1, the base."""
    return base if exponent == 1.0 else tree.Power(base.span, base, number(base.span, exponent))
