"""Models that once were derived wrong, or broke the compiler: each is proved on every backend, or refused with its code."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed

RIGHT = {
    "rows of one field": "dim R = 3, N = 4\nvisible x[R, N] : real\nparam tau : positive = 1, d[R, N] : positive = 1\n"
    "energy = 0.5 * sum(d * x^2) + 0.5 * tau * sum[i in range(0, N - 1)] (x[0, i + 1] - x[0, i])^2",
    "chain without wrap": "visible x[4] : real\nparam tau : positive = 1\n"
    "energy = 0.5 * sum(x^2) + 0.5 * tau * sum[i in range(0, 3)] (x[i + 1] - x[i])^2",
    "edges of a graph": "dim N = 4\nvisible x[N] : real\ngraph G = chain(N)\nparam tau : positive = 1\n"
    "energy = 0.5 * sum(x^2) + 0.5 * tau * sum[(i, k) in G] (x[i] - x[k])^2",
    "counts on a grid": "dim L = 4\nconst kappa : positive = 0.5\nparam tau : positive = 1, mu\nvisible n[L, L] : count\n"
    "hidden x[L, L] : real\ngraph G = grid(L, L)\nenergy = sum(lgamma(n + 1)) - sum(n * x) + sum(exp(x)) + "
    "0.5 * tau * sum[(i, k) in G] (x[i] - x[k])^2 + 0.5 * kappa * sum((x - mu)^2)",
    "one unit squared": "visible v[6] : real\nparam b[6]\nenergy = 20*v[0]^2 + 0.5*sum(v^2) - b@v",
    "one unit squared on an interval": "visible x[3] : interval[-1, 2]\nparam p[3], J[3, 3] : symmetric & zero_diagonal\n"
    "energy = - 1*sum[i in range(1, 2)] x[i]*x[i + 1] - sum(p*x) + 0.3*x[0]^2 - 0.5*x @ J @ x",
    "squares of windows": "dim N = 5, K = 2, M = N - K + 1\nvisible x[N] : interval[-3, 3]\nparam J[K]\n"
    "energy = 0.5 * sum[i in range(M)] (sum[p] J[p]*x[i + p])^2",
    "squares of windows on the line": "dim N = 5, K = 2, M = N - K + 1\nvisible x[N] : real\nparam J[K]\n"
    "energy = 0.5 * sum[i in range(M)] (sum[p] J[p]*x[i + p])^2 + 0.5 * sum(x^2)",
    "chain with a cosine": "dim N = 8\nconst k : positive = 1, a = 0.3, V = 0.5, m : positive = 0.05\nvisible x[N] : real\n"
    "energy = 0.5 * k * sum[i in range(0, N - 1)] (x[i + 1] - x[i] - a)^2 + V * sum(1 - cos(6.283185307179586 * x)) + 0.5 * m * sum(x^2)",
    "mixture of Gaussians": "dim D = 2, K = 3\nvisible x[D] : real\nhidden z : categorical[K]\n"
    "param m[K, D] = normal(sd = 2), s[K] : positive = 1, c[K]\nenergy = sum[k, d] z[k]*(x[d] - m[k, d])^2/(2*s[k]^2) - c @ z",
    "sparse coding": "visible x[4] : real\nhidden h[3] : real\nparam W[4, 3] = normal(sd = 0.5), l : positive = 1\n"
    "energy = 0.5*sum[i] (x[i] - sum[j] W[i, j]*h[j])^2 + l*sum(abs(h))",
    "tempered table": "visible x[1] : integer[0, 16]\nparam b[1]\nenergy = sum(lgamma(x + 1)) + sum(lgamma(17 - x)) - b @ x",
}


@pytest.mark.parametrize("name", RIGHT)
def test_derived_right(name: str, backend: str) -> None:
    certificate = ed.loads(RIGHT[name]).verify(backend=backend)
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("rows", [1, 3, 4, 12])
def test_variances_of_rows_that_differ(rows: int, backend: str) -> None:
    """Couplings in row 0 change the precisions of row 0, whatever the number of chains."""
    program = ed.loads(RIGHT["rows of one field"]).compile(backend, "float64")
    params = program.init(0)
    state = program.init_state(params, rows, 0)
    found = np.array(program.engine.host(program.variance(params, state, "x")))
    wanted = np.ones((3, 4))
    wanted[0] = 1 / np.array([2, 3, 3, 2])
    np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_the_square_belongs_to_one_unit(rows: int, backend: str) -> None:
    program = ed.loads("visible v[100] : real\nparam b[100]\nenergy = 20*v[0]^2 + 0.5*sum(v^2) - b@v").compile(
        backend, "float64"
    )
    params = program.init(0)
    v = np.random.default_rng(0).normal(size=(rows, 100))
    wanted = np.r_[1 / 41, np.ones(99)]
    found = np.array(program.engine.host(program.variance(params, {"v": v}, "v")))
    np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), rtol=1e-12)
    log_z = 0.5 * np.log(2 * np.pi * wanted).sum()
    np.testing.assert_allclose(program.log_partition(params), log_z, rtol=1e-10)


def test_beta_multiplies_the_factorials_of_a_finite_layer(backend: str) -> None:
    program = ed.loads(RIGHT["tempered table"]).compile(backend, "float64")
    params = program.init(0)
    state = program.init_state(params, 3, 0)
    np.testing.assert_allclose(program.engine.host(program.mean(params, state, "x", beta=0.5)), 8.0, rtol=1e-12)


@pytest.mark.parametrize("weight", [0.2, 0.8])
def test_counts_and_a_real_unit_have_no_joint(weight: float) -> None:
    with pytest.raises(ed.ModelError, match="E0311"):
        ed.loads(
            f"visible x[1] : count\nhidden h[1] : real\nparam W[1, 1] = {weight}, a[1]\n"
            "energy = sum(lgamma(x + 1)) - a @ x - x @ W @ h + 0.5 * sum(h^2)"
        )


@pytest.mark.parametrize("weight", [0.0, 1e-30, 1e-8, 1e-3, 1.0, 300.0])
def test_an_absolute_value_holds_what_a_square_leaves(weight: float, backend: str) -> None:
    """At weight 0 a latent is Laplace, variance 2 / l^2; else what the integral over a line says."""
    program = ed.loads(RIGHT["sparse coding"]).compile(backend, "float64")
    params = {**program.init(0), "W": np.full((4, 3), weight), "l": np.array(0.7)}
    state = {"x": np.array([[1.0, -2.0, 0.5, 3.0]]), "h": np.zeros((1, 3))}
    mean, variance = (
        np.array(program.engine.host(f(params, state, "h")))[0, 0] for f in (program.mean, program.variance)
    )
    wide = min(200.0, 50.0 / max(weight, 1e-9) + 20.0)
    h = np.unique(np.concatenate([np.linspace(-wide, wide, 2_000_001), np.linspace(-0.1, 0.1, 2_000_001)]))
    log_p = -0.5 * ((state["x"].T - weight * h) ** 2).sum(axis=0) - 0.7 * np.abs(h)
    steps = np.diff(h)

    def integral(f: np.ndarray) -> float:
        return float((0.5 * (f[1:] + f[:-1]) * steps).sum())

    p = np.exp(log_p - log_p.max())
    p /= integral(p)
    np.testing.assert_allclose(mean, integral(p * h), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(variance, integral(p * h * h) - integral(p * h) ** 2, rtol=1e-5)
    if weight < 1e-9:
        np.testing.assert_allclose(variance, 2 / 0.7**2, rtol=1e-9)
