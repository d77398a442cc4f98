"""Is a hidden Markov model, written as an energy, exact, and does training find the parameters of a generated set?

    python benchmarks/markov.py [--epochs 60] [--starts 4]

Log-likelihoods and p(z_t | x) beside those of the forward-backward recursions (Rabiner 1989); then training on sequences drawn from
known parameters. Both phases of the gradient are exact draws of whole paths (the sampler `tree`). Energies that differ by a
constant, or shift weight between parameters, are one model: compared are p(x_t | z_t), p(z_1), and p(z_T | z_(T-1)).
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

import energydsl as ed

TEXT = """
dim T = 40, K = 3, M = 5
visible x[T] : categorical[M]
hidden  z[T] : categorical[K]
param   start[K] = normal(sd = 0.5), A[K, K] = normal(sd = 0.5), B[K, M] = normal(sd = 0.5)
energy first = - sum[a] start[a]*z[0, a]
energy moves = - sum[t in range(T - 1), a, b] z[t, a]*A[a, b]*z[t + 1, b]
energy seen  = - sum[t, a, m] z[t, a]*B[a, m]*x[t, m]
"""
ROWS, CHAINS = 2000, 500


def forward_backward(params: Any, x: Any) -> tuple[float, Any]:
    """log sum over paths of exp(-E(x, z)), and p(z_t | x), (T, K), of one sequence x, (T,)."""
    seen, moves = params["B"][:, x].T, params["A"]
    forward, backward = np.zeros_like(seen), np.zeros_like(seen)
    forward[0] = params["start"] + seen[0]
    for t in range(1, len(x)):
        forward[t] = logsumexp(forward[t - 1][:, None] + moves, axis=0) + seen[t]
    for t in range(len(x) - 2, -1, -1):
        backward[t] = logsumexp(moves + seen[t + 1] + backward[t + 1], axis=1)
    return float(logsumexp(forward[-1])), softmax(forward + backward, axis=1)


def log_z(params: Any, steps: int) -> float:
    """log Z: the forward recursion with the observations summed out."""
    seen = logsumexp(params["B"], axis=1)
    forward = params["start"] + seen
    for _ in range(steps - 1):
        forward = logsumexp(forward[:, None] + params["A"], axis=0) + seen
    return float(logsumexp(forward))


def tables(program: ed.Program, params: Any) -> dict[str, Any]:
    """The probabilities that a set of parameters stands for."""
    return {
        "p(x_t | z_t)": softmax(params["B"], axis=1),
        "p(z_T | z_(T-1))": softmax(params["A"] + logsumexp(params["B"], axis=1), axis=1),
        "p(z_1)": program.marginals(params)["z"].reshape(-1, *program.model.layers["z"].energy_shape)[0, 0],
    }


def renamed(found: dict[str, Any], order: tuple[int, ...]) -> dict[str, Any]:
    """The tables with the states in another order: they have no names."""
    states = list(order)
    return {n: t[states][:, states] if n.startswith("p(z_T") else t[states] for n, t in found.items()}


def main() -> None:
    """Print the figures, and the probabilities side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument(
        "--starts", type=int, default=4, help="the likelihood has several maxima; the best fit is shown"
    )
    options = parser.parse_args()
    program = ed.loads(TEXT).compile("numpy", "float64")
    steps = program.model.layers["x"].size
    truth = {
        "start": np.array([1.0, 0.0, -1.0]),
        "A": log_softmax(2.0 * np.eye(3) + np.roll(np.eye(3), 1, axis=1), axis=1),
        "B": log_softmax(np.array([[2.0, 1, 0, 0, 0], [0, 0, 2, 0, 1], [0, 0, 0, 2, 2]]), axis=1),
    }
    rows = ed.sample(program, n=ROWS, steps=1, params=truth, sampler="tree", seed=0)["x"]

    true_run = ed.train(program, rows, "cd", epochs=0, params=truth)
    ideal = np.asarray(ed.evaluate(true_run, rows, "exact").rows)
    recursions = [forward_backward(truth, x) for x in rows]
    off = abs(ideal - (np.array([log for log, _ in recursions]) - log_z(truth, steps))).max()
    marginals = program.marginals(truth, {"x": rows})["z"]
    away = abs(marginals - np.array([posterior for _, posterior in recursions])).max()
    print(f"{ROWS} sequences of {steps}: log p(x) within {off:.0e}, p(z_t | x) within {away:.0e} of forward-backward")

    method, rate = ed.PCD(sampler="tree", chains=CHAINS, latent_sweeps=1), ed.Adam(lr=0.1, schedule="cosine")
    fits = []
    for seed in range(1, options.starts + 1):
        since = time.perf_counter()
        run = ed.train(program, rows, method, rate, epochs=options.epochs, batch=200, seed=seed, validation=0.0)
        gain = float((np.asarray(ed.evaluate(run, rows, "exact").rows) - ideal).mean())
        fits.append((gain, run.params))
        print(
            f"start {seed}: log-likelihood of these sequences less that under the truth {gain:+.3f} nats each ({time.perf_counter() - since:.0f} s)"
        )
    best = max(fits, key=lambda fit: fit[0])[1]
    wanted, plain = tables(program, truth), tables(program, best)
    every = (renamed(plain, order) for order in itertools.permutations(range(3)))
    found = min(every, key=lambda t: abs(t["p(x_t | z_t)"] - wanted["p(x_t | z_t)"]).max())
    for name, table in wanted.items():
        print(f"{name}: at most {abs(found[name] - table).max():.3f} from the truth")
        for true, fitted in zip(np.atleast_2d(table), np.atleast_2d(found[name]), strict=True):
            print(
                f"   true {np.array2string(true, precision=3, floatmode='fixed')}   found {np.array2string(fitted, precision=3, floatmode='fixed')}"
            )


if __name__ == "__main__":
    main()
