"""How many nats does every objective reach in equal seconds of training, and every optimiser? RBMs of 16 latents, log Z exact.

    python benchmarks/nats.py [--mnist FOLDER] > TABLE      # some sixteen minutes of one core; FOLDER holds MNIST's idx files
    python benchmarks/nats.py --draw TABLE                  # docs/figures/nats.png

Seconds are those of the processor, in updates alone: neither compiling nor evaluating counts. A figure is the mean log-likelihood of held-out rows,
in nats, by the parameters after the last update that ended within the time. Every objective is followed by SGD, and every optimiser
follows persistent chains, at constant rates, powers of 4 times the default, of which that with the best last figure counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import energydsl as ed
from energydsl import defaults
from energydsl.data.sources import Data
from energydsl.learning.begin import begin
from energydsl.learning.config import config_of
from energydsl.learning.loop import Loop
from energydsl.learning.methods import METHODS, Method, check_applicable
from energydsl.learning.optimizer import Optimizer

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "docs" / "figures" / "nats.png"
LATENTS, BATCH, WARM = 16, 100, 0.2
# Of the default rate; and how far below it rates may go.
MULTIPLES, LOWEST = (1.0, 4.0, 16.0), 1 / 64
OPTIMIZERS: Mapping[str, Any] = {
    "sgd": ed.SGD(schedule="constant"),
    "sgd,momentum": ed.SGD(schedule="constant", momentum=0.9),
    "adam": ed.Adam(schedule="constant"),
    "natural": ed.Natural(schedule="constant"),
    "natural-factored": ed.NaturalFactored(schedule="constant"),
    "spectral": ed.Spectral(schedule="constant"),
}


@dataclass(frozen=True)
class Task:
    """Data that a model is fitted to. source: as `load_data` takes it. seconds: of training, at which likelihoods are found."""

    name: str
    source: str
    units: int
    seconds: tuple[float, ...]
    multiples: tuple[float, ...] = MULTIPLES


BARS = Task("bars-and-stripes", "bars-and-stripes:4", 16, (0.15, 0.3, 0.6, 1.2, 2.4))
DIGITS = Task("digits", "digits", 64, (0.2, 0.4, 0.8, 1.6, 3.2))
SHORT = replace(DIGITS, name="optimisers", seconds=(0.125, 0.25, 0.5, 1.0, 2.0))


def mnist(folder: str) -> Task:
    """An update of the exact gradient lists 65,536 states of the latents, so rates are fewer here."""
    return Task("MNIST", folder, 784, (1.0, 2.0, 4.0, 8.0), MULTIPLES[:2])


@dataclass(frozen=True)
class Problem:
    """A program with its rows to train on, and those held out, which are drawn once where they are grey."""

    program: ed.Program
    rows: Data
    held_out: Mapping[str, Any]

    @classmethod
    def of(cls, task: Task) -> Problem:
        model = ed.load(ROOT / "models" / "rbm.energy", dims={"I": task.units, "J": LATENTS})
        rows, test = (ed.load_data(model, [task.source], part, "sample") for part in ("train", "test"))
        return cls(model.compile(), rows, test.drawn(0))

    def begun(self, method: Method, optimizer: Optimizer) -> Loop:
        """A training that has made no update."""
        config = config_of(self.program.engine, self.rows, method, optimizer, 1, BATCH, 0.0, 0)
        return begin(self.program, self.rows, method, optimizer, config)

    def nats(self, params: Mapping[str, Any]) -> float:
        """The exact mean log-likelihood of the held-out rows; NaN where parameters are no longer finite."""
        if not all(np.isfinite(array).all() for array in params.values()):
            return float("nan")
        energies = self.program.engine.host(self.program.free_energy(params, self.held_out))
        return float(-np.mean(energies, dtype=np.float64) - self.program.log_partition(params))


def updates(loop: Loop) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """Make updates without end: seconds of training after each, and the parameters before it."""
    taken, epoch = 0.0, 0
    with loop.learner.engine.single_threaded_blas():
        while True:
            for rows, weights in loop.batches.epoch(epoch, 0):
                before = {n: np.array(a) for n, a in loop.state.params.items()}
                since = time.process_time()
                loop.update(rows, weights)
                taken += time.process_time() - since
                yield taken, before
            epoch += 1


def curve(problem: Problem, method: Method, optimizer: Optimizer, seconds: Sequence[float]) -> tuple[list[float], int]:
    """Nats after each of these seconds, NaN from where training left the finite numbers; and updates in all."""
    found: list[float] = []
    made = 0
    try:
        for taken, before in updates(problem.begun(method, optimizer)):
            while len(found) < len(seconds) and taken > seconds[len(found)]:
                found.append(problem.nats(before))
            if len(found) == len(seconds):
                break
            made += 1
    except ed.TrainingError:
        found += [float("nan")] * (len(seconds) - len(found))
    return found, made


def warm(problem: Problem, method: Method, optimizer: Optimizer) -> None:
    """Let everything be compiled that an update of this kind calls."""
    next(taken for taken, _ in updates(problem.begun(method, optimizer)) if taken > WARM)


def independent(problem: Problem) -> float:
    """Nats of units at the base rates of the data, where training begins."""
    return problem.nats(problem.program.init(0, dict(problem.rows.drawn(0))))


def line(task: Task, problem: Problem, name: str, method: Method, optimizer: Optimizer) -> str:
    """A row of the table: that of the best rate. While the lowest is the best, a quarter of it is tried as well."""
    warm(problem, method, optimizer.fitted(False))
    tried: dict[float, tuple[list[float], int]] = {}

    def attempt(rate: float) -> None:
        tried[rate] = curve(problem, method, replace(optimizer, lr=rate), task.seconds)

    def best() -> float:
        """Of the best last figure; of equals, the lowest."""
        return max(tried, key=lambda rate: (np.nan_to_num(tried[rate][0][-1], nan=-np.inf), -rate))

    default = defaults.RATES[optimizer.name][0]
    for multiple in task.multiples:
        attempt(multiple * default)
    while best() == min(tried) > LOWEST * default:
        attempt(min(tried) / 4)
    nats, made = tried[best()]
    return f"{task.name:<17} {name:<27} {best():>7.3g} {made:>6} " + " ".join(f"{n:8.2f}" for n in nats)


def head(task: Task, problem: Problem, what: str) -> str:
    """The first line of a part of the table, with what independent units at base rates have."""
    start = independent(problem)
    times = " ".join(f"{s:7g}s" for s in task.seconds)
    return f"\n{'# ' + what:<45} {'rate':>6} {'updates':>7} {times}\n{task.name:<17} {'independent':<27} {0:>6} {0:>7} {start:8.2f}"


def objectives(task: Task) -> Iterator[str]:
    """A row for each objective that fits, each with its default settings."""
    problem = Problem.of(task)
    yield head(task, problem, f"objectives, RBM {task.units}-{LATENTS}")
    for name, kind in METHODS.items():
        try:
            check_applicable(problem.program.derived, kind())
        except ed.NotApplicable as error:
            yield f"# {error}"
        else:
            yield line(task, problem, name, kind(), OPTIMIZERS["sgd"])


def optimisers(task: Task) -> Iterator[str]:
    """A row for each optimiser, with and without centring."""
    problem = Problem.of(task)
    yield head(task, problem, f"optimisers with pcd, digits, RBM {task.units}-{LATENTS}")
    for name, optimizer in OPTIMIZERS.items():
        for centred in (False, True):
            yield line(task, problem, name + ",centred" * centred, ed.PCD(centred=centred), optimizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", metavar="FOLDER", help="idx files of MNIST; without it MNIST is left out")
    parser.add_argument("--draw", metavar="TABLE", type=Path, help="draw the figure of a table that was printed")
    given = parser.parse_args()
    if given.draw:
        from figures import draw_nats

        draw_nats(given.draw, FIGURE)
        return
    for task in (BARS, DIGITS, *([mnist(given.mnist)] if given.mnist else [])):
        for row in objectives(task):
            print(row, flush=True)
    for row in optimisers(SHORT):
        print(row, flush=True)
    print(f"\n# {time.process_time():.0f} s of one core in all")


if __name__ == "__main__":
    main()
