"""Averages of the parameters over updates, which vary less than the last ones do (Polyak & Juditsky 1992; Ruppert 1988).

`polyak` is the plain mean over the second half of all updates; a number N an exponential one, in which an update N updates ago
counts 1/e of the last. The average moves by a share of its distance to the parameters after each update.
"""

from __future__ import annotations

from energydsl.diagnostics import ArgumentError

POLYAK = "polyak"
Average = str | int | None


def check_average(given: Average) -> None:
    """Raises `ArgumentError` where it is none."""
    horizon = isinstance(given, int) and not isinstance(given, bool) and given >= 1
    if not (given is None or given == POLYAK or horizon):
        raise ArgumentError(f'average is "{POLYAK}", a number of updates (1 or more), or None; not {given!r}')


def share(given: Average, progress: float, update: int) -> float:
    """The share of the way to the new parameters; update: those made before this one, progress: the fraction of training done.

    Until there are N updates, all count alike; before the second half, the average is the parameters as they are.
    """
    if isinstance(given, int):
        return max(1.0 / given, 1.0 / (1 + update))
    if progress <= 0.5:
        return 1.0
    return 1.0 / (1 + int(update * (1.0 - 0.5 / progress) + 1e-6))
