"""The runtimes' own special functions against SciPy's: they stand there because standalone modules need only NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from energydsl.backends.numpy.runtime import choice, counts, functions, quantile, truncated

Function = Callable[..., Any]

WIDE = np.concatenate([np.linspace(-37, 60, 2001), np.geomspace(1e-8, 1e100, 501), -np.geomspace(1e-8, 1e3, 501)])
POSITIVE = np.concatenate([np.geomspace(1e-100, 1e100, 2001), np.linspace(1e-3, 50, 2001)])
BETWEEN = np.concatenate([np.geomspace(2.0**-53, 0.5, 1001), 1 - np.geomspace(2.0**-52, 0.5, 1001)])
STATES = np.random.default_rng(0).normal(size=(200, 5)) * 10


def log_mills(x: np.ndarray) -> np.ndarray:
    """By erfcx where that is finite, else by the normal distribution function."""
    far = x > -37
    by_erfcx = np.log(special.erfcx(np.where(far, x, 0.0) / np.sqrt(2))) + 0.5 * np.log(np.pi / 2)
    return np.where(far, by_erfcx, special.log_ndtr(-x) + 0.5 * x * x + 0.5 * np.log(2 * np.pi))


# name: ours, SciPy's, where, the largest error beside max(1, |value|)
CASES: dict[str, tuple[Function, Function, np.ndarray, float]] = {
    "sigmoid": (functions.sigmoid, special.expit, WIDE, 1e-15),
    "softplus": (functions.softplus, lambda x: -special.log_expit(-x), WIDE, 1e-15),
    "log_cosh": (functions.log_cosh, lambda x: np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2), WIDE, 1e-15),
    "log1mexp": (functions.log1mexp, lambda x: np.log1p(-np.exp(x)), -np.geomspace(1e-2, 50, 501), 1e-13),
    "lgamma": (functions.lgamma, special.gammaln, POSITIVE, 1e-12),
    "lgamma, also below 0": (functions.lgamma, special.gammaln, np.linspace(-20.003, 5.017, 999), 1e-13),
    "digamma": (functions.digamma, special.digamma, POSITIVE, 1e-10),
    "log_mills": (functions.log_mills, log_mills, WIDE, 1e-14),
    "ndtri": (quantile.ndtri, special.ndtri, BETWEEN, 1e-14),
    "softmax": (choice.softmax_last, lambda x: special.softmax(x, -1), STATES, 1e-15),
    "logsumexp": (choice.logsumexp_last, lambda x: special.logsumexp(x, -1), STATES, 1e-14),
    "entropy": (choice.entropy_last, lambda x: stats.entropy(special.softmax(x, -1), axis=-1), STATES, 1e-13),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:overflow")
def test_against_scipy(name: str) -> None:
    ours, theirs, x, most = CASES[name]
    wanted = theirs(x)
    assert np.isfinite(wanted).all()
    assert np.max(np.abs(ours(x) - wanted) / np.maximum(1.0, np.abs(wanted))) < most


def test_cumulated_hazard_against_scipy() -> None:
    a, d = np.meshgrid(np.linspace(-8, 300, 200), np.geomspace(1e-6, 50, 100))
    wanted = special.log_ndtr(-a) - special.log_ndtr(-(a + d))
    np.testing.assert_allclose(truncated.cumulated_hazard(a, d), wanted, rtol=1e-10, atol=1e-10)
    assert truncated.cumulated_hazard(np.zeros(1), np.full(1, np.inf)) == np.inf


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 2.5), (0.0, np.inf)])
def test_normal_between_bounds_against_scipy(bounds: tuple[float, float]) -> None:
    eta1, eta2 = (a.ravel() for a in np.meshgrid(np.linspace(-3, 3, 25), -np.geomspace(0.3, 3, 9)))
    sd, mean = np.sqrt(-0.5 / eta2), -0.5 * eta1 / eta2
    low, high = ((b - mean) / sd for b in bounds)
    wanted = stats.truncnorm(low, high, loc=mean, scale=sd)
    u = np.random.default_rng(1).random(len(mean))
    np.testing.assert_allclose(truncated.truncated_normal_mean(eta1, eta2, *bounds), wanted.mean(), rtol=1e-8)
    np.testing.assert_allclose(truncated.truncated_normal_variance(eta1, eta2, *bounds), wanted.var(), rtol=1e-6)
    above = special.log_ndtr(-low)
    inside = above + np.log1p(-np.exp(special.log_ndtr(-high) - above))
    log = -0.25 * eta1**2 / eta2 + np.log(np.sqrt(2 * np.pi) * sd) + inside
    np.testing.assert_allclose(truncated.truncated_normal_log(eta1, eta2, *bounds), log, atol=1e-9)
    entropy = log - eta1 * wanted.mean() - eta2 * (wanted.var() + wanted.mean() ** 2)
    np.testing.assert_allclose(truncated.truncated_normal_entropy(eta1, eta2, *bounds), entropy, atol=1e-8)
    np.testing.assert_allclose(
        truncated.truncated_normal_draw(eta1, eta2, *bounds, u), wanted.ppf(u), rtol=1e-8, atol=1e-10
    )


def test_poisson_numbers_against_scipy() -> None:
    eta, u = np.meshgrid(np.log(np.geomspace(0.01, 1e5, 25)), np.linspace(0.001, 0.999, 51))
    np.testing.assert_array_equal(counts.poisson_draw(eta, u), stats.poisson.ppf(u, np.exp(eta)))
    rate = np.exp(eta[0])
    wanted = stats.poisson.pmf(np.floor(rate), rate)
    np.testing.assert_allclose(counts.poisson_peak(np.floor(rate), rate), wanted, rtol=1e-9)
