"""What a scan over running forms costs: against the matrix product of its size, over the number of units N, of forms P, of windows.

A dense associative memory of N spins and P patterns, and a field of experts of L x L binary units, which are drawn in nine blocks; 1000 chains.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from harness import Row, Work, medians, table

import energydsl as ed
from energydsl.options import Backend

MEMORY = """dim N = 784, P = 500
visible s[N] : spin
param X[P, N] : frozen = normal(sd = 0.03)
energy = - {}
"""
QUARTIC = "0.1 * sum[p] (sum[i] X[p, i]*s[i])^4"
SOFTPLUS = "sum[p] softplus(sum[i] X[p, i]*s[i])"
EXPERTS = """dim L = 32, F = 4, K = 3, M = L - K + 1
visible x[L, L] : binary
param W[F, K, K] = normal(sd = 1), a[F] : positive = 1
energy = sum[f, i in range(M), j in range(M)] a[f] * log(1 + (sum[p, q] W[f, p, q]*x[i + p, j + q])^2)
"""
SIZES = ((784, 500), (392, 500), (196, 500), (784, 250), (784, 125))
SIDES = (16, 32, 64)
# Sweeps a call: forms are made anew at the start of each.
SWEEPS = 4


def sweeps(model: ed.Model, chains: int, backend: Backend) -> Work:
    """Sweeps of chains that go on from call to call."""
    program = model.compile(backend)
    params, engine = program.init(0), program.engine
    x, settings, rng, parts = program.init_state(params, chains), engine.settings(), ed.Rng(0), engine.parts()
    return lambda: engine.sweep(params, x, settings, rng, parts, SWEEPS)


def product(units: int, forms: int, chains: int) -> Work:
    """The matrix product of chains and patterns, as often as there are sweeps."""
    rng = np.random.default_rng(0)
    s, patterns = (
        rng.normal(size=(chains, units)).astype(np.float32),
        rng.normal(size=(units, forms)).astype(np.float32),
    )

    def run() -> None:
        for _ in range(SWEEPS):
            s @ patterns

    return run


def dense(energy: str, backend: Backend) -> list[Row]:
    """Scans of memories of several sizes, each beside its matrix product."""
    rows = []
    for units, forms in SIZES:
        model = ed.loads(MEMORY.format(energy), {"N": units, "P": forms})
        times = medians({"s @ X": product(units, forms, 1000), "scan": sweeps(model, 1000, backend)}, rounds=5)
        title = f"{energy}, N = {units}, P = {forms}, 1000 chains, {backend}"
        rows += [Row(title, who, t / SWEEPS, t / times["s @ X"], "x the product") for who, t in times.items()]
    return rows


def windows(backend: Backend) -> list[Row]:
    """Blocks of fields of experts: nanoseconds for a unit of a chain."""
    rows = []
    for side in SIDES:
        seconds = (
            medians({"blocks": sweeps(ed.loads(EXPERTS, {"L": side}), 1000, backend)}, rounds=5)["blocks"] / SWEEPS
        )
        title = f"four experts of 3 x 3, {side} x {side} units, 1000 chains, {backend}"
        rows.append(Row(title, "blocks", seconds, 1e9 * seconds / (1000 * side**2), "ns a unit"))
    return rows


def slope(rows: Sequence[Row], sizes: Sequence[float]) -> float:
    """The power of a size that seconds grow with, by least squares over logarithms."""
    return float(np.polyfit(np.log(sizes), np.log([r.seconds for r in rows]), 1)[0])


def main(backend: Backend = "numba") -> None:
    """Print all figures."""
    for energy in (QUARTIC, SOFTPLUS):
        rows = dense(energy, backend)
        print(table(rows))
        scans = [r for r in rows if r.who == "scan"]
        print(f"seconds grow like N^{slope(scans[:3], [n for n, _ in SIZES[:3]]):.2f}", end=", ")
        print(f"P^{slope([scans[0], *scans[3:]], [SIZES[0][1], *(p for _, p in SIZES[3:])]):.2f}\n")
    print(table(windows(backend)))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
