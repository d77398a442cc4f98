"""d log p/dx: of functions of several units with sums inside, and with fields from outside."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.diagnostics import NotApplicable
from energydsl.program.gradients import score

FORMS = """
dim N = 4, P = 3
visible x[N] : real
param W[P, N], c[P]
energy = 5 * sum(x^4) - sum[p] softplus(c[p] + sum[i] W[p, i]*x[i])^2 * tanh(sum[i] x[i])
"""


def test_functions_of_several_units() -> None:
    """Products and powers of nested sums, by the rule of the product and the chain rule written out."""
    program = ed.loads(FORMS).compile("numpy", "float64")
    rng = np.random.default_rng(0)
    p, x = {"W": rng.normal(size=(3, 4)), "c": rng.normal(size=3)}, rng.normal(size=(5, 4))
    u = x @ p["W"].T + p["c"]
    f, df = np.logaddexp(0, u), 1 / (1 + np.exp(-u))
    t = np.tanh(x.sum(axis=1))[:, None]
    wanted = 2 * t * (f * df) @ p["W"] + (1 - t**2) * (f**2).sum(axis=1, keepdims=True) - 20 * x**3
    np.testing.assert_allclose(program.score(p, {"x": x}, beta=0.5)["x"], 0.5 * wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "visible x[3] : real\nparam a[3]\nenergy = sum(x^2) - a @ x",
        "visible x[3] : real\nparam a[3]\nenergy = sum(x^4) - a @ x",
        "visible x[3] : real\nparam a[3]\nenergy = sum(abs(2 * x - 1)) + 0.1 * sum(x^2) - a @ x",
    ],
)
def test_fields_from_outside(text: str) -> None:
    """The slope of what a state weighs, a field on every statistic included."""
    engine = ed.loads(text).compile("numpy", "float64").engine
    rng = np.random.default_rng(1)
    count = len(engine.derived.conditionals["x"].fields)
    p, x = {"a": rng.normal(size=3)}, rng.normal(size=(6, 3))
    s = engine.settings(0.3, external={"x": tuple(rng.normal(size=3) for _ in range(count))})
    found = score(engine.core, p, {"x": x}, s, ["x"])["x"]
    for unit in range(3):
        step = 1e-6 * np.eye(3)[unit]
        up, down = (engine.log_weights(p, {"x": x + h}, s, ()) for h in (step, -step))
        np.testing.assert_allclose(found[:, unit], (up - down) / 2e-6, rtol=1e-6, atol=1e-6)


def test_what_has_no_score_says_so() -> None:
    program = ed.zoo("dbn").compile("numpy")
    with pytest.raises(NotApplicable, match="directed|conditional parts"):
        program.score(program.init(), {})
    plain = ed.zoo("rbm", {"I": 3, "J": 2}).compile("numpy")
    with pytest.raises(ed.ArgumentError, match="no random layer `q`"):
        plain.score(plain.init(), {}, ["q"])
