"""How much does one training update of a 784-500 RBM cost, beside the matrix products alone and scikit-learn?

One process, batch 128, interleaved rounds, medians. The floor is the five products of a CD-1 update with preallocated
outputs. scikit-learn's BernoulliRBM does PCD-1 (in float32, as the rest). Prints a table, and JSON with --json.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import energydsl as ed
from energydsl.learning.methods import CD, PCD, Method
from energydsl.learning.phases import Phases

BATCH, VISIBLE, HIDDEN, ROUNDS = 128, 784, 500, 60
MODEL = Path(__file__).resolve().parents[1] / "models/rbm.energy"


def floor(v: np.ndarray) -> Callable[[], None]:
    """The five products of a CD-1 update."""
    w = np.random.default_rng(0).normal(0, 0.01, (VISIBLE, HIDDEN)).astype(np.float32)
    h, up, down, grad = (np.zeros(s, np.float32) for s in ((BATCH, HIDDEN), (BATCH, HIDDEN), (BATCH, VISIBLE), w.shape))

    def run() -> None:
        np.matmul(v, w, out=up)
        np.matmul(h, w.T, out=down)
        np.matmul(v, w, out=up)
        np.matmul(v.T, h, out=grad)
        np.matmul(v.T, h, out=grad)

    return run


def update(method: Method, v: np.ndarray) -> Callable[[], None]:
    """One update as the training loop makes it: both phases, gradient, optimiser."""
    program = ed.load(MODEL).compile()
    params = program.init(0)
    phases = Phases(program, method, BATCH, ed.Rng(0))
    optimizer = ed.SGD(lr=0.001)
    slots = optimizer.init(params)

    def run() -> None:
        phases.step(params, {"v": v})
        for name, gradient in phases.gradient(params, list(params)).items():
            optimizer.step(program.model.params[name], params[name], gradient, slots[name], 0.001, False)

    return run


def scikit(v: np.ndarray) -> Callable[[], None] | None:
    """BernoulliRBM.partial_fit on the same batch, if scikit-learn is installed."""
    try:
        from sklearn.neural_network import BernoulliRBM
    except ImportError:
        return None
    rbm = BernoulliRBM(n_components=HIDDEN, batch_size=BATCH, learning_rate=0.001, random_state=0)
    return lambda: rbm.partial_fit(v)


def main() -> None:
    v = (np.random.default_rng(1).random((BATCH, VISIBLE)) < 0.2).astype(np.float32)
    work = {
        "five matrix products": floor(v),
        "CD-1": update(CD(k=1), v),
        "PCD-1, 128 chains": update(PCD(k=1, chains=BATCH), v),
        "scikit-learn PCD-1": scikit(v),
    }
    times: dict[str, list[float]] = {name: [] for name, run in work.items() if run}
    for number in range(ROUNDS + 5):
        for name, run in work.items():
            if run is None:
                continue
            started = time.perf_counter()
            run()
            if number >= 5:
                times[name].append(time.perf_counter() - started)
    medians = {name: float(np.median(t)) for name, t in times.items()}
    base = medians["five matrix products"]
    versions = {"python": platform.python_version(), "numpy": np.__version__, "energydsl": ed.__version__}
    if "--json" in sys.argv:
        print(json.dumps({"seconds": medians, "ratios": {n: t / base for n, t in medians.items()}, **versions}))
        return
    print(f"784-500, batch {BATCH}, median of {ROUNDS}; {versions}")
    for name, seconds in medians.items():
        print(f"  {name:<24} {1e3 * seconds:8.3f} ms   {seconds / base:6.2f} x floor")


if __name__ == "__main__":
    main()
