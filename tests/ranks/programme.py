"""What tests start on several ranks: `mpiexec -n N python -m tests.ranks.programme MODE FOLDER`; rank 0 writes FOLDER/MODE-N.json."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import energydsl as ed
from energydsl.cli import train_command
from energydsl.cli.main import main
from energydsl.learning.loop import Loop
from energydsl.ranks import Team, world

RBM = "visible v[20] : binary\nhidden h[12] : binary\nlayers v -- h\n"
# Chains and rows in different numbers, so that a chain's number is not that of a row.
CLI = [
    "--method",
    "pcd",
    "--chains",
    "24",
    "--batch",
    "48",
    "--epochs",
    "40",
    "--momentum",
    "0.5",
    "--backend",
    "numpy",
]
CLI += ["--shards", "8", "--validation", "0.04", "--no-evaluate", "--checked"]
UPDATES, STOPPED = 200, 38
# What must not be, and so must give other bits.
MUTANTS = ("a shard a rank", "sums in the order of ranks")


def rows() -> np.ndarray[Any, Any]:
    """250 noisy patterns: 240 to train on, 5 batches an epoch."""
    rng = np.random.default_rng(3)
    patterns = rng.integers(0, 2, (5, 20))
    return (patterns[rng.integers(0, 5, 250)] ^ (rng.random((250, 20)) < 0.1)).astype(np.float32)


def digest(*arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    """Of all bits."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(a[n]).tobytes() for a in arrays for n in sorted(a))).hexdigest()


def trained(
    shards: int, method: Any, optimizer: Any, epochs: int = 4, backend: Any = "numpy", data: Any = None
) -> ed.Run:
    """A run of five updates an epoch."""
    program = ed.loads(RBM).compile(backend)
    given = rows() if data is None else data
    return ed.train(program, given, method, optimizer, epochs, batch=48, validation=0.04, shards=shards, checked=True)


def everything(folder: Path) -> dict[str, Any]:
    """Digests by what they are of."""
    model = ed.loads(RBM)
    pcd, adam = ed.PCD(chains=24, centred=True), ed.Adam(l1=1e-4, average="polyak")
    run = trained(8, pcd, adam, UPDATES // 5)
    files = ed.load_streamed(model, folder / "rows.npy")
    found: dict[str, Any] = {
        "updates": run.updates,
        "repeated": run.repeated,
        "trained": digest(run.params, run.last, run.chains),
        "series": digest(run.series),
        "streamed": digest(trained(8, ed.CD(), ed.SGD(lr=0.1), data=files).params),
        "rows": digest(trained(8, ed.PseudoLikelihood(), ed.SGD(lr=0.1)).params),
        "tempering": digest(trained(8, ed.ParallelTempering(chains=16), ed.SGD(lr=0.1), 1).chains),
        "samples": digest(ed.sample(run, n=21, steps=30, draws=2, shards=8)),
        "evaluated": ed.evaluate(run, rows(), "bar", betas=50, chains=20, shards=8).as_dict(),
        MUTANTS[0]: digest(trained(max(2, world().size), pcd, adam).params),
    }
    if world().size < 4:  # four processes would spend seconds on loading it
        found["numba"] = digest(trained(8, ed.CD(), ed.SGD(lr=0.1), backend="numba").params)
    in_order(world())
    program = model.compile("numpy")
    found[MUTANTS[1]] = digest(ed.train(program, rows(), pcd, adam, 4, batch=48, validation=0.04, shards=8).params)
    return found


def in_order(team: Team) -> None:
    """The mutant: sums over ranks from the first to the last, as they may arrive."""

    def add(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        parts = team.gathered(values[None])
        values[...] = parts[0]
        for part in parts[1:]:
            values += part
        return values

    team.add = add  # type: ignore[method-assign]


def after(update: int, rank: int, do: Callable[[], None]) -> None:
    """Do something on one rank after an update of the training."""
    before = Loop.update

    def then(self: Loop, *args: Any) -> None:
        before(self, *args)
        if self.progress.update == update and self.team.rank == rank:
            do()

    Loop.update = then  # type: ignore[method-assign]


def fail() -> None:
    """As a file that cannot be read any more."""
    raise ed.EnergyError("cannot read rows.npy: Input/output error")


if __name__ == "__main__":
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if mode == "everything":
        result = everything(folder)
        if world().first:
            (folder / f"{mode}-{world().size}.json").write_text(json.dumps(result))
    else:
        train_command._draw = lambda run: []  # type: ignore[assignment]
        if mode == "failing":
            after(12, 1, fail)
        if mode == "interrupted":
            after(STOPPED, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        resume = ["--resume"] if mode == "resumed" else []
        sys.argv = ["energydsl", "train", str(folder / "rbm.energy"), "--data", str(folder / "rows.npy"), *CLI, *resume]
        sys.argv += ["--out", str(folder / ("failed" if mode == "failing" else "run"))]
        main()
