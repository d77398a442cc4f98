"""Gibbs with gradients: its transition matrix, written out, leaves the distribution as it is; its Metropolis test is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.program.samplers import GibbsWithGradients, gradients, transition
from energydsl.program.samplers.gradients import Changes
from energydsl.random import Rng, Uniforms
from tests.program.samplers.exact import SIGMAS, deviation, listed, numbers

SPINS = "dim N = 5\nvisible s[N] : spin\nhidden b[2] : binary\nparam J[N, N] : symmetric & zero_diagonal = normal(sd = 0.6), W[N, 2] = normal(sd = 1), f[N] = normal(sd = 0.5)\nenergy = - 0.5 * s @ J @ s - s @ W @ b - f @ s"
POTTS = "dim N = 3, K = 3\nvisible x[N] : categorical[K]\nhidden h[2] : binary\nparam W[N, K, 2] = normal(sd = 1), g[N, K] = normal(sd = 1)\nenergy = - sum[n, a] g[n, a]*x[n, a] - sum[n, a, j] x[n, a]*W[n, a, j]*h[j]"
TEXTS = {"spins": SPINS, "potts": POTTS}
BETA = 0.8


def stationarity(name: str) -> float:
    """The largest change of a probability by one proposal, over the whole transition matrix."""
    program = ed.loads(TEXTS[name]).compile("numpy", "float64")
    params, engine = program.init(2), program.engine
    states, p = listed(program, params, beta=BETA)
    move = transition(engine, GibbsWithGradients())
    assert isinstance(move, Changes)
    settings, after, staying = engine.settings(BETA), np.zeros(len(p)), np.ones(len(p))
    q = np.exp(move.look(params, states, settings).log_q)
    q /= q.sum(axis=1, keepdims=True)
    upto = np.concatenate([np.zeros((len(q), 1)), q.cumsum(axis=1)], axis=1)
    for change in range(q.shape[1]):
        middle = 0.5 * (upto[:, change] + upto[:, change + 1])
        x = {n: a.copy() for n, a in states.items()}
        given = Uniforms([np.stack([middle, np.zeros(len(p))], axis=1)])
        _, probability = move.change(params, x, settings, given, move.look(params, x, settings))
        possible = q[:, change] > 0
        flow = np.where(possible, p * q[:, change] * probability, 0.0)
        np.add.at(after, numbers(x, states), flow)
        staying -= np.where(possible, q[:, change] * probability, 0.0)
    return float(np.abs(after + p * staying - p).max())


@pytest.mark.parametrize("name", TEXTS)
def test_transition_matrix(name: str) -> None:
    assert stationarity(name) < 1e-12


@pytest.mark.parametrize("name", TEXTS)
def test_exact_samples_stay_exact(name: str) -> None:
    program = ed.loads(TEXTS[name]).compile("numpy", "float64")
    move = transition(program.engine, GibbsWithGradients())
    assert abs(deviation(program, program.init(2), move, 50_000, beta=BETA)) < SIGMAS
    assert 0.3 < move.figures()["accepted"] < 1.0


def _not_normalised(self: Changes, *args: Any) -> Any:
    found = look(self, *args)
    return replace(found, log_q=found.log_q - found.log_q.max(axis=1, keepdims=True))


look = Changes.look
MUTANTS = {
    "proposals not normalised": (Changes, "look", _not_normalised),
    "no difference of energies in the test": (gradients, "log_weight", lambda engine, p, x, s: np.zeros(len(next(iter(x.values()))))),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, what, wrong = MUTANTS[name]
    monkeypatch.setattr(module, what, wrong)
    assert stationarity("potts") > 1e-6


def test_a_proposal_needs_its_test() -> None:
    """Without the Metropolis test the distribution would be another: the test has something to do."""
    program = ed.loads(SPINS).compile("numpy", "float64")
    params = program.init(2)
    move = transition(program.engine, GibbsWithGradients())
    assert isinstance(move, Changes)
    x = program.init_state(params, 200, 0)
    settings = program.engine.settings(BETA)
    _, probability = move.change(params, x, settings, Rng(0), move.look(params, x, settings))
    assert probability.min() < 0.9


def test_held_entries_stay_and_real_layers_are_drawn_in_between() -> None:
    program = ed.loads(SPINS).compile("numpy", "float64")
    params = program.init(2)
    x = program.init_state(params, 30, 0)
    before, keep = x["s"].copy(), {"s": np.random.default_rng(0).random((30, 5)) < 0.4}
    move = transition(program.engine, GibbsWithGradients())
    move.sweep(params, x, program.engine.settings(), Rng(0), 3, None, keep)
    assert (x["s"] == before)[keep["s"]].all()
    assert (x["s"] != before)[~keep["s"]].any()
    gauss = GibbsWithGradients().fits(ed.zoo("gaussian_rbm").derived)
    assert "`v` by Gibbs in between" in gauss.why
