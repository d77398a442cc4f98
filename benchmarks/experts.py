"""What does a product of Student-t experts learn of whitened patches of digits, beside a Gaussian with full covariance?

    python benchmarks/experts.py [--picture FILE] [--epochs 30]

Patches of 8 x 8 pixels, cut at random out of the embedded digits where these vary, their principal components of 95 % of the
variance scaled to unit variance. E = sum_j a_j log(1 + u_j^2 / 2) + weak quadratic, u = c + W'x (Welling, Hinton & Osindero 2003).
Log-likelihoods are of patches of test digits, in nats, in the whitened space; log Z by annealing with trajectories (HMC).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import energydsl as ed
from energydsl.options import Split

TEXT = """
dim I = 25, J = 64
const eps : positive = 0.1
visible x[I] : real
param   W[I, J] = normal(sd = 0.3), c[J], a[J] : positive = 1
energy experts = sum[j] a[j]*log(1 + (c[j] + sum[i] x[i]*W[i, j])^2 / 2)
energy weak    = 0.5 * eps * sum(x^2)
"""
SIDE, VARIES, KEPT = 8, 0.15, 0.95


def patches(split: Split, count: int, seed: int) -> Any:
    """(count, 64): patches at random places of random digits, those of a standard deviation above 0.15."""
    whole = ed.loads("visible v[28, 28] : interval[0, 1]\nenergy = sum(v)")
    images = ed.load_data(whole, ["digits"], split).arrays["v"]
    rng = np.random.default_rng(seed)
    found: list[Any] = []
    while len(found) < count:
        image, (top, left) = images[rng.integers(len(images))], rng.integers(0, 28 - SIDE + 1, 2)
        patch = image[top : top + SIDE, left : left + SIDE]
        if patch.std() > VARIES:
            found.append(patch.ravel())
    return np.array(found, float)


@dataclass(frozen=True)
class Whitening:
    """The mean (64,), the directions (64, components) that are kept, and the standard deviations along them."""

    mean: Any
    directions: Any
    deviations: Any

    @classmethod
    def of(cls, rows: Any) -> Whitening:
        """From the covariance of the rows: as many directions as hold 95 % of the variance."""
        variances, directions = np.linalg.eigh(np.cov(rows.T))
        variances, directions = variances[::-1], directions[:, ::-1]
        kept = int((variances.cumsum() < KEPT * variances.sum()).sum()) + 1
        return cls(rows.mean(axis=0), directions[:, :kept], np.sqrt(variances[:kept]))

    def __call__(self, rows: Any) -> Any:
        """Components of mean zero and variance one."""
        return (rows - self.mean) @ self.directions / self.deviations


def gaussian(train: Any, test: Any) -> Any:
    """log p of each test row under the Gaussian of the mean and the covariance of the training rows."""
    factor = np.linalg.cholesky(np.cov(train.T))
    standard = np.linalg.solve(factor, (test - train.mean(axis=0)).T)
    return -0.5 * (standard**2).sum(axis=0) - np.log(np.diag(factor)).sum() - 0.5 * len(factor) * np.log(2 * np.pi)


def spread(images: Any) -> Any:
    """The share of the pixels that an image (64,) covers, (sum w^2)^2 / (64 sum w^4): 1/64 for a single one, 1 for all alike."""
    return (images**2).sum(axis=0) ** 2 / (images**4).sum(axis=0) / len(images)


def picture(path: Path, images: Any) -> None:
    """Filters (64, experts) as tiles, each scaled by its largest weight."""
    from matplotlib.figure import Figure

    columns = 16
    rows = -(-images.shape[1] // columns)
    sheet = np.ones((rows * (SIDE + 1) + 1, columns * (SIDE + 1) + 1))
    for n, image in enumerate((images / abs(images).max(axis=0)).T):
        top, left = (SIDE + 1) * (n // columns) + 1, (SIDE + 1) * (n % columns) + 1
        sheet[top : top + SIDE, left : left + SIDE] = image.reshape(SIDE, SIDE)
    figure = Figure(figsize=(8, 8 * rows / columns), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=-1, vmax=1)
    axes.axis("off")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the figures; draw the filters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--temperatures", type=int, default=4000)
    options = parser.parse_args()
    cut = patches("train", 20_000, 0)
    white = Whitening.of(cut)
    train, test = white(cut), white(patches("test", 4000, 1))
    program = ed.loads(TEXT, dims={"I": train.shape[1]}).compile()
    print(
        f"{len(train)} patches, {train.shape[1]} components, {program.model.params['W'].shape[1]} experts, {program.backend}"
    )

    since = time.perf_counter()
    method, steps = ed.PCD(k=1, chains=200, sampler="hmc"), ed.Adam(lr=0.01, schedule="cosine")
    run = ed.train(program, train, method, steps, epochs=options.epochs, batch=200, seed=1, validation=0.0)
    print(f"trained in {time.perf_counter() - since:.0f} s")
    base = gaussian(train, test)
    for temperatures in (options.temperatures // 4, options.temperatures):
        since = time.perf_counter()
        found = ed.evaluate(run, test, "ais", betas=temperatures, chains=200)
        print(
            f"product of experts  {found.log_likelihood:8.2f} +- {found.rows_std:.2f} over {len(test)} rows, +- {found.log_z_std:.2f} of log Z"
            f" ({temperatures} temperatures, 200 chains, {time.perf_counter() - since:.0f} s)"
        )
    gain = found.rows - base
    root = np.sqrt(len(test))
    print(f"Gaussian            {base.mean():8.2f} +- {base.std() / root:.2f} over the same rows")
    print(f"difference          {gain.mean():8.2f} +- {np.hypot(gain.std() / root, found.log_z_std):.2f} nats a patch")

    weights = run.params["W"]
    filters = white.directions @ weights[:, np.argsort(-np.linalg.norm(weights, axis=0))]
    print(
        f"share of the pixels that a filter covers: median {np.median(spread(filters)):.2f}; principal components {np.median(spread(white.directions)):.2f}"
    )
    if options.picture:
        picture(options.picture, filters)


if __name__ == "__main__":
    main()
