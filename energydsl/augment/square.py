"""-a u^2 / 2 = -log of the integral of exp(-(z^2 / 2 - sqrt(a) z u)) over z, but for log(2 pi) / 2, where a >= 0.

Hubbard (1959) and Stratonovich (1957); for energies of networks Amit, Gutfreund & Sompolinsky (1985).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece
from energydsl.augment.rule import Match, Rule
from energydsl.augment.write import Signed, call, negated, number, number_of, power, product, times
from energydsl.diagnostics import Span
from energydsl.functions import NONNEGATIVE, POSITIVE
from energydsl.syntax import tree


def _match(piece: Piece, declared: Declared) -> Match | None:
    for factor in piece.factors:
        if not isinstance(factor, tree.Power) or number_of(factor.exponent) != 2.0 or piece.sign == "+":
            continue
        value, factors, divisors = piece.without(factor)
        proved = all(declared.sign(f) >= NONNEGATIVE for f in factors)
        proved &= all(declared.sign(d) == POSITIVE for d in divisors) and value > 0
        if proved and declared.several_units(factor.base):
            above = [number(piece.span, math.sqrt(2.0 * value)), *_roots(factors, declared)]
            return Match("real", _terms(factor.base, above, _roots(divisors, declared)), 0.5 * math.log(2.0 * math.pi))
    return None


def _terms(u: tree.Expr, above: Sequence[tree.Expr], below: Sequence[tree.Expr]) -> Callable[[tree.Expr], list[Signed]]:
    """z^2 / 2 - root z u, the root a product above over one below."""

    def terms(z: tree.Expr) -> list[Signed]:
        half = tree.Number(u.span, "0.5")
        return [("+", times(half, power(z, 2.0))), ("-", product(u.span, [*above, z, u], below))]

    return terms


def _roots(factors: Sequence[tree.Expr], declared: Declared) -> list[tree.Expr]:
    """The square root of every factor; of the square of what is never negative, that."""
    return [
        f.base
        if isinstance(f, tree.Power) and number_of(f.exponent) == 2.0 and declared.sign(f.base) >= NONNEGATIVE
        else call("sqrt", f)
        for f in factors
    ]


def _summed(span: Span, fields: Sequence[tree.Expr], over: tree.Binder | None) -> list[Signed]:
    """-A = -u^2 / (2 precision) + log(precision) / 2 - log(2 pi) / 2, where u, -precision / 2 are the natural parameters."""
    linear, precision = fields[0], times(number(span, 2.0), negated(fields[1]))
    value = number_of(precision)
    half = tree.Number(span, "0.5")
    shift = 0.5 * math.log(2.0 * math.pi)
    if value is not None:
        constant = 0.5 * math.log(value) - shift
        quadratic = product(span, [number(span, 0.5 / value), power(linear, 2.0)])
        return [("-", quadratic), ("+" if constant >= 0 else "-", number(span, abs(constant)))]
    return [
        ("-", product(span, [half, power(linear, 2.0)], [precision])),
        ("+", times(half, call("log", precision))),
        ("-", number(span, shift)),
    ]


SQUARE = Rule("-a*u^2/2, a >= 0", "real", "z^2/2 - sqrt(a) z u", _match, "normal", _summed)
