"""Real layers in which the energy is jointly quadratic: their joint density exists, and is integrated, by one matrix.

    E(x) = x' P x / 2 - eta' x + rest,   Z finite only if P is positive definite (Rue & Held 2005, ch. 2),
x being all units of these layers; eta and the rest may hang on other units, and P too unless it is to be fixed.
"""

from __future__ import annotations

from collections.abc import Iterable

from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, Energy, Monomial, entries
from energydsl.model.records import Resolved


def coupled_quadratic(
    model: Resolved, energy: Energy, candidates: Iterable[str] | None = None, fixed: bool = True
) -> tuple[str, ...]:
    """The real layers of which this holds; none where no two of their units meet, as P is then diagonal.

    candidates: of which they are taken, all others held; every random layer if None. fixed: whether P must hang on no other unit.
    """
    names = model.random_layers() if candidates is None else candidates
    chosen = {n for n in names if DOMAINS[model.layers[n].domain.name].whole_line}
    while guilty := {n for t in energy.terms for n in _other_than_quadratic(t.monomial, chosen, fixed)}:
        chosen -= guilty
    meet = any(sum(unit.name in chosen for unit in t.monomial.distinct_units()) > 1 for t in energy.terms)
    return tuple(n for n in model.layers if n in chosen) if meet else ()


def _other_than_quadratic(monomial: Monomial, chosen: set[str], fixed: bool) -> set[str]:
    """Chosen layers that stand in a term inside a function, in a higher power, or beside a unit that scales squares of a fixed P."""
    degree, plain = 0.0, True
    for atom, exponent in monomial.factors:
        if isinstance(atom, At) and atom.kind == "layer" and atom.name in chosen:
            degree += exponent
            plain &= exponent in (1, 2)
        else:
            plain &= not any(a.name in chosen for a in entries(atom) if a.kind == "layer")
    inside = monomial.layers() & chosen
    others = any(a.kind in ("layer", "input") and a.name not in chosen for f, _ in monomial.factors for a in entries(f))
    return set() if plain and degree <= (1 if others and fixed else 2) else set(inside)
