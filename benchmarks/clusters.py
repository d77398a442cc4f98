"""64 x 64 Ising at the critical coupling: how many sweeps a chain remembers its magnetisation, and the energy against the exact one.

    python benchmarks/clusters.py [--size 64] [--quick]

Integrated autocorrelation times of |m| in sweeps (Sokal 1997, windows of 6 times themselves), by Swendsen-Wang, Wolff (a sweep is one
cluster) and the checkerboard. The energy a site is that of Kaufman (1949) for the finite torus.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import energydsl as ed
from energydsl.options import SamplerName
from energydsl.program.samplers import transition

CRITICAL = float(np.log(1 + np.sqrt(2)) / 2)


def log_z(coupling: float, size: int) -> float:
    """log Z of the torus of size x size spins (Kaufman 1949, eq. 37), in nats."""
    angle = np.pi * np.arange(2 * size) / size
    gamma = np.arccosh(np.maximum(np.cosh(2 * coupling) / np.tanh(2 * coupling) - np.cos(angle), 1.0))
    gamma[0] = 2 * coupling + np.log(np.tanh(coupling))
    odd, even = gamma[1::2], gamma[::2]

    def log_cosh(g: Any) -> float:
        a = np.abs(g) * size / 2
        return float((a + np.log1p(np.exp(-2 * a))).sum())

    def log_sinh(g: Any) -> tuple[float, float]:
        a = np.abs(g) * size / 2
        with np.errstate(divide="ignore"):
            return float((a + np.log(-np.expm1(-2 * a))).sum()), float(np.prod(np.sign(g)))

    parts = [(log_cosh(odd), 1.0), log_sinh(odd), (log_cosh(even), 1.0), log_sinh(even)]
    top = max(value for value, _ in parts)
    total = sum(sign * np.exp(value - top) for value, sign in parts)
    return float(top + np.log(total) - np.log(2) + size * size / 2 * np.log(2 * np.sinh(2 * coupling)))


def exact_energy(coupling: float, size: int) -> float:
    """<E> a site for E = - sum over pairs of s_i s_k, by a difference of log Z."""
    step = 1e-4
    return -(log_z(coupling + step, size) - log_z(coupling - step, size)) / (2 * step) / size**2


def autocorrelation_time(series: Any) -> float:
    """tau = 1/2 + sum of autocorrelations up to 6 tau, of (sweeps, chains); 1/2 for independent values."""
    left = series - series.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(left))))
    power = np.abs(np.fft.rfft(left, size, axis=0)) ** 2
    correlation = np.fft.irfft(power, size, axis=0)[: len(left)].mean(axis=1) / (len(left) - np.arange(len(left)))
    tau = np.cumsum(correlation / correlation[0]) - 0.5
    return float(tau[np.argmax(np.arange(len(tau)) >= 6 * tau)])


def measured(
    program: ed.Program, sampler: SamplerName, start: Any, sweeps: int, every: int
) -> tuple[Any, Any, float, Any]:
    """|m| and the energy a site after every so many sweeps, (times, chains); seconds a sweep of all chains; the last states."""
    engine, size = program.engine, start.shape[1]
    move, x = transition(engine, sampler), {"s": start.copy()}
    settings, rng = engine.settings(), ed.Rng(1)
    magnetisation, energy, since = [], [], time.perf_counter()
    for _ in range(sweeps // every):
        move.sweep({}, x, settings, rng, every)
        s = x["s"]
        magnetisation.append(np.abs(s.mean(axis=(1, 2), dtype=float)))
        bonds = s * np.roll(s, -1, axis=1) + s * np.roll(s, -1, axis=2)
        energy.append(-bonds.sum(axis=(1, 2), dtype=float) / size**2)
    return np.array(magnetisation), np.array(energy), (time.perf_counter() - since) / sweeps, x["s"]


def main() -> None:
    """Print one line a sampler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sweeps")
    options = parser.parse_args()
    small = ed.zoo("ising", {"L": 4}, {"K": 0.4}).compile("numpy", "float64")
    assert abs(float(small.log_partition({})) - log_z(0.4, 4)) < 1e-8, "the formula is not that of the model"

    size, share = options.size, 10 if options.quick else 1
    program = ed.zoo("ising", {"L": size}, {"K": CRITICAL}).compile()
    wanted = exact_energy(CRITICAL, size)
    print(f"{size} x {size}, K = {CRITICAL:.6f}, {program.backend}, {program.dtype}; exact energy a site {wanted:.6f}")
    start = program.engine.host(program.init_state({}, 48, 0)["s"])
    start = measured(program, "swendsen-wang", start, 150, 150)[-1]
    plan: tuple[tuple[SamplerName, int, int], ...] = (
        ("swendsen-wang", 1000, 1),
        ("wolff", 1000, 1),
        ("gibbs", 200_000, 50),
    )
    times = {}
    for name, sweeps, every in plan:
        m, energy, seconds, _ = measured(program, name, start, sweeps // share, every)
        tau = times[name] = every * autocorrelation_time(m)
        own = autocorrelation_time(energy)
        error = energy.std() * np.sqrt(2 * max(own, 0.5) / energy.size)
        off = (energy.mean() - wanted) / error
        print(
            f"{name:<14} tau(|m|) {tau:8.1f} sweeps   energy {energy.mean():.6f} +- {error:.6f} ({off:+.1f} errors)   "
            f"{1e3 * seconds:.3f} ms a sweep of {energy.shape[1]} chains, {sweeps // share} sweeps"
        )
    print(f"checkerboard / swendsen-wang: {times['gibbs'] / times['swendsen-wang']:.0f} times as many sweeps")


if __name__ == "__main__":
    main()
