"""Directed parts: what can be said of them before they are compiled. E0303: cycles, and targets that do not factorise."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from energydsl.derive.directed.given import undefined_given
from energydsl.diagnostics import Diagnostic, Note
from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Energy, Function, Monomial, entries
from energydsl.graph.arrows import cycle_of
from energydsl.graph.terms import interactions
from energydsl.model.expressions import references
from energydsl.model.indices import EdgeEnd, Index
from energydsl.model.ordering import Less, before
from energydsl.model.records import Directed, Resolved


def directed_problems(model: Resolved, undirected: Energy) -> list[Diagnostic]:
    """What is wrong with the arrows of a model, before its parts are looked at; undirected: its other energies."""
    found: list[Diagnostic] = list(_drawn_twice(model, undirected))
    for part in model.directed:
        found += _strangers(model, part)
    generative = [d for d in model.directed if d.keyword == "energy"]
    recognition = [d for d in model.directed if d.keyword == "recognition"]
    cycles = [_cycle(parts) for parts in (generative, recognition)]
    found += [c for c in cycles if c is not None]
    for part in recognition:
        for name in sorted(set(part.targets) & set(model.by_role("visible"))):
            message = f"`{name}` is visible: data are given, and need no recognition"
            found.append(Diagnostic("E0303", message, part.span, "recognition is for hidden layers"))
    if any(c is not None for c in cycles) or any(d.copy for d in generative):
        return found
    if {t for d in generative for t in d.targets} == set(model.random_layers()):
        part = generative[0]
        message = "every layer is drawn given others, and none has a distribution of its own"
        loose = [g for g in part.given if g not in model.by_role("input")]
        help = f"declare `{loose[0]}` an input and write" if loose else "write"
        help += " energy = ... without a bar"
        found.append(Diagnostic("E0303", message, part.span, help))
    return found


def part_problems(part: Directed, model: Resolved, energy: Energy, whole: Resolved) -> list[Diagnostic]:
    """Whether a part draws units that are independent of one another, those of a copy before them, for every value of its parents.

    model, energy: of the part. whole: the model that it is a part of.
    """
    found = list(_factorisation(part, energy)) or list(_out_of_order(part, model, energy))
    given = {*part.given, part.copy} - set(whole.by_role("input"))
    return [*found, *(d for term in energy.terms for d in undefined_given(model, term, given))]


def _cycle(parts: list[Directed]) -> Diagnostic | None:
    cycle = cycle_of([(g, t) for d in parts for t in d.targets for g in d.given])
    if not cycle:
        return None
    guilty = next(d for d in parts if set(d.targets) & set(cycle))
    path = " -> ".join([*cycle, cycle[0]])
    help = "leave out one of the arrows, or join the layers by an undirected energy"
    return Diagnostic("E0303", f"the directed graph has a cycle: {path}", guilty.span, help)


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
                note = (Note(f"p({part.label}) is declared here", part.span),)
                message = f"`{name}` is drawn given its parents, and stands in an undirected energy too"
                yield Diagnostic("E0303", message, term.spans[0], "give it one or the other", note)


def _factorisation(part: Directed, energy: Energy) -> Iterator[Diagnostic]:
    help = "bind the units in order, sum[j < i]: each is drawn given those before it"
    for pair, number in interactions(energy).items():
        if pair <= set(part.targets):
            term = energy.terms[number]
            names = " and ".join(f"`{n}`" for n in sorted(pair))
            yield Diagnostic(
                "E0303",
                f"p({part.label}) does not factorise: a term couples units of {names}"
                + (", and none of them comes last" if part.copy else ""),
                term.spans[0],
                help if part.copy else "couple them in an undirected energy",
                (Note("this is the directed part", part.span),),
            )


def _out_of_order(part: Directed, model: Resolved, energy: Energy) -> Iterator[Diagnostic]:
    """Terms whose unit is not provably the last of those that stand in them."""
    name = part.targets[0]
    for term in energy.terms:
        if part.copy and any(e.name == part.copy for a, _ in term.monomial.factors for e in entries(a)):
            unit = next((a for a in term.monomial.distinct_units() if a.name == name), None)
            if unit and not _comes_last(unit, part.copy, model, term.monomial):
                yield Diagnostic(
                    "E0303",
                    f"no unit of `{name}` is known to come last in this term",
                    term.spans[0],
                    "bind the units in order, sum[j < i], or name earlier ones by their distance, v[i - 1]",
                    (Note(f"`{name}` is given itself, in order, here", part.span),),
                )


def _comes_last(unit: At, copy: str, model: Resolved, monomial: Monomial) -> bool:
    """Whether all units of the copy in a term come before a unit of it."""
    sites = Rules(model).sites(unit)

    def inside(here: Monomial, known: tuple[Less, ...], ranges: Mapping[str, tuple[int, int]]) -> bool:
        ranges = {**ranges, **{loop.name: (loop.low, loop.high) for loop in here.loops}}
        graphs = ((loop, loop.graph) for loop in here.loops if loop.graph and not model.graphs[loop.graph].hyper)
        ends = ((Index.of(EdgeEnd(g, side, loop.name)) for side in (0, 1)) for loop, g in graphs)
        less = (p for p in here.predicates if p.kind == "less" and len(p.left) == 1)
        known = (*known, *((a, b) for a, b in ends), *((p.left[0], p.right[0]) for p in less))
        for atom, _ in here.factors:
            if isinstance(atom, Function):
                # Loops of a function may have the names of others outside.
                apart = (_renamed(m, ranges) for m in atom.argument)
                if not all(inside(m, known, ranges) for m in apart):
                    return False
            elif atom.name == copy:
                place, last = atom.indices[:sites], unit.indices[:sites]
                if atom.flat != unit.flat or not before(place, last, known, ranges, lambda g: model.graphs[g].nodes):
                    return False
        return True

    return inside(monomial, (), {})


def _renamed(monomial: Monomial, taken: Collection[str]) -> Monomial:
    """With names of their own for its loops."""
    names = {loop.name: f"{loop.name} {len(taken)}" for loop in monomial.loops}
    loops = tuple(replace(loop, name=names[loop.name]) for loop in monomial.loops)
    return replace(monomial.replace_binders({old: Index.of(new) for old, new in names.items()}), loops=loops)


def _strangers(model: Resolved, part: Directed) -> Iterator[Diagnostic]:
    known = {*part.targets, *part.given, part.copy, *model.by_role("input")}
    places = {node.name: node.span for node in references(part.expression) if node.name in model.layers}
    for name in sorted(places.keys() - known):
        yield Diagnostic(
            "E0303",
            f"`{name}` stands neither left nor right of the bar",
            places[name],
            f"add it to what is given: {part.label}, {name}",
        )
