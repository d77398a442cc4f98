"""Units with bounds are moved along a variable without, or drawn along lines: exact samples stay exact, and everything takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.program.samplers import Gibbs, Hamiltonian, Langevin, Sampler, hamiltonian, transition
from energydsl.program.samplers.coordinates import Coordinate
from energydsl.random import Rng
from tests.program.samplers.exact import SIGMAS, moved_means

# One of each kind, of which x has a density that is infinite at its bound.
TEXT = (
    "visible x : positive\nvisible y : interval[-1, 2]\nparam a : positive = 0.7, K\n"
    "energy = (1 - a) * log(x) + x + 0.5 * x^2 + softplus(2 * K * x * y - 1) - 0.5 * K * y"
)
PARAMS = {"a": np.array(0.7), "K": np.array(1.0)}
KINDS = [Hamiltonian(step_size=0.4), Langevin(step_size=1.0)]
FUNCTIONS = {
    "x": lambda s: s["x"],
    "log x": lambda s: np.log(s["x"]),
    "y": lambda s: s["y"],
    "product": lambda s: s["x"] * s["y"],
    "square": lambda s: s["y"] ** 2,
}
WIDTH = 28 / 800, 3 / 400


def grid() -> tuple[Any, Any, float]:
    """States at places that are even in log x and y, their probabilities, and log Z."""
    u, y = -25 + WIDTH[0] * (np.arange(800) + 0.5), -1 + WIDTH[1] * (np.arange(400) + 0.5)
    u, y = (a.ravel() for a in np.meshgrid(u, y, indexing="ij"))
    x = np.exp(u)
    log_p = u - 0.3 * u - x - 0.5 * x**2 - np.logaddexp(0, 2 * x * y - 1) + 0.5 * y
    log_z = np.logaddexp.reduce(log_p)
    return {"x": x, "y": y}, np.exp(log_p - log_z), float(log_z + np.log(WIDTH[0] * WIDTH[1]))


def deviations(sampler: Sampler, count: int = 40_000) -> dict[str, float]:
    """Of means of functions after some moves from exact samples, in standard errors."""
    engine, rng = ed.loads(TEXT).compile("numpy", "float64").engine, np.random.default_rng(0)
    states, p, _ = grid()
    chosen = rng.choice(len(p), count, p=p)
    u, v = (w * rng.uniform(-0.5, 0.5, count) for w in WIDTH)
    start = {"x": states["x"][chosen] * np.exp(u), "y": states["y"][chosen] + v}
    found = moved_means(engine, PARAMS, transition(engine, sampler), start, FUNCTIONS, 3)
    return {n: abs(mean - p @ FUNCTIONS[n](states)) / error for n, (mean, error) in found.items()}


@pytest.mark.parametrize("sampler", KINDS, ids=lambda s: s.name)
def test_exact_samples_stay_exact(sampler: Hamiltonian) -> None:
    assert max(deviations(sampler).values()) < SIGMAS


def test_exact_samples_stay_exact_along_lines() -> None:
    """And an entry that is held stays."""
    assert max(deviations(Gibbs(), 5000).values()) < SIGMAS
    engine = ed.loads(TEXT).compile("numpy").engine
    x = {"x": np.full(6, 0.3, np.float32), "y": np.full(6, 1.5, np.float32)}
    transition(engine, Gibbs()).sweep(PARAMS, x, engine.settings(), Rng(0), 1, None, {"y": np.arange(6) < 3})
    assert ((x["y"] == 1.5) == (np.arange(6) < 3)).all()
    assert (x["x"] != np.float32(0.3)).all()


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "Jacobian left out": (hamiltonian.Trajectories, "_log_weight", lambda self, p, x, places, s, moving: hamiltonian.log_weight(self.engine, p, x, s)),
    "half of the Jacobian": (Coordinate, "log_slope", lambda self, y, right=Coordinate.log_slope: 0.5 * right(self, y)),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MUTANTS[name])
    assert max(deviations(KINDS[0]).values()) > SIGMAS


def test_held_entries_stay_and_others_leave_a_bound() -> None:
    engine = ed.loads(TEXT).compile("numpy").engine
    y = np.resize(np.array([-1.0, 2.0], np.float32), 40)
    x = {"x": np.zeros(40, np.float32), "y": y.copy()}
    keep = {"y": np.arange(40) < 20}
    transition(engine, Hamiltonian(step_size=0.2)).sweep(PARAMS, x, engine.settings(), Rng(0), 20, None, keep)
    np.testing.assert_array_equal(x["y"][:20], y[:20])
    assert ((x["y"][20:] > -1) & (x["y"][20:] < 2)).all()
    assert ((x["x"] > 0) & np.isfinite(x["x"])).all()


def test_samples_training_and_log_z() -> None:
    program = ed.loads(TEXT).compile("numpy", "float64")
    states, p, log_z = grid()
    samples = ed.sample(program, n=4000, steps=60, params=PARAMS, sampler="hmc")
    for f in FUNCTIONS.values():
        assert abs(f(samples).mean() - p @ f(states)) < SIGMAS * f(samples).std() / np.sqrt(4000)
    rows = {n: a[:60] for n, a in samples.items()}
    run = ed.train(program, rows, ed.PCD(sampler="hmc", chains=20), epochs=2, params=PARAMS)
    assert run.params["K"] != 1.0
    run = ed.train(program, rows, "pcd", epochs=0, params=PARAMS)
    found = ed.evaluate(run, rows, "ais", betas=200, chains=300, sampler="hmc")
    assert abs(found.log_z - log_z) < SIGMAS * found.log_z_std
    assert found.log_z_std < 0.1
