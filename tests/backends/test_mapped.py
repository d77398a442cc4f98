"""Densities with a singularity at an end, on every backend: Gamma, inverse Gamma, Beta and their kin, against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import energydsl as ed
from energydsl.derive import ends, every_value
from energydsl.domains import mapped
from energydsl.program import Program
from energydsl.program.marginals import statistics
from energydsl.program.undirected import Undirected

SHAPES = np.array([0.02, 0.3, 1.0, 2.5, 40.0, 3000.0])
OTHERS = np.array([2.0, 0.2, 1.0, 7.0, 3.0, 500.0])
POSITIVE = "x : positive\nparam a : positive = 2, b : positive = 1\nenergy = "

# name: the layer; what its natural parameters multiply, and they; log of the integral; the distribution
CASES: dict[str, tuple[str, list[tuple[Any, np.ndarray]], np.ndarray, Any]] = {
    "gamma": (
        POSITIVE + "(1 - a) * log(x) + b * x",
        [(np.log, SHAPES - 1.0), (lambda x: x, -OTHERS)],
        special.gammaln(SHAPES) - SHAPES * np.log(OTHERS),
        stats.gamma(SHAPES, scale=1.0 / OTHERS),
    ),
    "gamma of a scaled unit": (
        POSITIVE + "(1 - a) * log(3 * x) + b * x",
        [(lambda x: np.log(3 * x), SHAPES - 1.0), (lambda x: x, -OTHERS)],
        special.gammaln(SHAPES) - SHAPES * np.log(OTHERS) + (SHAPES - 1.0) * np.log(3.0),
        stats.gamma(SHAPES, scale=1.0 / OTHERS),
    ),
    "inverse gamma": (
        POSITIVE + "(1 + a) * log(x) + b / x",
        [(np.log, -1.0 - SHAPES), (lambda x: 1 / x, -OTHERS)],
        special.gammaln(SHAPES) - SHAPES * np.log(OTHERS),
        stats.invgamma(SHAPES, scale=OTHERS),
    ),
    "generalised inverse gaussian": (
        POSITIVE + "a * log(x) + b / x + x",
        [(np.log, SHAPES[:5] - 2.0), (lambda x: 1 / x, -OTHERS[:5] / 2), (lambda x: x, -OTHERS[:5] / 2)],
        np.log(2.0) + np.log(special.kve(SHAPES[:5] - 1.0, OTHERS[:5])) - OTHERS[:5],
        stats.geninvgauss(SHAPES[:5] - 1.0, OTHERS[:5]),
    ),
    "log-normal": (
        POSITIVE + "log(x)^2 / b",
        [(lambda x: np.log(x) ** 2, -0.5 / OTHERS[:5] ** 2)],
        np.log(OTHERS[:5] * np.sqrt(2 * np.pi)) + 0.5 * OTHERS[:5] ** 2,
        stats.lognorm(OTHERS[:5], scale=np.exp(OTHERS[:5] ** 2)),
    ),
    "weibull": (
        POSITIVE + "(1 - a) * log(x) + b * sqrt(x)",
        [(np.log, np.full(6, -0.5)), (np.sqrt, -OTHERS)],
        np.log(2.0 / OTHERS),
        stats.weibull_min(0.5, scale=1.0 / OTHERS**2),
    ),
    "beta": (
        "x : interval[-2, 1]\nparam a : positive = 2, b : positive = 1\nenergy = (1 - a) * log(x + 2) + (1 - b) * log(1 - x)",
        [(lambda x: np.log(x + 2), SHAPES - 1.0), (lambda x: np.log(1 - x), OTHERS - 1.0)],
        special.betaln(SHAPES, OTHERS) + (SHAPES + OTHERS - 1.0) * np.log(3.0),
        stats.beta(SHAPES, OTHERS, loc=-2.0, scale=3.0),
    ),
}
NAMES = pytest.mark.parametrize("name", CASES)


def program_of(text: str, backend: str) -> Program:
    return Program(Undirected(ed.loads("visible " + text).derived, backend, "float64"))


def etas_of(name: str, program: Program) -> list[Any]:
    """The natural parameters in the order of the program's statistics."""
    x = np.array([0.2, 0.5, 0.9])
    values = [program.engine.host(t) for t in statistics(program.engine, "x", program.engine.device(x))]
    given = CASES[name][1]
    places = [next(k for k, (t, _) in enumerate(given) if np.allclose(t(x), v)) for v in values]
    return [program.engine.device(given[k][1]) for k in places]


