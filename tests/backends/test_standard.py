"""Parameters inside functions of a unit of an infinite domain: its location and scale, learned like any other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import energydsl as ed
from energydsl.inference.ais import ais

PROVED = [
    "x[3] : real\nparam m[3], b : positive = 1\nenergy = b * sum(abs(x - m))",
    "x[3] : real\nhidden h[2] : binary\nparam m[3], W[3, 2], l[3] : positive = 1\nenergy = sum(l * abs(x - m)) + 0.5 * sum(x^2) - x @ W @ h",
    "x[3] : real\nparam a[3] : positive = 1\nenergy = 0.5 * sum(x^2) - sum(tanh(a * x)) + sum(x)",
    "x[2] : real\nparam m[2], s[2] : positive = 1\nenergy = sum(abs((x - m) / s)) + sum(x^4)",
    "x[2, 2] : real\nparam m[2, 2], a\nenergy = sum[i, j] abs(x[j, i] - m[j, i] + a) + sum(x^2)",
    "x[2] : positive\nparam a[2] : positive = 1\nenergy = sum(x) - sum(tanh(a * x))",
    "x[3] : real\nparam b[3] : positive = 1\nenergy = 3 * sum(log(1 + x^2 / b))",
    "x[3] : real\nhidden h[2] : binary\nparam W[3, 2], a[3] : positive = 1, b[3] : positive = 1\n"
    "energy = sum((a + 1) * log(1 + x^2 / (2 * b))) + 0.5 * sum(x^2) - x @ W @ h",
    "x[2] : real\nparam a[2] : positive = 1\nenergy = sum((a + 1.2) * log(2 + 3 * x^2))",
    "x[2] : real\ninput g[2] : real\nenergy = 2 * sum(abs(x - g))",
]


@pytest.mark.parametrize("text", PROVED)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_certificate(text: str, backend: str) -> None:
    certificate = ed.loads("visible " + text).verify(backend=backend)
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("text", PROVED[:2])
def test_certificate_on_a_device(text: str, device: str) -> None:
    certificate = ed.loads("visible " + text).verify(backend="cupy")
    assert certificate.ok, str(certificate)


def test_laplace_with_a_location_is_that_of_scipy(backend: str) -> None:
    program = ed.loads("visible x[4] : real\nparam m[4], b[4] : positive = 1\nenergy = sum(b * abs(x - m))").compile(
        backend, "float64"
    )
    m, b = np.array([-300.0, -0.5, 0.0, 7.0]), np.array([0.01, 1.0, 3.0, 50.0])
    device, host, layer = program.engine.device, program.engine.host, program.engine.kernels.layers["x"]
    etas, wanted = (device(-b), device(m)), stats.laplace(m, 1.0 / b)
    np.testing.assert_allclose(host(layer.log_partition(*etas)), np.log(2.0 / b), rtol=1e-10)
    np.testing.assert_allclose(host(layer.mean(*etas)), m, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(host(layer.variance(*etas)), wanted.var(), rtol=1e-8)
    np.testing.assert_allclose(host(layer.entropy(*etas)), wanted.entropy(), rtol=1e-8)
    np.testing.assert_allclose(host(layer.mode(*etas)), m, rtol=1e-9, atol=1e-9)
    for u in (1e-5, 0.2, 0.5, 0.9):
        drawn = program.engine.kernels.density_draw(layer.density, *etas, device(np.full(4, u)))
        np.testing.assert_allclose(host(drawn), wanted.ppf(u), rtol=1e-8, atol=1e-8)


def test_students_t_is_that_of_scipy(backend: str) -> None:
    program = ed.loads(
        "visible x[5] : real\nparam a[5] : positive = 2, b[5] : positive = 1\nenergy = sum((a + 0.51) * log(1 + x^2 / b))"
    )
    program = program.compile(backend, "float64")
    freedom, size = np.array([0.3, 1.0, 2.5, 5.0, 300.0]), np.array([1.0, 0.01, 400.0, 2.0, 1.0])
    device, host, layer = program.engine.device, program.engine.host, program.engine.kernels.layers["x"]
    # (1 + x^2 / b)^-(n + 1) / 2 of n degrees of freedom has the scale sqrt(b / n)
    etas, wanted = (
        (device(-0.5 * (freedom + 1)), device(np.sqrt(size))),
        stats.t(freedom, scale=np.sqrt(size / freedom)),
    )
    np.testing.assert_allclose(host(layer.log_partition(*etas)), -wanted.logpdf(0.0), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(host(layer.entropy(*etas)), wanted.entropy(), rtol=1e-8)
    np.testing.assert_allclose(host(layer.mode(*etas)), 0.0, atol=1e-6)
    variance = host(layer.variance(*etas))
    assert np.isinf(variance[:2]).all()
    np.testing.assert_allclose(variance[2:], wanted.var()[2:], rtol=1e-8)
    assert np.isnan(host(layer.mean(*etas))[:2]).all()
    np.testing.assert_allclose(host(layer.mean(*etas))[2:], 0.0, atol=1e-6)
    for u in (1e-5, 0.2, 0.5, 0.9):
        drawn = program.engine.kernels.density_draw(layer.density, *etas, device(np.full(5, u)))
        np.testing.assert_allclose(host(drawn), wanted.ppf(u), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("energy", "code"),
    [
        ("0.5 * sum(log(1 + x^2 / b))", "E0311"),
        ("sum(a * log(1 + x^2 / b))", "E0311"),
        ("- sum(log(1 + x^2 / b)) + sum(x)", "E0311"),
        ("3 * sum(log(1 + x + x^2))", "E0310"),
        ("3 * sum(log(x)) + sum(x^2)", "E0310"),
        ("3 * sum(log(b + x^2))", "E0310"),
    ],
)
def test_a_tail_that_is_too_heavy_is_refused(energy: str, code: str) -> None:
    with pytest.raises(ed.ModelError) as error:
        ed.loads(f"visible x[2] : real\nparam a[2] : positive = 2, b[2] : positive = 1\nenergy = {energy}")
    assert {d.code for d in error.value.diagnostics} == {code}


def test_a_location_is_learned() -> None:
    """The maximum-likelihood location of a Laplace layer is the median."""
    program = ed.loads("visible x[2] : real\nparam m[2]\nenergy = 2 * sum(abs(x - m))").compile("numpy", "float64")
    data = np.random.default_rng(0).laplace([1.0, -2.0], 0.5, (2000, 2))
    run = ed.train(program, data, ed.MCMC(k=2, chains=100), ed.Adam(lr=0.05), epochs=20, seed=1)
    np.testing.assert_allclose(run.params["m"], np.median(data, axis=0), atol=0.1)


def test_annealing_keeps_location_and_scale() -> None:
    program = ed.loads("visible x[2] : real\nparam m[2], b[2] : positive = 1\nenergy = sum(b * abs(x - m))").compile(
        "numpy", "float64"
    )
    params = {"m": np.array([3.0, -5.0]), "b": np.array([0.5, 2.0])}
    found = ais(program.engine, params, {}, betas=200, chains=50, seed=0)
    np.testing.assert_allclose(found.log_z, np.log(2.0 / params["b"]).sum(), atol=0.05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x[2] : real\nparam m[2], l[2]\nenergy = sum(abs(x - m)) + sum(abs(x - l)) + sum(x^2)", "same location"),
        ("x[2] : real\nparam m[2]\nenergy = sum(abs(x - m)) + sum(tanh(x)) + sum(x^2)", "same location"),
        ("x[2] : real\nparam a[2]\nenergy = sum(x^2) + sum(tanh(a * x))", "not provably positive"),
        ("x[2] : real\nparam m[3]\nenergy = sum[i, k] abs(x[i] - m[k])", "one unit"),
        ("x[3] : real\nparam m[2]\nenergy = sum[i in range(2)] abs(x[i] - m[i]) + sum(x^2)", "one unit"),
        ("x[2] : positive\nparam m[2]\nenergy = sum(abs(x - m))", "bounds"),
        ("x[2] : interval[0, 1]\nparam a[2] : positive = 1\nenergy = sum(tanh(a * x))", "bounds"),
        ("x[2] : count\nparam a[2] : positive = 1\nenergy = sum(x) + sum(tanh(a * x))", "bounds"),
        ("x[2] : real\nparam m[2]\nenergy = sum(x * tanh(x - m)) + sum(x^2)", "another factor"),
        ("x[2] : real\nparam m[2]\nenergy = sum(tanh(x^2 - m)) + sum(x^2)", "of a unit and of something else"),
    ],
)
def test_what_has_no_location_and_scale_is_refused(text: str, said: str) -> None:
    with pytest.raises(ed.ModelError, match=said) as error:
        ed.loads("visible " + text)
    assert {d.code for d in error.value.diagnostics} == {"E0310"}
    assert all(d.help for d in error.value.diagnostics)
