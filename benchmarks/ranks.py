"""How does training scale over MPI ranks?

    python benchmarks/ranks.py [--ranks 1 2 4] [--seconds 10] [--hidden 500] [--latency 2e-6] [--bandwidth 10e9] [--json FILE]

An RBM with 784 binary visible units, CD-1 by NumPy's kernels, one thread a rank, 8 shards. Strong scaling: a batch of 512 rows whatever the
number of ranks; weak scaling: 256 rows a rank. Each is measured from inside the training, in updates after the first ones; all are
ratios to one rank in the same run. Ranks on one machine share its cores, caches and memory: with more ranks than cores no update gets
faster, and what is told is the cost of taking turns. Times are the least of many, since other programs only add to them; those of the model are of the
processor, whoever else wants it. The last lines are
the pieces of the model of docs/distributed.md: seconds of the compute of a shard, of a sum over ranks and of an agreement, the latency
and bandwidth that these are explained by, and what the model says of 8 to 1024 ranks with the latency and bandwidth that are given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

VISIBLE, BATCH, ROWS_A_RANK, SHARDS = 784, 512, 256, 8


def measured(hidden: int, batch: int, seconds: float) -> dict[str, float]:
    """Seconds of the pieces of an update on the ranks that run this."""
    import energydsl as ed
    from energydsl.data.sources import Data
    from energydsl.learning.begin import begin
    from energydsl.learning.choice import chosen_optimizer
    from energydsl.learning.config import config_of
    from energydsl.ranks import shards_of, world

    team = world()
    model = ed.loads(f"visible v[{VISIBLE}] : binary\nhidden h[{hidden}] : binary\nlayers v -- h\n")
    program = model.compile("numpy")
    data = Data({"v": (np.random.default_rng(0).random((2 * batch, VISIBLE)) < 0.3).astype(np.float32)}, "random rows")
    optimizer = chosen_optimizer(program.model, None)
    config = config_of(program.engine, data, ed.CD(), optimizer, 1, batch, 0.0, 0, shards=SHARDS)
    loop = begin(program, data, ed.CD(), optimizer, config, None, shards_of(team, SHARDS, batch))
    rows = next(iter(loop.batches.epoch(0, 0)))
    [objective], [own] = loop.learner.objectives, loop.state.objectives
    params = loop.state.params
    weights = np.zeros(sum(a.size for a in params.values()), np.float32)

    def compute() -> None:
        objective.load(own, rows[0])
        objective.step(own, params)
        for state in own.own:
            objective.inner.gradient(state, params, list(params))  # type: ignore[attr-defined]

    def gradient() -> None:
        objective.load(own, rows[0])
        objective.step(own, params)
        objective.gradient(own, params, list(params))

    pieces: dict[str, Callable[[], Any]] = {
        "update": lambda: loop.update(*rows),
        "compute": compute,
        "gradient": gradient,
        "sum": lambda: team.add(weights),
        "agreement": lambda: team.most(0),
    }
    found, work = dict.fromkeys(pieces, float("inf")), {name: list[float]() for name in pieces}
    since, rounds = time.perf_counter(), 0
    # As many for every rank, or some would wait for ever.
    while rounds < 4 or not team.most(int(time.perf_counter() - since > seconds)):
        for name, run in pieces.items():
            team.most(0)
            begun, worked = time.perf_counter(), time.process_time()
            run()
            if rounds:
                found[name] = min(found[name], time.perf_counter() - begun)
                work[name].append(time.process_time() - worked)
        rounds += 1
    found |= {f"work of {name}": float(np.median(times)) for name, times in work.items()}
    found["bytes"] = float(weights.nbytes)
    return found


def started(ranks: int, batch: int, options: argparse.Namespace) -> dict[str, float]:
    """The pieces as so many ranks find them."""
    command = [
        sys.executable,
        __file__,
        "--piece",
        str(batch),
        "--hidden",
        str(options.hidden),
        "--seconds",
        str(options.seconds),
    ]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        ["mpiexec", "-n", str(ranks), *command] if ranks > 1 else command,
        capture_output=True,
        text=True,
        env={**os.environ, **threads},
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def predict(one: dict[str, float], options: argparse.Namespace) -> None:
    """What the model of docs/distributed.md says of many ranks, one shard each, given the pieces of one rank alone."""
    shard, size = one["work of gradient"] / SHARDS, one["bytes"]
    rest = max(0.0, one["work of update"] - one["work of gradient"])
    print(
        f"model: latency {1e6 * options.latency:g} us, bandwidth {options.bandwidth / 1e9:g} GB/s, {BATCH // SHARDS} rows a rank"
    )
    print("ranks   update   sum      agreement   share of the time that is compute")
    for level in range(3, 11):
        ranks = 1 << level
        total = 2 * level * options.latency + 2 * size * (ranks - 1) / ranks / options.bandwidth
        agreement = level * options.latency
        update = shard + rest + total + agreement
        print(
            f"{ranks:5d}   {1e3 * update:5.2f} ms {1e3 * total:5.2f} ms {1e6 * agreement:6.0f} us   {shard / update:10.0%}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each number of ranks")
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--latency", type=float, default=2e-6, help="of a message between machines, in seconds")
    parser.add_argument("--bandwidth", type=float, default=10e9, help="of each machine, in bytes a second")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--piece", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.piece:
        from energydsl.ranks import world

        found = measured(options.hidden, options.piece, options.seconds)
        if world().first:
            print(json.dumps(found))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = f"; {os.getloadavg()[0]:.1f} processes wanted them before" if hasattr(os, "getloadavg") else ""
    print(f"784-{options.hidden} RBM, CD-1, {SHARDS} shards; one thread a rank, on {cores} processors{busy}")
    strong = {n: started(n, BATCH, options) for n in options.ranks}
    weak = {n: started(n, ROWS_A_RANK * n, options) for n in options.ranks}
    one, few = strong[options.ranks[0]], weak[options.ranks[0]]
    print("          strong scaling            weak scaling         of an update")
    print("ranks   time   speed-up, ideal   rows/s, ideal   compute      sum   agreement")
    for n in options.ranks:
        here, ideal = strong[n], min(n, cores)
        parts = [here[name] / here["update"] for name in ("compute", "sum", "agreement")]
        print(
            f"{n:5d}   {here['update'] / one['update']:4.2f}   {one['update'] / here['update']:8.2f} {ideal:6d}"
            f"   {n * few['update'] / weak[n]['update']:6.2f} {ideal:6d}   {parts[0]:7.0%}   {parts[1]:6.1%}   {parts[2]:9.1%}"
        )
    size, step = one["bytes"], one["work of update"] - one["work of gradient"]
    print(
        f"a shard of {BATCH // SHARDS} rows: {1e3 * one['work of gradient'] / SHARDS:.2f} ms of work, the step {1e3 * step:.2f} ms; "
        f"{size / 1e6:.2f} MB of sums"
    )
    for n in options.ranks[1:]:
        here, level = strong[n], n.bit_length() - 1
        latency = here["agreement"] / level
        rest = here["sum"] - 2 * level * latency
        shown = f"{2 * size * (n - 1) / n / rest / 1e9:.2f} GB/s" if rest > 0.1 * here["sum"] else "too short to tell"
        print(
            f"{n} ranks: a sum takes {1e3 * here['sum']:.2f} ms, an agreement {1e6 * here['agreement']:.0f} us: "
            f"latency {1e6 * latency:.0f} us, bandwidth {shown}"
        )
    predict(one, options)
    if options.json:
        options.json.write_text(json.dumps({"cores": cores, "strong": strong, "weak": weak}, indent=1) + "\n")


if __name__ == "__main__":
    main()
