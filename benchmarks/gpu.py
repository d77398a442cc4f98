"""Work on a GPU: free Gibbs and CD-1 of an RBM beside PyTorch and JAX, sparse models, a scan over forms, in one process.

python benchmarks/gpu.py [--json FILE] [--cpu]   # needs CuPy and a device; PyTorch and JAX where they are installed

With a file, each row is kept as soon as it is measured, and rows that are there are not measured again. `--cpu` runs every row on
the processor once, in small sizes and with Numba's kernels: it shows that the script is whole, and measures nothing.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import by_jax
import by_torch
import numpy as np
from dense import HIDDEN, VISIBLE, images, update
from forms import MEMORY, QUARTIC
from harness import Row, Work, table, write_json

import energydsl as ed
from energydsl.learning.methods import CD
from energydsl.options import PRECISIONS, Backend, Precision
from energydsl.program.states import check_params

RBM = f"visible v[{VISIBLE}] : binary\nhidden h[{HIDDEN}] : binary\nlayers v -- h"
GLASS = (
    "graph G = random_regular(degree = 3, nodes = {n}, seed = 1)\nvisible s[{n}] : spin\nparam J[G] = normal(sd = 1)\n"
)
GLASS += "energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
TORUS = "visible s[{n}, {n}] : spin\nparam K = 0.4\n"
TORUS += "energy = - K*sum[i, j] s[i, j]*(s[(i + 1) % {n}, j] + s[i, (j + 1) % {n}])"
STEPS = 20
# Calls in a row before the device is waited for.
_CALLS = 10
# Rows, visible and hidden units of updates: one whose launches take longer than its kernels, the usual one, one that fills a device.
UPDATES = ((32, 64, 32), (128, VISIBLE, HIDDEN), (4096, VISIBLE, HIDDEN))
PACKAGES = ("numpy", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax", "numba")


@dataclass(frozen=True)
class Place:
    """Where work is done. wait: for all of it. small: sizes that a processor does at once."""

    backend: Backend
    wait: Callable[[], object]
    small: bool = False

    def chains(self, count: int) -> int:
        """As many, or few."""
        return min(count, 4) if self.small else count


@dataclass(frozen=True)
class Task:
    """One thing to do, who does it, how many units or rows a call has, and in what the figure is."""

    work: str
    makers: Mapping[str, Callable[[], Work]]
    count: int
    unit: str


def measured(work: Work, place: Place, rounds: int = 5, seconds: float = 0.2) -> float:
    """Seconds a call: the median over rounds of calls in a row, the device waited for at both ends."""
    for _ in range(1 if place.small else _CALLS):
        work()
    place.wait()
    found = []
    for _ in range(1 if place.small else rounds):
        calls, started = 0, time.perf_counter()
        while not calls or (not place.small and time.perf_counter() < started + seconds):
            for _ in range(1 if place.small else _CALLS):
                work()
                calls += 1
            place.wait()
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


def sparse_sweeps(text: str, chains: int, steps: int = STEPS, backend: Backend = "cupy") -> Work:
    return sweeps(ed.loads(text).compile(backend), chains, steps)


def dense_sweeps(precision: Precision, chains: int, steps: int = STEPS, backend: Backend = "cupy") -> Work:
    return sweeps(ed.loads(RBM).compile(backend, precision=precision), chains, steps)


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


def torch_sweeps(torch: Any, place: Place, chains: int, tf32: bool) -> Work:
    work = by_torch.Units(torch, "cpu" if place.small else "cuda").gibbs(VISIBLE, HIDDEN, chains, STEPS)

    def run() -> None:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        work()

    return run


def torch_update(torch: Any, place: Place, sizes: tuple[int, int, int]) -> Work:
    rows, visible, hidden = sizes
    torch.backends.cuda.matmul.allow_tf32 = False
    return by_torch.Units(torch, "cpu" if place.small else "cuda").update(images(rows, visible), hidden, False)


def jax_sweeps(jax: Any, chains: int, tf32: bool) -> Work:
    return by_jax.Units(jax, "default" if tf32 else "highest").gibbs(VISIBLE, HIDDEN, chains, STEPS)


def jax_update(jax: Any, sizes: tuple[int, int, int]) -> Work:
    rows, visible, hidden = sizes
    return by_jax.Units(jax, every=_CALLS).update(images(rows, visible), hidden, False)


def library(name: str, place: Place) -> Any:
    """A library to compare with where it is installed and sees the device, otherwise nothing."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    sees = module.cuda.is_available() if name == "torch" else module.default_backend() == "gpu"
    return module if sees or place.small else None


