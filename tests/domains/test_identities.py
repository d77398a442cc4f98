"""Identities of the table of domains: A, its derivatives, draws and entropy, for every domain that is derived."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.domains import DOMAINS
from energydsl.program import Program

DERIVED = [n for n, d in DOMAINS.items() if d.derived]
ETAS = np.array([-40.0, -3.0, -0.5, 0.0, 0.1, 2.0, 40.0])
ENERGY = {
    "binary": "visible x : binary\nparam b\nenergy = - b * x",
    "spin": "visible x : spin\nparam b\nenergy = - b * x",
    "categorical": "visible x : categorical[3]\nparam b[3]\nenergy = - b @ x",
    "real": "visible x : real\nparam b\nenergy = 0.5 * x^2 - b * x",
}
GRID = np.arange(-60.0, 60.0, 0.01)


def kernels(name: str) -> Any:
    return Program(ed.loads(ENERGY[name]).derived, "numpy", "float64").kernels


def points(name: str) -> tuple[list[np.ndarray], np.ndarray, float]:
    """Natural parameters, the support, and the weight of one point of it."""
    domain = DOMAINS[name]
    if domain.one_hot:
        return [np.stack([ETAS, 0.3 * ETAS, np.zeros_like(ETAS)], axis=1)], np.eye(3), 1.0
    if domain.points:
        return [ETAS], np.array(domain.points), 1.0
    return [ETAS, np.linspace(-2.0, -0.5, len(ETAS))], GRID, 0.01


def logits(name: str, etas: list[np.ndarray], support: np.ndarray) -> np.ndarray:
    if DOMAINS[name].one_hot:
        return etas[0]
    return sum(e[:, None] * support**k for e, k in zip(etas, DOMAINS[name].powers, strict=True))


@pytest.mark.parametrize("name", DERIVED)
def test_log_partition_mean_variance_entropy(name: str) -> None:
    etas, support, weight = points(name)
    found = kernels(name)
    logs = logits(name, etas, support) + np.log(weight)
    exact = np.logaddexp.reduce(logs, axis=1)
    with np.errstate(under="ignore"):
        p = np.exp(logs - exact[:, None])
    np.testing.assert_allclose(found.log_partition_x(*etas), exact, rtol=1e-9, atol=1e-12)
    mean, variance = found.mean_x(*etas), found.variance_x(*etas)
    if DOMAINS[name].one_hot:
        np.testing.assert_allclose(mean, p, atol=1e-12)
        np.testing.assert_allclose(variance, p * (1 - p), atol=1e-12)
    else:
        np.testing.assert_allclose(mean, p @ support, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(variance, p @ support**2 - (p @ support) ** 2, rtol=1e-6, atol=1e-9)
    safe = np.where(p > 0, p, 1.0)
    entropy = -(p * np.log(safe / weight)).sum(axis=1)
    np.testing.assert_allclose(np.broadcast_to(found.entropy_x(*etas), entropy.shape), entropy, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", DERIVED)
def test_mean_and_variance_are_derivatives_of_the_log_partition(name: str) -> None:
    etas, _, _ = points(name)
    etas = [e[1:-1] for e in etas]
    found, h = kernels(name), 1e-4
    shift = np.zeros_like(etas[0])
    shift[..., *([0] if DOMAINS[name].one_hot else [])] = h
    up, down = (np.asarray(found.log_partition_x(etas[0] + s * shift, *etas[1:])) for s in (1, -1))
    middle = np.asarray(found.log_partition_x(*etas))
    first = (slice(None), 0) if DOMAINS[name].one_hot else (slice(None),)
    np.testing.assert_allclose(found.mean_x(*etas)[first], (up - down) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(found.variance_x(*etas)[first], (up - 2 * middle + down) / h**2, atol=1e-5)


def test_binary_means_keep_their_tails() -> None:
    np.testing.assert_allclose(kernels("binary").mean_x(np.array([-40.0])), np.exp(-40.0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ndtri_against_scipy(dtype: str) -> None:
    from scipy.special import ndtri

    from energydsl.backends.numpy_runtime import ndtri as ours

    u = np.concatenate(
        [np.geomspace(1e-7, 0.4, 50), np.linspace(0.4, 0.6, 21), 1 - np.geomspace(1e-6, 0.4, 50)]
    ).astype(dtype)
    np.testing.assert_allclose(ours(u), ndtri(u.astype(float)), rtol=3e-7 if dtype == "float32" else 1e-13, atol=1e-7)
    assert np.isfinite(ours(np.zeros(1, dtype))).all()


def test_digamma_against_scipy() -> None:
    from scipy.special import digamma

    from energydsl.backends.numpy_runtime import digamma as ours

    x = np.array([0.1, 0.5, 1.0, 2.5, 7.0, 100.0])
    np.testing.assert_allclose(ours(x), digamma(x), rtol=1e-8)
