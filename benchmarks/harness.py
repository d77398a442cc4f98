"""How work is timed and shown: each piece alone for a while, in rounds, after the threads of the one before went to sleep."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

Work = Callable[[], object]

# Longer than the threads of a BLAS library spin for work after a product.
REST = 0.06


@dataclass(frozen=True)
class Row:
    """One figure: what was done, by whom, seconds a call, and the figure it is judged by."""

    work: str
    who: str
    seconds: float
    value: float
    unit: str


def medians(work: Mapping[str, Work], rounds: int = 7, seconds: float = 0.3) -> dict[str, float]:
    """Seconds a call by name: the median over interleaved rounds of the median call."""
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
    while len(times) < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def rows_of(work: str, times: Mapping[str, float], base: str, unit: str) -> list[Row]:
    """Figures as ratios to one of the pieces."""
    return [Row(work, who, seconds, seconds / times[base], unit) for who, seconds in times.items()]


def write_json(path: Path, versions: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Versions and figures as a file; what is not a number is null."""
    known = [{k: v if v == v else None for k, v in asdict(row).items()} for row in rows]
    path.write_text(json.dumps({"versions": dict(versions), "rows": known}, indent=1, allow_nan=False) + "\n")


def table(rows: Sequence[Row]) -> str:
    """The figures as text, one work after the other."""
    lines: list[str] = []
    for n, row in enumerate(rows):
        if n == 0 or rows[n - 1].work != row.work:
            lines += ["", row.work]
        lines.append(f"  {row.who:<28} {1e3 * row.seconds:10.3f} ms {row.value:9.3f} {row.unit}")
    return "\n".join(lines[1:])
