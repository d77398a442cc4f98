"""Directed parts: what can be said of them before they are compiled. E0303: cycles, and targets that do not factorise."""

from __future__ import annotations

from collections.abc import Iterator

from energydsl.diagnostics import Diagnostic, Note
from energydsl.energy.terms import Energy
from energydsl.graph import cycle_of, meetings
from energydsl.model.records import Directed, Resolved


def directed_problems(model: Resolved, energies: list[Energy]) -> list[Diagnostic]:
    """`energies` are the canonical energies of `model.directed`, one each."""
    found: list[Diagnostic] = []
    for part, energy in zip(model.directed, energies, strict=True):
        found += _factorisation(part, energy)
        found += _strangers(model, part, energy)
    generative = [d for d in model.directed if d.keyword == "energy"]
    cycle = cycle_of([(g, t) for d in generative for t in d.targets for g in d.given])
    if cycle:
        guilty = next(d for d in generative if set(d.targets) & set(cycle))
        path = " -> ".join([*cycle, cycle[0]])
        found.append(Diagnostic("E0303", f"the directed graph has a cycle: {path}", guilty.span))
    return found


def _factorisation(part: Directed, energy: Energy) -> Iterator[Diagnostic]:
    for pair, number in meetings(energy).items():
        if pair <= set(part.targets):
            term = energy.terms[number]
            names = " and ".join(f"`{n}`" for n in sorted(pair))
            yield Diagnostic(
                "E0303",
                f"p({', '.join(part.targets)} | {', '.join(part.given)}) does not factorise: "
                f"a term couples units of {names}",
                term.spans[0],
                "couple them in an undirected energy",
                (Note("this is the directed part", part.span),),
            )


def _strangers(model: Resolved, part: Directed, energy: Energy) -> Iterator[Diagnostic]:
    known = {*part.targets, *part.given, *model.by_role("input")}
    for term in energy.terms:
        for name in sorted(term.monomial.layers() - known):
            yield Diagnostic(
                "E0303",
                f"`{name}` stands neither left nor right of the bar",
                term.spans[0],
                f"add it to what is given: | {', '.join((*part.given, name))}",
            )
