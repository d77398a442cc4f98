"""Pictures of every objective and every estimator beside what is exact, for docs/objectives.md and docs/estimators.md.

    python benchmarks/figures.py [NAME ...]         # some minutes of one core; all of docs/figures, unless some are named

One function a picture, by the name of its file; what it shows is its docstring. Models are so small that log Z is a sum. Seconds are those of the
processor. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from gallery import plain
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from nats import Problem, updates
from scipy.special import logsumexp

import energydsl as ed
from energydsl.data.sources import Data, from_arrays
from energydsl.inference.scores import exact_scores
from energydsl.learning.methods import METHODS, Method
from energydsl.options import Estimator

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "figures"
# Colours that people who see fewer of them tell apart too (Okabe & Ito 2008).
EXACT, SHOWN, OTHER, THIRD = "0.45", "#0072B2", "#D55E00", "#009E73"
Draw = Callable[[Figure], None]
PICTURES: dict[str, Draw] = {}


def picture(draw: Draw) -> Draw:
    """A function that draws the method of its own name."""
    PICTURES[draw.__name__.replace("_", "-")] = draw
    return draw


# --- objectives: exact nats on the way, beside those of the exact gradient


@dataclass(frozen=True)
class Course:
    """What training went through: updates made, seconds they took, and exact nats of all rows then."""

    updates: Sequence[int]
    seconds: Sequence[float]
    nats: Sequence[float]


def course(problem: Problem, method: Method, optimizer: Any, total: int, nats: Callable[[Any], float]) -> Course:
    """Train for so many updates; figures at about 40 of them, evenly spaced in their logarithm."""
    shown = sorted({0, *np.geomspace(1, total, 40).astype(int).tolist()})
    found: list[tuple[int, float, float]] = []
    before = 0.0
    next(updates(problem.begun(method, optimizer)))  # what compiles does so here
    for made, (taken, params) in enumerate(updates(problem.begun(method, optimizer))):
        if made in shown:
            found.append((made, before, nats(params)))
        if made == total:
            break
        before = taken
    return Course(*zip(*found, strict=True))


def pair(figure: Figure, paths: dict[str, tuple[str, Course]], best: float, label: str) -> None:
    """Nats against updates and against seconds; a line for the likelihood that no model exceeds."""
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, what in ((left, "updates"), (right, "seconds")):
        axis.axhline(best, color="0.75", lw=1, ls=":", label=label)
        for name, (colour, path) in paths.items():
            style = "--" if colour == EXACT else "-"
            axis.plot(getattr(path, what)[1:], path.nats[1:], style, color=colour, lw=1.4, label=name)
        axis.set_xscale("log")
        plain(axis, "", {"updates": "updates", "seconds": "seconds of training"}[what])
    left.set_ylabel("nats a row", fontsize=8)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)


UPDATES = 2000
RATE = ed.SGD(lr=0.5, schedule="constant")


@cache
def bars(text: str = "") -> Problem:
    """All bars and stripes of 3 x 3 pixels, and an RBM of 8 latents."""
    model = ed.loads(text) if text else ed.load(ROOT / "models" / "rbm.energy", dims={"I": 9, "J": 8})
    rows = ed.load_data(model, ["bars-and-stripes:3"])
    return Problem(model.compile(), rows, dict(rows.arrays))


def entropy(rows: Any) -> float:
    """The log-likelihood of rows under their own frequencies, in nats, which no model exceeds."""
    _, counts = np.unique(rows, axis=0, return_counts=True)
    shares = counts / counts.sum()
    return float(np.sum(shares * np.log(shares)))


@cache
def on_bars(name: str) -> Course:
    """An objective on bars and stripes, with its default settings."""
    problem = bars()
    return course(problem, METHODS[name](), RATE, UPDATES, problem.nats)


def beside(figure: Figure, name: str, *others: str) -> None:
    """An objective on bars and stripes beside the exact gradient, and others."""
    paths = {} if name == "exact" else {"exact gradient": (EXACT, on_bars("exact"))}
    paths |= {other: (OTHER, on_bars(other)) for other in others} | {name: (SHOWN, on_bars(name))}
    pair(figure, paths, entropy(bars().rows.arrays["v"]), "frequencies of the rows")


def of_bars(name: str, *others: str) -> None:
    """Enter the picture of an objective."""
    PICTURES[name] = lambda figure: beside(figure, name, *others)


for _name in ("cd", "mcmc", "fast-pcd", "parallel-tempering", "trajectory-tempering"):
    of_bars(_name, "pcd")
for _name in ("pcd", "pseudo-likelihood", "ratio-matching", "minimum-probability-flow", "noise-contrastive"):
    of_bars(_name)
of_bars("composite-likelihood", "pseudo-likelihood")


of_bars("unbiased-cd", "cd")
of_bars("exact", "pcd")

# --- objectives for real data

# Five Gaussians on a circle, of this radius and this standard deviation, which the model has too.
MODES, RADIUS, WIDTH = 5, 2.0, 0.3
RING = f"""
visible v[2] : real
hidden  h[8] : binary
param   W[2, 8] = normal(sd = 0.5), b[2] = base_rate(v), c[8]
energy = sum((v - b)^2) / {2 * WIDTH**2:.4g} - c @ h - v @ W @ h / {WIDTH}
"""


def centres() -> Any:
    """Where the Gaussians are, (modes, 2)."""
    angle = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@cache
def ring() -> Problem:
    """2,000 points to train on, 2,000 to judge by, and a Gaussian-Bernoulli RBM of 8 latents."""
    rng, model = np.random.default_rng(0), ed.loads(RING)
    points = centres()[rng.integers(0, MODES, 4000)] + WIDTH * rng.normal(size=(4000, 2))
    return Problem(model.compile(), from_arrays(model.resolved, {"v": points[:2000]}, None), {"v": points[2000:]})


def truth() -> float:
    """The log-likelihood of the points that judge under the density they come from, in nats."""
    distances = np.square(ring().held_out["v"][:, None] - centres()).sum(axis=-1)
    return float(np.mean(logsumexp(-distances / (2 * WIDTH**2), axis=1) - np.log(MODES * 2 * np.pi * WIDTH**2)))


@cache
def on_ring(name: str) -> Course:
    """An objective on the ring, with its default settings."""
    return course(ring(), METHODS[name](), ed.Adam(lr=0.02, schedule="constant"), UPDATES, ring().nats)


def of_ring(name: str) -> None:
    """Enter the picture of an objective for real data."""

    def draw(figure: Figure) -> None:
        pair(
            figure, {"exact gradient": (EXACT, on_ring("exact")), name: (SHOWN, on_ring(name))}, truth(), "true density"
        )

    PICTURES[name] = draw


of_ring("score-matching")
of_ring("denoising-score-matching")


@picture
def wake_sleep(figure: Figure) -> None:
    """A sigmoid belief net of 8 latents on bars and stripes, its likelihood a sum over their states, beside an RBM of as many."""
    problem = bars("visible v[9] : binary\nhidden h[8] : binary\nlayers v <- h")

    def nats(params: Any) -> float:
        found = exact_scores(problem.program.engine, params, dict(problem.held_out)).values
        return float(found.mean() - problem.program.log_partition(params))

    paths = {
        "exact gradient\nof an RBM": (EXACT, on_bars("exact")),
        "wake-sleep": (SHOWN, course(problem, ed.WakeSleep(), RATE, 10 * UPDATES, nats)),
    }
    pair(figure, paths, entropy(problem.held_out["v"]), "frequencies of the rows")


# --- estimators: a model whose log Z is a sum, and errors of the estimates

# What is spent on an estimate, by the name of the argument.
SPENT = {"betas": (10, 30, 100, 300, 1000, 3000), "chains": (5, 10, 30, 100, 300)}
SEEDS = 10
TICKS = [digit * 10.0**power for power in range(-5, 3) for digit in (1, 3)]


@cache
def digits_run(latents: int = 16, epochs: int = 150) -> ed.Run:
    """An RBM fitted to the 8 x 8 digits, whose states of the latents can be listed."""
    model = ed.load(ROOT / "models" / "rbm.energy", dims={"I": 64, "J": latents})
    optimizer = ed.SGD(lr=0.2, schedule="constant")
    data = ed.load_data(model, ["digits"])
    return ed.train(model.compile(), data, ed.PCD(), optimizer, epochs=epochs, validation=0.0)


@cache
def digits_rows() -> Any:
    """Rows that the run has not seen, drawn once, (500, 64)."""
    return ed.load_data(digits_run().program.model, ["digits"], "test").drawn(0)["v"]


@dataclass(frozen=True)
class Estimates:
    """Errors of an estimate and its own error bars, both (spent, seeds) in nats, and seconds of each."""

    spent: Sequence[int]
    errors: Any
    bars: Any
    seconds: Any


@cache
def estimates(method: Estimator, start: tuple[int, int] | None = None, by: str = "betas") -> Estimates:
    """Errors of log Z by a method, or of log p by `raise`, against what is spent. start: latents and epochs of a run where annealing begins, if any."""
    run, rows = digits_run(), digits_rows()[:20]
    given: dict[str, Any] = {"start": digits_run(*start)} if start else {}
    sign = 1.0
    if method == "raise":
        given, sign = {"chains": 10}, -1.0
    exact = ed.evaluate(run, rows, "exact").log_likelihood
    found = []
    for spent in SPENT[by]:
        for seed in range(SEEDS):
            since = time.process_time()
            settings: dict[str, Any] = {**given, "seed": seed, by: spent}
            one = ed.evaluate(run, rows, method, **settings)
            found.append((sign * (exact - one.log_likelihood), one.log_likelihood_std, time.process_time() - since))
    return Estimates(SPENT[by], *np.array(found).reshape(len(SPENT[by]), SEEDS, 3).transpose(2, 0, 1))


def judged(
    figure: Figure,
    shown: dict[str, tuple[str, Estimates]],
    what: str = "log Z less the exact one, nats",
    spent: str = "temperatures",
) -> None:
    """Estimates with their bars against what is spent; and their root mean square error, and mean bar, against seconds."""
    left, right = figure.subplots(1, 2)
    left.axhline(0, color=EXACT, lw=1, ls="--")
    for place, (name, (colour, found)) in enumerate(shown.items()):
        spread = np.geomspace(0.8, 1.25, SEEDS) if len(shown) == 1 else np.geomspace(0.86, 0.98, SEEDS) * (1.16**place)
        x = np.outer(found.spent, spread)
        left.errorbar(x.ravel(), found.errors.ravel(), 2 * found.bars.ravel(), fmt=".", ms=3, lw=0.6, color=colour)
        seconds = found.seconds.mean(axis=1)
        right.plot(
            seconds,
            np.sqrt(np.square(found.errors).mean(axis=1)),
            "o-",
            ms=3,
            lw=1.4,
            color=colour,
            label=f"{name}:\nerror",
        )
        right.plot(seconds, found.bars.mean(axis=1), ":", lw=1.4, color=colour, label="its own bar")
    left.set_xscale("log")
    right.set(xscale="log", yscale="log")
    for ruler in (right.xaxis, right.yaxis):
        ruler.set_major_locator(FixedLocator(TICKS))
        ruler.set_major_formatter("{x:g}")
        ruler.set_minor_locator(NullLocator())
    plain(left, "", spent, what)
    plain(right, "", "seconds", "root mean square, nats")
    figure.legend(*right.get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)


@picture
def ais(figure: Figure) -> None:
    """Annealing from base rates: log Z from below."""
    judged(figure, {"ais": (SHOWN, estimates("ais"))})


@picture
def reverse_ais(figure: Figure) -> None:
    """Annealing back from exact samples of the model: log Z from above, beside that from below."""
    judged(figure, {"ais": (OTHER, estimates("ais")), "reverse-ais": (SHOWN, estimates("reverse-ais"))})


@picture
def bar(figure: Figure) -> None:
    """Bennett's ratio between both directions."""
    judged(figure, {"ais": (OTHER, estimates("ais")), "bar": (SHOWN, estimates("bar"))})


