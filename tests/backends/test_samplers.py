"""Every sampler moves the chains of every backend as those of NumPy, on the same stream."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.options import SamplerName
from energydsl.program.samplers import TABLE, transition
from tests.backends.test_agreement import on_host

CHAIN = (
    "dim N = 7\nvisible s[N] : spin\nhidden z[N] : categorical[3]\nparam J = 0.6, W[N, 3] = normal(sd = 1), f[N] = normal(sd = 1)\n"
    "energy = - J * sum[i in range(N - 1)] s[i]*s[i + 1] - sum[i, a] W[i, a]*s[i]*z[i, a] - f @ s"
)
FERROMAGNET = (
    "dim N = 7\nvisible s[N] : spin\nhidden y : real\nparam J = 0.6, f[N] = normal(sd = 1)\n"
    "energy = - J * sum[i in range(N - 1)] s[i]*s[i + 1] - f @ s + 0.5 * y^2 - 0.3 * y * sum(s)"
)
MIXED = (
    "visible v[3] : real\nhidden h[4] : binary\nparam W[3, 4] = normal(sd = 1), c[4]\n"
    "energy = 0.5 * sum(v^2) + 0.1 * sum(v^4) - c @ h - v @ W @ h"
)
BOUNDED = (
    "visible x[2] : positive\nvisible y[2] : interval[-1, 2]\nhidden h[2] : spin\nparam W[2, 2] = normal(sd = 1), a : positive = 1\n"
    "energy = a * sum(x^2) + softplus(sum(x) - x @ W @ y) - y @ W @ h"
)
MODELS: dict[SamplerName, str] = {
    "gibbs": CHAIN,
    "tree": CHAIN,
    "swendsen-wang": FERROMAGNET,
    "wolff": FERROMAGNET,
    "gibbs-gradient": CHAIN,
    "hmc": MIXED,
    "mala": BOUNDED,
    "tempering": MIXED,
}


def test_every_sampler_is_compared() -> None:
    assert {*MODELS} == {*TABLE}


@pytest.mark.parametrize(("name", "text"), [*MODELS.items(), ("gibbs", BOUNDED)])
def test_sampler(name: SamplerName, text: str, fast: str) -> None:
    model, states = ed.loads(text), []
    for program in (model.compile("numpy", "float64"), model.compile(fast, "float64")):
        params = program.init(3)
        x = {n: program.engine.xp.array(a) for n, a in program.init_state(params, 25, 0).items()}
        p = {n: program.engine.device(a) for n, a in params.items()}
        transition(program.engine, name).sweep(p, x, program.engine.settings(0.8), ed.Rng(5), 3)
        states.append(on_host(program, x))
    for layer, wanted in states[0].items():
        np.testing.assert_allclose(states[1][layer], wanted, rtol=1e-8, atol=1e-8, err_msg=layer)
