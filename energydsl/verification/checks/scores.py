"""d log p/dx of the kernels is the difference of the oracle's exponent.

By a small step of a unit that may be any number of an interval, or a whole one; for a unit of two values, or of one state of
several, by going to another value: the canonical energy is a line in it, unless it stands in a function of several units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.domains import DOMAINS
from energydsl.energy.terms import Energy, Function, entries
from energydsl.verification.case import Case
from energydsl.verification.records import Check
from energydsl.verification.rounding import STEP, largest, of_slopes

NAME = "d log p/dx = difference of -beta E"
_TOLERANCE = 1e-6
# Places that are looked at, an entry of one state each, of every layer.
_PLACES = 30


@dataclass(frozen=True)
class _Place:
    """An entry of a state: by how much it moves to both sides, and what else of its unit moves with it."""

    row: int
    up: Array
    down: Array


def scores(case: Case) -> Iterator[Check]:
    """Some entries of some states of every layer, where there are more."""
    rounding = of_slopes(case.scale)
    errors: list[float] = []
    steepest: list[float] = []
    case = _inside(case)
    found = {n: case.host(a) for n, a in case.program.score(case.params, case.x, **case.scalars).items()}
    for name in case.units:
        if not _followed(case, name):
            continue
        places = list(_places(case, name))
        for place, (up, down) in zip(places, _log_weights(case, name, places), strict=True):
            direction = place.up - place.down
            size = largest(direction)
            wanted = (up - down) / size
            got = float((found[name][place.row] * direction).sum()) / size
            errors.append((got - wanted) / max(rounding, abs(wanted)))
            steepest.append(abs(wanted))
    if not errors:  # units of few values in functions have no slope to compare
        return
    yield Check(NAME, largest(errors), _TOLERANCE, decisive=rounding == 1.0 or _TOLERANCE * rounding < max(steepest))


def _inside(case: Case) -> Case:
    """The case without the states in which a unit stands at an end of a domain, where there need be no slope."""
    inside = np.ones(case.rows, bool)
    for name, layer in case.units.items():
        domain = DOMAINS[layer.domain.name]
        if not domain.finite:
            low, _ = domain.bounds(layer.domain.arguments)
            inside &= (case.x[name].reshape(case.rows, -1) > low).all(axis=1)
    kept = inside if inside.any() else ~inside
    return Case(
        **{f.name: getattr(case, f.name) for f in fields(Case)} | {"x": {n: v[kept] for n, v in case.x.items()}}
    )


def _followed(case: Case, name: str) -> bool:
    """Whether the energy is smooth in the entries of a layer, or a line in them."""
    domain = DOMAINS[case.units[name].domain.name]
    return not (domain.two_valued or domain.one_hot) or not in_a_function(case.derived.energy, name)


def in_a_function(energy: Energy, layer: str) -> bool:
    """Whether units of a layer stand inside a function, so that the energy need not be a line in them."""
    atoms = (a for term in energy.terms for a, _ in term.monomial.factors if isinstance(a, Function))
    return any(entry.kind == "layer" and entry.name == layer for a in atoms for entry in entries(a))


def _places(case: Case, name: str) -> Iterator[_Place]:
    layer, rng = case.units[name], case.generator(f"places of {NAME}: {name}")
    domain = DOMAINS[layer.domain.name]
    for _ in range(_PLACES):
        row, unit = int(rng.integers(case.rows)), int(rng.integers(layer.size))
        here = np.asarray(case.x[name][row], float)
        up, down = here.copy(), here.copy()
        if domain.one_hot:
            states = up.reshape(layer.size, -1)
            states[unit] = np.roll(states[unit], int(rng.integers(1, states.shape[1])))
        elif domain.points is not None:
            up.reshape(-1)[unit] = sum(domain.points) - up.reshape(-1)[unit]
        elif any(abs(here.reshape(-1)[unit] - kink) < 2.0 * STEP for kink in case.kinks):
            continue  # there is no slope at the kink of an absolute value
        else:
            up.reshape(-1)[unit] += STEP
            down.reshape(-1)[unit] -= STEP
        yield _Place(row, up, down)


def _log_weights(case: Case, name: str, places: list[_Place]) -> Array:
    """-beta E of the states with a layer moved up, and moved down, by the oracle, (places, 2)."""
    if not places:
        return np.zeros((0, 2))
    rows = [place.row for place in places for _ in range(2)]
    state: Arrays = {n: np.asarray(v[rows], float) for n, v in case.x.items()}
    state[name] = np.stack([value for place in places for value in (place.up, place.down)])
    return -case.oracle.exponent(case.params, state, case.beta).reshape(-1, 2)
