"""Functions of several units: what is kept together, what their inner forms are, and which energies are equal."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.energy.forms import Forms
from energydsl.energy.rules import Rules

SPINS = "dim N = 4, P = 3\nvisible s[N] : spin\nparam X[P, N], c[P], U[P, P]\nenergy = "
TWO = "visible v[3] : binary\nhidden h[2] : categorical[3]\nparam W[3, 2], V[2, 3, 2], c[2]\nenergy = "


def forms(text: str) -> list[tuple[int, ...]]:
    """The shapes of the forms of a model."""
    model = ed.loads(text)
    return [form.shape for form in Forms(model.energy, Rules(model.resolved)).all]


@pytest.mark.parametrize(
    ("energy", "shapes"),
    [
        ("- sum[p] (sum[i] X[p, i]*s[i])^4", [(3,)]),
        ("- sum[p] (sum[i] X[p, i]*s[i])^2", [(3,)]),
        ("- sum[i in range(2)] (s[i] - sum[p in range(3)] X[0, p]*s[i + p])^2", []),
        ("sum[p] log(1 + (sum[i] X[p, i]*s[i])^2)", [(3,)]),
        ("- sum(softplus(c + X @ s)) + sum(tanh(c + X @ s))", [(3,)]),
        ("- sum(softplus(c + X @ s)) + sum(tanh(X @ s))", [(3,), (3,)]),
        ("- sum[p] tanh(sum[q] U[p, q]*tanh(sum[i] X[q, i]*s[i]))", [(3,)]),
        ("- sum[p, q] U[p, q]*tanh(sum[i] X[p, i]*s[i])*tanh(sum[i] X[q, i]*s[i])", [(3,)]),
        ("- log(sum[p] exp(sum[i] X[p, i]*s[i]))", [(3,)]),
        ("sum[i] exp(s[i] + s[(i + 1) % N])", []),
        ("sum[i] 1 / (3 + s[i] + s[(i + 1) % N])", [(4,)]),
        ("sum[i in range(1, 4)] cos(s[i] - s[i - 1]) + sum[i in range(1, 4)] abs(s[i] - s[i - 1])", [(3,)]),
        ("- (sum[i, k] X[0, i]*X[0, k]*s[i]*s[k])^2", [()]),
    ],
)
def test_equal_forms_are_one(energy: str, shapes: list[tuple[int, ...]]) -> None:
    assert forms(SPINS + energy) == shapes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("- sum(softplus(c + X @ s))", "- sum[p] softplus(c[p] + sum[i] s[i]*X[p, i])"),
        ("- sum((X @ s)^4)", "- sum[p] (sum[i] X[p, i]*s[i])^4"),
        ("- sum((X @ s)^2)", "- sum[p] (sum[i] X[p, i]*s[i])^2"),
        ("- log(sum(exp(X @ s)))", "- log(sum[p] exp(sum[i] X[p, i]*s[i]))"),
        ("- log(2 * sum(exp(X @ s)))", "- log(sum[p] exp(log(2) + sum[i] X[p, i]*s[i]))"),
        ("tanh(sum[i] s[i]^2 + sum(s))", "tanh(4 + sum(s))"),
    ],
)
def test_equal_energies_are_equal_records(one: str, other: str) -> None:
    assert ed.loads(SPINS + one).energy == ed.loads(SPINS + other).energy


@pytest.mark.parametrize("power", [2, 3, 4])
def test_a_power_written_out_is_the_same_energy(power: int) -> None:
    """What is kept together and what is multiplied out have the same values, and the same conditionals."""
    letters = "ijkl"[:power]
    product = "*".join(f"X[p, {x}]" for x in letters) + "*" + "*".join(f"s[{x}]" for x in letters)
    texts = [f"- sum[p] (sum[i] X[p, i]*s[i])^{power}", f"- sum[p, {', '.join(letters)}] {product}"]
    programs = [ed.loads(SPINS + text).compile("numpy", "float64") for text in texts]
    assert [len(forms(SPINS + t)) for t in texts] == [1, 0]
    rng = np.random.default_rng(0)
    params = {"X": rng.normal(size=(3, 4)), "c": np.zeros(3), "U": np.zeros((3, 3))}
    states = {"s": rng.choice([-1.0, 1.0], (20, 4))}
    for what in ("energy", "natural"):
        if what == "energy":
            found = [p.energy(params, states) for p in programs]
        else:
            found = [p.natural_parameters(params, states, "s")[0] for p in programs]
        np.testing.assert_allclose(*found, rtol=1e-11)
    np.testing.assert_allclose(*(p.energy_gradient(params, states)["X"] for p in programs), rtol=1e-10)


def test_a_unit_beside_a_function_of_its_layer_is_taken_into_it() -> None:
    model = ed.loads(TWO + "- sum[i] v[i] * softplus(sum[j, k] V[j, k, 0]*h[j, k] + sum(v))")
    assert all(not t.monomial.distinct_units() for t in model.energy.terms)
    assert model.verify().ok


def test_a_latent_outside_all_functions_is_summed_out() -> None:
    model = ed.loads("visible v[3] : binary\nhidden h[2] : binary\nparam W[3, 2]\nenergy = - h @ tanh(v @ W)")
    assert model.derived.free_energy.summed_out == ("h",)
    assert model.verify().ok