@picture
def tempering(figure: Figure) -> None:
    """A ladder of models that exchange states, by the number of chains on each of its rungs."""
    found = estimates("tempering", by="chains")
    judged(figure, {"tempering": (SHOWN, found)}, spent="chains on every rung")


@picture
def between(figure: Figure) -> None:
    """Bennett's ratio along a path from another run, one of 8 latents and one that is the same but for its last 50 epochs, in place of base rates."""
    shown = {
        "base rates": (OTHER, estimates("bar")),
        "8 latents": (THIRD, estimates("bar", (8, 150))),
        "50 epochs ago": (SHOWN, estimates("bar", (16, 100))),
    }
    judged(figure, shown)


def annealed_back(figure: Figure) -> None:
    """Annealing back from 20 rows, 10 chains each: their log-likelihood."""
    judged(figure, {"raise": (SHOWN, estimates("raise"))}, "log p less the exact one, nats")


PICTURES["raise"] = annealed_back


# Models whose log Z is had by each of the routes; n units, or latents.
ROUTES = {
    "listing the states of n latents": (
        OTHER,
        "visible v[64] : binary\nhidden h[{n}] : binary\nlayers v -- h",
        (4, 8, 12, 16),
    ),
    "elimination along n spins": (
        SHOWN,
        "visible s[{n}] : spin\nparam K[{n}] = normal(sd = 1)\nenergy = - sum[i] K[i]*s[i]*s[(i + 1) % {n}]",
        (32, 64, 256, 1024),
    ),
    "linear algebra of n real units": (
        THIRD,
        "visible x[{n}] : real\nparam b[{n}] = normal(sd = 1)\nenergy = sum(x^2) - 0.5*sum[i] x[i]*x[(i + 1) % {n}] - b @ x",
        (4, 16, 64, 256, 1024),
    ),
}


