"""How many patterns does an associative memory of 100 spins recall, with pairs of spins and with their fourth powers?

    python benchmarks/memory.py [--picture FILE] [--quick]

Random patterns X; cues are the first 100 of them with exactly 20 % of the spins flipped, then sweeps of Gibbs sampling at a beta
at which nothing is left to chance.
E = - sum_p (sum_i X_ip s_i)^n / N^(n - 1): n = 2 is the network of Hopfield (1982), n = 4 that of Krotov & Hopfield (2016).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import energydsl as ed

UNITS, FLIPPED, SWEEPS, BETA, CUES, SETS = 100, 0.2, 20, 100.0, 100, 3
PATTERNS = (5, 10, 20, 40, 160, 640, 2560, 10_240, 40_960)
TEXT = """
dim N = 100, P = 40
visible s[N] : spin
param   X[N, P] : frozen
energy = - sum[p] (sum[i] X[i, p]*s[i])^DEGREE / N^(DEGREE - 1)
"""


def recalled(degree: int, patterns: int, seed: int) -> tuple[float, float]:
    """The share of cues that come back to the last spin, and the mean overlap sum_i X_ip s_i / N of all of them."""
    rng = np.random.default_rng(seed)
    stored = rng.choice([-1.0, 1.0], (patterns, UNITS))
    wanted = stored[:CUES]
    flipped = rng.permuted(np.tile(np.arange(UNITS) < FLIPPED * UNITS, (len(wanted), 1)), axis=1)
    program = ed.loads(TEXT.replace("DEGREE", str(degree)), dims={"N": UNITS, "P": patterns}).compile()
    cues = {"s": np.where(flipped, -wanted, wanted)}
    found = program.gibbs({"X": stored.T}, cues, steps=SWEEPS, rng=ed.Rng(seed), beta=BETA)["s"]
    overlap = (found * wanted).mean(axis=1)
    return float((overlap == 1).mean()), float(overlap.mean())


def picture(path: Path, found: dict[int, Any]) -> None:
    """Shares by number of patterns."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot()
    for degree, shares in found.items():
        axes.semilogx(PATTERNS[: len(shares)], shares, "o-", label=f"degree {degree}")
    axes.set(xlabel="patterns stored in 100 spins", ylabel="share recalled exactly", ylim=(-0.03, 1.03))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print one line for each number of patterns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--quick", action="store_true", help="no more than 40 patterns, once")
    options = parser.parse_args()
    counts = PATTERNS[:4] if options.quick else PATTERNS
    print(f"{UNITS} spins, cues with {FLIPPED:.0%} flipped, {SWEEPS} sweeps at beta = {BETA:g}")
    found: dict[int, list[float]] = {2: [], 4: []}
    for patterns in counts:
        line = f"{patterns:6d} patterns"
        for degree, shares in found.items():
            trials = [recalled(degree, patterns, seed) for seed in range(1 if options.quick else SETS)]
            share, overlap = np.mean(trials, axis=0)
            shares.append(float(share))
            least = min(share for share, _ in trials)
            line += f"   degree {degree}: {share:6.1%} recalled (the least of {len(trials)} sets {least:6.1%}), overlap {overlap:.3f}"
        print(line, flush=True)
    if options.picture:
        picture(options.picture, found)


if __name__ == "__main__":
    main()
