"""All benchmarks of speed in one go: ratios to what bounds them from below and to what one would use instead, over several processes.

    pip install -e ".[bench]"                                        # what is missing is left out
    python benchmarks/run.py --json benchmarks/results/DATE.json     # every row, three processes: a quarter of an hour
    python benchmarks/run.py --rows pcd-1,epoch --under alone,passive,active,beside

A process times every piece of a row in turns (`harness.py`); shown are the median over processes, and the least and greatest. At
the end stands every target (`TARGETS`), reached or missed. Conditions: `alone`; `passive` and `active`, the wait policy that OpenMP is
told by OMP_WAIT_POLICY; `beside`, a second process meanwhile that trains an RBM on all cores. Under `active` the floor and
energydsl have processes of their own, one after the other: threads that wait actively take their cores from whatever else the process does.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import compile_time
import curves
import dense
import lattice
import numpy as np
import training
from harness import Row, Task

from energydsl.learning.methods import PCD
from energydsl.options import Backend

PACKAGES = ("energydsl", "numpy", "numba", "scikit-learn", "torch", "jax", "thrml", "dwave-samplers")
POLICIES = ("passive", "active")
CONDITIONS = ("alone", *POLICIES, "beside")
OURS, NUMPY = "energydsl numba", "energydsl numpy"


@dataclass(frozen=True)
class Target:
    """What our figure of the rows whose name begins so may be at most. lead: by how much every other is to be slower, where asked for."""

    work: str
    most: float
    lead: float = 0.0
    who: str = OURS


TARGETS = (
    Target("CD-1 update", 1.10, 1.15),
    Target("PCD-1 update", 1.10, 1.15),
    Target("free Gibbs sweep", 1.05),
    Target("AIS temperature", 1.10),
    Target("DBM", 1.05),
    Target("64 x 64 torus", 1 / 0.9),
    Target("256 x 256 torus", 1 / 0.9),
    Target("random 3-regular glass", 1 / 0.9),
    Target("an epoch of train", 1.15),
    Target("train of no update", 0.2),
    Target("train of one update", 0.2),
)
# The load of a machine on which nothing else runs, at most.
_IDLE = 0.5
# Whatever OpenMP is told, multiples of what bounds a row.
POLICY_MOST = 1.5


@dataclass(frozen=True)
class Figure:
    """A figure over several processes: under which condition, the row, the median and the least and greatest, and seconds."""

    under: str
    work: str
    who: str
    unit: str
    value: float
    low: float
    high: float
    seconds: float


def chosen(name: str, wanted: Sequence[str]) -> bool:
    """Whether a row is wanted: all are, or those that hold one of these words."""
    return not wanted or any(word.lower() in name.lower() for word in wanted)


def measured(asked: argparse.Namespace) -> Iterator[Row]:
    """The rows of this process, as they come."""
    makers: tuple[Callable[[Sequence[Backend]], Iterator[Task]], ...] = (dense.tasks, training.tasks, lattice.tasks)
    for tasks in makers:
        for task in tasks(asked.backends):
            if chosen(task.work, asked.rows):
                yield from part(task, asked.part).rows(asked.rounds, asked.seconds, asked.whole)
    if asked.part:
        return
    yield from curves.rows(0.1, lambda name: chosen(name, asked.rows))
    if chosen(compile_time.WORK, asked.rows):
        yield from compile_time.rows()


def part(task: Task, which: str) -> Task:
    """The floor of a row, what energydsl does of it, or all."""
    parts = {
        "": lambda who: True,
        "floor": lambda who: who == task.base,
        "ours": lambda who: who.startswith("energydsl"),
    }
    return task.part(parts[which])


# --- processes


@contextmanager
def company(under: str) -> Iterator[None]:
    """Another process that trains an RBM meanwhile, where that is asked for."""
    if under != "beside":
        yield
        return
    with subprocess.Popen([sys.executable, __file__, "--busy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            yield
        finally:
            other.terminate()


def busy() -> None:
    """Train until somebody ends this process; a line is printed once it is at work."""
    work = dense.update("rbm", PCD(k=1, chains=dense.BATCH), dense.BATCH, "numba")
    work()
    print("at work", flush=True)
    while True:
        work()


def process(under: str, asked: argparse.Namespace) -> list[Row]:
    """The rows of a process of its own, or of two."""
    environment = {**os.environ, "OMP_WAIT_POLICY": under} if under in POLICIES else os.environ
    if under != "active":
        with company(under):
            return child(asked, environment, whole=under == "beside")
    floors, ours = (child(asked, environment, which) for which in ("floor", "ours"))
    base = {row.work: row for row in floors}
    return [
        replace(row, value=row.seconds / base[row.work].seconds, unit=f"x {base[row.work].who}")
        if row.work in base
        else row
        for row in ours
    ]


def child(asked: argparse.Namespace, environment: Mapping[str, str], which: str = "", whole: bool = False) -> list[Row]:
    """What a process of this script finds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, __file__, "--into", str(path), "--part", which, "--rows", ",".join(asked.rows)]
        command += ["--backends", ",".join(asked.backends), "--rounds", str(asked.rounds)]
        command += ["--whole"] if whole else []
        subprocess.run([*command, "--seconds", str(asked.seconds)], check=True, env=dict(environment))
        return [Row(**row) for row in json.loads(path.read_text())]


