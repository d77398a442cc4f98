"""Associative memory (Hopfield 1982): patterns stored in the couplings of a model without latents, and recalled by descent of the energy.

Nothing here knows a Hopfield network: storing follows dE/dparam, recalling updates units to their likeliest values in the
model's own blocks, so that the energy never rises where a block is one unit or uncoupled units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.arrays import Values
from energydsl.backends.interface import Arrays
from energydsl.diagnostics import ArgumentError, NotApplicable
from energydsl.domains import DOMAINS
from energydsl.program import Engine, Program
from energydsl.program.states import check_params, visible_arrays
from energydsl.random import stream

Array = NDArray[Any]
# Draws of flipped patterns in a row that must all be right.
_TRIALS = 10


@dataclass(frozen=True)
class Recall:
    """What `recall` found.

    state: by layer, (rows, *layer), the values after the last sweep. energies: E before the first and after each sweep,
    (sweeps + 1, rows). settled: (rows,), whether the last sweep left a row as it was.
    """

    state: Arrays
    energies: Array
    settled: Array


class _Half:
    """The uniform number 1/2 for every unit: a two-valued unit then takes its likelier value."""

    def next(self) -> None:
        """The next sweep: nothing changes."""

    def __call__(self, out: Array) -> Array:
        out[...] = 0.5
        return out


def store(
    program: Program,
    patterns: Mapping[str, Values] | Values,
    noise: float = 0.2,
    most: int = 1000,
    seed: int = defaults.SEED,
) -> Arrays:
    """Parameters that make every pattern a fixed point of `recall`, which is reached from cues with some units flipped.

    patterns: (patterns, *layer), or a dict by layer. noise: the fraction of units flipped in a cue, in [0, 0.5). most: the
    largest number of corrections. The parameters begin at Hebb's rule: dE/dparam at the patterns less that at independent
    fair units. While a pattern, or a cue, goes elsewhere, they move by dE/dparam at the pattern less that where it goes (the
    perceptron rule of Gardner 1988). Raises `ArgumentError` for `noise` or `most` out of range, and `NotApplicable` for
    models with latents or inputs, and where a pattern is still unstable after `most` corrections.
    """
    engine = program.engine
    _plain(engine)
    if not 0 <= noise < 0.5 or most < 0:
        raise ArgumentError("noise must lie in [0, 0.5), and most must not be negative")
    x = {n: engine.device(a) for n, a in visible_arrays(engine, patterns).items()}
    params = program.init(seed)
    count, rng = len(next(iter(x.values()))), np.random.default_rng(stream(seed, "flipped patterns"))
    learned = [n for n, p in engine.model.params.items() if not {"positive", "frozen"} & set(p.constraints)]
    params |= {n: engine.xp.zeros_like(params[n]) for n in learned}
    _move(engine, params, learned, x, program.init_state(params, max(1000, 10 * count), seed), float(count))
    right = 0
    for _ in range(most):
        stable = _wrong(_once(engine, params, x), x, engine)
        after = _once(engine, params, _flipped(engine, x, noise, rng))
        lost = _wrong(after, x, engine)
        right = 0 if stable.any() or lost.any() else right + 1
        if right == _TRIALS:
            break
        away = after if not stable.any() else _once(engine, params, x)
        rows = engine.xp.asarray(np.flatnonzero(stable if stable.any() else lost))
        if len(rows):
            _move(
                engine, params, learned, {n: a[rows] for n, a in x.items()}, {n: a[rows] for n, a in away.items()}, 1.0
            )
    if _wrong(_once(engine, params, x), x, engine).any():
        raise NotApplicable(f"{count} patterns cannot be stored: some are still unstable after {most} corrections")
    return {n: engine.host(a) for n, a in params.items()}


def _flipped(program: Engine, x: Arrays, noise: float, rng: np.random.Generator) -> Arrays:
    """The patterns with some units at their other value."""
    found = {}
    for name, values in x.items():
        low, high = DOMAINS[program.model.layers[name].domain.name].points or (0.0, 1.0)
        here = program.host(values)
        found[name] = program.device(np.where(rng.random(here.shape) < noise, low + high - here, here))
    return found


def _wrong(after: Arrays, x: Arrays, program: Engine) -> Array:
    """The rows that differ."""
    wrong = np.zeros(len(next(iter(x.values()))), bool)
    for name, values in x.items():
        wrong |= (program.host(after[name]) != program.host(values)).reshape(len(wrong), -1).any(axis=1)
    return wrong


def recall(
    program: Program, params: Mapping[str, Values], cues: Mapping[str, Values] | Values, sweeps: int = 100
) -> Recall:
    """Where each cue comes to rest when every unit takes its likelier value in turn, and the energy on the way.

    params: as `store` gives them, of the shapes that the model declares: (N, N) for `J[N, N]`. cues: (rows, *layer), or a dict by layer.
    sweeps: the most that are made. Raises `ArgumentError` for fewer than one
    sweep, and `NotApplicable` for models with latents or inputs.
    """
    engine = program.engine
    _plain(engine)
    if sweeps < 1:
        raise ArgumentError(f"recall takes at least one sweep, not {sweeps}")
    p = check_params(engine, params)
    x = {n: engine.device(a) for n, a in visible_arrays(engine, cues).items()}
    energies = [engine.host(engine.energy(p, x, engine.settings()))]
    still = np.zeros(len(energies[0]), bool)
    for _ in range(sweeps):
        after = _once(engine, p, x)
        still = ~_wrong(after, x, engine)
        x = after
        energies.append(engine.host(engine.energy(p, x, engine.settings())))
        if still.all():
            break
    return Recall({n: engine.host(a) for n, a in x.items()}, np.array(energies), still)


def _plain(program: Engine) -> None:
    model = program.model
    others = [n for n in model.layers if n not in model.by_role("visible")]
    many = [n for n in model.random_layers() if not DOMAINS[model.layers[n].domain.name].two_valued]
    if others or many:
        raise NotApplicable(
            f"an associative memory has only visible units of two values; `{(others + many)[0]}` has others"
        )


def _once(program: Engine, params: Arrays, x: Arrays) -> Arrays:
    after = {n: program.xp.array(a) for n, a in x.items()}
    program.sweep(params, after, program.settings(), _Half(), program.parts())
    return after


def _move(program: Engine, params: Arrays, learned: list[str], towards: Arrays, away: Arrays, scale: float) -> None:
    """Lower the energy of some states against that of others."""
    down, up = (program.energy_gradient(params, state, program.settings()) for state in (towards, away))
    for name in learned:
        params[name] = params[name] - scale * (down[name] - up[name])
