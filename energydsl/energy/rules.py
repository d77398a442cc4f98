"""What a monomial may be rewritten to without changing its value: merging, folding, renaming."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from energydsl.domains import DOMAINS, Domain
from energydsl.energy.order import contradictory
from energydsl.energy.terms import (
    At,
    Atom,
    Factor,
    Function,
    Loop,
    Monomial,
    atom_binders,
    replace_in_atom,
)
from energydsl.model.indices import Index
from energydsl.model.records import Resolved

# Factors and loops named, over all ways of naming that are tried for one energy: seconds; honest models take milliseconds.
MAX_NAMED = 100_000
# Loops of one monomial; the letters of `einsum` are as many.
MAX_LOOPS = 52


class TooMuch(Exception):
    """The expansion of an energy outgrows any use."""


@dataclass
class Budget:
    """Work left, so that no energy, however written, takes forever."""

    left: int = MAX_NAMED

    def spend(self, named: int) -> None:
        """Count work done. Raises `TooMuch` where it is more than a text may ask for."""
        self.left -= named
        if self.left < 0:
            raise TooMuch


@dataclass(frozen=True)
class Rules:
    """What the declarations allow: domains, symmetries, sizes of graphs."""

    model: Resolved
    budget: Budget = field(default_factory=Budget, compare=False)

    def domain(self, layer: str) -> Domain:
        """The domain of a layer."""
        return DOMAINS[self.model.layers[layer].domain.name]

    def has(self, param: str, constraint: str) -> bool:
        """Whether a parameter is declared with a constraint."""
        return constraint in self.model.params[param].constraints

    def edge_count(self, graph: str) -> int:
        """How many edges a graph has."""
        return self.model.graphs[graph].edge_count

    def nodes(self, graph: str) -> int:
        """How many units a graph has."""
        return self.model.graphs[graph].nodes

    def sites(self, atom: At) -> int:
        """How many leading indices of a layer's entry name the unit; the rest names its state."""
        return len(atom.indices) - (1 if self.domain(atom.name).one_hot else 0)


def collect(monomials: Iterable[Monomial], rules: Rules) -> list[Monomial]:
    """Canonical form of a polynomial: simplified, equal monomials merged, sorted."""
    merged: dict[Monomial, float] = {}
    for monomial in monomials:
        simple = canonical(monomial, rules)
        if simple is not None:
            key = replace(simple, coefficient=1.0)
            merged[key] = merged.get(key, 0.0) + simple.coefficient
    kept = [replace(m, coefficient=c) for m, c in merged.items() if c != 0.0]
    return sorted(kept, key=order)


def order(monomial: Monomial) -> tuple[int, int, str]:
    """Few units first, few factors first, then by name."""
    return len(monomial.units()), len(monomial.factors), repr(replace(monomial, coefficient=1.0))


def canonical(monomial: Monomial, rules: Rules) -> Monomial | None:
    """The one way to write a monomial; None where it is zero."""
    simple = _merge_factors(monomial, rules)
    if simple is None:
        return None
    return _renamed(without_idle_loops(simple), rules)


def _merge_factors(monomial: Monomial, rules: Rules) -> Monomial | None:
    coefficient = monomial.coefficient
    exponents: dict[Atom, float] = {}
    for atom, exponent in monomial.factors:
        exponents[atom] = exponents.get(atom, 0.0) + exponent
    factors: list[Factor] = []
    for atom, exponent in exponents.items():
        if exponent == 0.0:
            continue
        if isinstance(atom, At) and atom.kind == "param" and _on_zero_diagonal(atom, rules):
            return None
        if isinstance(atom, At) and atom.kind == "index" and _whole_power(atom.indices[0], exponent):
            coefficient *= float(atom.indices[0].constant) ** exponent
            continue
        points = rules.domain(atom.name).points if isinstance(atom, At) and atom.kind == "layer" else None
        if points is not None:
            factor, constant, slope = _folded(points, exponent)
            coefficient *= constant if factor is None else slope
            if factor is None:
                continue
            exponent = factor
        factors.append((atom, exponent))
    predicates = []
    for predicate in dict.fromkeys(monomial.predicates):
        settled = predicate.settled()
        if settled is False:
            return None
        if settled is None:
            predicates.append(predicate)
    if coefficient == 0.0 or contradictory(predicates):
        return None
    return Monomial(coefficient, monomial.loops, tuple(predicates), tuple(factors))


