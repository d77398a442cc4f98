"""Work on a GPU: free Gibbs and CD-1 of a 784-500 RBM beside PyTorch and JAX, sparse models, a scan over forms, in one process.

python benchmarks/gpu.py [--json FILE]        # needs CuPy and a device; PyTorch and JAX where they are installed
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Task:
    """One thing to do, who does it, how many units or rows a call has, and in what the figure is."""

    work: str
    makers: Mapping[str, Callable[[], Work]]
    count: int
    unit: str


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


def sweeps(program: ed.Program, chains: int, steps: int = STEPS) -> Work:
    """Free sweeps of fresh random chains with random parameters."""
    rng = np.random.default_rng(0)
    params = check_params(
        program.engine, {n: rng.normal(0, 0.1, p.shape) if p.shape else 0.4 for n, p in program.model.params.items()}
    )
    x, stream = program.init_state(params, chains), ed.Rng(1)
    settings, parts = program.engine.settings(), program.engine.parts()
    return lambda: program.engine.sweep(params, x, settings, stream, parts, steps)


def sparse_sweeps(text: str, chains: int, steps: int = STEPS) -> Work:
    return sweeps(ed.loads(text).compile("cupy"), chains, steps)


def dense_sweeps(precision: Precision, chains: int, steps: int = STEPS) -> Work:
    return sweeps(ed.loads(RBM).compile("cupy", precision=precision), chains, steps)


def products(chains: int) -> Work:
    """The matrix products of the sweeps alone, by CuPy, of random states."""
    import cupy

    weights = cupy.random.standard_normal((VISIBLE, HIDDEN), dtype=np.float32)
    v = cupy.random.random((chains, VISIBLE), dtype=np.float32).round()
    h = cupy.random.random((chains, HIDDEN), dtype=np.float32).round()
    to_h, to_v = cupy.empty_like(h), cupy.empty_like(v)

    def run() -> None:
        for _ in range(STEPS):
            cupy.matmul(v, weights, out=to_h)
            cupy.matmul(h, weights.T, out=to_v)

    return run


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


def jax_sweeps(jax: Any, chains: int, tf32: bool) -> Work:
    """Sweeps as one compiled loop."""
    jnp, precision = jax.numpy, jax.lax.Precision.DEFAULT if tf32 else jax.lax.Precision.HIGHEST
    weights = 0.1 * jax.random.normal(jax.random.key(0), (VISIBLE, HIDDEN))

    def sweep(_: int, state: Any) -> Any:
        v, key = state
        key, first, second = jax.random.split(key, 3)
        up = jax.nn.sigmoid(jnp.matmul(v, weights, precision=precision))
        h = (jax.random.uniform(first, up.shape) < up).astype(jnp.float32)
        down = jax.nn.sigmoid(jnp.matmul(h, weights.T, precision=precision))
        return (jax.random.uniform(second, down.shape) < down).astype(jnp.float32), key

    loop = jax.jit(lambda state: jax.lax.fori_loop(0, STEPS, sweep, state))
    state = (jax.random.bernoulli(jax.random.key(1), 0.5, (chains, VISIBLE)).astype(jnp.float32), jax.random.key(2))

    def run() -> None:
        nonlocal state
        state = jax.block_until_ready(loop(state))

    return run


def jax_update(jax: Any, batch: int) -> Work:
    jnp = jax.numpy
    v0 = jax.random.bernoulli(jax.random.key(1), 0.2, (batch, VISIBLE)).astype(jnp.float32)

    def step(state: Any) -> Any:
        weights, b, c, key = state
        key, first, second = jax.random.split(key, 3)
        p0 = jax.nn.sigmoid(v0 @ weights + c)
        h0 = (jax.random.uniform(first, p0.shape) < p0).astype(jnp.float32)
        q1 = jax.nn.sigmoid(h0 @ weights.T + b)
        v1 = (jax.random.uniform(second, q1.shape) < q1).astype(jnp.float32)
        p1 = jax.nn.sigmoid(v1 @ weights + c)
        weights = weights + 1e-3 * (v0.T @ p0 - v1.T @ p1) / batch
        return weights, b + 1e-3 * (v0 - v1).mean(0), c + 1e-3 * (p0 - p1).mean(0), key

    weights = 0.01 * jax.random.normal(jax.random.key(0), (VISIBLE, HIDDEN))
    state, compiled = (weights, jnp.zeros(VISIBLE), jnp.zeros(HIDDEN), jax.random.key(2)), jax.jit(step)

    def run() -> None:
        nonlocal state
        state = compiled(state)

    return run


def library(name: str) -> Any:
    """A library to compare with where it is installed and sees the device, otherwise nothing."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    sees = module.cuda.is_available() if name == "torch" else module.default_backend() == "gpu"
    return module if sees else None


