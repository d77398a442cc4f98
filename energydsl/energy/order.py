"""What follows from the order of loops: conditions that cannot hold together, and those that say nothing new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from energydsl.energy.terms import Predicate
from energydsl.model.indices import Index

Place = tuple[Index, ...]


def contradictory(predicates: Iterable[Predicate]) -> bool:
    """Whether no values satisfy all: i < k and k < i, i < j < k < i, i = k and i < k."""
    found = list(predicates)
    steps = _steps(found)
    strict = [p for p in found if p.kind == "less"]
    if any(_reaches(p.right, p.left, steps) for p in strict):
        return True
    equal = _steps(p for p in found if p.kind == "equal")
    return any(_reaches(p.left, p.right, equal) for p in found if p.kind == "differ")


def reduced(predicates: Sequence[Predicate]) -> list[Predicate]:
    """The predicates without those that follow from others: i < k beside i < j and j < k, i != k beside i < k."""
    kept = list(predicates)
    for predicate in predicates:
        rest = [p for p in kept if p is not predicate]
        strict = _steps(p for p in rest if p.kind == "less")
        forth = _reaches(predicate.left, predicate.right, strict)
        back = predicate.kind == "differ" and _reaches(predicate.right, predicate.left, strict)
        if predicate.kind != "equal" and (forth or back):
            kept = rest
    return kept


def _steps(predicates: Iterable[Predicate]) -> dict[Place, list[Place]]:
    """From each place to those that are not below it."""
    steps: dict[Place, list[Place]] = {}
    for p in predicates:
        if p.kind in ("less", "equal"):
            steps.setdefault(p.left, []).append(p.right)
        if p.kind == "equal":
            steps.setdefault(p.right, []).append(p.left)
    return steps


def _reaches(start: Place, end: Place, steps: dict[Place, list[Place]]) -> bool:
    """Whether one step or more lead from `start` to `end`, or both are one place."""
    seen, todo = {start}, [start]
    while todo:
        place = todo.pop()
        if place == end:
            return True
        fresh = [p for p in steps.get(place, ()) if p not in seen]
        seen.update(fresh)
        todo += fresh
    return False
