"""Where temperatures stand on a path: so that every step costs equal variance, measured by a short pilot.

Chains that follow a path slowly leave it by an excess work whose rate is (dt/du)^2 times the friction
    zeta(t) = sum over lags of cov(g(0), g(lag)),    g = d log p*_t(x) / dt,
the variance of g times its integrated autocorrelation time (Sivak & Crooks 2012, eq. 10). It is least where temperatures are dense
in proportion to sqrt(zeta): equal thermodynamic length a step. A walk along evenly spaced temperatures tells zeta: the variance
over chains of the log weight that they gather in a short stretch.
"""

from __future__ import annotations

import numpy as np

from energydsl import limits
from energydsl.annealing.path import Array, Path
from energydsl.backends.interface import Arrays
from energydsl.random import Rng

# Steps of each pilot, as a share of those to come: every one runs at the temperatures that the one before has placed.
_STEPS = (20, 4)
# Chains of a pilot, as a share, and at least so many.
_CHAINS, _FEWEST_CHAINS = 5, 10
# Fewer steps of a pilot than this tell nothing.
_FEWEST = 10
# Stretches of a pilot in each of which the friction is taken to be the same.
_STRETCHES = 10
# The share of temperatures that go on as they are, whatever the pilot says.
_KEPT = 0.1


def even(betas: int) -> Array:
    """`betas` steps of equal size, (betas + 1,) times from 0 to 1."""
    return np.linspace(0.0, 1.0, betas + 1)


def placed(path: Path, betas: int, chains: int, inputs: Arrays, rng: Rng) -> Array:
    """`betas` steps of equal cost for `chains` chains, (betas + 1,) times; even ones where there are too few for a pilot.

    inputs: of which the first row is taken.
    """
    if betas // _STEPS[-1] < _FEWEST:
        return even(betas)
    pilots = min(max(_FEWEST_CHAINS, chains // _CHAINS), limits.STATES_AT_ONCE)
    held = {n: np.repeat(a[:1], pilots, axis=0) for n, a in inputs.items()}
    counts = [max(_FEWEST, betas // share) for share in _STEPS]
    times = even(counts[0])
    for following in (*counts[1:], betas):
        gains = path.gains(path.start(pilots, held, rng), times.tolist(), rng)
        times = at_equal_cost(times, gains, following)
    return times


def at_equal_cost(times: Array, gains: Array, betas: int) -> Array:
    """(betas + 1,) times, given those of a pilot, (steps + 1,), and its changes of log weights, (steps, chains).

    n steps that change log weights by a sum of variance s^2 over dt have zeta = s^2 / (n (dt / n)^2): a cost sqrt(zeta) dt = s sqrt(n).
    """
    edges = np.linspace(0, len(gains), min(_STRETCHES, len(gains) // 2) + 1).astype(int)
    lengths = np.diff(edges)
    cost = np.sqrt(np.add.reduceat(gains, edges[:-1]).var(axis=1) * lengths)
    if not np.isfinite(cost).all() or not cost.sum() > 0:
        return np.interp(even(betas), even(len(gains)), times)
    share = (1.0 - _KEPT) * cost / cost.sum() + _KEPT * lengths / lengths.sum()
    steps = np.interp(np.arange(len(times)), edges, np.concatenate([[0.0], np.cumsum(share)]))
    return np.interp(even(betas), steps / steps[-1], times)
