"""-softplus(u) = -log sum_z exp(z u), z in {0, 1} (Freund & Haussler 1991: the free energy of a restricted Boltzmann machine)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece
from energydsl.augment.rule import Match, Rule, coupled
from energydsl.augment.write import Signed, call, number_of
from energydsl.diagnostics import Span
from energydsl.syntax import tree


def _match(piece: Piece, declared: Declared) -> Match | None:
    for factor, u in (*piece.calls("softplus"), *_written_out(piece, declared)):
        if piece.sign == "-" and piece.only(factor) and declared.several_units(u):
            return Match("binary", coupled(u))
    return None


def _written_out(piece: Piece, declared: Declared) -> Iterator[tuple[tree.Expr, tree.Expr]]:
    """u of every log(1 + exp(u))."""
    for factor, inner in piece.calls("log"):
        match declared.through(inner):
            case tree.Sum(head=head, tail=(("+", tree.Call(function=tree.Name(id="exp"), arguments=((_, u),))),)):
                if number_of(head) == 1.0:
                    yield factor, u


def _summed(span: Span, fields: Sequence[tree.Expr], over: tree.Binder | None) -> list[Signed]:
    return [("-", call("softplus", fields[0]))]


SOFTPLUS = Rule("-softplus(u)", "binary", "-z u", _match, "bernoulli", _summed)
