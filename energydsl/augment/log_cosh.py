"""-log(2 cosh u) = -log sum_z exp(z u), z in {-1, +1} (the free energy of spins; Hinton & Sejnowski 1986 in these units)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece
from energydsl.augment.rule import Match, Rule, coupled
from energydsl.augment.write import Signed, call, negated
from energydsl.diagnostics import Span
from energydsl.syntax import tree


def _match(piece: Piece, declared: Declared) -> Match | None:
    plain = ((factor, u, math.log(2.0)) for factor, u in piece.calls("logcosh"))
    for factor, u, constant in (*plain, *_written_out(piece, declared)):
        if piece.sign == "-" and piece.only(factor) and declared.several_units(u):
            return Match("spin", coupled(u), constant)
    return None


def _written_out(piece: Piece, declared: Declared) -> Iterator[tuple[tree.Expr, tree.Expr, float]]:
    """u of every log(exp(u) + exp(-u))."""
    for factor, inner in piece.calls("log"):
        match declared.through(inner):
            case tree.Sum(
                head=tree.Call(function=tree.Name(id="exp"), arguments=((_, u),)),
                tail=(("+", tree.Call(function=tree.Name(id="exp"), arguments=((_, minus),))),),
            ):
                if minus in (negated(u), tree.Negate(u.span, u)):
                    yield factor, u, 0.0


def _summed(span: Span, fields: Sequence[tree.Expr], over: tree.Binder | None) -> list[Signed]:
    return [("-", call("logcosh", fields[0])), ("-", call("log", tree.Number(span, "2")))]


LOG_COSH = Rule("-logcosh(u)", "spin", "-z u", _match, "spin", _summed)
