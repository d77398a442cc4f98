"""A verdict in retrospect: was a model trained in equilibrium? New samples of it must fit the data as well as its own chains seemed to.

Chains that did not mix while training leave a model whose samples are good at some age and bad later: from random starts the fit rises,
and then falls (Decelle, Furtlehner & Seoane 2021). What it falls to is told by samples that were renewed: a ladder of rungs from
independent units (`annealing.rungs`) until at most one state in a hundred is old.

The fit is a distance of moments: the squared difference between data and samples of the means of random projections of the
visible units, of their squares and of products of two, in variances of the data, less what chance explains, averaged over all of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults, weighted
from energydsl.annealing import rungs as ladder
from energydsl.annealing.path import Path, Progress
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Given, as_data
from energydsl.data.weights import Weights
from energydsl.diagnostics import ArgumentError, NotApplicable, whole_number
from energydsl.learning.run import Run
from energydsl.program.samplers import transition
from energydsl.program.states import check_params, checked_arrays, random_state
from energydsl.random import Rng, stream

Array = NDArray[Any]
# Random projections; rows of data at most that are looked at; groups of samples whose spread tells the error.
_PROJECTIONS, _ROWS, _GROUPS = 64, 10_000, 10
# So many standard errors are no chance, and a fit that is so many times as far is a worse one.
_TELLING, _WORSE = 4.0, 1.5
# Draws of every chain of the last rung.
_DRAWS = 4


@dataclass(frozen=True)
class Fit:
    """sweeps: of chains from random states; None for other samples. distance: from the data, and its standard error, in variances of the data."""

    sweeps: int | None
    distance: float
    error: float


@dataclass(frozen=True)
class Retrospect:
    """looks: chains from random states after more and more sweeps. renewed: samples through the ladder, of which a share `old` was not
    renewed; own: the chains of the training, None where there are none. faults: what shows that it was out of equilibrium, a sentence each.
    """

    looks: tuple[Fit, ...]
    renewed: Fit
    old: float
    own: Fit | None
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing shows that the model was trained out of equilibrium."""
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        """All figures, as `--json` prints them; each is an estimate with its error."""
        own = None if self.own is None else vars(self.own)
        return {
            "looks": [vars(look) for look in self.looks],
            "renewed": vars(self.renewed),
            "old": self.old,
            "own": own,
            "faults": list(self.faults),
            "sound": self.sound,
            "exactness": "estimate",
        }


def retrospect(
    run: Run,
    data: Given,
    chains: int = defaults.LOOKED_AT,
    sweeps: int = defaults.SAMPLE_SWEEPS,
    seed: int = defaults.SEED,
    progress: Progress | None = None,
    weights: Weights | None = None,
) -> Retrospect:
    """Compare new samples of a run's model with data, at every age and renewed.

    data, weights: as `train` takes them, (rows, *layer) and (rows,); 10,000 whole rows at most are looked at. chains: as many from
    random states, and through the ladder. sweeps: of the oldest from random states.
    Distances are in variances of the data, each with its standard error (Decelle, Furtlehner & Seoane 2021).

    Raises `NotApplicable` for models with directed parts or inputs, and for samplers that adapt, and `ArgumentError` where
    there is no visible layer.
    """
    chains, sweeps = whole_number("chains", chains, 2 * _GROUPS), whole_number("sweeps", sweeps, 1)
    engine = run.program.engine
    if engine.core is not engine or engine.model.by_role("input"):
        raise NotApplicable("a verdict in retrospect is on undirected models without inputs")
    if not engine.model.by_role("visible"):
        raise ArgumentError("there is no visible layer to compare with data")
    params = check_params(engine, run.params)
    rule = run.config.get("data", {}).get("binarise")
    rows = as_data(run.program.model, data, rule, "train", weights=weights).complete().counted().rows(slice(_ROWS))
    drawn = checked_arrays(engine, rows.only(set(engine.model.by_role("visible"))).drawn(seed))
    compared = _Moments({n: engine.host(a) for n, a in drawn.items()}, rows.weights)
    move, random = transition(engine.core), Rng(stream(seed, "samples of the model"))
    if move.adaptive or move.carries:
        raise NotApplicable("a verdict in retrospect needs a sampler that does not adapt, such as gibbs")
    x, looks, done, settings = random_state(engine, chains, random), [], 0, engine.settings()
    with engine.single_threaded_blas(), np.errstate(all="ignore"):
        for age in _ages(sweeps):
            move.sweep(params, x, settings, random, age - done)
            done = age
            looks.append(compared.fit(engine, x, age))
            if progress is not None:
                progress(0.5 * done / sweeps)
        path = Path(engine.core, params, run.base)
        found = ladder.climb(path, _DRAWS, chains, random, renewed=True)[1]
        states = random_state(engine, chains * _DRAWS, random)
        states |= found.states
        path.draw_summed(states, 1.0, random)
    own = compared.fit(engine, run.chains, None) if _enough(run.chains) else None
    renewed = compared.fit(engine, states, None)
    return Retrospect(tuple(looks), renewed, found.old, own, tuple(_faults(looks, renewed, own)))


