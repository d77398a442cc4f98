"""When training ends before its last epoch, and whose parameters are then kept: rules over the reports so far.

They look at nothing else, so that a run that is resumed decides alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from energydsl.learning.run import Row

# Reports in a row that must agree, and by how many standard errors the gap has to have grown.
_REPORTS, _ERRORS = 3, 2.0
LIKELIHOOD, ERROR = "log_likelihood", "log_likelihood_std"


def reason(when: str | None, history: Sequence[Row], epochs: int) -> str:
    """Why training ends after the last report, and which parameters are kept; empty where it goes on.

    "gap": the free energy of held-out rows less that of training rows, which is 0 on average while nothing is overfitted (Hinton 2010,
    sec. 6), has grown since the first report by more than two standard errors, in three reports in a row.

    "likelihood": the log-likelihood of held-out rows has been below its best by more than both error bars, in three reports
    in a row that have one (Prechelt 1998).
    """
    if when is None or len(history) <= _REPORTS or history[-1]["epoch"] >= epochs:
        return ""
    found = _RULES[when](history)
    if not found:
        return ""
    kept = best(when, history)
    return (
        f"training ended after epoch {history[-1]['epoch']} of {epochs}, {found}. "
        f"The parameters kept are those of epoch {kept['epoch']}, after update {kept['update']}"
    )


def best(when: str, history: Sequence[Row]) -> Row:
    """The report whose parameters are kept if training ends: the last without overfitting, the one of the best likelihood; the first where there is none."""
    if when == "gap":
        return next((row for row in reversed(history) if not _grown(row, history[0])), history[0])
    return max(_judged(history), key=lambda row: float(row[LIKELIHOOD]), default=history[0])


def ended(config: Mapping[str, Any], history: Sequence[Row]) -> str:
    """Why a run has ended early; empty where it has not."""
    return reason(config.get("stop_when"), history, config["epochs"])


def _gap(history: Sequence[Row]) -> str:
    first, last = history[0].get("free_energy_gap"), history[-_REPORTS:]
    if first is None or not all(_grown(row, history[0]) for row in last):
        return ""
    gap, error = last[-1]["free_energy_gap"], last[-1]["free_energy_gap_std"]
    return (
        f"as it overfits: the free energy of held-out rows is {gap:.2f} nats above that of training rows, "
        f"{gap - first:.2f} more than at the start, with a standard error of {error:.2g}"
    )


def _grown(row: Row, first: Row) -> bool:
    """Whether a gap is above the first by more than its error explains."""
    start, gap, error = first.get("free_energy_gap"), row.get("free_energy_gap"), row.get("free_energy_gap_std")
    return start is not None and gap is not None and error is not None and gap - start > _ERRORS * error


def _likelihood(history: Sequence[Row]) -> str:
    judged = _judged(history)
    top, last = best("likelihood", history), judged[-_REPORTS:]
    if history[-1] not in last or len(last) < _REPORTS or not all(_fallen(row, top) for row in last):
        return ""
    return (
        f"as it gets worse: the log-likelihood of held-out rows is {last[-1][LIKELIHOOD]:.2f} nats, below {top[LIKELIHOOD]:.2f}, "
        f"its best, by more than both error bars ({last[-1][ERROR]:.2g} and {top[ERROR]:.2g}) in {_REPORTS} reports in a row"
    )


def _judged(history: Sequence[Row]) -> list[Row]:
    """The reports that have a log-likelihood."""
    return [row for row in history if row.get(LIKELIHOOD) is not None and math.isfinite(row[LIKELIHOOD])]


def _fallen(row: Row, top: Row) -> bool:
    """Whether a log-likelihood is below the best by more than both errors explain."""
    return bool(top[LIKELIHOOD] - row[LIKELIHOOD] > (top.get(ERROR) or 0.0) + (row.get(ERROR) or 0.0))


_RULES: Mapping[str, Callable[[Sequence[Row]], str]] = MappingProxyType({"gap": _gap, "likelihood": _likelihood})