def strip(width: int) -> ed.Model:
    """Spins on an open lattice of 32 columns."""
    text = f"graph G[{32 * width}]\nvisible s[{32 * width}] : spin\nconst K = 0.44\nenergy = - K*sum[(i, k) in G] s[i]*s[k]"
    return ed.loads(
        text, graphs={"G": nx.convert_node_labels_to_integers(nx.grid_2d_graph(32, width), ordering="sorted")}
    )


def seconds_of(model: ed.Model) -> float:
    """Of an exact log Z, the shortest of three calls after one."""
    program = model.compile("numpy")
    params = program.init(0)
    program.log_partition(params)
    taken = []
    for _ in range(3):
        since = time.process_time()
        program.log_partition(params)
        taken.append(time.process_time() - since)
    return min(taken)


@picture
def exact_routes(figure: Figure) -> None:
    """Seconds of an exact log Z by each of its routes against the size of the model, and by elimination on strips of lattices against their width."""
    left, right = figure.subplots(1, 2, sharey=True)
    for name, (colour, text, sizes) in ROUTES.items():
        left.plot(
            sizes, [seconds_of(ed.loads(text.format(n=n))) for n in sizes], "o-", ms=3, lw=1.4, color=colour, label=name
        )
    widths = range(2, 8)
    right.plot(widths, [seconds_of(strip(n)) for n in widths], "o-", ms=3, lw=1.4, color=SHOWN)
    left.set(xscale="log", yscale="log")
    plain(left, "", "n", "seconds")
    plain(right, "", "width of a lattice of 32 columns of spins")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)