def _folded(points: tuple[float, float], exponent: float) -> tuple[float | None, float, float]:
    """x^p of a two-valued unit as constant + slope * x; one of the two vanishes for {0, 1} and {-1, +1}."""
    low, high = points
    slope = (high**exponent - low**exponent) / (high - low)
    constant = low**exponent - slope * low
    return (None, constant, 0.0) if slope == 0.0 else (1.0, constant, slope)


def _whole_power(index: Index, exponent: float) -> bool:
    """Whether the power of an index is one known number."""
    return not index.terms and exponent == int(exponent) and (exponent > 0 or index.constant != 0)


def _on_zero_diagonal(atom: At, rules: Rules) -> bool:
    return rules.has(atom.name, "zero_diagonal") and atom.indices[0] == atom.indices[1]


def without_idle_loops(monomial: Monomial) -> Monomial:
    """A loop that nothing depends on multiplies by its length."""
    used = {b for a, _ in monomial.factors for b in atom_binders(a)}
    used |= {b for p in monomial.predicates for b in p.binders()}
    idle = math.prod(loop.high - loop.low for loop in monomial.loops if loop.name not in used)
    loops = tuple(loop for loop in monomial.loops if loop.name in used)
    return replace(monomial, coefficient=monomial.coefficient * idle, loops=loops)


def _renamed(monomial: Monomial, rules: Rules) -> Monomial:
    """Loops numbered and factors sorted so that the text of the monomial is the smallest possible.

    Only loops that look alike (same range, same places of use) need all their orders tried.
    """
    if len(monomial.loops) > MAX_LOOPS:
        raise TooMuch
    groups: dict[str, list[Loop]] = defaultdict(list)
    for loop in monomial.loops:
        groups[_signature(loop, monomial, rules)].append(loop)
    ordered = [groups[key] for key in sorted(groups)]
    count = math.prod(math.factorial(len(g)) for g in ordered)
    orders: Iterable[tuple[Sequence[Loop], ...]] = (
        itertools.product(*(itertools.permutations(g) for g in ordered)) if count <= 720 else [tuple(ordered)]
    )
    best: tuple[str, Monomial] | None = None
    for arrangement in orders:
        flat = [loop for group in arrangement for loop in group]
        candidate = _numbered(monomial, flat, rules)
        text = repr(candidate)
        if best is None or text < best[0]:
            best = text, candidate
    assert best is not None
    return best[1]


def _signature(loop: Loop, monomial: Monomial, rules: Rules) -> str:
    others = {other.name: Index.of("*") for other in monomial.loops if other.name != loop.name}
    mapping = {**others, loop.name: Index.of("@")}
    places = sorted(
        f"{_symmetric(replace_in_atom(a, mapping), rules)}^{e}"
        for a, e in monomial.factors
        if loop.name in atom_binders(a)
    )
    return f"{loop.graph} {loop.low} {loop.high} {places}"


def _numbered(monomial: Monomial, loops: list[Loop], rules: Rules) -> Monomial:
    rules.budget.spend(len(loops) + len(monomial.factors))
    names = _loop_names(monomial, len(loops))
    mapping = {loop.name: Index.of(name) for name, loop in zip(names, loops, strict=True)}
    renamed = monomial.replace_binders(mapping)
    factors = sorted(((_symmetric(a, rules), e) for a, e in renamed.factors), key=repr)
    predicates = sorted(renamed.predicates, key=repr)
    numbered = tuple(replace(loop, name=name) for name, loop in zip(names, loops, strict=True))
    return Monomial(monomial.coefficient, numbered, tuple(predicates), tuple(factors))


def _loop_names(monomial: Monomial, count: int) -> list[str]:
    """i0, i1, ..., without the names that are free in the monomial (it may stand inside a function under other loops)."""
    own = {loop.name for loop in monomial.loops}
    used = [b for a, _ in monomial.factors for b in atom_binders(a)] + [
        b for p in monomial.predicates for b in p.binders()
    ]
    free = set(used) - own
    return list(itertools.islice((n for n in (f"i{k}" for k in itertools.count()) if n not in free), count))


def _symmetric(atom: Atom, rules: Rules) -> Atom:
    """Entries of a symmetric matrix are named by their sorted indices; functions are sorted inside."""
    if isinstance(atom, Function):
        return Function(atom.function, tuple(collect(atom.argument, rules)))
    if atom.kind == "param" and rules.has(atom.name, "symmetric"):
        return replace(atom, indices=tuple(sorted(atom.indices)))
    return atom
