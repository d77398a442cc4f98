"""When training ends before its last epoch: a rule over the reports so far, so that a run that is resumed decides alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from energydsl.learning.run import Row

# Reports in a row that must agree, and by how many standard errors the gap has to have grown.
_REPORTS, _ERRORS = 3, 2.0


def reason(when: str | None, history: Sequence[Row], epochs: int) -> str:
    """Why training ends after the last report; empty where it goes on.

    "gap": the free energy of held-out rows less that of training rows, which is 0 on average while nothing is overfitted (Hinton 2010,
    sec. 6), has grown since the first report by more than two standard errors, in three reports in a row.
    """
    last = history[-_REPORTS:]
    if when is None or len(history) <= _REPORTS or last[-1]["epoch"] >= epochs:
        return ""
    first = history[0].get("free_energy_gap")
    if first is None or not all(_grown(row, first) for row in last):
        return ""
    gap, error = last[-1]["free_energy_gap"], last[-1]["free_energy_gap_std"]
    return (
        f"training ended after epoch {last[-1]['epoch']} of {epochs}, as it overfits: the free energy of held-out rows is {gap:.2f} nats "
        f"above that of training rows, {gap - first:.2f} more than at the start, with a standard error of {error:.2g}"
    )


def _grown(row: Row, first: Any) -> bool:
    """Whether a gap is above the first by more than its error explains."""
    gap, error = row.get("free_energy_gap"), row.get("free_energy_gap_std")
    return gap is not None and error is not None and gap - first > _ERRORS * error
