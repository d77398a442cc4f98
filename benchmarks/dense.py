"""What does work on dense models cost, beside its matrix products alone and beside scikit-learn and PyTorch?

Sizes of a 784-500 RBM; ratios to the products with preallocated outputs, in one process.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, Work, medians, rows_of, table

import energydsl as ed
from energydsl.annealing.path import Path as AnnealingPath
from energydsl.data.sources import from_arrays
from energydsl.learning.begin import begin
from energydsl.learning.config import config_of
from energydsl.learning.methods import CD, PCD, Method
from energydsl.options import Backend
from energydsl.random import Rng

MODELS = Path(__file__).resolve().parents[1] / "models"
VISIBLE, HIDDEN, DEEP = 784, 500, 1000
Size = tuple[int, int]


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def products(*pairs: tuple[Size, Size]) -> Work:
    """Matrix products of these sizes, outputs preallocated; (784, -128) is a transposed array of 128 rows."""

    def matrix(size: Size) -> np.ndarray:
        rows, columns = size
        if rows < 0 or columns < 0:
            return zeros(abs(columns), abs(rows)).T
        return zeros(rows, columns)

    made = [(matrix(a), matrix(b), zeros(abs(a[0]), abs(b[1]))) for a, b in pairs]

    def run() -> None:
        for a, b, out in made:
            np.matmul(a, b, out=out)

    return run


def images(rows: int) -> np.ndarray:
    return (np.random.default_rng(1).random((rows, VISIBLE)) < 0.2).astype(np.float32)


def update(model: str, method: Method, batch: int, backend: Backend) -> Work:
    """One update as the training loop makes it: both phases, gradient, norms, optimiser."""
    program = ed.load(MODELS / f"{model}.energy").compile(backend)
    v = images(batch)
    optimizer = ed.SGD(lr=1e-3)
    data = from_arrays(program.model, {"v": v}, None)
    config = config_of(program.engine, data, method, optimizer, 10**9, batch, 0.0, 0)
    training = begin(program, data, method, optimizer, config, None)

    def run() -> None:
        with program.engine.single_threaded_blas():
            training.update({"v": v})

    return run


def gibbs(chains: int, backend: Backend) -> Work:
    program = ed.load(MODELS / "rbm.energy").compile(backend)
    params = program.init(0)
    x, settings, rng, parts = (
        program.init_state(params, chains),
        program.engine.settings(),
        Rng(0),
        program.engine.parts(),
    )
    return lambda: program.engine.sweep(params, x, settings, rng, parts)


def ais(chains: int, backend: Backend) -> Work:
    program = ed.load(MODELS / "rbm.energy").compile(backend)
    path = AnnealingPath(
        program.engine.core, program.init(0), {"v": (np.random.default_rng(1).normal(-1, 1, VISIBLE),)}
    )
    rng = Rng(0)
    x = path.start(chains, {}, rng)

    def run() -> None:
        with program.engine.single_threaded_blas():
            path.step(x, 0.5, 0.5001, rng, False)

    return run


def scikit(batch: int) -> Work | None:
    """BernoulliRBM.partial_fit, which is PCD-1 with as many chains as rows."""
    try:
        from sklearn.neural_network import BernoulliRBM
    except ImportError:
        return None
    v = images(batch)
    rbm = BernoulliRBM(n_components=HIDDEN, batch_size=batch, learning_rate=0.001, random_state=0)
    return lambda: rbm.partial_fit(v)


def by_torch(make: Callable[[Any], Work]) -> Work | None:
    """Work written by hand in PyTorch, eager, on the CPU."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    return make(torch)


def torch_update(torch: Any, persistent: bool) -> Work:
    v = torch.tensor(images(128))
    w, b, c = torch.randn(VISIBLE, HIDDEN) * 0.01, torch.zeros(VISIBLE), torch.zeros(HIDDEN)
    chain = [torch.bernoulli(torch.full((128, HIDDEN), 0.5))]

    def run() -> None:
        up = torch.sigmoid(v @ w + c)
        start = chain[0] if persistent else torch.bernoulli(up)
        x = torch.bernoulli(torch.sigmoid(start @ w.T + b))
        mean = torch.sigmoid(x @ w + c)
        chain[0] = torch.bernoulli(mean)
        w.add_((v.T @ up - x.T @ mean) / 128, alpha=1e-3)
        b.add_((v - x).mean(0), alpha=1e-3)
        c.add_((up - mean).mean(0), alpha=1e-3)

    return run


def torch_gibbs(torch: Any, chains: int) -> Work:
    w, b, c = torch.randn(VISIBLE, HIDDEN) * 0.01, torch.zeros(VISIBLE), torch.zeros(HIDDEN)
    h = [torch.bernoulli(torch.full((chains, HIDDEN), 0.5))]

    def run() -> None:
        x = torch.bernoulli(torch.sigmoid(h[0] @ w.T + b))
        h[0] = torch.bernoulli(torch.sigmoid(x @ w + c))

    return run


