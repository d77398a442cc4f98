"""Identities of the table of families: A, its derivatives, draws and entropy, for every family of every domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import energydsl as ed
from energydsl.domains import FAMILIES
from energydsl.program.undirected import Undirected

ETAS = np.array([-40.0, -3.0, -0.5, 0.0, 0.1, 2.0, 40.0])
FALLING = np.array([-40.0, -3.0, -0.5, -0.1])
RATES = np.array([-40.0, -3.0, -0.5, 0.0, 0.1, 2.0, 4.5])
CURVES = np.linspace(-2.0, -0.5, len(ETAS))


def smooth(low: float, high: float, centres: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's rule on panels that grow with the distance from some places."""
    steps = scale * np.concatenate([[0.0], np.geomspace(0.02, 4000.0, 90)])
    ends = np.unique(np.clip(np.concatenate([c + s * steps for c in centres for s in (-1, 1)]), low, high))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()


def discrete(low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(low, high + 1.0), np.ones(high - low + 1)


# family: a model whose layer x has it, its natural parameters, places and weights of a sum over its domain
CASES: dict[str, tuple[str, list[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "bernoulli": ("x : binary\nparam b\nenergy = - b * x", [ETAS], discrete(0, 1)),
    "spin": ("x : spin\nparam b\nenergy = - b * x", [ETAS], (np.array([-1.0, 1.0]), np.ones(2))),
    "categorical": (
        "x : categorical[3]\nparam b[3]\nenergy = - b @ x",
        [np.stack([ETAS, 0.3 * ETAS, np.zeros_like(ETAS)], axis=1)],
        (np.eye(3), np.ones(3)),
    ),
    "normal": (
        "x : real\nparam b\nenergy = 0.5 * x^2 - b * x",
        [ETAS, CURVES],
        smooth(-200.0, 200.0, -0.5 * ETAS / CURVES, 0.5),
    ),
    "exponential": (
        "x : positive\nparam b : positive = 1\nenergy = b * x",
        [FALLING],
        smooth(0.0, 900.0, np.zeros(1), 0.3),
    ),
    "truncated_normal": (
        "x : interval[-1, 2]\nparam b\nenergy = 0.5 * x^2 - b * x",
        [ETAS, CURVES],
        smooth(-1.0, 2.0, np.array([-1.0, 2.0]), 0.02),
    ),
    "truncated_normal on a half-line": (
        "x : positive\nparam b\nenergy = 0.5 * x^2 - b * x",
        [ETAS, CURVES],
        smooth(0.0, 200.0, np.maximum(-0.5 * ETAS / CURVES, 0.0), 0.1),
    ),
    "truncated_exponential": (
        "x : interval[-1, 2]\nparam b\nenergy = - b * x",
        [ETAS],
        smooth(-1.0, 2.0, np.array([-1.0, 2.0]), 0.02),
    ),
    "poisson": ("x : count\nparam b\nenergy = lgamma(x + 1) - b * x", [RATES], discrete(0, 400)),
    "geometric": ("x : count\nparam b : positive = 1\nenergy = b * x", [FALLING], discrete(0, 500)),
    "table": (
        "x : integer[-1, 3]\nparam b\nenergy = - b * x",
        [np.outer(ETAS, np.arange(-1.0, 4.0)) - np.arange(5.0) ** 2],
        discrete(-1, 3),
    ),
}
NAMES = pytest.mark.parametrize("name", list(CASES))


def kernels(name: str) -> Any:
    return Undirected(ed.loads("visible " + CASES[name][0]).derived, "numpy", "float64").kernels


def logits(name: str) -> np.ndarray:
    """log of what every place weighs, one row a natural parameter."""
    family = FAMILIES[name.split()[0]]
    _, etas, (places, weights) = CASES[name]
    if family.parameter_per_state:
        logs = etas[0]
    else:
        logs = sum(e[:, None] * places**k for e, k in zip(etas, family.powers, strict=True))
    return logs + np.log(weights) - (special.gammaln(places + 1) if family.factorial_base else 0.0)


def test_every_family_has_a_case() -> None:
    assert {name.split()[0] for name in CASES} == set(FAMILIES)
    for name, (text, _, _) in CASES.items():
        assert ed.loads("visible " + text).conditionals["x"].distribution.name == name.split()[0]


@NAMES
def test_log_partition_mean_variance_entropy(name: str) -> None:
    _, etas, (places, weights) = CASES[name]
    found, logs = kernels(name), logits(name)
    exact = np.logaddexp.reduce(logs, axis=1)
    with np.errstate(under="ignore"):
        p = np.exp(logs - exact[:, None])
    np.testing.assert_allclose(found.layers["x"].log_partition(*etas), exact, rtol=1e-9, atol=1e-11)
    mean, variance = found.layers["x"].mean(*etas), found.layers["x"].variance(*etas)
    if FAMILIES[name.split()[0]].one_hot:
        np.testing.assert_allclose(mean, p, atol=1e-12)
        np.testing.assert_allclose(variance, p * (1 - p), atol=1e-12)
    else:
        centred = (p * (places - (p @ places)[:, None]) ** 2).sum(axis=1)
        np.testing.assert_allclose(mean, p @ places, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(np.broadcast_to(variance, mean.shape), centred, rtol=1e-6, atol=1e-12)
    weighted = FAMILIES[name.split()[0]].factorial_base
    base = np.log(weights) - (special.gammaln(places + 1) if weighted and name == "poisson" else 0.0)
    safe = np.where(p > 0, p, 1.0)
    entropy = -(p * (np.log(safe) - base)).sum(axis=1)
    np.testing.assert_allclose(
        np.broadcast_to(found.layers["x"].entropy(*etas), entropy.shape), entropy, rtol=1e-6, atol=1e-9
    )


@NAMES
def test_mean_and_variance_are_derivatives_of_the_log_partition(name: str) -> None:
    _, etas, _ = CASES[name]
    etas = [e[1:-1] for e in etas]
    found, h = kernels(name), 1e-4
    if FAMILIES[name.split()[0]].parameter_per_state:
        places = CASES[name][2][0] if CASES[name][2][0].ndim == 1 else np.array([1.0, 0.0, 0.0])
        shift = h * places
    else:
        shift = np.full_like(etas[0], h)
    up, down = (np.asarray(found.layers["x"].log_partition(etas[0] + s * shift, *etas[1:])) for s in (1, -1))
    middle = np.asarray(found.layers["x"].log_partition(*etas))
    first = (slice(None), 0) if FAMILIES[name.split()[0]].one_hot else (slice(None),)
    slope, curve = (up - down) / (2 * h), (up - 2 * middle + down) / h**2
    np.testing.assert_allclose(found.layers["x"].mean(*etas)[first], slope, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.broadcast_to(found.layers["x"].variance(*etas)[first], slope.shape), curve, rtol=1e-4, atol=1e-5
    )


@NAMES
def test_draws_invert_the_distribution_function(name: str) -> None:
    """P(x <= draw(u)) >= u > P(x < draw(u)), with equality for a continuous unit, in the tails too."""
    family = FAMILIES[name.split()[0]]
    _, etas, (places, _) = CASES[name]
    if family.one_hot or name in ("bernoulli", "spin"):
        return
    program = Undirected(ed.loads("visible " + CASES[name][0]).derived, "numpy", "float64")
    u = np.concatenate([[1e-9, 1e-4], np.linspace(0.01, 0.99, 23), [1 - 1e-4, 1 - 1e-9]])
    logs = logits(name)
    with np.errstate(under="ignore"):
        p = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    for row in range(len(etas[0])):
        given = [np.repeat(e[row : row + 1], len(u), axis=0) for e in etas]
        drawn = np.empty(len(u))
        draw = program.kernels.layers["x"].tempered.draw
        draw(given, (1.0, [0.0] * len(given)), ed.Uniforms([u]), drawn, program.kernels.Workspace(np.float64))
        assert (np.diff(drawn) >= 0).all()
        order = np.searchsorted(places, drawn)
        below = np.concatenate([[0.0], np.cumsum(p[row])])
        if family.name in ("poisson", "geometric", "table"):
            assert (below[order] <= u + 1e-12).all()
            assert (below[order + 1] > u - 1e-12).all()
        else:
            width = p[row].max() + 1e-9
            np.testing.assert_allclose(below[order], u, atol=2 * width)


def test_binary_means_keep_their_tails() -> None:
    np.testing.assert_allclose(kernels("bernoulli").layers["x"].mean(np.array([-40.0])), np.exp(-40.0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ndtri_against_scipy(dtype: str) -> None:
    from scipy.special import ndtri

    from energydsl.backends.numpy.runtime.quantile import ndtri as ours

    u = np.concatenate(
        [np.geomspace(1e-7, 0.4, 50), np.linspace(0.4, 0.6, 21), 1 - np.geomspace(1e-6, 0.4, 50)]
    ).astype(dtype)
    np.testing.assert_allclose(ours(u), ndtri(u.astype(float)), rtol=3e-7 if dtype == "float32" else 1e-13, atol=1e-7)
    assert np.isfinite(ours(np.zeros(1, dtype))).all()


def test_digamma_against_scipy() -> None:
    from scipy.special import digamma

    from energydsl.backends.numpy.runtime.functions import digamma as ours

    x = np.array([0.1, 0.5, 1.0, 2.5, 7.0, 100.0])
    np.testing.assert_allclose(ours(x), digamma(x), rtol=1e-8)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("visible n[2] : integer[-1, 4]\nenergy = sum(sqrt(n))", "E0310"),
        ("visible n[2] : integer[0, 4]\nenergy = sum(log(n))", "E0310"),
        ("visible n[2] : integer[-1, 4]\nenergy = sum(1 / n)", "E0310"),
        ("visible n[2] : integer[-2, 4]\nenergy = sum(lgamma(n + 1))", "E0310"),
        ("visible n[2] : integer[0, 1000000000]\nenergy = sum(n)", "E0212"),
        ("visible n[2] : count\nenergy = - 2 * sum(lgamma(n + 1))", "E0311"),
        ("visible n[2] : count\nparam a[2]\nenergy = a @ n", "E0311"),
        ("visible t[2] : positive\nparam a[2]\nenergy = a @ t", "E0311"),
    ],
)
def test_what_is_no_distribution_is_refused(text: str, code: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(text)
    assert {d.code for d in caught.value.diagnostics} == {code}


@pytest.mark.parametrize(
    "text",
    [
        "visible n[2] : count\nhidden h[2] : binary\nparam w[2, 2]\nenergy = sum(lgamma(1 + n)) - n @ w @ h",
        "visible n[2, 2] : count\nenergy = sum[i, j] lgamma(1 + n[i, j]) - sum(n)",
        "visible x[2] : interval[-1, 2]\nparam w\nenergy = w * x[0] * x[1] - sum(x)",
        "visible n[2] : count\nenergy = sum(lgamma(n + 1)) - 2 * sum(n) + n[0] * n[1]",
        "dim I = 3\nvisible x[I] : real\nhidden h : binary\nparam w\nenergy = sum(x^2) - w * x[2] * h - w * x[0] * x[2]",
        "visible x[2] : positive\nhidden n[2] : integer[0, 1]\nenergy = sum(x) + x @ n",
        "visible x[2] : positive\nhidden n[2] : interval[0, 1]\nenergy = sum(x) + x @ n",
        "visible x[2] : interval[0, 1]\nparam s[2]\nenergy = sum(s * x^2) - x[0] * x[1]",
    ],
)
def test_odd_ways_of_writing_are_proved(text: str) -> None:
    certificate = ed.loads(text).verify()
    assert certificate.ok, str(certificate)


def test_a_nearly_flat_normal_between_bounds_keeps_its_moments() -> None:
    from energydsl.backends.numpy.runtime import truncated

    nodes, weights = np.polynomial.legendre.leggauss(60)
    x, w = 0.5 * (nodes + 1), 0.5 * weights
    for eta1 in (0.0, 0.01, 0.5, -3.0):
        for eta2 in (-1e-4, -1e-6, -1e-8, -1e-12):
            p = w * np.exp(eta1 * x + eta2 * x * x)
            p /= p.sum()
            given = (np.array([eta1]), np.array([eta2]), 0.0, 1.0)
            mean, variance = (
                truncated.truncated_normal_mean(*given)[0],
                truncated.truncated_normal_variance(*given)[0],
            )
            np.testing.assert_allclose(mean, p @ x, rtol=1e-5)
            np.testing.assert_allclose(variance, p @ (x - p @ x) ** 2, rtol=1e-4)
