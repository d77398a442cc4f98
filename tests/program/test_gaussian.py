"""Real layers integrated jointly: against sums over a lattice of places, closed forms from elsewhere, and moments of draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import energydsl as ed
from energydsl.api import zoo_text
from energydsl.diagnostics import NotNormalisable
from energydsl.program import gaussian
from energydsl.program.exact_samples import exact_samples, listable
from energydsl.program.states import check_params
from tests.inference.test_sides import a_run

Array = np.ndarray
# Two layers that meet; couplings inside one beside units that are listed; and a precision for each state.
MODELS = {
    "two layers": "visible v[2] : real\nhidden h : real\nparam W[2] = normal(sd = 0.4), b[2] = normal(sd = 1)\nenergy = 0.5 * sum((v - b)^2) + 0.5 * h^2 + 0.3 * h - sum[i] v[i]*W[i]*h",
    "beside spins": "input u : real\nvisible v[2] : real\nhidden s[3] : spin\nhidden t[2] : binary\nparam W[2, 3] = normal(sd = 0.6), K[3, 2] = normal(sd = 1)\nenergy = 0.5 * sum(v^2) - 0.4 * v[0]*v[1] - u * v[1] - v @ W @ s - s @ K @ t",
    "a precision for each state": "visible v[2] : real\nhidden z : categorical[3]\nparam m[2, 3] = normal(sd = 1), a[3] : positive = 1\nenergy = sum[i, k] (0.5 + a[k])*z[k]*v[i]^2 + sum[k] (0.2*k - 0.5)*z[k]*v[0]*v[1] - sum[i, k] m[i, k]*z[k]*v[i]",
}


def summed(program: ed.Program, params: dict[str, Any], given: dict[str, Any], beta: float) -> float:
    """log Z by the energies of all states, those of real units on a lattice."""
    places = np.linspace(-20.0, 20.0, 81)
    layers = program.model.random_layers()
    values = [places if x.domain.name == "real" else np.array([-1.0, 1.0] if x.domain.name == "spin" else [0.0, 1.0]) for x in layers.values() if x.domain.name != "categorical" for _ in range(x.size)]  # fmt: skip
    values += [np.arange(3.0) for x in layers.values() if x.domain.name == "categorical"]
    grid = np.stack(np.meshgrid(*values, indexing="ij"), axis=-1).reshape(-1, len(values))
    state, at = {}, 0
    for name, layer in layers.items():
        state[name] = grid[:, at : at + layer.size].reshape(-1, *layer.shape)
        at += layer.size
    real = sum(x.size for x in layers.values() if x.domain.name == "real")
    state |= {n: np.full(len(grid), a) for n, a in given.items()}
    energies = program.energy(params, state)
    return float(np.logaddexp.reduce(-beta * energies) + real * np.log(places[1] - places[0]))


def check(name: str) -> None:
    program = ed.loads(MODELS[name]).compile("numpy", "float64")
    params = program.init(0)
    given = {n: np.array(0.7) for n in program.model.by_role("input")}
    for beta in (1.0, 0.6):
        found = program.log_partition(params, given or None, beta=beta)
        assert found == pytest.approx(summed(program, params, given, beta), abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_log_z_is_the_sum_over_places(name: str) -> None:
    check(name)


@pytest.mark.parametrize(("name", "wrong"), [("two layers", "_solved"), ("a precision for each state", "_cholesky")])
def test_mistakes_are_seen(name: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(gaussian, wrong)
    monkeypatch.setattr(gaussian, wrong, lambda *given, **more: 1.01 * original(*given, **more))
    with pytest.raises(AssertionError):
        check(name)
    assert not ed.loads(MODELS[name]).verify().ok


def test_a_ring_has_the_eigenvalues_of_its_laplacian() -> None:
    """log Z = sum over k of (log(2 pi / lambda_k)) / 2 + n b^2 / (2 m), lambda_k = m + 2 t (1 - cos(2 pi k / n))."""
    text = "visible x[L] : real\ndim L = 40\nconst t : positive = 2, m : positive = 0.3, b = 0.5\nenergy = 0.5 * t * sum[i] (x[i] - x[(i + 1) % L])^2 + 0.5 * m * sum(x^2) - b * sum(x)"
    eigenvalues = 0.3 + 4.0 * (1.0 - np.cos(2.0 * np.pi * np.arange(40) / 40))
    wanted = 0.5 * np.log(2.0 * np.pi / eigenvalues).sum() + 40 * 0.25 / 0.6
    assert ed.loads(text).compile("numpy").log_partition({}) == pytest.approx(wanted, rel=1e-10)


def test_factor_analysis_is_a_normal_distribution() -> None:
    """x ~ Normal(m, W W' + diag(s^2)) (Rubin & Thayer 1982): log Z, and latents that meet given the data, summed out."""
    run, _ = a_run(zoo_text("factor_analysis"), rows=5)
    p = run.params
    x = np.random.default_rng(0).normal(size=(5, 16))
    wanted = multivariate_normal(p["m"], p["W"] @ p["W"].T + np.diag(p["s"] ** 2)).logpdf(x)
    found = ed.evaluate(run, x)
    assert found.exactness == "exact"
    np.testing.assert_allclose(found.rows, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["two layers", "a precision for each state"])
def test_samples_are_exact(name: str) -> None:
    """Means of products of units against the slopes of log Z in their parameter."""
    program, exact = (ed.loads(MODELS[name]).compile("numpy", d) for d in ("float32", "float64"))
    engine, params = program.engine.core, exact.init(0)
    assert listable(engine)
    count = 40_000
    x = exact_samples(engine, check_params(engine, params), engine.settings(), {}, count, ed.Rng(0))
    parameter = {"two layers": "W", "a precision for each state": "m"}[name]
    product = {
        "two layers": lambda: x["v"] * x["h"][:, None],
        "a precision for each state": lambda: x["v"][:, :, None] * x["z"][:, None],
    }[name]()
    for at in np.ndindex(*params[parameter].shape):
        high, low = ({**params, parameter: params[parameter].copy()} for _ in range(2))
        high[parameter][at] += 1e-4
        low[parameter][at] -= 1e-4
        wanted = (exact.log_partition(high) - exact.log_partition(low)) / 2e-4
        each = product[(slice(None), *at)]
        assert abs(each.mean() - wanted) < 4.5 * each.std() / np.sqrt(count)


def test_a_state_without_a_density_is_refused() -> None:
    text = "visible v[2] : real\nhidden h : binary\nparam c\nenergy = 0.5 * sum(v^2) - c * h * v[0]*v[1]"
    program = ed.loads(text).compile("numpy")
    assert program.log_partition({"c": 0.5}) == pytest.approx(np.log(2.0 * np.pi * (1.0 + 0.75**-0.5)))
    with pytest.raises(NotNormalisable, match="smallest eigenvalue is -0.5"):
        program.log_partition({"c": 1.5})