def torch_ais(torch: Any, chains: int) -> Work:
    """One temperature: log weights with the latents summed out, then a sweep."""
    w, b, c = torch.randn(VISIBLE, HIDDEN) * 0.01, torch.zeros(VISIBLE), torch.zeros(HIDDEN)
    base, before, after = torch.randn(VISIBLE), 0.5, 0.5001
    v = [torch.bernoulli(torch.full((chains, VISIBLE), 0.5))]
    weights = torch.zeros(chains, dtype=torch.float64)
    softplus = torch.nn.functional.softplus

    def run() -> None:
        field = v[0] @ w + c
        rest = v[0] @ b - v[0] @ base
        weights.add_((after - before) * rest + (softplus(after * field) - softplus(before * field)).sum(1))
        h = torch.bernoulli(torch.sigmoid(after * field))
        v[0] = torch.bernoulli(torch.sigmoid(after * (h @ w.T + b) + (1 - after) * base))

    return run


def torch_dbm(torch: Any, batch: int, sweeps: int, latent: int) -> Work:
    """PCD: sampled latents given the data, chains over (v, h2), (h1), and the step."""
    w, u = torch.randn(VISIBLE, HIDDEN) * 0.01, torch.randn(HIDDEN, DEEP) * 0.01
    b, c, d = torch.zeros(VISIBLE), torch.zeros(HIDDEN), torch.zeros(DEEP)
    v0 = torch.tensor(images(batch))
    h1, h2, g1 = (torch.bernoulli(torch.full((batch, n), 0.5)) for n in (HIDDEN, DEEP, HIDDEN))

    def draw(field: Any) -> Any:
        return torch.bernoulli(torch.sigmoid(field))

    def run() -> None:
        nonlocal h1, h2, g1
        for _ in range(latent):
            h1 = draw(v0 @ w + h2 @ u.T + c)
            h2 = draw(h1 @ u + d)
        for _ in range(sweeps):
            v, g2 = draw(g1 @ w.T + b), draw(g1 @ u + d)
            g1 = draw(v @ w + g2 @ u.T + c)
        w.add_((v0.T @ h1 - v.T @ g1) / batch, alpha=1e-3)
        u.add_((h1.T @ h2 - g1.T @ g2) / batch, alpha=1e-3)
        for bias, gain in ((b, v0 - v), (c, h1 - g1), (d, h2 - g2)):
            bias.add_(gain.mean(0), alpha=1e-3)

    return run


def cd_floor(batch: int) -> Work:
    up, down, grad = ((batch, VISIBLE), (VISIBLE, HIDDEN)), ((batch, HIDDEN), (-HIDDEN, -VISIBLE)), ((-VISIBLE, -batch), (batch, HIDDEN))  # fmt: skip
    return products(up, down, up, grad, grad)


def gibbs_floor(chains: int) -> Work:
    return products(((chains, VISIBLE), (VISIBLE, HIDDEN)), ((chains, HIDDEN), (-HIDDEN, -VISIBLE)))


def dbm_floor(batch: int, sweeps: int, latent: int) -> Work:
    """PCD with `sweeps` sweeps of the whole model and `latent` of the latents given the data."""
    up = ((batch, VISIBLE), (VISIBLE, HIDDEN)), ((batch, DEEP), (-DEEP, -HIDDEN))
    down, top = ((batch, HIDDEN), (-HIDDEN, -VISIBLE)), ((batch, HIDDEN), (HIDDEN, DEEP))
    grads = ((-VISIBLE, -batch), (batch, HIDDEN)), ((-HIDDEN, -batch), (batch, DEEP))
    return products(*latent * (*up, top), *sweeps * (*up, down, top), *2 * grads)


def rows(backends: tuple[Backend, ...], seconds: float) -> list[Row]:
    def ours(make: Callable[[Backend], Work]) -> dict[str, Work | None]:
        return {f"energydsl {b}": make(b) for b in backends}

    groups: dict[str, dict[str, Work | None]] = {
        "CD-1 update, batch 128": {
            "floor": cd_floor(128),
            **ours(lambda b: update("rbm", CD(k=1), 128, b)),
            "PyTorch": by_torch(lambda t: torch_update(t, False)),
        },
        "PCD-1 update, 128 chains": {
            "floor": cd_floor(128),
            **ours(lambda b: update("rbm", PCD(k=1, chains=128), 128, b)),
            "PyTorch": by_torch(lambda t: torch_update(t, True)),
            "scikit-learn": scikit(128),
        },
        "free Gibbs sweep, 1000 chains": {
            "floor": gibbs_floor(1000),
            **ours(lambda b: gibbs(1000, b)),
            "PyTorch": by_torch(lambda t: torch_gibbs(t, 1000)),
        },
        "AIS temperature, 100 chains": {
            "floor": gibbs_floor(100),
            **ours(lambda b: ais(100, b)),
            "PyTorch": by_torch(lambda t: torch_ais(t, 100)),
        },
        "DBM 784-500-1000, PCD-5, 10 latent sweeps, batch 128": {
            "floor": dbm_floor(128, 5, 10),
            **ours(lambda b: update("dbm", PCD(k=5, chains=128, latent_sweeps=10), 128, b)),
            "PyTorch": by_torch(lambda t: torch_dbm(t, 128, 5, 10)),
        },
    }
    found: list[Row] = []
    for name, work in groups.items():
        times = medians({n: w for n, w in work.items() if w is not None}, seconds=seconds)
        found += rows_of(name, times, "floor", "x floor")
    return found


if __name__ == "__main__":
    print(table(rows(("numba", "numpy"), 0.3)))
