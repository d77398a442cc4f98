"""a log f = -log of the integral of exp(-(z f + (1 - a) log z)) over z > 0, but for log Gamma(a), where a, f > 0.

The Gamma integral; with f = 1 + u^2 / (2 b) Student's t as a scale mixture of Gaussians (Andrews & Mallows 1974; as an energy
of experts Welling, Hinton & Osindero 2003, eq. 5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece
from energydsl.augment.rule import Match, Rule
from energydsl.augment.write import Signed, call, negated, number, number_of, product
from energydsl.diagnostics import Span
from energydsl.functions import POSITIVE
from energydsl.syntax import tree


def _match(piece: Piece, declared: Declared) -> Match | None:
    for factor, f in piece.calls("log"):
        value, factors, divisors = piece.without(factor)
        shape = product(piece.span, [number(piece.span, value), *factors], divisors)
        proved = piece.sign == "+" and value > 0 and declared.sign(f) == POSITIVE
        proved &= all(declared.sign(part) == POSITIVE for part in (*factors, *divisors))
        if not proved or not declared.several_units(f) or declared.function_of_several(f):
            continue
        known = number_of(shape)
        alone: tuple[Signed, ...] = () if known is not None else (("+", call("lgamma", shape)),)
        return Match("positive", _terms(f, shape), math.lgamma(known) if known is not None else 0.0, alone)
    return None


def _terms(f: tree.Expr, shape: tree.Expr) -> Callable[[tree.Expr], list[Signed]]:
    """z f, a term for each of f, and (1 - a) log z; that is left out where a is 1."""
    known, at = number_of(shape), f.span
    parts: list[Signed] = [("+", f.head), *f.tail] if isinstance(f, tree.Sum) else [("+", f)]

    def terms(z: tree.Expr) -> list[Signed]:
        found = [(sign, product(part.span, [part, z] if number_of(part) else [z, part])) for sign, part in parts]
        if known == 1.0:
            return found
        if known is not None:
            sign = "+" if known < 1.0 else "-"
            return [*found, (sign, product(at, [number(at, abs(1.0 - known)), call("log", z)]))]
        return [*found, ("+", product(at, [tree.Sum(at, number(at, 1.0), (("-", shape),)), call("log", z)]))]

    return terms


def _summed(span: Span, fields: Sequence[tree.Expr], over: tree.Binder | None) -> list[Signed]:
    """-A = log(rate), where -rate is the natural parameter of an exponential."""
    return [("+", call("log", negated(fields[0])))]


LOGARITHM = Rule(
    "a*log(1 + u^2/(2*b)), a > 0", "positive", "z (1 + u^2/(2 b)) + (1 - a) log z", _match, "exponential", _summed
)
