"""The best of many starts: chains that are cooled (Kirkpatrick, Gelatt & Vecchi 1983), then each block at its likeliest values until none moves.

The energy never rises on the way down, since units of a block do not meet. It ends where no single unit can lower it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import EnergyError, NotApplicable
from energydsl.domains import DOMAINS
from energydsl.inference.least.likeliest import closed, likeliest
from energydsl.inference.least.record import Least, Method, Problem, energy_of
from energydsl.program.engine import CoreEngine
from energydsl.program.samplers import Transition, transition
from energydsl.program.states import random_state
from energydsl.random import Rng, stream

# Inverse temperatures from hot to cold, in units of one over how much a unit changes the energy; descents are given up after so many rounds.
_HOT, _COLD, _ROUNDS = 0.1, 30.0, 10_000
# Rounds of descent between two looks at the energy.
_AT_ONCE = 10


class Search(Method):
    """A state that no change of one unit makes better, which is best among those found."""

    name = "search"

    def solve(self, problem: Problem) -> Least | str:
        """The best of all starts of each row; not of models with directed parts, nor of those that no sampler moves."""
        engine, rng = problem.engine.core, Rng(stream(problem.seed, "cooling"))
        if engine is not problem.engine:
            return "it has directed parts, and its states are too many to be listed"
        try:
            move = transition(engine, "auto", problem.held)
        except NotApplicable as error:
            return str(error)
        held = {n: engine.xp.repeat(a, problem.starts, axis=0) for n, a in problem.held.items()}
        x = random_state(engine, problem.rows * problem.starts, rng, held)
        _cool(problem, engine, move, x, rng)
        _descend(problem, engine, x)
        energies = problem.energy(x).reshape(problem.rows, problem.starts)
        energies = np.where(np.isfinite(energies), energies, np.inf)
        if not np.isfinite(energies.min(axis=1)).all():
            raise EnergyError(
                "no state of finite energy was found: the energy may be unbounded below at these parameters"
            )
        best = np.arange(problem.rows) * problem.starts + energies.argmin(axis=1)
        return Least({n: np.array(engine.host(x[n]))[best] for n in problem.free}, False)


def _cool(problem: Problem, engine: CoreEngine, move: Transition, x: Arrays, rng: Rng) -> None:
    """Sweeps at rising inverse temperatures, in place."""
    units = sum(engine.model.layers[n].size for n in problem.free)
    spread = float(np.std(energy_of(engine, problem.params, x))) / math.sqrt(units)
    scale = 1.0 / spread if math.isfinite(spread) and spread > 0 else 1.0
    move.begin(x)
    for number, beta in enumerate(np.geomspace(_HOT * scale, _COLD * scale, problem.sweeps)):
        with np.errstate(all="ignore"):
            move.sweep(problem.params, x, engine.settings(beta=float(beta)), rng)
        problem.done(number / problem.sweeps)


def _descend(problem: Problem, engine: CoreEngine, x: Arrays) -> None:
    """Blocks at their likeliest values, in place, until the energy of no start falls; layers that cannot be stay as they are."""
    try:
        parts = [part for part in engine.parts(problem.held) if _lowered(engine, part)]
    except NotApplicable:
        return
    before = problem.energy(x)
    for _ in range(_ROUNDS // _AT_ONCE):
        for _ in range(_AT_ONCE):
            for part in parts:
                _lower(problem, engine, x, part)
        after = problem.energy(x)
        if not (after < before).any():
            return
        before = after


def _lowered(engine: CoreEngine, part: Any) -> bool:
    """Whether the likeliest values of a part are known: in closed form, or of two by the half of a uniform number."""
    domain = DOMAINS[engine.model.layers[part.layer].domain.name]
    return domain.two_valued if part.kind == "scan" else closed(engine, part.layer)


def _lower(problem: Problem, engine: CoreEngine, x: Arrays, part: Any) -> None:
    """One part of a block at its likeliest values, in place."""
    name = part.layer
    if part.kind == "scan":
        engine.sweep(problem.params, x, engine.settings(), _Half(), [part])
        return
    values = likeliest(engine, problem.params, x, name)
    if part.kind == "whole":
        x[name][...] = values
        return
    colours = engine.kernels.layers[name].units
    assert colours is not None
    units = colours[part.colour]
    size = engine.model.layers[name].size
    flat, new = x[name].reshape(len(x[name]), size, -1), values.reshape(len(values), size, -1)
    flat[:, units] = new[:, units]


class _Half:
    """The uniform number 1/2 for every unit: one of two values then takes its likelier one."""

    def next(self) -> None:
        """The next sweep: nothing changes."""

    def __call__(self, out: Array) -> Array:
        out[...] = 0.5
        return out
