"""A network of two layers as the energy of eight Gaussians on a ring, learned by chains of Hamiltonian Monte Carlo: KL and modes.

    python benchmarks/ring.py [--picture ring.png]

KL(truth || model) in nats by a sum over a grid of 241 x 241 places; how many of 400 chains are nearest to each Gaussian.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import energydsl as ed

NETWORK = """
dim J = 48, K = 24
visible x[2] : real
param W[J, 2] = normal(sd = 1), b[J] = normal(sd = 1), V[K, J] = normal(sd = 0.2), d[K], a[K] = normal(sd = 0.5)
energy = 0.25 * sum(x^2) - sum[k] a[k]*softplus(d[k] + sum[j] V[k, j]*tanh(b[j] + sum[i] W[j, i]*x[i]))
"""
SPREAD = 0.3
ANGLES = 2 * np.pi * np.arange(8) / 8
CENTRES = 2.0 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LINE = np.linspace(-6.0, 6.0, 241)
PLACES = np.stack(np.meshgrid(LINE, LINE, indexing="ij"), axis=-1).reshape(-1, 2)


def truth() -> Any:
    """The probability of the cell of each place."""
    squares = ((PLACES[:, None] - CENTRES) ** 2).sum(axis=-1)
    density = np.exp(-squares / (2 * SPREAD**2)).sum(axis=1)
    return density / density.sum()


def log_model(program: ed.Program, params: Any) -> Any:
    """The log probability of the cell of each place."""
    log_p = -program.engine.host(program.energy(params, {"x": PLACES})).astype(float)
    return log_p - np.logaddexp.reduce(log_p)


def main() -> None:
    """Print the figures; draw the density and the chains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--epochs", type=int, default=160)
    options = parser.parse_args()
    rng, since = np.random.default_rng(0), time.perf_counter()
    data = CENTRES[rng.integers(0, 8, 4000)] + SPREAD * rng.normal(size=(4000, 2))
    program = ed.loads(NETWORK).compile("numpy")
    method = ed.PCD(k=1, chains=400, sampler="hmc")
    run = ed.train(program, data, method, ed.Adam(lr=0.01), epochs=options.epochs, batch=400, seed=1)
    p, log_q = truth(), log_model(program, run.params)
    some = p > 0
    divergence = float((p[some] * (np.log(p[some]) - log_q[some])).sum())
    chains = run.chains["x"]
    nearest = np.bincount(((chains[:, None] - CENTRES) ** 2).sum(axis=-1).argmin(axis=1), minlength=8)
    seconds = time.perf_counter() - since
    print(f"KL {divergence:.4f} nats   chains nearest to each Gaussian {nearest.tolist()}   {seconds:.0f} s")
    if options.picture:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
        for axis, density, points, title in (
            (axes[0], p, data[:1000], "truth and data"),
            (axes[1], np.exp(log_q), chains, "model and chains"),
        ):
            axis.imshow(density.reshape(241, 241).T, origin="lower", extent=(-6, 6, -6, 6), cmap="Greys")
            axis.plot(points[:, 0], points[:, 1], ".", markersize=2)
            axis.set(title=title, xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
        figure.savefig(options.picture, dpi=100)


if __name__ == "__main__":
    main()
