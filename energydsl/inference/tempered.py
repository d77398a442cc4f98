"""log Z by a ladder of tempered models that exchange states, and Bennett's ratio between neighbours (Krause, Fischer & Igel 2020).

log Z is that of independent units, exact, and the sum of the differences of neighbours. Of each of these the draws below give a stochastic
lower bound, log of the mean of p~_above / p~_below, those above an upper bound, and both together Bennett's estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from energydsl.annealing import rungs as ladder
from energydsl.annealing.partition import LogPartition, log_mean_weight
from energydsl.annealing.path import Array, Path, Progress
from energydsl.annealing.rungs import OLD
from energydsl.diagnostics import NotApplicable
from energydsl.inference.sides import Found, Sides
from energydsl.options import Exactness
from energydsl.random import Rng

# Draws of every chain of the last rung.
_DRAWS = 10


def tempered(path: Path, chains: int, random: Rng, progress: Progress | None = None) -> Found:
    """log Z of the model at the end of a path, by `chains` chains on every rung.

    The ladder is run until at most one state in a hundred there goes back to before, which `Found.doubts` says otherwise. Raises
    `NotApplicable` for samplers that adapt or have states of their own, and where there are inputs.
    """
    model = path.program.model
    if model.by_role("input"):
        raise NotApplicable("a ladder has one log Z, and here it depends on inputs: ais has one for each row of them")
    path.check_fixed("a ladder of tempered models")
    rungs, found = ladder.climb(path, _DRAWS, chains, random, renewed=True, progress=progress)
    works = [found.works[k] for k in range(1, len(rungs))]
    best, error = ladder.log_z(rungs)
    start = best - sum(r.gain for r in rungs)
    low = _sum(start, 1.0, [there for there, _ in works], "bound from below")
    high = _sum(start, -1.0, [back for _, back in works], "bound from above")
    exchanged = [float(np.exp(np.minimum(there + back, 0.0)).mean()) for there, back in works]
    doubts = []
    if found.old > OLD:
        doubts.append(
            f"after {found.turns:,} turns of the ladder {found.old:.0%} of its last states still go back to where they began"
        )
    figures = {
        "rungs": len(rungs),
        "exchanged": min(exchanged),
        "turns": found.turns,
        "autocorrelation_time": found.time,
        "old": found.old,
    }
    sides = Sides(replace(low, log_z=best, log_z_std=error, exactness="estimate"), low, high)
    return Found([sides], "tempering", tuple(doubts), figures)


def _sum(start: float, sign: float, works: Sequence[Array], known: Exactness) -> LogPartition:
    """log Z that begins at `start`, and goes on by the logs of the mean weights of every set."""
    values, errors, effective = zip(*(log_mean_weight(work) for work in works), strict=True)
    count = min(len(work) for work in works)
    return LogPartition(start + sign * sum(values), float(np.linalg.norm(errors)), min(effective), count, known)