def figures(under: str, processes: Sequence[Sequence[Row]]) -> list[Figure]:
    """What several processes found, put together."""
    found = []
    for row in processes[0]:
        same = [r for rows in processes for r in rows if (r.work, r.who) == (row.work, row.who)]
        values = np.array([r.value for r in same])
        seconds = float(np.median([r.seconds for r in same]))
        spread = float(np.median(values)), float(values.min()), float(values.max())
        found.append(Figure(under, row.work, row.who, row.unit, *spread, seconds))
    return found


# --- what is shown


def versions() -> dict[str, str]:
    """The packages compared, and the machine."""
    found = {"python": platform.python_version(), "cores": str(os.cpu_count()), "machine": _processor()}
    found["load"] = f"{os.getloadavg()[0]:.2f}"
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    """The name of the processor where the system has a file that says it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def table(found: Sequence[Figure]) -> str:
    """Figures as text, one row after the other."""
    lines: list[str] = []
    for n, figure in enumerate(found):
        if n == 0 or (found[n - 1].work, found[n - 1].under) != (figure.work, figure.under):
            lines += ["", f"{figure.work} ({figure.under})"]
        spread = f"{figure.low:.3f} to {figure.high:.3f}"
        lines.append(f"  {figure.who:<32} {figure.value:9.3f}   {spread:<20} {figure.unit}")
    return "\n".join(lines)


def verdicts(found: Sequence[Figure]) -> Iterator[str]:
    """A line for every target that was measured: reached, or by how much not."""
    for figure in (f for f in found if f.who.startswith(OURS)):
        target = next((t for t in TARGETS if figure.work.startswith(t.work)), None)
        if target is None or "updates alone" in figure.who:
            continue
        name = f"{figure.work} ({figure.under}), {figure.who}"
        unit = f" {figure.unit}"
        if figure.under in POLICIES:
            if figure.unit != "s":
                yield _verdict(name, figure.value, POLICY_MOST, unit)
        elif figure.under == "alone":
            yield _verdict(name, figure.value, target.most, unit)
            if target.lead:
                yield _lead(figure, found, target.lead)


def _verdict(name: str, value: float, most: float, unit: str) -> str:
    """Whether a figure is as small as it is to be."""
    said = "reached" if value <= most else f"MISSED by {value - most:.3f}"
    return f"{name}: {value:.3f}{unit}, at most {most:.3f}: {said}"


def _lead(ours: Figure, found: Sequence[Figure], least: float) -> str:
    """Whether the next one is so much slower."""
    others = [
        f
        for f in found
        if (f.work, f.under) == (ours.work, ours.under)
        and not f.who.startswith("energydsl")
        and not f.unit.endswith(f.who)
    ]
    if not others:
        return f"{ours.work}: nobody to be ahead of is installed"
    next_one = min(others, key=lambda f: f.value)
    lead = next_one.value / ours.value
    said = "reached" if lead >= least else f"MISSED by {least - lead:.3f}"
    return f"{ours.work}: {next_one.who} takes {lead:.3f} times as long, at least {least:.2f}: {said}"


def options() -> argparse.Namespace:
    """What is asked for on the command line."""

    def words(text: str) -> list[str]:
        return [word.strip() for word in text.split(",") if word.strip()]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=words, default=[], help="rows whose names hold one of these, with commas between; all"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing for a row and process (10)")
    parser.add_argument("--rounds", type=int, default=7, help="in which the pieces of a row take turns (7)")
    parser.add_argument("--processes", type=int, default=3, help="one after the other (3)")
    parser.add_argument("--under", type=words, default=["alone"], help=f"conditions, of {','.join(CONDITIONS)} (alone)")
    parser.add_argument("--backends", type=words, default=["numba", "numpy"], help="of energydsl (numba,numpy)")
    parser.add_argument("--json", type=Path, help="a file for the figures, with seconds, versions and all processes")
    # What a process of this script is told by another: a file for its rows, which part of them, and whether rounds count by their mean.
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--busy", action="store_true", help=argparse.SUPPRESS)
    found = parser.parse_args()
    if unknown := sorted({*found.under} - {*CONDITIONS}):
        parser.error(f"--under takes {', '.join(CONDITIONS)}, not {', '.join(unknown)}")
    if min(found.rounds, found.processes) < 1 or found.seconds <= 0:
        parser.error("--rounds and --processes are at least 1, --seconds above 0")
    return found


def main() -> None:
    """Run what is asked for."""
    asked = options()
    if asked.busy:
        busy()
    if asked.into:
        rows = list(measured(asked))
        asked.into.write_text(json.dumps([asdict(row) for row in rows]))
        return
    known, found = versions(), []
    print(known, flush=True)
    if os.getloadavg()[0] > _IDLE:
        print(
            "Other programs run on this machine: these figures are of their work too, and not to be believed.",
            flush=True,
        )
    for under in asked.under:
        found += figures(under, [process(under, asked) for _ in range(asked.processes)])
        print(table([f for f in found if f.under == under]), flush=True)
        if asked.json:
            kept = [{k: None if v != v else v for k, v in asdict(f).items()} for f in found]
            asked.json.write_text(json.dumps({"versions": known, "figures": kept}, indent=1, allow_nan=False) + "\n")
    print("\nTargets")
    for line in verdicts(found):
        print(f"  {line}")


if __name__ == "__main__":
    main()