def tasks() -> list[Task]:
    """All that is measured."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    torch, jax = library("torch"), library("jax")
    found = []
    for chains in (4096, 16384):
        makers: dict[str, Callable[[], Work]] = {
            f"energydsl {p}": partial(dense_sweeps, precision=p, chains=chains) for p in PRECISIONS
        }
        makers["products alone, float32"] = partial(products, chains)
        for tf32, word in ((False, "float32"), (True, "tf32")):
            if torch is not None:
                makers[f"PyTorch {word}"] = partial(torch_sweeps, torch, chains, tf32)
            if jax is not None:
                makers[f"JAX {word}"] = partial(jax_sweeps, jax, chains, tf32)
        updates = STEPS * chains * (VISIBLE + HIDDEN)
        found.append(Task(f"free Gibbs 784-500, {chains} chains", makers, updates, "unit updates/ns"))
    for batch in (128, 4096):
        makers = {"energydsl": partial(update, "rbm", CD(), batch, "cupy")}
        if torch is not None:
            makers["PyTorch"] = partial(torch_update, torch, batch)
        if jax is not None:
            makers["JAX"] = partial(jax_update, jax, batch)
        found.append(Task(f"CD-1 update 784-500, batch {batch}", makers, batch, "rows/ns"))
    for work, text, units, chains in (
        ("random 3-regular glass, 4096 units", GLASS.format(n=4096), 4096, 1024),
        ("random 3-regular glass, 2^17 units", GLASS.format(n=1 << 17), 1 << 17, 8),
        ("torus 256 x 256", TORUS.format(n=256), 1 << 16, 64),
        ("torus 1024 x 1024", TORUS.format(n=1024), 1 << 20, 4),
        ("scan of a quartic memory, 784 units in 500 forms", MEMORY.format(QUARTIC), 784, 1024),
    ):
        makers = {"energydsl": partial(sparse_sweeps, text, chains)}
        found.append(Task(f"{work}, {chains} chains", makers, STEPS * units * chains, "flips/ns"))
    return found


def rows(task: Task, wait: Callable[[], object]) -> list[Row]:
    """The figures of one task; what fails is a row without figures, and its error is printed."""
    found = []
    for who, make in task.makers.items():
        try:
            seconds = measured(make(), wait)
        except Exception:  # the other rows are still worth having
            traceback.print_exc()
            seconds = math.nan
        found.append(Row(task.work, who, seconds, task.count / seconds / 1e9, task.unit))
    return found


def main() -> None:
    import cupy

    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    versions = {"device": device, "driver": str(cupy.cuda.runtime.driverGetVersion())}
    for name in ("numpy", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    print(versions)
    started = time.perf_counter()
    dense_sweeps("full", 100)()
    cupy.cuda.runtime.deviceSynchronize()
    found = [Row("text to first sweeps of an RBM", "energydsl", time.perf_counter() - started, math.nan, "")]
    print(table(found))
    for task in tasks():
        found += rows(task, cupy.cuda.runtime.deviceSynchronize)
        print(table(found[-len(task.makers) :]), flush=True)
        if "--json" in sys.argv:
            write_json(Path(sys.argv[sys.argv.index("--json") + 1]), versions, found)


if __name__ == "__main__":
    main()