@NAMES
def test_moments_against_scipy(name: str, backend: str) -> None:
    text, given, log, wanted = CASES[name]
    program = program_of(text, backend)
    etas = etas_of(name, program)
    layer = program.engine.kernels.layers["x"]
    found = {
        w: program.engine.host(getattr(layer, w)(*etas))
        for w in ("log_partition", "mean", "variance", "entropy", "mode")
    }
    np.testing.assert_allclose(found["log_partition"], log, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(found["mean"], wanted.mean(), rtol=1e-9)
    variance = wanted.var()
    finite = np.isfinite(variance)
    np.testing.assert_allclose(found["variance"][finite], variance[finite], rtol=1e-7)
    assert np.isinf(found["variance"][~finite]).all()
    if name != "generalised inverse gaussian":
        np.testing.assert_allclose(found["entropy"], wanted.entropy(), rtol=1e-9, atol=1e-9)
    x = found["mode"]
    height = np.array([sum(e[k] * t(x[k]) for t, e in given) for k in range(len(x))])
    for step in (0.999, 1.001):
        low, high = (-2.0, 1.0) if name == "beta" else (0.0, np.inf)
        near = np.clip(low + (x - low) * step, low + 1e-300, np.nextafter(high, low))
        inside = (near > low) & (near < high) & (x > low + 1e-9) & (x < high - 1e-9)
        lower = np.array([sum(e[k] * t(near[k]) for t, e in given) if inside[k] else -np.inf for k in range(len(x))])
        assert (height >= lower - 1e-9).all()


@NAMES
def test_draws_invert_the_distribution_function(name: str, backend: str) -> None:
    text, _, _, wanted = CASES[name]
    program = program_of(text, backend)
    etas = etas_of(name, program)
    kernels = program.engine.kernels
    for u in (1e-6, 0.01, 0.3, 0.5, 0.97, 0.9999):
        uniform = program.engine.device(np.full(len(program.engine.host(etas[0])), u))
        drawn = program.engine.host(kernels.density_draw(kernels.layers["x"].density, *etas, uniform))
        inside = drawn > (np.nextafter(-2.0, 1.0) if name == "beta" else 2.0**-1022)
        inside &= drawn < (np.nextafter(1.0, -2.0) if name == "beta" else np.inf)
        # what lies nearer to an end than numbers do is at the number next to it
        exact = wanted.ppf(u)
        np.testing.assert_allclose(drawn[inside], exact[inside], rtol=1e-8, atol=1e-14)
        assert (np.isfinite(drawn) & (drawn > -2.0 if name == "beta" else drawn > 0.0)).all()


def test_single_precision_draws_have_logarithms(fast: str) -> None:
    """Of the smallest shapes: what is nearer to an end than numbers of the precision can be stays off it."""
    text = "visible x[50] : positive\nhidden y[50] : interval[0, 1]\nparam a : positive = 0.001\nenergy = (1 - a) * sum(log(x) + log(y) + log(1 - y)) + sum(x)"
    program = ed.loads(text).compile(fast)
    params = program.init(0)
    state = program.gibbs(params, program.init_state(params, 20), 2, rng=ed.Rng(1))
    assert np.isfinite(program.engine.host(program.energy(params, state))).all()


PROVED = [
    "x[3] : positive\nparam a[3] : positive = 2, b[3] : positive = 1\nenergy = sum((1 - a) * log(x)) + b @ x",
    "x[2] : positive\nhidden h[2] : binary\nparam W[2, 2] : nonnegative = 0.3, b[2] : positive = 1\nenergy = sum(b * x - 2 * log(x)) + x @ W @ h",
    "x[2] : positive\nparam a[2] : positive = 2, b[2] : positive = 1\nenergy = sum((1 + a) * log(x)) + sum(b / x)",
    "x[2] : positive\nparam a[2], b[2] : positive = 1\nenergy = sum(a * log(x)) + sum(b / x) + sum(x)",
    "x[2] : positive\nparam m[2], s : positive = 1\nenergy = sum((log(x) - m)^2) / (2 * s^2) + sum(log(x))",
    "x[2] : positive\nhidden h[2] : binary\nenergy = sum(x) + 0.9 * sum(h * log(x)) - sum(sqrt(x))",
    "x[2] : positive\nparam a[2] : positive = 2\nenergy = sum((1 - a) * log(x) + x * log(x)) + sum(abs(x - 2))",
    "x[2] : positive\nparam a[2] : positive = 2\nenergy = sum((1 - a) * log(x)) + sum(x^2) + sum(softplus(x - 2) - sin(3 * x))",
    "x[2] : interval[0, 1]\nparam a[2] : positive = 2, b[2] : positive = 1\nenergy = sum((1 - a) * log(x)) + sum((1 - b) * log(1 - x))",
    "x[2] : interval[-2, 1]\nhidden h[2] : spin\nparam W[2, 2], a[2] : positive = 2\nenergy = sum((1 - a) * log(2 * x + 4)) - x @ W @ h + sum(tanh(3 * x))",
    "p[3] : interval[0, 1]\nhidden z[3] : categorical[2]\nenergy = - 2 * sum[i] z[i, 0] * log(p[i]) - sum[i] z[i, 1] * log(1 - p[i])",
]


@pytest.mark.parametrize("text", PROVED)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_what_has_a_singularity_is_proved(text: str, backend: str) -> None:
    certificate = ed.loads("visible " + text).verify(backend=backend)
    assert certificate.ok, str(certificate)


def test_annealing_starts_from_a_density() -> None:
    """log Z of Gamma units by annealing, and exactly."""
    model = ed.loads(
        "visible x[2] : positive\nhidden h[2] : binary\nparam a : positive = 3\nenergy = (1 - a) * sum(log(x)) + 2 * sum(x) + sum(h * x)"
    )
    program = model.compile("numpy", dtype="float64")
    exact = float(program.log_partition(program.init(0)))
    one = np.logaddexp(special.gammaln(3) - 3 * np.log(2), special.gammaln(3) - 3 * np.log(3))
    assert exact == pytest.approx(2 * one, rel=1e-10)


MISTAKES: dict[str, tuple[Any, str, Any, str]] = {
    "dx forgotten": (mapped, "_slope_of_dx", lambda f: lambda place, side: 0.0, "refused"),
    "a bound on the wrong side": (
        mapped,
        "_between",
        lambda f: lambda n, s, low, high: f(n, s, -high, -low),
        "refused",
    ),
    "a constant inside a logarithm lost": (mapped, "_on_half_line", lambda f: lambda n, s: (f(n, s)[0], 0.0), "wrong"),
    "a number beyond the terms left out": (
        ends,
        "fails_for_some_value",
        lambda f: lambda m, a, h, b: f(m, a, h),
        "refused",
    ),
    "every factor of a logarithm taken": (every_value, "sign_of_factors", lambda f: lambda *a: 2, "accepted"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_about_an_end_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, what, make, effect = MISTAKES[name]
    monkeypatch.setattr(module, what, make(getattr(module, what)))
    if effect == "accepted":
        ed.loads("visible x : positive\nparam a\nenergy = x - a * log(x)")
    elif effect == "refused":
        with pytest.raises(ed.ModelError):
            ed.loads("visible " + PROVED[0]), ed.loads("visible " + PROVED[9])
    else:
        text = "visible x : positive\nparam a : positive = 2\nenergy = (1 - a) * log(3 * x) + x"
        assert not ed.loads(text).verify().ok
