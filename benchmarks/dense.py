"""What does work on dense models cost, beside its matrix products alone and beside what one would write or take instead?

Sizes of a 784-500 RBM and of a deep one. The products have preallocated outputs and states of zeros and ones at random.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import by_jax
import by_numpy
import by_torch
import numpy as np
from harness import Loop, Maker, Task, Work, calls, table

import energydsl as ed
from energydsl.annealing.path import Path as AnnealingPath
from energydsl.data.sources import from_arrays
from energydsl.learning.begin import begin
from energydsl.learning.config import config_of
from energydsl.learning.methods import CD, PCD, Method
from energydsl.options import Backend
from energydsl.random import Rng

MODELS = Path(__file__).resolve().parents[1] / "models"
VISIBLE, HIDDEN, DEEP = SIZES = (784, 500, 1000)
BATCH, CHAINS, TEMPERATURES = 128, 1000, 500
# Sweeps that one call makes where it can make several.
STEPS = 10
FLOOR = "the products alone"


def images(rows: int, units: int = VISIBLE) -> np.ndarray:
    """Pixels, a fifth of them on."""
    return (np.random.default_rng(1).random((rows, units)) < 0.2).astype(np.float32)


# --- the products alone


class Products:
    """Matrix products of states of some rows with weights, each with an output of its own."""

    def __init__(self, *sizes: int):
        self.weights = {pair: by_numpy.weights(*pair) for pair in itertools.pairwise(sizes)}
        self.made: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, a: np.ndarray, b: np.ndarray, times: int = 1) -> None:
        """A product, so many times."""
        self.made += times * [(a, b, np.empty((len(a), b.shape[1]), np.float32))]

    def up(self, rows: int, lower: int, upper: int, times: int = 1) -> None:
        """Fields of the upper layer."""
        self.add(by_numpy.states(rows, lower), self.weights[lower, upper], times)

    def down(self, rows: int, lower: int, upper: int, times: int = 1) -> None:
        """Fields of the lower layer."""
        self.add(by_numpy.states(rows, upper), self.weights[lower, upper].T, times)

    def statistics(self, rows: int, lower: int, upper: int) -> None:
        """Those of both phases."""
        for seed in (1, 2):
            self.add(by_numpy.states(rows, lower, seed).T, by_numpy.states(rows, upper, seed))

    def __call__(self) -> None:
        for a, b, out in self.made:
            np.matmul(a, b, out=out)


def update_floor(batch: int) -> Products:
    """CD-1, and PCD-1 with as many chains as rows: up, down, up, and the statistics of both phases."""
    found, pair = Products(VISIBLE, HIDDEN), (VISIBLE, HIDDEN)
    found.up(batch, *pair, times=2)
    found.down(batch, *pair)
    found.statistics(batch, *pair)
    return found


def gibbs_floor(chains: int) -> Products:
    """Up and down."""
    found = Products(VISIBLE, HIDDEN)
    found.up(chains, VISIBLE, HIDDEN)
    found.down(chains, VISIBLE, HIDDEN)
    return found


def dbm_floor(batch: int, sweeps: int, latent: int) -> Products:
    """PCD of a deep model; the product of the data, which do not move while latents are found, once."""
    lower, upper = (VISIBLE, HIDDEN), (HIDDEN, DEEP)
    found = Products(*SIZES)
    found.up(batch, *lower, times=1 + sweeps)
    found.down(batch, *lower, times=sweeps)
    for pair in (found.up, found.down):
        pair(batch, *upper, times=latent + sweeps)
    for sizes in (lower, upper):
        found.statistics(batch, *sizes)
    return found


# --- energydsl


def update(
    model: str,
    method: Method,
    batch: int,
    backend: Backend,
    sizes: Sequence[int] = (),
    on_device: bool = False,
    times: int = 1,
) -> Work:
    """Updates as the training loop makes them: both phases, gradient, norms, optimiser, and what is looked at now and then.

    sizes: of the layers of an RBM, where they are others. on_device: whether the batch is there already. times: updates a call, for which
    the BLAS library is held to one thread as training holds it throughout.
    """
    program = ed.load(MODELS / f"{model}.energy", dict(zip("IJ", sizes, strict=False))).compile(backend)
    engine, step = program.engine, ed.SGD(lr=1e-3)
    v = images(batch, *sizes[:1])
    data = from_arrays(program.model, {"v": v}, None)
    config = config_of(engine, data, method, step, 10**9, batch, 0.0, 0)
    loop = begin(program, data, method, step, config, None)
    rows = {"v": engine.device(v) if on_device else v}

    def run() -> None:
        with engine.single_threaded_blas():
            for _ in range(times):
                loop.update(rows)

    return run


def gibbs(chains: int, backend: Backend) -> Work:
    """Free sweeps, several a call."""
    program = ed.load(MODELS / "rbm.energy").compile(backend)
    params, engine, rng = program.init(0), program.engine, Rng(0)
    x, settings, parts = program.init_state(params, chains), engine.settings(), engine.parts()
    return lambda: engine.sweep(params, x, settings, rng, parts, STEPS)


def ais(chains: int, backend: Backend) -> Work:
    """Ten stretches of temperatures, each of which is one region of the kernels; a likelihood takes some 1,000 to 10,000."""
    program = ed.load(MODELS / "rbm.energy").compile(backend)
    base = {"v": (np.random.default_rng(1).normal(-1, 1, VISIBLE),)}
    path, rng = AnnealingPath(program.engine.core, program.init(0), base), Rng(0)
    x, times = path.start(chains, {}, rng), np.linspace(0.5, 0.51, TEMPERATURES + 1).tolist()
    return lambda: path.walk(x, times, rng)


# --- what one would take instead


def scikit(batch: int) -> Work | None:
    """BernoulliRBM.partial_fit, which is PCD-1 with as many chains as rows."""
    try:
        from sklearn.neural_network import BernoulliRBM
    except ImportError:
        return None
    v = images(batch)
    rbm = BernoulliRBM(n_components=HIDDEN, batch_size=batch, learning_rate=0.001, random_state=0)
    return lambda: rbm.partial_fit(v)


def by(library: str, units: Callable[[Any], Any], make: Callable[[Any], Work]) -> Work | None:
    """Work written by hand in a library, where it is installed."""
    try:
        return make(units(importlib.import_module(library)))
    except ImportError:
        return None


def looped(make: Callable[[], Work | None]) -> Maker:
    """A loop of calls of work, where there is any."""

    def loop() -> Loop | None:
        work = make()
        return None if work is None else calls(work)

    return loop


def by_hand(in_numpy: Callable[[], Work], in_library: Callable[[Any], Work]) -> dict[str, Callable[[], Work | None]]:
    """The same work in NumPy, PyTorch and JAX."""
    return {
        "NumPy, tuned": in_numpy,
        "PyTorch": partial(by, "torch", by_torch.Units, in_library),
        "JAX": partial(by, "jax", by_jax.Units, in_library),
    }


def _update_of(data: np.ndarray, again: bool, units: Any) -> Work:
    found: Work = units.update(data, HIDDEN, again)
    return found


def _dbm_of(data: np.ndarray, mean_field: bool, units: Any) -> Work:
    found: Work = units.dbm(data, HIDDEN, DEEP, 5, 10, mean_field)
    return found


def tasks(backends: Sequence[Backend]) -> Iterator[Task]:
    """All rows."""

    def ours(make: Callable[[Backend], Work]) -> dict[str, Callable[[], Work | None]]:
        return {f"energydsl {b}": partial(make, b) for b in backends}

    def task(work: str, makers: dict[str, Callable[[], Work | None]], counts: dict[str, float]) -> Task:
        return Task(work, {who: looped(make) for who, make in makers.items()}, FLOOR, counts)

    data, several = images(BATCH), {f"energydsl {b}": float(STEPS) for b in backends}
    for name, method in (("CD-1", CD(k=1)), ("PCD-1", PCD(k=1, chains=BATCH))):
        again = name == "PCD-1"
        yield task(
            f"{name} update, RBM 784-500, batch 128",
            {
                FLOOR: partial(update_floor, BATCH),
                **ours(partial(update, "rbm", method, BATCH, times=STEPS)),
                **by_hand(
                    partial(by_numpy.rbm_update, VISIBLE, HIDDEN, data, again),
                    partial(_update_of, data, again),
                ),
                **({"scikit-learn": partial(scikit, BATCH)} if again else {}),
            },
            several,
        )
    yield task(
        f"free Gibbs sweep, RBM 784-500, {CHAINS} chains",
        {
            FLOOR: partial(gibbs_floor, CHAINS),
            **ours(partial(gibbs, CHAINS)),
            **by_hand(
                partial(by_numpy.gibbs, VISIBLE, HIDDEN, CHAINS), lambda u: u.gibbs(VISIBLE, HIDDEN, CHAINS, STEPS)
            ),
        },
        several | {"PyTorch": STEPS, "JAX": STEPS},
    )
    yield task(
        "AIS temperature, RBM 784-500, 100 chains",
        {
            FLOOR: partial(gibbs_floor, 100),
            **ours(partial(ais, 100)),
            **by_hand(partial(by_numpy.ais, VISIBLE, HIDDEN, 100), lambda units: units.ais(VISIBLE, HIDDEN, 100)),
        },
        {f"energydsl {b}": TEMPERATURES for b in backends},
    )
    for mean_field, word in ((False, "10 latent sweeps"), (True, "10 mean-field iterations")):
        positive = "mean-field" if mean_field else "gibbs"
        method = PCD(k=5, chains=BATCH, latent_sweeps=10, positive=positive)
        yield task(
            f"DBM 784-500-1000 update, PCD-5, {word}, batch 128",
            {
                FLOOR: partial(dbm_floor, BATCH, 5, 10),
                **ours(partial(update, "dbm", method, BATCH)),
                **by_hand(
                    partial(by_numpy.dbm_update, SIZES, data, 5, 10, mean_field),
                    partial(_dbm_of, data, mean_field),
                ),
            },
            {},
        )


if __name__ == "__main__":
    print(table([row for task in tasks(("numba", "numpy")) for row in task.rows(5, 10.0)]))
