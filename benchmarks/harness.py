"""How work is timed: each piece alone for a while, in rounds, after the threads of the piece before it have gone to sleep."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

Work = Callable[[], object]

# Longer than the threads of a BLAS library spin for work after a product.
REST = 0.05


def medians(work: Mapping[str, Work], rounds: int = 5, seconds: float = 0.3) -> dict[str, float]:
    """Seconds a call by name: the median over rounds of the median call."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            time.sleep(REST)
            found[name].append(_median_call(run, seconds))
    return {name: float(np.median(times)) for name, times in found.items()}


def _median_call(run: Work, seconds: float) -> float:
    for _ in range(3):
        run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
