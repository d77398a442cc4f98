"""Directed parts: what can be said of them before they are compiled. E0303: cycles, and targets that do not factorise."""

from __future__ import annotations

from collections.abc import Iterator

from energydsl.diagnostics import Diagnostic, Note
from energydsl.energy.terms import Energy
from energydsl.graph.arrows import cycle_of
from energydsl.graph.terms import interactions
from energydsl.model.records import Directed, Resolved


def directed_problems(model: Resolved, energies: list[Energy], undirected: Energy) -> list[Diagnostic]:
    """`energies` are the canonical energies of `model.directed`, one each."""
    found: list[Diagnostic] = list(_drawn_twice(model, undirected))
    for part, energy in zip(model.directed, energies, strict=True):
        found += _factorisation(part, energy)
        found += _strangers(model, part, energy)
    generative = [d for d in model.directed if d.keyword == "energy"]
    recognition = [d for d in model.directed if d.keyword == "recognition"]
    cycles = [_cycle(parts) for parts in (generative, recognition)]
    found += [c for c in cycles if c is not None]
    for part in recognition:
        for name in sorted(set(part.targets) & set(model.by_role("visible"))):
            message = f"`{name}` is visible: data are given, and need no recognition"
            found.append(Diagnostic("E0303", message, part.span, "recognition is for hidden layers"))
    if any(c is not None for c in cycles):
        return found
    if {t for d in generative for t in d.targets} == set(model.random_layers()):
        part = generative[0]
        message = "every layer is drawn given others, and none has a distribution of its own"
        loose = [g for g in part.given if g not in model.by_role("input")]
        help = f"declare `{loose[0]}` an input and write" if loose else "write"
        help += " energy = ... without a bar"
        found.append(Diagnostic("E0303", message, part.span, help))
    return found


def _cycle(parts: list[Directed]) -> Diagnostic | None:
    cycle = cycle_of([(g, t) for d in parts for t in d.targets for g in d.given])
    if not cycle:
        return None
    guilty = next(d for d in parts if set(d.targets) & set(cycle))
    path = " -> ".join([*cycle, cycle[0]])
    return Diagnostic("E0303", f"the directed graph has a cycle: {path}", guilty.span)


def _drawn_twice(model: Resolved, undirected: Energy) -> Iterator[Diagnostic]:
    """A layer has one distribution: that of one directed part, or of the undirected energy."""
    first: dict[tuple[str, str], Directed] = {}
    for part in model.directed:
        for name in part.targets:
            before = first.setdefault((part.keyword, name), part)
            if before is not part:
                note = (Note("and here", before.span),)
                yield Diagnostic("E0303", f"`{name}` stands left of the bar twice", part.span, "", note)
    for term in undirected.terms:
        for name in sorted(term.monomial.layers()):
            if ("energy", name) in first:
                part = first["energy", name]
                note = (Note(f"p({', '.join(part.targets)} | {', '.join(part.given)}) is declared here", part.span),)
                message = f"`{name}` is drawn given its parents, and stands in an undirected energy too"
                yield Diagnostic("E0303", message, term.spans[0], "give it one or the other", note)


def _factorisation(part: Directed, energy: Energy) -> Iterator[Diagnostic]:
    for pair, number in interactions(energy).items():
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
