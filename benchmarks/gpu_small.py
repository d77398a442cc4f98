"""Every kind of CUDA kernel a few times: in odd small sizes for compute-sanitizer, in full sizes for a profile.

python benchmarks/gpu_small.py              # needs CuPy and a device: run it under compute-sanitizer
python benchmarks/gpu_small.py --profile    # full sizes: run it under ncu or nsys
python benchmarks/gpu_small.py --events     # full sizes, each kernel timed by events of CuPy, where neither is there
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from dense import update
from forms import MEMORY, QUARTIC
from gpu import GLASS, TORUS, dense_sweeps, sparse_sweeps

import energydsl as ed
from energydsl.learning.methods import CD

MODELS = Path(__file__).resolve().parents[1] / "models"
SMALL_MEMORY = MEMORY.format(QUARTIC).replace("784", "37").replace("500", "21")
ZOO = (
    "potts_rbm",
    "poisson_rbm",
    "gaussian_rbm",
    "binomial_rbm",
    "beta_harmonium",
    "gamma_harmonium",
    "field_of_experts",
)


def small() -> None:
    """Sizes that are no multiple of a block, one model of each kind of draw, and updates, the last of them recorded."""
    dense_sweeps("full", 33)()
    sparse_sweeps(GLASS.format(n=130), 7)()
    sparse_sweeps(TORUS.format(n=18), 3)()
    sparse_sweeps(SMALL_MEMORY, 45)()
    work = update("rbm", CD(), 19, "cupy", (37, 21))
    for _ in range(5):
        work()
    print("dense, sparse, forms, updates")
    for name in ZOO:
        program = ed.load(MODELS / f"{name}.energy").compile("cupy")
        params = program.init(0)
        program.gibbs(params, program.init_state(params, 19), 2, rng=ed.Rng(0))
        print(name)


def full(scale: int = 1) -> None:
    """One sweep or update of sizes of gpu.py, or of sizes so many times smaller."""
    sparse_sweeps(MEMORY.format(QUARTIC), 1024 // scale, 1)()
    sparse_sweeps(TORUS.format(n=1024 // scale), 4, 1)()
    dense_sweeps("full", 16384 // scale, 1)()
    update("rbm", CD(), 128, "cupy")()


class Timed:
    """A kernel, and a pair of events for every launch of it."""

    def __init__(self, kernel: Any, name: str, cuda: Any, launches: dict[str, list[tuple[Any, Any]]]):
        self.kernel, self.cuda, self.pairs = kernel, cuda, launches.setdefault(name, [])

    def __call__(self, *arguments: Any, **options: Any) -> None:
        before, after = self.cuda.Event(), self.cuda.Event()
        before.record()
        self.kernel(*arguments, **options)
        after.record()
        self.pairs.append((before, after))


@contextmanager
def timed(cupy: Any) -> Iterator[Callable[[], dict[str, list[float]]]]:
    """Kernels of modules made inside are timed; gives a function that waits, and says the milliseconds of each launch by kernel."""
    launches: dict[str, list[tuple[Any, Any]]] = {}
    module = cupy.RawModule

    def made(**options: Any) -> Any:
        built = module(**options)

        class Module:
            def get_function(self, name: str) -> Timed:
                return Timed(built.get_function(name), name, cupy.cuda, launches)

        return Module()

    def found() -> dict[str, list[float]]:
        for pairs in launches.values():
            pairs[-1][1].synchronize()
        elapsed = cupy.cuda.get_elapsed_time
        return {name: [elapsed(*pair) for pair in pairs] for name, pairs in launches.items() if pairs}

    cupy.RawModule = made
    try:
        yield found
    finally:
        cupy.RawModule = module


def by_events(scale: int = 1) -> None:
    """Print the kernels by the time they take in all, the slowest first; each program once before, to be compiled."""
    import cupy

    with timed(cupy) as found:
        full(scale)
        warm = {name: len(times) for name, times in found().items()}
        full(scale)
        rest = {name: times[warm.get(name, 0) :] for name, times in found().items()}
    for name, times in sorted(rest.items(), key=lambda item: -sum(item[1])):
        if times:
            print(f"{sum(times):10.3f} ms in {len(times):4d} launches, {max(times):8.3f} ms the longest: {name}")


if __name__ == "__main__":
    np.seterr(all="ignore")
    if "--events" in sys.argv:
        by_events()
    elif "--profile" in sys.argv:
        full()
    else:
        small()
