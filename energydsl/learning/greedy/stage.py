"""A stage of greedy training, and what both kinds of stages are written from: the signed terms of an energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from energydsl.syntax import tree


@dataclass(frozen=True)
class Stage:
    """A model to be trained for itself.

    text: the model. gives: (parameter of the whole, parameter of the stage, factor). latent: the layers whose means are
    data for the next stage. copies: layers that hold the same data as another.
    """

    text: str
    gives: tuple[tuple[str, str, float], ...]
    latent: tuple[str, ...]
    copies: Mapping[str, str] = field(default_factory=dict)


def additive(node: tree.Expr, sign: str) -> Iterator[tuple[str, tree.Expr]]:
    """The signed terms of a sum."""
    flip = {"+": "-", "-": "+"}
    match node:
        case tree.Sum(head=head, tail=tail):
            yield from additive(head, sign)
            for own, term in tail:
                yield from additive(term, sign if own == "+" else flip[sign])
        case tree.Negate(operand=operand):
            yield from additive(operand, flip[sign])
        case tree.Product(head=tree.Negate(operand=operand)):
            yield flip[sign], replace(node, head=operand)
        case _:
            yield sign, node
