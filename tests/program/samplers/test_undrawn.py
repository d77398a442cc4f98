"""Layers of real numbers inside functions of several units have no conditional: chains take trajectories, everything else follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.diagnostics import NotApplicable
from energydsl.program.samplers import chosen
from tests.program.samplers.exact import SIGMAS

EXPERTS = (
    "dim P = 3\nvisible x[2] : real\nhidden h[2] : binary\nparam W[P, 2] = normal(sd = 1), c[P] = normal(sd = 1), U[2, 2] = normal(sd = 0.7)\n"
    "energy = 0.25 * sum(x^2) + sum[p] softplus(c[p] + sum[i] W[p, i]*x[i]) - x @ U @ h"
)
NETWORK = (
    "dim J = 12, K = 10\nvisible x[2] : real\n"
    "param W[J, 2] = normal(sd = 1), b[J] = normal(sd = 1), V[K, J] = normal(sd = 0.3), d[K], a[K] = normal(sd = 0.3)\n"
    "energy = 0.25 * sum(x^2) - sum[k] a[k]*softplus(d[k] + sum[j] V[k, j]*tanh(b[j] + sum[i] W[j, i]*x[i]))"
)


def grid(reach: float = 9.0, count: int = 301) -> tuple[Any, float]:
    """Places (n, 2), and the area of each."""
    line = np.linspace(-reach, reach, count)
    places = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    return places, float((line[1] - line[0]) ** 2)


def marginal(program: ed.Program, params: Any) -> tuple[Any, float]:
    """p(x) at the places of the grid, h summed out, and log Z."""
    places, area = grid()
    log_p = -np.asarray(program.free_energy(params, {"x": places}))
    log_z = float(np.logaddexp.reduce(log_p) + np.log(area))
    return np.exp(log_p - np.logaddexp.reduce(log_p)), log_z


def test_auto_takes_trajectories_and_says_so() -> None:
    derived = ed.loads(EXPERTS).derived
    assert chosen("auto", derived).name == "hmc"
    assert chosen("gibbs", derived).fits(derived).last  # drawn along lines, where it is asked for
    kinks = ed.loads("visible x[2] : real\nenergy = sum(x^2) + abs(x[0] - x[1])").derived
    with pytest.raises(NotApplicable, match="`x` has no conditional that can be drawn from: abs of a sum has kinks"):
        chosen("gibbs", kinks)
    assert chosen("auto", derived, frozenset({"x"})).name == "gibbs"  # the latents alone have one


def test_samples_and_log_z_against_a_grid() -> None:
    program = ed.loads(EXPERTS).compile("numpy", "float64")
    params = program.init(4)
    p, log_z = marginal(program, params)
    places = grid()[0]
    x = ed.sample(program, n=4000, steps=120, params=params)["x"]
    for f in (
        lambda y: y[:, 0],
        lambda y: y[:, 1] ** 2,
        lambda y: y[:, 0] * y[:, 1],
        lambda y: np.tanh(y[:, 0] - y[:, 1]),
    ):
        assert abs(f(x).mean() - p @ f(places)) < SIGMAS * f(x).std() / np.sqrt(len(x))
    run = ed.train(program, x[:50], "pcd", epochs=0, params=params)
    found = ed.evaluate(run, x[:50], "ais", betas=200, chains=300)
    assert abs(found.log_z - log_z) < SIGMAS * found.log_z_std
    assert found.log_z_std < 0.1


def test_what_needs_the_conditional_is_refused() -> None:
    program = ed.loads(EXPERTS).compile("numpy", "float64")
    params = program.init(4)
    state = program.init_state(params, 3)
    for ask in (
        lambda: program.mean(params, state, "x"),
        lambda: program.natural_parameters(params, state, "x"),
        lambda: program.sample(params, state, "x", ed.Rng(0)),
    ):
        with pytest.raises(NotApplicable):
            ask()
    assert program.mean(params, state, "h").shape == (3, 2)


def test_certificate_holds_for_what_there_is() -> None:
    for text in (EXPERTS, NETWORK.replace("J = 12, K = 10", "J = 3, K = 2")):
        certificate = ed.loads(text).verify()
        assert certificate.ok, str(certificate)
