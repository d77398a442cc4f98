"""Which real layers in functions of several units have a density, by how fast these functions may fall."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.derive.growth import growth

HEAD = "visible x[3] : real\nhidden h[2] : binary\nparam W[3, 2], U[2, 2], c[2], a[2] : positive = 1\nenergy = "
PROPER = [
    "sum(x^2) + sum(a * log(1 + (x @ W)^2))",
    "sum(x^2) - sum(softplus(c + x @ W))",
    "sum(x^2) - sum(c * tanh(x @ W))",
    "sum(x^2) - sum(c * tanh(U @ tanh(x @ W)))",
    "sum(x^2) - sum(sqrt(1 + (x @ W)^2))",
    "sum(x^2) - sum(a * log(1 + exp(x @ W)))",
    "sum(x^2) - log(sum(exp(x @ W)))",
    "sum(x^4) - sum(c * (x @ W)^3)",
    "sum(x^2) + sum((x @ W)^4) + sum(exp(x @ W))",
    "sum(x^2) - sum(softplus(c - a * (x @ W)^2))",
    "sum(x^2) - h @ tanh(x @ W)",
    "sum(x^2) - sum(c / (1 + (x @ W)^2))",
]
IMPROPER = [
    "sum(a * log(1 + (x @ W)^2))",
    "sum(x^2) - sum(c * (x @ W)^3)",
    "sum(x^2) - sum((x @ W)^4)",
    "sum(x^2) - sum(exp(x @ W))",
    "sum(x^2) - sum(softplus((x @ W)^2 + x @ x))",
    "sum(x^2) - sum(c * softplus(x @ W) * (x @ W))",
    "sum(x^2) + sum(c * exp(x @ W))",
    "sum(x) + sum(softplus(x @ W))",
]


@pytest.mark.parametrize("energy", PROPER)
def test_what_falls_slower_than_what_holds_it_is_proper(energy: str) -> None:
    model = ed.loads(HEAD + energy)
    assert "x" not in model.derived.conditionals
    assert model.verify().ok


@pytest.mark.parametrize("energy", IMPROPER)
def test_what_may_fall_as_fast_is_refused(energy: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(HEAD + energy)
    assert {d.code for d in caught.value.diagnostics} == {"E0311"}, str(caught.value)


@pytest.mark.parametrize("energy", [e for e in PROPER if "h @" not in e])
def test_no_term_falls_faster_than_is_said(energy: str) -> None:
    """Along random rays out to 1e6: E_term >= -const * |x|^down, with room for what is small at first."""
    model = ed.loads(HEAD + energy)
    program = model.compile("numpy", "float64")
    rng = np.random.default_rng(0)
    params = {
        "W": rng.normal(size=(3, 2)),
        "U": rng.normal(size=(2, 2)),
        "c": rng.normal(size=2),
        "a": np.array([0.7, 1.4]),
    }
    down = max(growth(t.monomial, model.resolved).down for t in model.energy.terms if t.monomial.joint_layers())
    rays = rng.normal(size=(50, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    first = energy.split(" ")[0]
    plain = ed.loads(HEAD + f"{first} - 0 * sum(h)").compile("numpy", "float64")
    for size in (1e2, 1e4, 1e6):
        state = {"x": size * rays, "h": np.zeros((50, 2))}
        with np.errstate(over="ignore"):
            found = program.energy(params, state) - plain.energy(params, state)
        assert (found >= -100.0 * (1.0 + size**down)).all()
