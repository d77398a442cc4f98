"""Hamiltonian Monte Carlo and MALA leave exact samples distributed as they are; adaptation is over with burn-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.diagnostics import NotApplicable
from energydsl.program import samplers
from energydsl.program.samplers import Hamiltonian, Langevin, hamiltonian, transition
from energydsl.random import Rng
from tests.program.samplers.exact import SIGMAS, moved_means

COUPLED = (
    "visible x[2] : real\nparam g : positive = 1, K = 0.8, b[2]\n"
    "energy = g * sum(x^4) - 1.5 * sum(x^2) - K * x[0] * x[1] - b @ x"
)
PARAMS = {"g": np.array(1.0), "K": np.array(0.8), "b": np.array([0.3, -0.1])}
MIXED = "dim I = 2, J = 3\nvisible v[I] : real\nhidden h[J] : binary\nparam W[I, J] = normal(sd = 1), c[J]\nenergy = 0.5 * sum(v^2) - c @ h - v @ W @ h"
KINDS = [Hamiltonian(step_size=0.25), Langevin(step_size=0.7)]


def grid() -> tuple[Any, Any]:
    """Places (n, 2), and their probabilities, fine enough that sums over them are integrals."""
    line = np.linspace(-3.5, 3.5, 401)
    x = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    energy = (x**4).sum(axis=1) - 1.5 * (x**2).sum(axis=1) - 0.8 * x[:, 0] * x[:, 1] - x @ PARAMS["b"]
    p = np.exp(-energy)
    return x, p / p.sum()


FUNCTIONS = {
    "first": lambda x: x["x"][:, 0],
    "square": lambda x: x["x"][:, 0] ** 2,
    "product": lambda x: x["x"][:, 0] * x["x"][:, 1],
    "quartic": lambda x: x["x"][:, 1] ** 4,
    "energy": lambda x: (x["x"] ** 4).sum(axis=1) - 1.5 * (x["x"] ** 2).sum(axis=1),
}


def deviations(sampler: Hamiltonian, count: int = 40_000) -> dict[str, float]:
    """Of means of functions after some moves from exact samples, in standard errors."""
    engine = ed.loads(COUPLED).compile("numpy", "float64").engine
    places, p = grid()
    rng = np.random.default_rng(3)
    start = places[rng.choice(len(p), count, p=p)] + rng.uniform(-1, 1, (count, 2)) * 3.5 / 400
    move = transition(engine, sampler)
    found = moved_means(engine, PARAMS, move, {"x": start}, FUNCTIONS, 3)
    assert 0.2 < move.figures()["accepted"] < 0.98  # else nothing is rejected, or nothing moves
    return {n: abs(mean - p @ FUNCTIONS[n]({"x": places})) / error for n, (mean, error) in found.items()}


@pytest.mark.parametrize("sampler", KINDS, ids=lambda s: s.name)
def test_exact_samples_stay_exact(sampler: Hamiltonian) -> None:
    assert max(deviations(sampler).values()) < SIGMAS


def _whole_step(self: Any, p: Any, x: Any, places: Any, momentum: Any, s: Any, length: float, moving: Any) -> None:
    for _ in range(self.sampler.leapfrog):
        slopes = self._slopes(p, x, places, s, moving)
        for name in self.own:
            momentum[name] = momentum[name] + length * slopes[name]
            x[name] += length * momentum[name]


MUTANTS = {
    "energy of the momenta forgotten": ("_kinetic", lambda momentum: 0.0),
    "slope of the wrong sign": ("score", lambda *args: {n: -g for n, g in hamiltonian_score(*args).items()}),
    "everything accepted": ("uniforms", lambda engine, random, shape: np.zeros(shape) if len(shape) == 2 and shape[0] > 1 else np.full(shape, 0.5)),
    "whole steps of the momenta at the start": (None, _whole_step),
}  # fmt: skip
hamiltonian_score = hamiltonian.score


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, wrong = MUTANTS[name]
    if target is None:
        monkeypatch.setattr(hamiltonian.Trajectories, "_leapfrog", wrong)
    else:
        monkeypatch.setattr(hamiltonian, target, wrong)
    try:
        worst = max(max(deviations(sampler).values()) for sampler in KINDS)
    except AssertionError:
        return
    assert worst > SIGMAS


def test_other_layers_are_drawn_in_between() -> None:
    """A Gaussian RBM: v is a mixture whose moments a sum over h gives."""
    program = ed.loads(MIXED).compile("numpy", "float64")
    rng = np.random.default_rng(5)
    params = {"W": rng.normal(0, 0.8, (2, 3)), "c": rng.normal(0, 0.5, 3)}
    h = np.array(list(np.ndindex(2, 2, 2)), float)
    means = h @ params["W"].T
    weight = np.exp(h @ params["c"] + 0.5 * (means**2).sum(axis=1))
    weight /= weight.sum()
    chosen = rng.choice(8, 40_000, p=weight)
    x = {"h": h[chosen], "v": means[chosen] + rng.normal(size=(40_000, 2))}
    move = transition(program.engine, Hamiltonian(step_size=0.5))
    functions = {
        "v": lambda x: x["v"][:, 0],
        "h": lambda x: x["h"][:, 1],
        "both": lambda x: x["v"][:, 0] * x["h"][:, 1],
    }
    found = moved_means(program.engine, params, move, x, functions, 2)
    truth = {
        "v": weight @ means[:, 0],
        "h": weight @ h[:, 1],
        "both": weight @ (means[:, 0] * h[:, 1]),
    }
    for name, (mean, error) in found.items():
        assert abs(mean - truth[name]) < SIGMAS * error, name


def test_adaptation_finds_a_length_and_is_over_with_burn_in() -> None:
    engine = ed.loads(COUPLED).compile("numpy", "float64").engine
    for sampler in (Hamiltonian(), Langevin()):
        move = transition(engine, sampler)
        x, rng = {"x": np.random.default_rng(0).normal(size=(200, 2))}, Rng(0)
        move.sweep(PARAMS, x, engine.settings(), rng, 200)
        move.settle()
        length, rates = move.figures()["step"], []
        for _ in range(100):
            move.sweep(PARAMS, x, engine.settings(), rng, 1)
            rates.append(move.figures()["accepted"])
        assert move.figures()["step"] == length
        assert abs(np.mean(rates) - sampler.accepted) < 0.1


def test_held_entries_stay() -> None:
    engine = ed.loads(COUPLED).compile("numpy", "float64").engine
    x = {"x": np.random.default_rng(0).normal(size=(50, 2))}
    before, keep = x["x"].copy(), {"x": np.zeros((50, 2), bool)}
    keep["x"][:, 0] = True
    transition(engine, Hamiltonian(step_size=0.2)).sweep(PARAMS, x, engine.settings(), Rng(0), 5, None, keep)
    assert (x["x"][:, 0] == before[:, 0]).all()
    assert (x["x"][:, 1] != before[:, 1]).any()


def test_sampling_estimation_and_training_take_it() -> None:
    model = ed.loads(MIXED)
    program = model.compile("numpy", "float64")
    params = program.init(1)
    after = program.gibbs(params, program.init_state(params, 20, 0), 40, rng=ed.Rng(0), sampler="hmc")
    assert after["v"].shape == (20, 2)
    samples = ed.sample(program, n=30, steps=40, params=params, sampler="mala")
    assert np.isfinite(samples["v"]).all()

    data = np.random.default_rng(0).normal(size=(200, 2))
    run = ed.train(program, data, ed.PCD(sampler="hmc"), epochs=3)
    found = ed.evaluate(run, data, "ais", betas=300, chains=200, sampler="hmc")
    exact = ed.evaluate(run, data, "exact")
    assert abs(found.log_z - exact.log_z) < SIGMAS * found.log_z_std
    assert found.log_z_std < 0.1


class Stop(Exception):
    pass


def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    """What has adapted is in the checkpoint, and the choice in the config."""
    data = np.random.default_rng(0).normal(size=(120, 2)).astype("f")
    program, method = ed.loads(MIXED).compile("numpy"), ed.PCD(sampler="hmc", chains=20)
    arguments: dict[str, Any] = {"epochs": 5, "batch": 20, "seed": 3}
    whole = ed.train(program, data, method, out=tmp_path / "whole", **arguments)

    def stop_late(row: dict[str, float]) -> None:
        if row["epoch"] == 3:
            raise Stop

    with pytest.raises(Stop):
        ed.train(program, data, method, out=tmp_path / "parts", report=stop_late, **arguments)
    parts = ed.train(program, data, method, out=tmp_path / "parts", resume=True, **arguments)
    for name, value in whole.params.items():
        np.testing.assert_array_equal(parts.params[name], value)
    assert '"sampler": "hmc"' in (tmp_path / "parts" / "config.json").read_text()
    assert (ed.open_run(tmp_path / "parts").chains["v"] == whole.chains["v"]).all()


def test_it_says_why_it_does_not_fit() -> None:
    program = ed.zoo("rbm", {"I": 4, "J": 3}).compile("numpy")
    params = program.init()
    with pytest.raises(NotApplicable, match="hmc does not fit this model: no free layer is of real numbers"):
        program.gibbs(params, program.init_state(params, 2), 1, rng=ed.Rng(0), sampler="hmc")
    with pytest.raises(ed.ArgumentError, match="sampler"):
        program.gibbs(params, program.init_state(params, 2), 1, rng=ed.Rng(0), sampler="metropolis")  # type: ignore[arg-type]
    fits = {v.name: v for v in samplers.verdicts(ed.zoo("gaussian_rbm").derived)}
    assert fits["gibbs"].why.endswith("(by default)")
    assert fits["hmc"].ok
