"""How long chains remember, from what they showed: computed by ArviZ."""

from __future__ import annotations

import numpy as np

from energydsl.annealing.path import Array


def autocorrelation_time(series: Array) -> float:
    """The longest of several observables, in draws, at least 1; series: (draws, chains, observables)."""
    count = series.shape[0] * series.shape[1]
    from arviz_stats.base import array_stats  # type: ignore[attr-defined]  # takes a second: only where it is asked for

    with np.errstate(all="ignore"):
        sizes = [
            array_stats.ess(series[:, :, k].T, method="mean", chain_axis=0, draw_axis=1)  # type: ignore[no-untyped-call]
            for k in range(series.shape[2])
            if np.ptp(series[:, :, k]) > 0
        ]
    return max((1.0, *(float(count / size) for size in sizes if np.isfinite(size))))
