"""Counts without a closed form, on every backend: negative binomial, Conway-Maxwell-Poisson and their kin, against SciPy and long sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import energydsl as ed
from energydsl.backends.numpy.runtime.tabulated import table_ends
from energydsl.program import Program
from energydsl.program.marginals import statistics
from energydsl.program.undirected import Undirected

LONG = np.arange(400_000.0)
COUNT = "n : count\nparam a : positive = 1\nenergy = "
FALLING = np.array([-8.0, -1.0, -0.3, -0.03, -0.002])
Values = Callable[[np.ndarray], np.ndarray]

# name: the layer; its base measure; what its natural parameters multiply, and they
CASES: dict[str, tuple[str, bool, list[tuple[Values, np.ndarray]]]] = {
    "negative binomial": (
        COUNT + "lgamma(n + 1) - lgamma(n + 2.5) + a * n",
        True,
        [(lambda n: special.gammaln(n + 2.5), np.ones(5)), (lambda n: n, FALLING)],
    ),
    "zero-inflated": (
        COUNT + "lgamma(n + 1) - exp(-40 * n)",
        True,
        [(lambda n: np.exp(-40 * n), np.array([2.0, -3.0, 0.5, 9.0, 1.0]))],
    ),
    "Conway-Maxwell-Poisson": (
        COUNT + "1.5 * lgamma(n + 1) - 2 * n",
        False,
        [(lambda n: special.gammaln(n + 1), np.full(5, -1.5)), (lambda n: n, np.array([-4.0, 0.3, 2.0, 5.0, 9.0]))],
    ),
    "entropy-like": (
        COUNT + "(n + 1) * log(n + 1)",
        False,
        [
            (lambda n: np.log(n + 1), np.array([-1.0, -0.5, -2.0, -1.0, 3.0])),
            (lambda n: n * np.log(n + 1), np.array([-1.0, -0.5, -2.0, -0.2, -3.0])),
        ],
    ),
    "quadratic": (
        COUNT + "0.3 * n^2 - 5 * n",
        False,
        [(lambda n: n, np.array([5.0, -2.0, 0.0, 30.0, 1.0])), (lambda n: n**2, np.array([-0.3, -1.0, -5.0, -0.1, -1e-4]))],
    ),
    "Laplace": (COUNT + "a * abs(n - 7)", False, [(lambda n: np.abs(n - 7), FALLING)]),
    "stretched": (COUNT + "3 * sqrt(2 * n + 1)", False, [(lambda n: np.sqrt(2 * n + 1), np.array([-3.0, -1.0, -0.5, -9.0, -2.0]))]),
}  # fmt: skip
NAMES = pytest.mark.parametrize("name", CASES)


def kernels(name: str, backend: str) -> tuple[Program, list[Any]]:
    """The program of a case, and its natural parameters in the order of its statistics."""
    program = Program(Undirected(ed.loads("visible " + CASES[name][0]).derived, backend, "float64"))
    n = np.array([1.0, 2.0, 5.0])
    values = [program.engine.host(t) for t in statistics(program.engine, "n", program.engine.device(n))]
    given = CASES[name][2]
    places = [next(k for k, (t, _) in enumerate(given) if np.allclose(t(n), v, atol=1e-9)) for v in values]
    return program, [program.engine.device(given[k][1]) for k in places]


def weights(name: str) -> tuple[np.ndarray, np.ndarray]:
    """log weights at all counts up to a large one, (units, counts), and log h."""
    _, weighted, given = CASES[name]
    base = -special.gammaln(LONG + 1) if weighted else np.zeros(len(LONG))
    return sum(e[:, None] * t(LONG) for t, e in given) + base, base


@NAMES
def test_moments_against_long_sums(name: str, backend: str) -> None:
    program, etas = kernels(name, backend)
    layer, host = program.engine.kernels.layers["n"], program.engine.host
    logits, base = weights(name)
    log = special.logsumexp(logits, axis=1)
    p = np.exp(logits - log[:, None])
    mean = p @ LONG
    np.testing.assert_allclose(host(layer.log_partition(*etas)), log, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(host(layer.mean(*etas)), mean, rtol=1e-11, atol=1e-15)
    variance = np.array([q @ (LONG - m) ** 2 for q, m in zip(p, mean, strict=True)])
    np.testing.assert_allclose(host(layer.variance(*etas)), variance, rtol=1e-10, atol=1e-15)
    entropy = log - (p * (logits - base)).sum(axis=1)
    np.testing.assert_allclose(host(layer.entropy(*etas)), entropy, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(host(layer.mode(*etas)), logits.argmax(axis=1))


def test_the_negative_binomial_is_that_of_scipy(backend: str) -> None:
    program, etas = kernels("negative binomial", backend)
    layer, host = program.engine.kernels.layers["n"], program.engine.host
    wanted = stats.nbinom(2.5, -np.expm1(FALLING))
    np.testing.assert_allclose(host(layer.mean(*etas)), wanted.mean(), rtol=1e-10)
    np.testing.assert_allclose(host(layer.variance(*etas)), wanted.var(), rtol=1e-9)
    log = special.gammaln(2.5) - 2.5 * np.log(-np.expm1(FALLING))
    np.testing.assert_allclose(host(layer.log_partition(*etas)), log, rtol=1e-12)


def test_the_negative_binomial_of_any_shape_is_that_of_scipy(backend: str) -> None:
    """A shape that is a parameter is a location, lgamma(n + r); tables end where less than 2^-60 is left for every r."""
    model = ed.loads(
        "visible " + COUNT.replace("a :", "r : positive = 1, a :") + "lgamma(n + 1) - lgamma(n + r) + a * n"
    )
    engine = Undirected(model.derived, backend, "float64")
    device, host, layer = engine.device, engine.host, engine.kernels.layers["n"]
    shape, rate = (x.ravel() for x in np.meshgrid([0.01, 0.7, 1.0, 6.0, 60.0], [0.03, 0.3, 4.0]))
    etas = [device(x) for x in (-rate, np.ones(len(rate)), -shape)]
    wanted = stats.nbinom(shape, -np.expm1(-rate))
    np.testing.assert_allclose(
        host(layer.log_partition(*etas)),
        special.gammaln(shape) - shape * np.log(-np.expm1(-rate)),
        rtol=1e-9,
        atol=1e-9,
    )
    np.testing.assert_allclose(host(layer.mean(*etas)), wanted.mean(), rtol=1e-9)
    np.testing.assert_allclose(host(layer.variance(*etas)), wanted.var(), rtol=1e-9)
    for u in (1e-4, 0.3, 0.9, 0.9999):
        drawn = engine.kernels.density_draw(layer.density, *etas, device(np.full(len(rate), u)))
        np.testing.assert_array_equal(host(drawn), wanted.ppf(u))
    if backend == "numpy":
        assert "exp(-a n + lgamma(r + n) - lgamma(1 + n))" in model.explain()
        ends = table_ends(layer.density, etas[:2], etas[2])
        assert (wanted.logsf(np.minimum(ends - 1.0, 1e9)) < -60.0 * np.log(2.0)).all()


@NAMES
@pytest.mark.parametrize("u", [1e-9, 0.2, 0.5, 0.97, 0.999999])
def test_draws_invert_the_distribution_function(name: str, u: float, backend: str) -> None:
    program, etas = kernels(name, backend)
    compiled = program.engine.kernels
    uniform = program.engine.device(np.full(5, u))
    drawn = program.engine.host(compiled.density_draw(compiled.layers["n"].density, *etas, uniform))
    logits, _ = weights(name)
    below = np.cumsum(np.exp(logits - special.logsumexp(logits, axis=1)[:, None]), axis=1)
    np.testing.assert_array_equal(drawn, [np.searchsorted(b, u, side="right") for b in below])


@NAMES
def test_next_to_nothing_lies_beyond_a_table(name: str) -> None:
    program, etas = kernels(name, "numpy")
    ends = table_ends(program.engine.kernels.layers["n"].density, etas)
    logits, _ = weights(name)
    for end, each in zip(ends, logits, strict=True):
        beyond = special.logsumexp(each[int(end) :]) - special.logsumexp(each)
        assert beyond < -60.0 * np.log(2.0)


def test_a_table_that_would_never_end_is_no_number(backend: str) -> None:
    program, _ = kernels("Laplace", backend)
    layer, device = program.engine.kernels.layers["n"], program.engine.device
    found = program.engine.host(layer.mean(device(np.array([0.1, 0.0, -1e-7, -1.0]))))
    assert np.isnan(found[:3]).all()
    assert np.isfinite(found[3])


HEAD = "visible n[2] : count\nhidden h[2] : binary\nparam W[2, 2], m[2], a[2] : positive = 1, r[2] : positive = 1\nenergy = "
PROVED = [
    "sum(lgamma(n + 1)) - sum(lgamma(n + 2.5)) + a @ n",
    "sum(lgamma(n + 1)) - sum(lgamma(0.5 + n)) + sum(n) + 0.5 * n[0]*n[1]",
    "sum((n + 1) * log(n + 1)) - n @ W @ h",
    "sum(0.3 * n^2) - n @ W @ h",
    "1.5 * sum(lgamma(n + 1)) - n @ W @ h",
    "sum(lgamma(n + 1)) - n @ W @ h - 2 * sum(h * exp(-9 * n))",
    "sum(abs(n - 2)) + a @ n + sum(sin(n) * tanh(n))",
    "sum(sqrt(n)) + a @ n - 2 * sum(log(n + 0.5))",
    "sum(lgamma(n + 1)) - sum(lgamma(n + r)) + a @ n + n[0]*h[0]",
    "sum(abs(n - m)) + 0.1 * sum(n^2) - n @ W @ h",
    "3 * sum(log(n + r)) + sum(n) + n[0]*h[0]",
    "sum(logcosh(n - 3)) - 0.4 * sum(softplus(3 - n)) + sum(1 / (n + 1))",
]


@pytest.mark.parametrize("energy", PROVED)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_certificate(energy: str, backend: str) -> None:
    certificate = ed.loads(HEAD + energy).verify(backend=backend)
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("energy", PROVED[:3])
def test_certificate_on_a_device(energy: str, device: str) -> None:
    certificate = ed.loads(HEAD + energy).verify(backend="cupy")
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize(
    ("energy", "code", "said"),
    [
        ("3 * sum(log(n + 1))", "E0311", "faster than any power"),
        ("sum(lgamma(n + 1)) - sum(lgamma(n + 2.5)) - a @ n", "E0311", "holds `n` far out"),
        ("sum(lgamma(n + 1)) - sum(lgamma(n + 2.5))", "E0311", "holds `n` far out"),
        ("sum(lgamma(n + 1)) - 1.1 * sum(lgamma(n + 2.5)) + a @ n", "E0311", "grows fastest of `n` far out"),
        ("sum(sqrt(n)) - a @ n", "E0311", "grows fastest of `n` far out"),
        ("sum(lgamma(n + 1)) - lgamma(n[0] + 2) + a @ n - sum(n)", "E0311", "grows fastest"),
        ("sum(cos(n))", "E0311", "holds `n` far out"),
        ("a[0] * n[0]^2 + n[1] - 0.5 * n[1]^2", "E0311", "grows fastest"),
        ("sum(n * log(n))", "E0310", r"log\(0\)"),
        ("sum(1 / n) + sum(n)", "E0310", "not a number where the unit is 0"),
        ("sum(lgamma(n - 0.5)) + sum(n^2)", "E0310", "lgamma takes a positive number"),
        ("sum(exp(n))", "E0310", "outgrows every power"),
        ("sum(lgamma(n + 1)) - sum(lgamma(n + m)) + sum(n)", "E0310", "added to `n` inside this function"),
        ("sum(lgamma(n + 1)) - sum(lgamma(n - r)) + sum(n)", "E0310", "added to `n` inside this function"),
        ("sum(lgamma(n + 1)) - sum(lgamma(n + r)) - m @ n", "E0311", "holds `n` far out"),
        ("sum(tanh(n - m)) + sum(softplus(m - n))", "E0310", "one of their sum"),
    ],
)
def test_what_no_table_holds_is_refused(energy: str, code: str, said: str) -> None:
    with pytest.raises(ed.ModelError, match=said) as error:
        ed.loads(HEAD + energy)
    assert {d.code for d in error.value.diagnostics} == {code}


def test_a_rate_is_learned_through_a_table() -> None:
    """The maximum-likelihood rate of a negative binomial: where its mean is that of the data."""
    model = ed.loads("visible n : count\nparam a : positive = 0.5\nenergy = lgamma(n + 1) - lgamma(n + 3) + a * n")
    rng = np.random.default_rng(0)
    data = rng.negative_binomial(3, 0.2, 4000).astype(float)
    program = model.compile("numpy", "float64")
    run = ed.train(program, {"n": data[:, None].ravel()}, ed.MCMC(k=2, chains=100), ed.Adam(lr=0.02), epochs=20, seed=1)
    np.testing.assert_allclose(float(run.params["a"]), np.log1p(3 / data.mean()), rtol=0.05)
