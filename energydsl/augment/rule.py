"""What a rule of auxiliary units is: one identity, read in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece
from energydsl.augment.write import Signed, times
from energydsl.diagnostics import Span
from energydsl.syntax import tree


@dataclass(frozen=True)
class Match:
    """What a piece of an energy becomes: -log of the sum of exp(-(energy with z)) over z, but for a constant.

    domain: of the auxiliary unit. terms: of an expression for the unit, the energy with it, sums around the piece left out.
    constant: log of the sum of exp(-terms), minus what it stands for. alone: terms without the unit.
    states, over: the number of states of a one-hot unit, and the index over them; no index where `terms` are arrays over them.
    """

    domain: str
    terms: Callable[[tree.Expr], Sequence[Signed]]
    constant: float = 0.0
    alone: tuple[Signed, ...] = ()
    states: tree.Expr | None = None
    over: tree.Binder | None = None


@dataclass(frozen=True)
class Rule:
    """One identity: of an energy of a form u as the sum over an auxiliary unit z.

    energy, unit, joint: as they are shown, the left and right of the identity. match: the auxiliary units of a piece, or None.
    family: of the conditional of z. summed: -A(eta), the energy that is left when such a unit is summed out, as signed
    terms of its natural parameters; `over` is the index of a unit's states.
    """

    energy: str
    unit: str
    joint: str
    match: Callable[[Piece, Declared], Match | None]
    family: str
    summed: Callable[[Span, Sequence[tree.Expr], tree.Binder | None], Sequence[Signed]]


def coupled(u: tree.Expr) -> Callable[[tree.Expr], Sequence[Signed]]:
    """-z u"""
    return lambda z: [("-", times(z, u))]
