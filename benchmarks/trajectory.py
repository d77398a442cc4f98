"""Trajectory tempering: is log Z along training right, and do modes of known weights get theirs?

python benchmarks/trajectory.py [FOLDER of MNIST's four idx files]

1. An RBM 784-16 on MNIST, and log Z at every report beside the exact one, by all 2^16 states of the latents; beside it, log Z by
   Jarzynski's weights of the chains that the gradient follows.
2. Four clusters of 40 binary units with known shares: the shares under the trained models, exactly, for trajectory tempering and for
   persistent chains with the same updates, and what the verdict in retrospect says of both.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import energydsl as ed
from energydsl.annealing import rungs as ladder
from energydsl.annealing.path import Path
from energydsl.learning.chains.trajectory import Trajectory

Array = NDArray[Any]
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
UNITS, LATENTS, NOISE, ROWS = 40, 8, 0.03, 1000


def own_weights(run: ed.Run, params: Any, before: Any, chains: Any) -> float:
    """log of the mean of p~_now / p~_before over chains: the change of log Z, if these were samples that no gradient has seen."""
    engine = run.program.engine
    now, then = (
        ladder.log_weights(Path(engine.core, {n: engine.device(a) for n, a in p.items()}, run.base), chains)
        for p in (params, before)
    )
    return float(np.logaddexp.reduce(now - then) - np.log(len(now)))


class Watched(Trajectory):
    """Trajectory tempering that also adds up the weights of its own chains."""

    summed = 0.0

    def before(self, phases: Any, params: Any) -> Any:
        """Add the change since the last update."""
        back = super().before(phases, params)
        path = Path(phases.engine.core, params, phases.base)
        if not hasattr(phases, "then"):
            Watched.summed = ladder.log_z(phases.own.rungs)[0]
        else:
            change = ladder.log_weights(path, phases.negative.samples) - phases.then
            Watched.summed += float(np.logaddexp.reduce(change) - np.log(len(change)))
        return back

    def step(self, phases: Any, params: Any) -> None:
        """The step, and the weights of the chains after it."""
        super().step(phases, params)
        phases.then = ladder.log_weights(Path(phases.engine.core, params, phases.base), phases.negative.samples)


class WatchedMethod(ed.TrajectoryTempering):
    """The method with these chains."""

    def _chains(self) -> Any:
        return Watched(self.k, self.chains, self.lag)


def mnist(folder: str, chains: int = 500, epochs: int = 12) -> None:
    model = ed.load("models/rbm.energy", dims={"J": 16})
    program = model.compile("numba")
    data = ed.load_data(model, folder, binarise="sample")
    print(f"RBM 784-16 on MNIST, {chains} chains, batches of 500, SGD 0.02 falling to 0")
    print("update  seconds  rungs      log Z  exact log Z   error  its own bar  held-out nats  by own chains")
    errors, mine = [], []

    def monitor(run: ed.Run, rows: Any) -> dict[str, float]:
        return {"exact": float(np.asarray(run.program.log_partition(run.params)).item())}

    def report(row: dict[str, Any]) -> None:
        if "log_z" not in row:
            return
        errors.append(row["log_z"] - row["exact"])
        mine.append(Watched.summed - row["exact"])
        likelihood = -row["free_energy_validation"] - row["exact"]
        print(
            f"{row['update']:6} {row['seconds']:8.1f} {row['rungs']:6} {row['log_z']:10.3f} {row['exact']:12.3f} {errors[-1]:7.3f} "
            f"{row['log_z_std']:12.3f} {likelihood:14.2f} {mine[-1]:14.1f}",
            flush=True,
        )

    method, steps = WatchedMethod(chains=chains), ed.SGD(lr=0.02)
    ed.train(program, data, method, steps, epochs=epochs, batch=500, monitor=monitor, report=report)
    print(
        f"largest error {max(map(abs, errors)):.3f} nats; by the chains that the gradient follows {max(map(abs, mine)):.1f}"
    )


def clusters(seed: int) -> tuple[Array, Array]:
    """Rows near patterns that differ in about half their units, in numbers by their shares; and the patterns."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 2, (len(SHARES), UNITS))
    which = np.repeat(np.arange(len(SHARES)), np.round(SHARES * ROWS).astype(int))
    return np.abs(patterns[which] - (rng.random((len(which), UNITS)) < NOISE)).astype(float), patterns


def shares(program: ed.Program, params: Any, patterns: Array) -> Array:
    """What a model gives to each pattern: rows drawn from all states of its latents, by the nearest pattern."""
    w, b, c = (np.asarray(params[n], np.float64) for n in ("W", "b", "c"))
    h = (np.arange(2**LATENTS)[:, None] >> np.arange(LATENTS)) & 1
    log_p = h @ c + np.logaddexp(0, b + h @ w.T).sum(axis=1)
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    rng = np.random.default_rng(0)
    mean = 1 / (1 + np.exp(-(b + h @ w.T)))
    drawn = rng.random((50_000, UNITS)) < mean[rng.choice(len(p), 50_000, p=p / p.sum())]
    nearest = np.stack([np.abs(drawn - pattern).sum(axis=1) for pattern in patterns]).argmin(axis=0)
    return np.bincount(nearest, minlength=len(SHARES)) / len(nearest)


def modes(chains: int = 500, epochs: int = 400) -> None:
    rows, patterns = clusters(1)
    model = ed.load("models/rbm.energy", dims={"I": UNITS, "J": LATENTS})
    program = model.compile("numba")
    print(
        f"\n{len(rows)} rows in {len(SHARES)} clusters of {UNITS} units, RBM {UNITS}-{LATENTS}, {chains} chains, {epochs} epochs"
    )
    print(f"{'true shares':<24}" + "".join(f"{s:8.3f}" for s in SHARES))
    for method in (ed.TrajectoryTempering(chains=chains), ed.PCD(chains=chains)):
        since = time.perf_counter()
        run = ed.train(program, rows, method, ed.SGD(lr=0.1), epochs=epochs, batch=100, validation=0.0)
        seconds, found = time.perf_counter() - since, shares(program, run.params, patterns)
        print(
            f"{method.name:<24}"
            + "".join(f"{s:8.3f}" for s in found)
            + f"   largest relative error {np.abs(found / SHARES - 1).max():.2f}, {run.updates} updates, {seconds:.0f} s",
            flush=True,
        )
        verdict = ed.retrospect(run, rows)
        print(
            "  in retrospect: " + ("; ".join(verdict.faults) or "nothing shows that it was trained out of equilibrium"),
            flush=True,
        )


def main() -> None:
    modes()
    if len(sys.argv) > 1:
        mnist(sys.argv[1])


if __name__ == "__main__":
    main()