def dense_tasks(place: Place) -> list[Task]:
    """Updates, the one that is bound by launches first, and sweeps, beside other libraries."""
    torch, jax, found = library("torch", place), library("jax", place), []
    for sizes in UPDATES:
        makers: dict[str, Callable[[], Work]] = {
            "energydsl, batch on the device": partial(update, "rbm", CD(), sizes[0], place.backend, sizes[1:], True),
            "energydsl, batch from the host": partial(update, "rbm", CD(), sizes[0], place.backend, sizes[1:]),
        }
        if torch is not None:
            makers["PyTorch, batch on the device"] = partial(torch_update, torch, place, sizes)
        if jax is not None:
            makers["JAX, batch on the device"] = partial(jax_update, jax, sizes)
        found.append(Task(f"CD-1 update {sizes[1]}-{sizes[2]}, batch {sizes[0]}", makers, sizes[0], "rows/ns"))
    for count in (4096, 16384):
        chains = place.chains(count)
        makers = {
            f"energydsl {p}": partial(dense_sweeps, p, chains, STEPS, place.backend)
            for p in (PRECISIONS if place.backend == "cupy" else PRECISIONS[:1])
        }
        if place.backend == "cupy":
            makers["products alone, float32"] = partial(products, chains)
        for tf32, word in ((False, "float32"), (True, "tf32")):
            if torch is not None:
                makers[f"PyTorch {word}"] = partial(torch_sweeps, torch, place, chains, tf32)
            if jax is not None:
                makers[f"JAX {word}"] = partial(jax_sweeps, jax, chains, tf32)
        updates = STEPS * chains * (VISIBLE + HIDDEN)
        found.append(Task(f"free Gibbs 784-500, {count} chains", makers, updates, "unit updates/ns"))
    return found


def sparse_tasks(place: Place) -> list[Task]:
    """Lattices, spin glasses, and a scan over forms."""
    found: list[Task] = []

    def size(whole: int, few: int) -> int:
        return few if place.small else whole

    for work, text, units, count in (
        ("random 3-regular glass, 4096 units", GLASS.format(n=4096), 4096, 1024),
        ("torus 256 x 256", TORUS.format(n=256), 1 << 16, 64),
        ("torus 1024 x 1024", TORUS.format(n=size(1024, 64)), 1 << 20, 4),
        ("random 3-regular glass, 2^17 units", GLASS.format(n=size(1 << 17, 1 << 10)), 1 << 17, 8),
        ("scan of a quartic memory, 784 units in 500 forms", MEMORY.format(QUARTIC), 784, 1024),
    ):
        chains = place.chains(count)
        makers = {"energydsl": partial(sparse_sweeps, text, chains, STEPS, place.backend)}
        found.append(Task(f"{work}, {count} chains", makers, STEPS * units * chains, "flips/ns"))
    return found


def rows(task: Task, place: Place, known: Mapping[tuple[str, str], Row]) -> list[Row]:
    """The figures of one task, those that are known as they are; what fails is a row without figures, and its error is printed."""
    found = []
    for who, make in task.makers.items():
        if (task.work, who) in known:
            found.append(known[task.work, who])
            continue
        try:
            seconds = measured(make(), place)
        except Exception:  # the other rows are still worth having
            traceback.print_exc()
            seconds = math.nan
        found.append(Row(task.work, who, seconds, task.count / seconds / 1e9, task.unit))
    return found


def versions() -> dict[str, str]:
    """The device, its driver, and the packages."""
    found = {"device": "none", "python": sys.version.split()[0]}
    if importlib.util.find_spec("cupy") is not None:
        import cupy

        runtime = cupy.cuda.runtime
        if runtime.getDeviceCount():
            found["device"] = runtime.getDeviceProperties(0)["name"].decode()
            found |= {"driver": str(runtime.driverGetVersion()), "runtime": str(runtime.runtimeGetVersion())}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def kept(path: Path | None) -> dict[tuple[str, str], Row]:
    """The rows of a file that have a figure."""
    if path is None or not path.exists():
        return {}
    found = [Row(**row) for row in json.loads(path.read_text())["rows"] if row["value"] is not None]
    return {(row.work, row.who): row for row in found}


def start_row(place: Place) -> Row:
    """From a text to the first sweeps, kernels compiled on the way or taken from CuPy's cache."""
    started = time.perf_counter()
    dense_sweeps("full", place.chains(100), STEPS, place.backend)()
    place.wait()
    taken = time.perf_counter() - started
    return Row("text to first sweeps of an RBM", "energydsl", taken, taken, "s")


def main(arguments: Sequence[str]) -> int:
    """Measure what is not in the file yet; 1 where a row failed."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if "--cpu" in arguments:
        place = Place("numba", lambda: None, small=True)
    else:
        import cupy

        place = Place("cupy", cupy.cuda.runtime.deviceSynchronize)
    path = Path(arguments[arguments.index("--json") + 1]) if "--json" in arguments else None
    facts, known = versions(), kept(path)
    print(facts)
    first = known.get(("text to first sweeps of an RBM", "energydsl")) or start_row(place)
    found = [first]
    print(table(found))
    for task in (*dense_tasks(place), *sparse_tasks(place)):
        new = rows(task, place, known)
        found += new
        print(table(new), flush=True)
        if path is not None:
            others = [row for key, row in known.items() if key not in {(r.work, r.who) for r in found}]
            write_json(path, facts, [*found, *others])
    failed = [f"{row.work}: {row.who}" for row in found if math.isnan(row.seconds)]
    print(f"failed: {'; '.join(failed)}" if failed else f"{len(found)} rows, none failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
