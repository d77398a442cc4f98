"""Work on a GPU: free Gibbs and CD-1 of a 784-500 RBM beside PyTorch, sparse models, and a scan over forms, in one process.

python benchmarks/gpu.py [--json FILE]        # needs cupy and a device; PyTorch where it is installed
"""

from __future__ import annotations

import importlib.metadata
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from dense import HIDDEN, VISIBLE, update
from forms import MEMORY, QUARTIC
from harness import Row, Work, table, write_json

import energydsl as ed
from energydsl.learning.methods import CD
from energydsl.options import PRECISIONS, Precision
from energydsl.program.states import check_params

RBM = f"visible v[{VISIBLE}] : binary\nhidden h[{HIDDEN}] : binary\nlayers v -- h"
GLASS = (
    "graph G = random_regular(degree = 3, nodes = {n}, seed = 1)\nvisible s[{n}] : spin\nparam J[G] = normal(sd = 1)\n"
)
GLASS += "energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
TORUS = "visible s[{n}, {n}] : spin\nparam K = 0.4\n"
TORUS += "energy = - K*sum[i, j] s[i, j]*(s[(i + 1) % {n}, j] + s[i, (j + 1) % {n}])"
STEPS = 20


def measured(work: Work, wait: Callable[[], object], rounds: int = 9, seconds: float = 0.3) -> float:
    """Seconds a call: the median over rounds of calls in a row, the device waited for at both ends."""
    for _ in range(5):
        work()
    wait()
    found = []
    for _ in range(rounds):
        calls, started = 0, time.perf_counter()
        while time.perf_counter() < started + seconds:
            for _ in range(10):
                work()
            calls += 10
            wait()
        found.append((time.perf_counter() - started) / calls)
    return float(np.median(found))


def sweeps(program: ed.Program, chains: int) -> Work:
    """STEPS free sweeps of fresh random chains with random parameters."""
    rng = np.random.default_rng(0)
    params = check_params(
        program.engine, {n: rng.normal(0, 0.1, p.shape) if p.shape else 0.4 for n, p in program.model.params.items()}
    )
    x, stream = program.init_state(params, chains), ed.Rng(1)
    settings, parts = program.engine.settings(), program.engine.parts()
    return lambda: program.engine.sweep(params, x, settings, stream, parts, STEPS)


def dense_sweeps(precision: Precision, chains: int) -> Work:
    return sweeps(ed.loads(RBM).compile("cupy", precision=precision), chains)


def torch_sweeps(torch: Any, chains: int, tf32: bool) -> Work:
    weights = 0.1 * torch.randn(VISIBLE, HIDDEN, device="cuda")
    b, c = torch.zeros(VISIBLE, device="cuda"), torch.zeros(HIDDEN, device="cuda")
    v = torch.bernoulli(torch.full((chains, VISIBLE), 0.5, device="cuda"))

    def run() -> None:
        nonlocal v
        torch.backends.cuda.matmul.allow_tf32 = tf32
        for _ in range(STEPS):
            h = torch.bernoulli(torch.sigmoid(torch.addmm(c, v, weights)))
            v = torch.bernoulli(torch.sigmoid(torch.addmm(b, h, weights.T)))

    return run


def torch_update(torch: Any, batch: int) -> Work:
    weights = 0.01 * torch.randn(VISIBLE, HIDDEN, device="cuda")
    b, c = torch.zeros(VISIBLE, device="cuda"), torch.zeros(HIDDEN, device="cuda")
    v0 = torch.bernoulli(torch.full((batch, VISIBLE), 0.2, device="cuda"))

    def run() -> None:
        p0 = torch.sigmoid(torch.addmm(c, v0, weights))
        v1 = torch.bernoulli(torch.sigmoid(torch.addmm(b, torch.bernoulli(p0), weights.T)))
        p1 = torch.sigmoid(torch.addmm(c, v1, weights))
        weights.add_((v0.T @ p0 - v1.T @ p1) / batch, alpha=1e-3)
        b.add_((v0 - v1).mean(0), alpha=1e-3)
        c.add_((p0 - p1).mean(0), alpha=1e-3)

    return run


def rows() -> list[Row]:
    import cupy

    wait = cupy.cuda.runtime.deviceSynchronize
    try:
        import torch

        torch = torch if torch.cuda.is_available() else None
    except ImportError:
        torch = None
    found = []
    for chains in (4096, 16384):
        work, updates = f"free Gibbs 784-500, {chains} chains", STEPS * chains * (VISIBLE + HIDDEN)
        makers: dict[str, Callable[[], Work]] = {
            f"energydsl {p}": partial(dense_sweeps, precision=p, chains=chains) for p in PRECISIONS
        }
        if torch is not None:
            for tf32 in (False, True):
                makers[f"PyTorch {'tf32' if tf32 else 'fp32'}"] = partial(torch_sweeps, torch, chains, tf32)
        for who, make in makers.items():
            seconds = measured(make(), wait)
            found.append(Row(work, who, seconds, updates / seconds / 1e9, "unit updates/ns"))
    makers = {"energydsl": partial(update, "rbm", CD(), 128, "cupy")}
    if torch is not None:
        makers["PyTorch"] = partial(torch_update, torch, 128)
    times = {who: measured(make(), wait) for who, make in makers.items()}
    found += [Row("CD-1 update, batch 128", who, t, t / times["energydsl"], "x energydsl") for who, t in times.items()]
    for work, text, units, chains in (
        ("random 3-regular glass, 4096 units", GLASS.format(n=4096), 4096, 1024),
        ("random 3-regular glass, 2^20 units", GLASS.format(n=1 << 20), 1 << 20, 1),
        ("torus 256 x 256", TORUS.format(n=256), 1 << 16, 64),
        ("torus 1024 x 1024", TORUS.format(n=1024), 1 << 20, 4),
        ("scan of a quartic memory, 784 units in 500 forms", MEMORY.format(QUARTIC), 784, 1024),
    ):
        seconds = measured(sweeps(ed.loads(text).compile("cupy"), chains), wait)
        found.append(
            Row(f"{work}, {chains} chains", "energydsl", seconds, STEPS * units * chains / seconds / 1e9, "flips/ns")
        )
    return found


def main() -> None:
    import cupy

    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    versions = {"device": device, "driver": str(cupy.cuda.runtime.driverGetVersion())}
    for name in ("energydsl", "numpy", "cupy-cuda12x", "cupy-cuda13x", "torch"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found = rows()
    print(versions)
    print(table(found))
    if "--json" in sys.argv:
        write_json(Path(sys.argv[sys.argv.index("--json") + 1]), versions, found)


if __name__ == "__main__":
    main()