def _faults(looks: list[Fit], renewed: Fit, own: Fit | None) -> list[str]:
    """What shows that the model was trained out of equilibrium."""
    faults = []
    best = min(looks, key=lambda look: look.distance)
    if _worse(renewed, best):
        faults.append(
            f"samples from random states fit best after {best.sweeps:,} sweeps, and worse in equilibrium: their distance from the data "
            f"is {_shown(best)} then, and {_shown(renewed)} of renewed samples"
        )
    if own is not None and _worse(renewed, own):
        faults.append(
            f"the chains of the training seem to fit, and samples of the model do not: their distance from the data is {_shown(own)}, "
            f"and {_shown(renewed)} of renewed samples"
        )
    return faults


def _worse(one: Fit, other: Fit) -> bool:
    """Whether one is further from the data than the other, beyond chance, and by more than hardly."""
    error = float(np.hypot(one.error, other.error))
    return one.distance - other.distance > _TELLING * error and one.distance > _WORSE * max(other.distance, 0.0)


def _shown(fit: Fit) -> str:
    return f"{fit.distance:.3g} +- {fit.error:.1g}"


def _enough(chains: Arrays) -> bool:
    return bool(chains) and len(next(iter(chains.values()))) >= 2 * _GROUPS


def _ages(sweeps: int) -> list[int]:
    """1, 2, 5, 10, 20, ... up to the last."""
    found = [step * 10**power for power in range(12) for step in (1, 2, 5)]
    return [*(age for age in found if age < sweeps), sweeps]


class _Moments:
    """Moments of random projections of the visible units of data, and how far samples are from them."""

    def __init__(self, data: Arrays, weights: Array | None):
        random = np.random.default_rng(0)
        flat = np.concatenate([_flat(data[n]) for n in sorted(data)], axis=1)
        self.layers, self.mean = sorted(data), weighted.mean(flat, weights)
        directions = random.standard_normal((flat.shape[1], _PROJECTIONS))
        size = np.sqrt(weighted.variance((flat - self.mean) @ directions, weights))
        self.directions = directions[:, size > 0] / size[size > 0]
        statistics = self._statistics(flat)
        self.means, self.variances = (f(statistics, weights) for f in (weighted.mean, weighted.variance))
        self.rows = len(flat) if weights is None else weighted.effective(weights)

    def _statistics(self, flat: Array) -> Array:
        projected = (flat - self.mean) @ self.directions
        return np.concatenate([projected, projected**2, projected * np.roll(projected, 1, axis=1)], axis=1)

    def fit(self, engine: Any, x: Arrays, sweeps: int | None) -> Fit:
        """The distance of samples, by layer, and its standard error by leaving groups of them out (the jackknife)."""
        statistics = self._statistics(np.concatenate([_flat(engine.host(x[n])) for n in self.layers], axis=1))
        groups = np.array_split(statistics, _GROUPS)
        left = [self._distance(np.concatenate(groups[:k] + groups[k + 1 :])) for k in range(_GROUPS)]
        error = np.sqrt((_GROUPS - 1) * np.var(left))
        return Fit(sweeps, self._distance(statistics), float(error))

    def _distance(self, statistics: Array) -> float:
        known = self.variances > 0
        squares = np.square(statistics.mean(axis=0) - self.means)[known] / self.variances[known]
        chance = 1.0 / self.rows + (statistics.var(axis=0)[known] / self.variances[known]) / len(statistics)
        return float((squares - chance).mean())


def _flat(values: Array) -> Array:
    return np.asarray(values, np.float64).reshape(len(values), -1)
