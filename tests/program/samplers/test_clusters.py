"""Cluster moves leave exact samples of small ferromagnets distributed as they are; what is none says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.diagnostics import NotApplicable
from energydsl.program.samplers import SwendsenWang, Wolff, clusters, transition
from energydsl.random import Rng
from tests.program.samplers.exact import SIGMAS, deviation

ISING = (
    "dim L = 3\nparam J[L, L], f[L, L]\nvisible s[L, L] : spin\n"
    "energy = - sum[i, j] J[i, j]*(s[i, j]*s[(i + 1) % L, j] + s[i, j]*s[i, (j + 1) % L]) - sum(f * s)"
)
POTTS = (
    "dim L = 4, K = 3\nparam J, f[L, K]\nvisible s[L] : categorical[K]\nhidden t[2] : categorical[K]\n"
    "energy = - J * sum[i in range(L - 1), a] s[i, a]*s[i + 1, a] - sum(f * s) - 0.7 * sum[i in range(2), a] s[i, a]*t[i, a]"
)
GAS = (
    "dim N = 6\nparam J, f[N]\nvisible n[N] : binary\nhidden y : real\n"
    "energy = - J * sum[i] n[i]*n[(i + 1) % N] - sum(f * n) + 0.5 * y^2 - 0.4 * y * sum(n)"
)
RNG = np.random.default_rng(0)
PARAMS: dict[str, Any] = {
    "ising": {"J": RNG.uniform(0.1, 0.6, (3, 3)), "f": RNG.normal(0, 0.3, (3, 3))},
    "potts": {"J": np.array(0.9), "f": RNG.normal(0, 0.5, (4, 3))},
}
TEXTS = {"ising": ISING, "potts": POTTS}
KINDS = [SwendsenWang(), Wolff()]


def found(name: str, sampler: Any, count: int = 200_000) -> float:
    program = ed.loads(TEXTS[name]).compile("numpy", "float64")
    return deviation(program, PARAMS[name], transition(program.engine, sampler), count, 2, beta=0.8)


@pytest.mark.parametrize("sampler", KINDS, ids=lambda s: s.name)
@pytest.mark.parametrize("name", TEXTS)
def test_exact_samples_stay_exact(name: str, sampler: Any) -> None:
    assert abs(found(name, sampler)) < SIGMAS


MUTANTS = {
    "bonds of spins for those of states": (clusters, "_coupling", lambda f: lambda log: 0.5 * f(log)),
    "fields forgotten": (clusters.Moves, "weights", lambda f: lambda self, m, found, n: np.zeros((n, m.fields.shape[-1]))),
    "bonds between unlike units": (clusters.Moves, "clusters", lambda f: lambda self, m, codes, r: f(self, m, np.zeros_like(codes), r)),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, what, change = MUTANTS[name]
    monkeypatch.setattr(clusters, "_check", lambda *args: None)
    monkeypatch.setattr(module, what, change(getattr(module, what)))
    assert max(found(n, sampler) for n in TEXTS for sampler in KINDS) > SIGMAS


def test_held_entries_stay_and_other_layers_are_drawn() -> None:
    """A lattice gas beside a real unit, against its two moments by a sum over the gas."""
    program = ed.loads(GAS).compile("numpy", "float64")
    params = {"J": np.array(0.8), "f": np.full(6, -0.9)}
    n = np.array(list(np.ndindex(*(2,) * 6)), float)
    total = n.sum(axis=1)
    weight = np.exp(0.8 * (n * np.roll(n, 1, axis=1)).sum(axis=1) - 0.9 * total + 0.08 * total**2)
    weight /= weight.sum()
    states = program.gibbs(params, program.init_state(params, 4000, 0), 60, rng=ed.Rng(1), sampler="swendsen-wang")
    seen = states["n"].sum(axis=1)
    for value, wanted in ((seen, weight @ total), (seen**2, weight @ total**2), (states["y"], 0.4 * weight @ total)):
        assert abs(value.mean() - wanted) < SIGMAS * value.std() / np.sqrt(4000)
    program = ed.loads(ISING).compile("numpy", "float64")
    x = program.init_state(PARAMS["ising"], 30, 0)
    before, keep = x["s"].copy(), {"s": np.random.default_rng(2).random((30, 3, 3)) < 0.3}
    for sampler in KINDS:
        transition(program.engine, sampler).sweep(PARAMS["ising"], x, program.engine.settings(), Rng(0), 5, None, keep)
        assert (x["s"] == before)[keep["s"]].all()
    assert (x["s"] != before).any()


def test_annealing_by_clusters() -> None:
    """Fields of the base from outside weigh the clusters."""
    program = ed.loads(ISING).compile("numpy", "float64")
    run = ed.train(program, np.ones((4, 3, 3)), "cd", epochs=0, params=PARAMS["ising"])
    estimate = ed.evaluate(run, np.ones((4, 3, 3)), "ais", betas=100, chains=200, sampler="swendsen-wang")
    exact = program.log_partition(PARAMS["ising"])
    assert abs(estimate.log_z - exact) < SIGMAS * estimate.log_z_std
    assert estimate.log_z_std < 0.1


def test_what_is_no_ferromagnet_says_so() -> None:
    program = ed.loads(ISING).compile("numpy", "float64")
    params = {**PARAMS["ising"], "J": -PARAMS["ising"]["J"]}
    with pytest.raises(NotApplicable, match="18 of 18 pairs repel"):
        program.gibbs(params, program.init_state(params, 2), 1, rng=ed.Rng(0), sampler="swendsen-wang")
    pairs = (
        "visible s[3] : categorical[3]\nparam W[3, 3]\nenergy = - sum[i in range(2), a, b] s[i, a]*W[a, b]*s[i + 1, b]"
    )
    program = ed.loads(pairs).compile("numpy", "float64")
    odd = {"W": np.arange(9.0).reshape(3, 3) ** 2}
    with pytest.raises(NotApplicable, match="no multiple"):
        program.gibbs(odd, program.init_state(odd, 2), 1, rng=ed.Rng(0), sampler="wolff")
    triples = "visible s[5] : spin\nenergy = - sum[i in range(3)] s[i]*s[i + 1]*s[i + 2]"
    assert "3 units at once" in SwendsenWang().fits(ed.loads(triples).derived).why
    assert "no spins" in Wolff().fits(ed.zoo("blume_capel").derived).why
    assert SwendsenWang().fits(ed.zoo("ising").derived).ok
