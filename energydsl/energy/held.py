"""The entries of a layer that a monomial holds, inside its functions too, each with the loops it stands under there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from energydsl.energy.terms import At, Function, Loop, Monomial, Predicate


@dataclass(frozen=True)
class Held:
    """An entry, and the loops and predicates of the functions around it, the outermost first."""

    at: At
    loops: tuple[Loop, ...] = ()
    predicates: tuple[Predicate, ...] = ()


def held(monomial: Monomial, layer: str) -> tuple[Held, ...]:
    """Every entry of a layer, each once; the loops of the monomial itself are left aside."""
    return tuple(dict.fromkeys(_held(monomial, layer, Held(At("", "")))))


def _held(monomial: Monomial, layer: str, around: Held) -> Iterator[Held]:
    for atom, _ in monomial.factors:
        if isinstance(atom, Function):
            for part in atom.argument:
                loops, predicates = around.loops + part.loops, around.predicates + part.predicates
                yield from _held(part, layer, Held(around.at, loops, predicates))
        elif (atom.kind, atom.name) == ("layer", layer):
            yield Held(atom, around.loops, around.predicates)


def among(predicates: Iterable[Predicate], binders: Iterable[str]) -> tuple[Predicate, ...]:
    """Those predicates that speak of nothing but some binders."""
    known = set(binders)
    return tuple(p for p in predicates if known.issuperset(p.binders()))
