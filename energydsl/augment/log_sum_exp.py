"""-log sum_k w_k exp(u_k) = -log sum_z exp(sum_k z_k (u_k + log w_k)), z one-hot (mixtures; Bishop 2006, eq. 9.12)."""

from __future__ import annotations

from collections.abc import Sequence

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece, pieces
from energydsl.augment.rule import Match, Rule, coupled
from energydsl.augment.write import Signed, call, number, product
from energydsl.diagnostics import Span
from energydsl.functions import POSITIVE
from energydsl.syntax import tree


def _match(piece: Piece, declared: Declared) -> Match | None:
    for factor, inner in piece.calls("log"):
        inside = pieces(inner, declared)
        if piece.sign != "-" or piece.total or not piece.only(factor) or len(inside) != 1:
            continue
        (part,) = inside
        exponent = _exponent(part, declared)
        if exponent is None or not declared.several_units(exponent):
            continue
        if part.total and not piece.binders and len(states := declared.axes(exponent)) == 1:
            return Match("categorical", coupled(exponent), states=states[0])
        if not part.total and len(part.binders) == 1 and (size := _size(part, declared)) is not None:
            over = part.binders[0]
            return Match("categorical", coupled(exponent), states=size, over=over)
    return None


def _exponent(part: Piece, declared: Declared) -> tree.Expr | None:
    """u + log w of w exp(u) with w provably positive; None for anything else."""
    found = list(part.calls("exp"))
    if part.sign == "-" or len(found) != 1:
        return None
    factor, u = found[0]
    value, factors, divisors = part.without(factor)
    if value <= 0 or any(declared.sign(f) != POSITIVE for f in (*factors, *divisors)):
        return None
    if part.only(factor):
        return u
    weight = product(part.span, [number(part.span, value), *factors], divisors)
    return tree.Sum(part.span, u, (("+", call("log", weight)),))


def _size(part: Piece, declared: Declared) -> tree.Expr | None:
    binder = part.binders[0]
    if binder.orders or binder.graph or len(binder.bounds) > 1:
        return None
    return binder.bounds[0] if binder.bounds else declared.length(binder.names[0].id, part.factors)


def _summed(span: Span, fields: Sequence[tree.Expr], over: tree.Binder | None) -> list[Signed]:
    assert over is not None
    return [("-", call("log", tree.Reduce(span, (over,), call("exp", fields[0]))))]


LOG_SUM_EXP = Rule("-log(sum[k] exp(u[k]))", "categorical", "-sum_k z_k u_k", _match, "categorical", _summed)
