"""How work is timed and shown: pieces of a row in turns within one process, each in the state in which a loop of it would run.

A piece is a loop: it warms up, so that its own threads are awake, its caches warm and its choices made, and then gives the
seconds of each call. Before it comes a rest, longer than the threads of any library here spin for more work: else the threads of
one piece would take a core from the next, which no loop of that alone would meet. So a rest is fair to all, whether their own
threads sleep or spin between calls. Who comes first changes from round to round. A round counts by its median call, so that what
the machine does for a moment is in no figure, or where that is the question, as beside another program, by the mean.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

Work = Callable[[], object]
# Runs for about so many seconds; gives the seconds of each call.
Loop = Callable[[float], Sequence[float]]
# Makes a loop, or nothing where what it needs is not installed.
Maker = Callable[[], Loop | None]

# Intel's OpenMP library spins for 0.2 s after a region, others for less.
REST = 0.25
_WARM = 0.03


@dataclass(frozen=True)
class Row:
    """One figure: what was done, by whom, seconds for it, and the figure it is judged by."""

    work: str
    who: str
    seconds: float
    value: float
    unit: str


@dataclass(frozen=True)
class Task:
    """Work that several do. makers: by name. base: the name whose seconds the others' are divided by; none: seconds are the figure.

    counts: how much of the work one call does, by name, where it is not once.
    """

    work: str
    makers: Mapping[str, Maker]
    base: str = ""
    counts: Mapping[str, float] = field(default_factory=dict)

    def part(self, wanted: Callable[[str], bool]) -> Task:
        """The same with some of those who do it."""
        return replace(self, makers={who: make for who, make in self.makers.items() if wanted(who)})

    def rows(self, rounds: int, seconds: float, whole: bool = False) -> list[Row]:
        """Its figures; seconds where nobody is there to be divided by.

        seconds: of timing in all, divided among the loops and rounds. whole: a round counts by its mean.
        """
        made = {who: make() for who, make in self.makers.items()}
        loops = {who: loop for who, loop in made.items() if loop is not None}
        times = interleaved(loops, rounds, seconds / (rounds * max(1, len(loops))), whole)
        once = {who: each / self.counts.get(who, 1.0) for who, each in times.items()}
        unit, divisor = (f"x {self.base}", once[self.base]) if self.base in once else ("s", np.ones(rounds))
        return [
            Row(self.work, who, float(np.median(each)), float(np.median(each / divisor)), unit)
            for who, each in once.items()
        ]


def calls(run: Work) -> Loop:
    """A loop of calls."""

    def loop(seconds: float) -> list[float]:
        _repeated(run, _WARM)
        return _repeated(run, seconds)

    return loop


def _repeated(run: Work, seconds: float) -> list[float]:
    """Seconds of each of three calls or more."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return found


def interleaved(loops: Mapping[str, Loop], rounds: int, seconds: float, whole: bool = False) -> dict[str, np.ndarray]:
    """Seconds a call by name, (rounds,): so a figure of one piece can be divided by that of another of the same round."""
    found: dict[str, list[float]] = {name: [] for name in loops}
    names, middle = list(loops), np.mean if whole else np.median
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(REST)
            found[name].append(float(middle(loops[name](seconds))))
    return {name: np.array(times) for name, times in found.items()}


def medians(work: Mapping[str, Work], rounds: int = 7, seconds: float = 0.3) -> dict[str, float]:
    """Seconds a call by name: the median over interleaved rounds."""
    times = interleaved({name: calls(run) for name, run in work.items()}, rounds, seconds)
    return {name: float(np.median(each)) for name, each in times.items()}


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
