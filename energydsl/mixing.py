"""Whether chains mix: split R-hat, effective sample sizes and autocorrelation times of a series of numbers, as ArviZ has them.

Split R-hat compares what chains, and halves of chains, have seen: it is 1 where they all have seen the same, and above where each has
kept to its own part (Vehtari, Gelman, Simpson, Carpenter & Buerkner 2021). An autocorrelation time is the number of draws over the effective
number of them for the mean (Geyer 1992).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Fewer draws of a chain say nothing.
LEAST_DRAWS = 20
_TAIL = (0.05, 0.95)


@dataclass(frozen=True)
class Mixing:
    """What chains show in one series.

    rhat: rank-normalised split R-hat. bulk, tail: effective sample sizes of all chains together. time: the autocorrelation
    time, in draws.
    """

    rhat: float
    bulk: float
    tail: float
    time: float


def mixing(draws: Array) -> Mixing | None:
    """What a series shows, (chains, draws); None where it never changes, or has fewer draws than tell.

    Where every chain stands still, at places that differ, R-hat is infinite.
    """
    if draws.ndim != 2 or draws.shape[1] < LEAST_DRAWS or not np.isfinite(draws).all() or np.ptp(draws) == 0.0:
        return None
    if not np.ptp(draws, axis=1).any():
        return Mixing(math.inf, float(len(draws)), float(len(draws)), math.inf)
    with _arviz() as statistics:
        rhat, bulk, tail = (
            float(statistics.rhat(_chains(draws))),
            float(statistics.ess(draws, method="bulk")),
            float(statistics.ess(draws, method="tail", prob=_TAIL)),
        )
    return Mixing(rhat, bulk, tail, autocorrelation_time(draws))


def autocorrelation_time(draws: Array) -> float:
    """Of a series that changes, (chains, draws), in draws; NaN where it cannot be told."""
    with _arviz() as statistics:
        mean = float(statistics.ess(draws, method="mean"))
    return draws.size / mean if mean else math.nan


@contextmanager
def _arviz() -> Iterator[Any]:
    """ArviZ's functions of arrays, without warnings: it takes a second to import, and so only where it is asked for."""
    from arviz_stats.base import array_stats

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield array_stats


def _chains(draws: Array) -> Array:
    """Two chains at least: the halves of a chain that is alone."""
    if len(draws) > 1:
        return draws
    half = draws.shape[1] // 2
    return np.stack([draws[0, :half], draws[0, -half:]])
