"""Does every objective find the parameters of a model from exact samples of it, with an error that falls as 1/sqrt(n)?

python benchmarks/recovery.py
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

import energydsl as ed
from energydsl.learning.methods import METHODS

BOLTZMANN = """visible v[8] : spin
param J[8, 8] : symmetric, zero_diagonal = normal(sd = 0.3), b[8] = normal(sd = 0.3)
energy = - 0.5 * v @ J @ v - b @ v"""
GAUSSIAN = """visible v[8] : real
param J[8, 8] = normal(sd = 0.1), b[8] = normal(sd = 0.3)
energy = 0.5 * sum[i] v[i]^2 - sum[i < j] J[i, j]*v[i]*v[j] - b @ v"""
SIZES = (1000, 4000, 16000, 64000)
UPDATES, MOST_IN_A_BATCH = 4000, 1000
SPINS = (
    "exact", "pseudo-likelihood", "composite-likelihood", "ratio-matching", "minimum-probability-flow",
    "noise-contrastive", "pcd", "fast-pcd", "parallel-tempering", "unbiased-cd",
)  # fmt: skip
REALS = ("pseudo-likelihood", "score-matching", "denoising-score-matching")
Array = NDArray[np.float64]


def spins(truth: dict[str, Array], rows: int) -> Array:
    """Exact samples of the Boltzmann machine, all states listed."""
    states = np.array(list(itertools.product([-1.0, 1.0], repeat=8)))
    weights = np.exp(0.5 * np.einsum("ni,ij,nj->n", states, truth["J"], states) + states @ truth["b"])
    return states[np.random.default_rng(0).choice(len(states), rows, p=weights / weights.sum())]


def reals(truth: dict[str, Array], rows: int) -> Array:
    """Exact samples of the Gaussian."""
    upper = np.triu(truth["J"], 1)
    covariance = np.linalg.inv(np.eye(8) - upper - upper.T)
    return np.random.default_rng(0).multivariate_normal(covariance @ truth["b"], covariance, rows)


def error(program: ed.Program, truth: dict[str, Array], rows: Array, method: str) -> float:
    """The root mean square error of the couplings."""
    batch = min(len(rows), MOST_IN_A_BATCH)
    epochs = max(1, UPDATES * batch // len(rows))
    settings = {"sd": 0.02} if method == "denoising-score-matching" else {}
    optimizer = ed.Adam(lr=0.02)
    run = ed.train(program, rows, METHODS[method](**settings), optimizer, epochs=epochs, batch=batch, validation=0.0)
    return float(np.sqrt(np.mean((run.params["J"] - truth["J"])[np.triu_indices(8, 1)] ** 2)))


def table(text: str, draw: Callable[[dict[str, Array], int], Array], methods: Sequence[str]) -> None:
    """A line for each method."""
    model = ed.loads(text)
    truth = model.compile("numpy", "float64").init(7)
    program = model.compile()
    for method in methods:
        errors = [error(program, truth, draw(truth, n), method) for n in SIZES]
        slope = np.polyfit(np.log(SIZES), np.log(errors), 1)[0]
        print(f"{method:<26}", *(f"{e:8.4f}" for e in errors), f"{slope:8.2f}", flush=True)


if __name__ == "__main__":
    print(f"{'rows':<26}", *(f"{n:8}" for n in SIZES), "   slope")
    table(BOLTZMANN, spins, SPINS)
    table(GAUSSIAN, reals, REALS)
