"""RAISE: log p of rows by annealing back from each (Burda, Grosse & Salakhutdinov 2015, section 3).

Annealing from the base to the model is itself a model of data: p_ann(v), the chance that a walk of K steps ends with the row v. With
the states y of a walk back that begins at p(latents | v),

    p_ann(v) = E[w],    log w = log p~(v) - log Z_base + sum over k = K..1 of log p*_{k-1}(y) - log p*_k(y),

so that E[log of a mean of w] <= log p_ann(v). In the mean over rows of the model itself that is not above log p(v), since
sum_v p(v) log p_ann(v) <= sum_v p(v) log p(v), and it goes there as steps get small. Of rows that annealing favours it may be above: where
annealing misses a mode of the model, all rows of the others are given too much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energydsl import limits
from energydsl.annealing.partition import log_mean_weight
from energydsl.annealing.path import Array, Progress
from energydsl.backends.interface import Arrays
from energydsl.diagnostics import NotApplicable
from energydsl.inference.ais import Ladder, part_of
from energydsl.program.engine import Engine
from energydsl.program.states import random_state
from energydsl.random import Rng


@dataclass(frozen=True)
class Raised:
    """log w of each row, less log p~ of it: values and their errors, (rows,), in nats; effective: the fewest effective chains of a row."""

    values: Array
    errors: Array
    effective: float


def check_raises(program: Engine) -> None:
    """Raises `NotApplicable` where a walk back cannot begin: latents that are not drawn exactly given a row, or directed parts."""
    if program is not program.core:
        raise NotApplicable(
            "RAISE is for models without directed parts: ask for ais or auto, which bound by recognition"
        )
    left = [n for n in program.model.by_role("hidden") if n not in program.derived.free_energy.summed_out]
    if left:
        raise NotApplicable(
            f"RAISE begins at exact draws of the latents given a row, and `{left[0]}` cannot be summed out in closed form: "
            "ask for both sides (auto)"
        )


def raised(ladder: Ladder, x: Arrays, chains: int, rng: Rng, progress: Progress | None = None) -> Raised:
    """log of the mean weight of `chains` walks back from each row, without its log p~. Raises `EstimateError` where one is not finite.

    x: visible layers and inputs, by layer, (rows, *layer), on the host. The walk must be reversible.
    """
    count = len(next(iter(x.values())))
    together = max(1, limits.STATES_AT_ONCE // chains)
    found: list[tuple[float, float, float]] = []
    for start in range(0, count, together):
        rows = {n: a[start : start + together] for n, a in x.items()}
        number = len(next(iter(rows.values())))
        part = part_of(progress, start / count, number / count)
        found += map(log_mean_weight, _walks(ladder, rows, chains, rng, part).reshape(number, chains))
    values, errors, effective = np.array(found).T
    return Raised(values, errors, float(effective.min()))


def _walks(ladder: Ladder, rows: Arrays, chains: int, rng: Rng, progress: Progress | None) -> Array:
    """log weights of walks back from rows and latents drawn given them, those of a row next to one another."""
    path, program = ladder.path, ladder.path.program
    state = {n: np.repeat(a, chains, axis=0) for n, a in rows.items()}
    count = len(next(iter(state.values())))
    y = random_state(program, count, rng, state)
    parts = program.parts(program.model.by_role("visible"))
    program.sweep(path.params, y, path.settings(1.0), rng, parts)
    end = path.log_z_base() + path.log_z_moved(y, count)
    return path.walk(y, ladder.times[::-1].tolist(), rng, progress) - end
