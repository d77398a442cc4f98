"""Factors made of indices must be numbers at every place of their sums: E0310 for 1 / n where n begins at 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from energydsl.diagnostics import Diagnostic
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters, term_formula
from energydsl.energy.numbers import number_of
from energydsl.energy.terms import Atom, Energy, Factor, Monomial, Term, atom_binders, of_indices
from energydsl.graph.places import places
from energydsl.limits import PLACES_OF_A_TERM
from energydsl.model.records import Resolved


def check_numbers(model: Resolved, energy: Energy) -> Iterator[Diagnostic]:
    """E0310 for every term with a factor of indices that is no number at some place, or has too many places to list."""
    for term in energy.terms:
        for factor in term.monomial.factors:
            if of_indices(factor[0]) and not has_loops(factor[0]):
                yield from _problems(model, term, factor)


def has_loops(atom: Atom) -> bool:
    """Whether an atom holds a sum of its own."""
    return any(
        m.loops or m.predicates or any(has_loops(a) for a, _ in m.factors) for m in getattr(atom, "argument", ())
    )


def _problems(model: Resolved, term: Term, factor: Factor) -> Iterator[Diagnostic]:
    visited = places(model, _own(term.monomial, factor))
    if visited is None:
        if not any(g.kind == "absent" for g in model.graphs.values()):
            what = f"this takes a table of more than {PLACES_OF_A_TERM} numbers"
            yield Diagnostic("E0310", what, term.spans[0], "give it as a frozen parameter, or as a product of tables")
        return
    lost = np.flatnonzero(np.isnan(np.broadcast_to(number_of(*factor, visited.value), (visited.count,))))
    if lost.size:
        names = {name: str(values[lost[0]]) for name, values in visited.loops.items()}
        shown = as_text(term_formula(Monomial(1.0, factors=(factor,)), names, Letters(model))[1])
        yield Diagnostic(
            "E0310",
            f"{shown} is not a number, and this takes that value",
            term.spans[0],
            "bound the index: `i in range(1, n)`, `i < k`; or shift it: `1 / (n + 1)`",
        )


def _own(monomial: Monomial, factor: Factor) -> Monomial:
    """A factor with the loops and conditions that touch nothing else."""
    letters = set(atom_binders(factor[0]))
    predicates = tuple(p for p in monomial.predicates if set(p.binders()) <= letters)
    return replace(
        monomial,
        coefficient=1.0,
        loops=tuple(loop for loop in monomial.loops if loop.name in letters),
        predicates=predicates,
        factors=(factor,),
    )