# --- what is known of log p where latents cannot be summed out


@dataclass(frozen=True)
class Bounds:
    """A bound and the exact log p, in nats a row, at some updates of a training; and the bound at its end by what it costs, with errors."""

    updates: Sequence[int]
    exact: Sequence[float]
    bound: Sequence[float]
    cost: Sequence[int]
    gaps: Sequence[float]
    errors: Sequence[float] | None = None


def bounded(figure: Figure, found: Bounds, what: str, name: str) -> None:
    """The bound and what it bounds while training; how much it leaves out at the end against its cost."""
    left, right = figure.subplots(1, 2)
    left.plot(found.updates, found.exact, "--", color=EXACT, lw=1.4, label="exact")
    left.plot(found.updates, found.bound, "-", color=SHOWN, lw=1.4, label=name)
    left.xaxis.set_major_locator(MaxNLocator(4))
    plain(left, "", "updates", "nats a row")
    right.axhline(0, color=EXACT, lw=1, ls="--")
    errors = None if found.errors is None else 2 * np.array(found.errors)
    right.errorbar(found.cost, found.gaps, errors, fmt="o-", ms=3, lw=1.4, color=SHOWN)
    right.set_xscale("log")
    plain(right, "", what, "bound less exact, nats a row")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)


def watched(text: str, method: Method, bound: Callable[[ed.Run, Any], float]) -> tuple[ed.Run, Any, list[Any]]:
    """A run on the digits, the rows that judge, and (update, exact nats, bound) on the way."""
    model = ed.loads(text)
    rows = ed.load_data(model, ["digits"], "test").rows(slice(0, 200))
    x, found = rows.drawn(0), []

    def monitor(run: ed.Run, _: Data) -> dict[str, float]:
        exact = ed.evaluate(run, rows, "exact")
        found.append((run.updates, exact.log_likelihood, bound(run, x) - exact.log_z))
        return {}

    data, optimizer = ed.load_data(model, ["digits"]), ed.SGD(lr=0.2, schedule="constant")
    run = ed.train(model.compile(), data, method, optimizer, 400, monitor=monitor, monitor_every=20, validation=0.0)
    return run, x, found


