"""What a layer of a graph of layers adds of its own to the energy: a bias, and what its domain needs to be normalisable.

Each makes the signed terms of one layer, as they would be written: `unit` is the layer, `bias` its generated parameter.
"""

from __future__ import annotations

from energydsl.diagnostics import Span
from energydsl.syntax import tree

Terms = list[tuple[str, tree.Expr]]


def bias_alone(at: Span, unit: tree.Name, bias: tree.Name) -> Terms:
    """`- sum(b * x)`, for units that are bounded or few-valued."""
    return [("-", _biased(at, unit, bias))]


def around_the_bias(at: Span, unit: tree.Name, bias: tree.Name) -> Terms:
    """`0.5 * sum((x - b)^2)`: a Normal of variance 1 around its bias."""
    return [("+", _half_square(at, tree.Sum(at, unit, (("-", bias),))))]


def held_by_a_square(at: Span, unit: tree.Name, bias: tree.Name) -> Terms:
    """`0.5 * sum(x^2) - sum(b * x)`: a Normal of variance 1, truncated."""
    return [("+", _half_square(at, unit)), ("-", _biased(at, unit, bias))]


def held_by_factorials(at: Span, unit: tree.Name, bias: tree.Name) -> Terms:
    """`sum(lgamma(x + 1)) - sum(b * x)`: Poisson of rate exp(b)."""
    shifted = tree.Sum(at, unit, (("+", tree.Number(at, "1")),))
    measure = tree.Call(at, tree.Name(at, "lgamma"), (("", shifted),))
    return [("+", _total(at, measure)), ("-", _biased(at, unit, bias))]


def _biased(at: Span, unit: tree.Name, bias: tree.Name) -> tree.Expr:
    return _total(at, tree.Product(at, bias, (("*", unit),)))


def _half_square(at: Span, inner: tree.Expr) -> tree.Expr:
    square = tree.Power(at, inner, tree.Number(at, "2"))
    return tree.Product(at, tree.Number(at, "0.5"), (("*", _total(at, square)),))


def _total(at: Span, operand: tree.Expr) -> tree.Expr:
    return tree.Call(at, tree.Name(at, "sum"), (("", operand),))
