"""Constant expressions: dims (exact integers) and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from energydsl.diagnostics import Diagnostic, Note, Span, suggestion
from energydsl.syntax import tree

LARGEST = 2**31 - 1


class Problem(Exception):
    """One diagnostic on its way to the report."""

    def __init__(self, code: str, message: str, span: Span | None, help: str = "", notes: tuple[Note, ...] = ()):
        self.diagnostic = Diagnostic(code, message, span, help, notes)


Real = Fraction | float


def evaluate(node: tree.Expr, lookup: Callable[[tree.Name], Real]) -> Real:
    """The value of an expression of numbers and names; exact as long as it is rational."""
    match node:
        case tree.Number(text=text):
            return Fraction(text) if abs(float(text)) < 1e30 and len(text) < 40 else float(text)
        case tree.Name():
            return lookup(node)
        case tree.Negate(operand=operand):
            return -evaluate(operand, lookup)
        case tree.Sum(head=head, tail=tail):
            total = evaluate(head, lookup)
            for sign, operand in tail:
                value = evaluate(operand, lookup)
                total = total + value if sign == "+" else total - value
            return _finite(total, node.span)
        case tree.Product(head=head, tail=tail):
            total = evaluate(head, lookup)
            for sign, operand in tail:
                total = _finite(_times(sign, total, evaluate(operand, lookup), operand.span), node.span)
            return total
        case tree.Power(base=base, exponent=exponent):
            return _power(evaluate(base, lookup), evaluate(exponent, lookup), node.span)
    raise Problem("E0212", "a constant is made of numbers, dims and + - * / ^", node.span)


def _times(sign: str, left: Fraction | float, right: Fraction | float, span: Span) -> Fraction | float:
    if sign == "@":
        raise Problem("E0209", "`@` contracts arrays; a constant is a number", span, "use `*`")
    if sign == "*":
        return left * right
    if right == 0:
        raise Problem("E0212", "division by zero", span)
    return left / right


def _power(base: Fraction | float, exponent: Fraction | float, span: Span) -> Fraction | float:
    if abs(float(exponent)) > 64:
        raise Problem("E0212", "an exponent lies between -64 and 64", span)
    if base == 0 and exponent < 0:
        raise Problem("E0212", "division by zero", span)
    if base < 0 and Fraction(exponent).denominator != 1:
        raise Problem("E0212", "a fractional power of a negative number is not real", span)
    exact = isinstance(base, Fraction) and Fraction(exponent).denominator == 1
    return _finite(base ** int(exponent) if exact else float(base) ** float(exponent), span)


def _finite(value: Fraction | float, span: Span) -> Fraction | float:
    try:
        size = abs(float(value))
    except OverflowError:
        size = math.inf
    if not size < 1e300:
        raise Problem("E0212", "this number is too large", span)
    if isinstance(value, Fraction) and value.denominator > 10**60:
        return float(value)
    return value


class Dims:
    """The dims of a file, evaluated on demand; overrides replace what is written."""

    def __init__(self, entries: Mapping[str, tree.Entry], overrides: Mapping[str, int]):
        self.entries = entries
        self.overrides = overrides
        self.values: dict[str, int] = {}
        self.open: list[str] = []

    def value(self, name: str, at: Span) -> int:
        """The value of a dim. Raises `Problem` (E0203, E0211, E0201)."""
        if name in self.values:
            return self.values[name]
        if name in self.open:
            path = " -> ".join([*self.open[self.open.index(name) :], name])
            raise Problem("E0203", f"the dims {path} depend on one another", at, "give one of them a number")
        entry = self.entries[name]
        if name in self.overrides:
            value: Fraction | float = Fraction(self.overrides[name])
            span = entry.name.span
        else:
            assert entry.value is not None
            self.open.append(name)
            try:
                value = evaluate(entry.value, self.lookup)
            finally:
                self.open.pop()
            span = entry.value.span
        self.values[name] = positive_integer(value, span, f"dim `{name}`")
        return self.values[name]

    def lookup(self, name: tree.Name) -> Fraction:
        if name.id in self.entries:
            return Fraction(self.value(name.id, name.span))
        raise Problem("E0201", f"unknown dim `{name.id}`", name.span, suggestion(name.id, self.entries))

    def size(self, node: tree.Expr, what: str) -> int:
        """A positive integer written as a constant expression of dims."""
        return positive_integer(evaluate(node, self.lookup), node.span, what)

    def integer(self, node: tree.Expr, what: str) -> int:
        """An integer written as a constant expression of dims."""
        value = evaluate(node, self.lookup)
        if Fraction(value).denominator != 1 or abs(float(value)) > LARGEST:
            raise Problem("E0211", f"{what} is {_shown(value)}, not an integer", node.span)
        return int(value)


def positive_integer(value: Fraction | float, span: Span, what: str) -> int:
    if Fraction(value).denominator != 1 or value < 1:
        raise Problem("E0211", f"{what} is {_shown(value)}, not a positive integer", span)
    if value > LARGEST:
        raise Problem("E0211", f"{what} is larger than {LARGEST}", span)
    return int(value)


def _shown(value: Fraction | float) -> str:
    return f"{float(value):g}"
