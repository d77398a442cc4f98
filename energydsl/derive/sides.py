"""How an exact sum over layers goes about it: some in closed form, real ones by linear algebra, the rest state by state."""

from __future__ import annotations

import math
from collections.abc import Sequence

from energydsl import limits
from energydsl.derive.free_energy import log_states, summable_sets
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.derive.records import Side
from energydsl.energy.terms import Energy
from energydsl.graph.terms import interactions
from energydsl.model.records import Resolved


def cheapest(model: Resolved, energy: Energy, over: Sequence[str]) -> Side:
    """The way with the fewest states to list; where that is equal, without linear algebra, and with the most layers closed."""
    pairs = interactions(energy)
    found = []
    for joint, most in {(): math.inf, **_integrable(model, energy, over)}.items():
        apart = [n for n in over if n not in joint and not any(frozenset((n, j)) in pairs for j in joint)]
        for closed in summable_sets(model, energy, apart):
            listed = tuple(n for n in over if n not in closed and n not in joint)
            states = log_states([model.layers[n] for n in listed])
            found.append(Side(closed, joint, listed, states if states <= most else math.inf))
    return min(found, key=lambda side: (side.log2_states, bool(side.joint), -len(side.closed)))


def _integrable(model: Resolved, energy: Energy, over: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Sets of layers that are Gaussian jointly, of no more units than a matrix is made for, and log2 of how many matrices are made."""
    found: dict[tuple[str, ...], float] = {}
    for fixed, units, most in (
        (False, limits.SCALED_UNITS, limits.LOG2_MATRICES),
        (True, limits.QUADRATIC_UNITS, math.inf),
    ):
        layers = coupled_quadratic(model, energy, over, fixed)
        if layers and sum(model.layers[n].size for n in layers) <= units:
            found[layers] = most
    return found


def joint_layers(model: Resolved, energy: Energy, out: tuple[str, ...]) -> tuple[str, ...]:
    """Those of layers to be summed out together that are integrated jointly, as no closed form fits them: none if all are closed."""
    pairs = interactions(energy)
    for fixed in (True, False):
        joint = coupled_quadratic(model, energy, out, fixed)
        apart = [n for n in out if n not in joint]
        if joint and not any(frozenset((n, o)) in pairs for n in apart for o in out):
            return joint
    return ()