COUPLED = """
visible v[64] : binary
hidden  h[8]  : binary
param   W[64, 8] = normal(sd = 0.01), b[64] = base_rate(v), c[8], L[8, 8] : symmetric & zero_diagonal = normal(sd = 2)
energy = - b @ v - c @ h - v @ W @ h - 0.5 * h @ L @ h
"""


@picture
def mean_field(figure: Figure) -> None:
    """An RBM 64-8 whose latents are coupled: the bound by mean field while training, and at its end against the number of iterations."""

    def bound(run: ed.Run, x: Any, iterations: int = 100) -> float:
        exact = run.program.engine.in_float64
        return float(np.mean(exact.mean_field(run.params, x, exact.settings(), 0.0, iterations).bound))

    run, x, found = watched(COUPLED, ed.PCD(positive="mean-field"), bound)
    updates, exact, bounds = zip(*found, strict=True)
    cost = (1, 2, 3, 5, 10, 30, 100)
    end = bound(run, x) - (bounds[-1] - exact[-1])
    gaps = [bound(run, x, n) - end for n in cost]
    bounded(figure, Bounds(updates, exact, bounds, cost, gaps), "iterations", "mean field")


@picture
def recognition(figure: Figure) -> None:
    """A sigmoid belief net 64-8: the bound by recognition while training by wake-sleep, and at its end against the number of draws."""

    def draws(run: ed.Run, x: Any, count: int) -> Any:
        engine, rng = run.program.engine, ed.Rng(count)
        return np.stack([engine.host(engine.bound(run.params, x, rng)[0]) for _ in range(count)]).astype(float)

    def bound(run: ed.Run, x: Any) -> float:
        return float(draws(run, x, 10).mean())

    text = "visible v[64] : binary\nhidden a[8] : binary\nlayers v <- a"
    run, x, found = watched(text, ed.WakeSleep(), bound)
    updates, exact, bounds = zip(*found, strict=True)
    cost = (2, 3, 5, 10, 30, 100)
    every = [draws(run, x, n) for n in cost]
    gaps = [float(d.mean()) + bounds[-1] - exact[-1] - bound(run, x) for d in every]
    errors = [float(np.sqrt(np.mean(d.var(axis=0, ddof=1) / len(d)) / d.shape[1])) for d in every]
    bounded(figure, Bounds(updates, exact, bounds, cost, gaps, errors), "draws a row", "recognition")


@picture
def along_training(figure: Figure) -> None:
    """log Z of an RBM 64-16 along its training by trajectory tempering, less the exact one; and the likelihood that it gives, with the exact one."""
    model = ed.load(ROOT / "models" / "rbm.energy", dims={"I": 64, "J": 16})
    found = []

    def monitor(run: ed.Run, _: Data) -> dict[str, float]:
        now = run.history[-1]
        exact = float(run.program.log_partition(run.params))
        if now["update"]:
            found.append(
                (
                    now["update"],
                    now["log_z"] - exact,
                    now["log_z_std"],
                    -now["free_energy_train"] - exact,
                    now["log_likelihood_train"],
                )
            )
        return {}

    data, optimizer = ed.load_data(model, ["digits"]), ed.SGD(lr=0.2, schedule="constant")
    ed.train(
        model.compile(),
        data,
        ed.TrajectoryTempering(),
        optimizer,
        150,
        monitor=monitor,
        monitor_every=5,
        validation=0.0,
    )
    made, errors, bars, exact, given = map(np.array, zip(*found, strict=True))
    left, right = figure.subplots(1, 2)
    left.axhline(0, color=EXACT, lw=1, ls="--")
    left.errorbar(made, errors, 2 * bars, fmt=".", ms=4, lw=0.8, color=SHOWN)
    plain(left, "", "updates", "log Z less the exact one, nats")
    right.plot(made, exact, "--", color=EXACT, lw=1.4, label="exact")
    right.plot(made, given, "-", color=SHOWN, lw=1.4, label="by log Z of\ntrajectory-\ntempering", alpha=0.7)
    plain(right, "", "updates", "nats a row")
    figure.legend(*right.get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)


