"""The certificate holds for every model of the zoo, and catches every mutant of the compiler."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import energydsl as ed
from tests.mutants import MUTANTS


def test_zoo(zoo_path: Path) -> None:
    started = time.perf_counter()
    certificate = ed.load(zoo_path).verify()
    assert certificate.ok, str(certificate)
    assert len(certificate.checks) >= 8
    assert time.perf_counter() - started < 10


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("text", sorted({t for t, _ in MUTANTS.values()}))
def test_models_of_the_mutants_are_right_without_them(text: str) -> None:
    certificate = ed.loads(text).verify()
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, patch = MUTANTS[name]
    assert _caught(text, patch, monkeypatch), f"the mutant `{name}` survives"


def _caught(text: str, patch: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a check fails, or the mutant breaks the compiler outright."""
    patch(monkeypatch)
    return not ed.loads(text).verify().ok


EXTRA = {
    "gaussian coupled": "dim N = 3\nvisible x[N] : real\nhidden h[N] : spin\nparam a[N] : positive = 1\n"
    "energy = sum((x - h)^2 / sqrt(a + 1)) + sum[i < j] (x[i] - x[j])^2",
    "diagonal neighbours": "dim N = 5\nvisible s[N, N] : spin\n"
    "energy = sum[i, j] s[i, j]*s[(i + 1) % N, (j + 1) % N] + sum[i in range(N - 1), j] s[i, j]*s[i + 1, j]",
    "coupled states": "dim N = 5, K = 3\nvisible x[N] : categorical[K]\nparam W[N, K, N, K]\n"
    "energy = sum[i, a, k, b] x[i, a]*W[i, a, k, b]*x[k, b] + sum[i, a, b] x[i, a]*x[i, b]",
    "awkward indices": "dim N = 4, M = N - 1\nvisible x[N, N] : binary\nparam W[N, N, N, N], K[2, 2]\n"
    "energy = sum[i, j, k, l] x[i, j]*W[i, j, k, l]*x[k, l] + sum[i in range(M), j, p, q] x[i + p, j]*K[p, q]*x[i + q, j]*x[0, 0]",
    "functions": "dim N = 4\nvisible x[N] : binary\nhidden y : spin\nhidden z : categorical[3]\nparam w[N], g[3], q\n"
    "energy = - sum(exp(w * x)) - sum[i] tanh(w[i])*x[i]*y - sum[a] g[a]^2*z[a]*y*sigmoid(q)\n"
    "energy two = - sum[i < j] x[i]*x[j]*log(1 + exp(w[i]*w[j])) - sum(abs(w)) * sum[a] sqrt(g[a]^2 + 1)*z[a]",
    "softplus and friends": "visible x[3] : spin\nparam w[3] : positive = 1\nconst t : positive = 2\n"
    "energy = - sum(softplus(w * x)) - sum(lgamma(w + 1) * x) - sum(sin(w) * x) / t + sum(cos(w * t))",
    "sums inside functions": "visible x[4] : binary\nhidden h[2] : spin\nparam a[4], W[4, 2]\n"
    "energy = - x @ W @ h + sum(exp(a * x)) / (1 + exp(sum(a)))",
    "functions inside functions": "visible x[3] : binary\nhidden h[2] : spin\nparam a[3], W[3, 2]\n"
    "energy = - sum[i] x[i]*exp(sum[k] W[i, k]*tanh(sum[j] W[j, k]*a[i])) - sum[i, k] x[i]*h[k]*log(1 + sum[j] exp(a[j] * W[i, k]))",
    "functions of inputs": "input z[3] : real\nvisible x[3] : binary\nparam a[3], W[3, 3]\n"
    "energy = - a @ x - sum[i] x[i]*sigmoid(sum[k] W[i, k]*z[k]) - sum[i < k] x[i]*x[k]*softplus(sum[j] W[i, j]*W[k, j])",
    "square of a form": "visible x[3] : binary\nhidden h[3] : spin\nparam W[3, 3]\nlet s = x @ W @ h\nenergy = - s^2",
    "scalar layers": "visible a : binary\nhidden b : spin\nhidden c : real\nparam w, u\n"
    "energy = - w * a * b + 0.5 * c^2 - u * a * c",
    "graph on a lattice": "graph G = grid(3, 3, periodic = true)\nvisible s[3, 3] : spin\nparam J[G]\n"
    "energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]",
    "potts on a graph": "graph G = chain(4, periodic = true)\nvisible x[4] : categorical[3]\nparam J[G], g[3]\n"
    "energy = - sum[(i, k) in G, a] J[i, k]*x[i, a]*x[k, a] - sum[i, a] g[a]*x[i, a]",
    "third order in one layer": "dim N = 4\nvisible x[N] : spin\nparam T[N, N, N]\n"
    "energy = - sum[i, j, k] T[i, j, k]*x[i]*x[j]*x[k]",
    "precision from another layer": "visible v[2] : real\nhidden h[2] : binary\nparam a[2] : positive = 1, W[2, 2] : positive = 1\n"
    "energy = sum(a * v^2) + sum[i, j] W[i, j]*h[j]*v[i]^2 - sum(v)",
    "let and const": "dim N = 3\nconst lam = 0.3\nvisible v[N] : binary\nhidden h[N] : binary\nparam W[N, N] = normal(sd = 1)\n"
    "let u = 2 * v - 1, pair = u @ W @ h\nenergy = - pair + lam * pair^2",
    "stride": "dim N = 6, M = N / 2\nvisible v[N] : binary\nhidden h[M] : binary\nparam w[M]\n"
    "energy = - sum[i in range(M)] w[i]*h[i]*v[2 * i] - sum[i in range(M)] h[i]*v[2 * i + 1]",
    "user's schedule": "visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3], L[3, 3] : symmetric & zero_diagonal\n"
    "energy = - v @ W @ h - 0.5 * v @ L @ v\nschedule (h), (v*)",
}


@pytest.mark.parametrize("name", EXTRA)
def test_unusual_models(name: str) -> None:
    certificate = ed.loads(EXTRA[name]).verify(seed=3)
    assert certificate.ok, str(certificate)
