"""Parallel tempering: replicas that are exact leave the chain exact; it crosses between modes where its sampler alone does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.diagnostics import NotApplicable
from energydsl.program.samplers import Hamiltonian, Tempering, tempering, transition
from energydsl.program.samplers.tempering import Replicas
from energydsl.random import Rng
from tests.program.samplers.exact import SIGMAS, listed, numbers

SPINS = "dim N = 6\nvisible s[N] : spin\nparam J[N] = uniform(low = 0.5, high = 1.2), f[N] = normal(sd = 0.5)\nenergy = - sum[i] J[i]*s[i]*s[(i + 1) % N] - f @ s"
WELLS = "visible x[2] : real\nenergy = 10 * sum(x^4) - 20 * sum(x^2) - x[0] * x[1]"


def deviations(count: int = 100_000) -> float:
    """Of frequencies of the chain's states after some sweeps, every replica exact before them, in standard errors."""
    program = ed.loads(SPINS).compile("numpy", "float64")
    params, rng = program.init(1), np.random.default_rng(0)
    move = transition(program.engine, Tempering(replicas=3, hottest=0.3))
    assert isinstance(move, Replicas)
    rows = []
    for scale in move.scales:
        states, p = listed(program, params, beta=scale)
        rows.append({"s": states["s"][rng.choice(len(p), count, p=p)]})
    x = rows[0]
    move.begin(x)
    for own, exact in zip(move.states, rows[1:], strict=True):
        own["s"][...] = exact["s"]
    move.sweep(params, x, program.engine.settings(), Rng(3), 3)
    assert 0.1 < move.figures()["swapped"] < 0.95
    states, p = listed(program, params)
    found = np.bincount(numbers(x, states), minlength=len(p))
    often = p * count >= 10
    chi = (found[often] - count * p[often]) ** 2 / (count * p[often] * (1 - p[often]))
    return float(abs(chi.mean() - 1.0) / np.sqrt(2.0 / len(chi)))


def test_exact_samples_stay_exact() -> None:
    assert deviations() < SIGMAS


swap = Replicas._swap
MUTANTS = {
    "every swap accepted": (tempering, "log_weight", lambda engine, p, x, s: np.zeros(len(x["s"]))),
    "temperatures mixed up in a swap": (Replicas, "_swap", lambda self, p, states, settings, *rest: swap(self, p, states, settings[::-1], *rest)),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, what, wrong = MUTANTS[name]
    monkeypatch.setattr(module, what, wrong)
    try:
        worst = deviations()
    except AssertionError:
        return
    assert worst > SIGMAS


def test_it_crosses_where_trajectories_alone_do_not() -> None:
    """Wells 20 units of energy deep: chains that begin in one of four."""
    engine = ed.loads(WELLS).compile("numpy", "float64").engine
    shares = []
    for sampler in (Hamiltonian(), Tempering(Hamiltonian(), replicas=6, hottest=0.05)):
        move, rng = transition(engine, sampler), Rng(0)
        x = {"x": np.ones((100, 2))}
        move.sweep({}, x, engine.settings(), rng, 150)
        move.settle()
        move.sweep({}, x, engine.settings(), rng, 150)
        shares.append(float((x["x"][:, 0] < 0).mean()))
    assert shares[0] < 0.05
    assert 0.3 < shares[1] < 0.7


class Stop(Exception):
    pass


def test_training_is_resumed_with_its_replicas(tmp_path: Path) -> None:
    data = (np.random.default_rng(0).random((60, 6)) < 0.5) * 2.0 - 1.0
    program, method = ed.loads(SPINS).compile("numpy"), ed.PCD(sampler="tempering", chains=10)
    arguments: dict[str, Any] = {"epochs": 4, "batch": 20, "seed": 3}
    whole = ed.train(program, data, method, out=tmp_path / "whole", **arguments)

    def stop_late(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        ed.train(program, data, method, out=tmp_path / "parts", report=stop_late, **arguments)
    parts = ed.train(program, data, method, out=tmp_path / "parts", resume=True, **arguments)
    np.testing.assert_array_equal(whole.params["J"], parts.params["J"])


def test_annealing_takes_no_replicas() -> None:
    program = ed.loads(SPINS).compile("numpy")
    run = ed.train(program, np.ones((4, 6)), "cd", epochs=0)
    with pytest.raises(NotApplicable, match="replicas would lag"):
        ed.evaluate(run, np.ones((4, 6)), "ais", sampler="tempering", betas=10)