# --- the figure of benchmarks/nats.py


@dataclass(frozen=True)
class Part:
    """Of a table: seconds of its columns, nats of independent units, and nats by line."""

    seconds: Sequence[float]
    start: float
    lines: dict[str, Sequence[float]]


def read(table: Path) -> dict[str, Part]:
    """The parts of a table that was printed, by name."""
    found: dict[str, Part] = {}
    seconds: list[float] = []
    for line in table.read_text().splitlines():
        words = line.split()
        if line.startswith("# ") and "updates" in words:
            seconds = [float(w[:-1]) for w in words[words.index("updates") + 1 :]]
        elif words[1:2] == ["independent"]:
            found[words[0]] = Part(seconds, float(words[-1]), {})
        elif words and words[0] in found:
            found[words[0]].lines[words[1]] = [float(w) for w in words[4:]]
    return found


# What is drawn of each line: its colour, its dashes and its marks.
CYCLE = (
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#0072B2",
    "#8C564B",
    "#7F7F7F",
    "#117733",
    "#882255",
    "#999933",
    "#332288",
    "#AA0044",
)
MARKS = "osD^vP*X<>ph8"


def draw_nats(table: Path, path: Path) -> None:
    """Nats against seconds: three data sets with all objectives, and all optimisers on one."""
    parts = read(table)
    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    rows = figure.subplots(2, 2)
    titles = {
        "bars-and-stripes": "bars and stripes, RBM 16-16",
        "digits": "digits, RBM 64-16",
        "MNIST": "MNIST, RBM 784-16",
        "optimisers": "digits, RBM 64-16, pcd, by optimiser",
    }
    for axis, (name, title) in zip(rows.ravel(), titles.items(), strict=True):
        part = parts[name]
        for number, (who, nats) in enumerate(part.lines.items()):
            kind = who.removesuffix(",centred")
            default, place = kind in ("pcd", "sgd"), number // 2 if name == "optimisers" else number
            axis.plot(
                part.seconds, nats, "-" if who == kind else "--", marker=MARKS[place % len(MARKS)], ms=4, lw=2 if default else 1.2,
                zorder=3 if default else 2, color="black" if default else CYCLE[place % len(CYCLE)], label=who.replace(",", ", "),
            )  # fmt: skip
        axis.set(xscale="log", ylim=(max(part.start, min(map(min, part.lines.values()))), None))
        plain(axis, title, "seconds of training", "nats a held-out row")
        axis.set_xticks(part.seconds, [f"{s:g}" for s in part.seconds])
        axis.minorticks_off()
    named: dict[str, Any] = {"fontsize": 7, "frameon": False, "title_fontsize": 8}
    objectives, optimisers = (rows[at].get_legend_handles_labels() for at in ((0, 0), (1, 1)))
    figure.legend(*objectives, loc="outside right upper", title="objectives", **named)
    figure.legend(*optimisers, loc="outside right lower", title="optimisers", **named)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def main() -> None:
    """Draw the pictures named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="pictures; all, if none is named")
    FOLDER.mkdir(exist_ok=True)
    for name in parser.parse_args().names or PICTURES:
        since = time.process_time()
        figure = Figure(figsize=(7, 2.4), layout="constrained")
        PICTURES[name](figure)
        figure.savefig(FOLDER / f"{name}.png", dpi=90, metadata={"Software": None})
        print(f"{name}, {time.process_time() - since:.0f} s", flush=True)


if __name__ == "__main__":
    main()
