"""Scans over running forms: derived right on every backend, the same chains on all, and forms that do not drift."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numba import form_scans
from energydsl.backends.numba import loader as numba_backend
from energydsl.kernels import lower, running
from energydsl.program.states import check_params, random_state

MODELS = {
    "dense memory": "dim N = 6, P = 3\nvisible s[N] : spin\nparam X[P, N]\nenergy = - sum[p] (sum[i] X[p, i]*s[i])^4",
    "exponential memory": "dim N = 5, P = 3\nvisible s[N] : spin\nparam X[P, N]\nenergy = - log(sum[p] exp(2 * sum[i] X[p, i]*s[i]))",
    "softplus": "visible v[5] : binary\nparam W[5, 3], b[5], c[3]\nenergy = - b @ v - sum(softplus(c + v @ W))",
    "log cosh": "visible x[5] : spin\nparam W[5, 3], c[3]\nenergy = - sum(logcosh(c + x @ W))",
    "experts": "visible v[5] : binary\nparam W[5, 3], a[3] : positive = 1\nconst g : positive = 2\nenergy = sum(a * log(1 + (v @ W)^2 / (g * a)))",
    "network": "visible x[3] : integer[0, 2]\nparam W[3, 4], U[4, 2], d[2]\nenergy = 0.5 * sum(x^2) - d @ tanh(tanh(x @ W) @ U)",
    "patches": "dim L = 3, K = 2\nvisible x[L, L] : binary\nparam W[K, K]\nenergy = sum[i in range(2), j in range(2)] log(1 + (sum[p, q] W[p, q]*x[i + p, j + q])^2)",
    "states": "visible x[4] : categorical[3]\nparam J[3, 3], W[3]\nenergy = sum[i] exp(sum[a] W[a]*x[i, a] + sum[a, b] J[a, b]*x[(i + 1) % 4, a]*x[(i + 3) % 4, b])",
    "graph": "graph G = grid(2, 3)\nvisible s[6] : spin\nparam J[G]\nenergy = - (sum[(i, k) in G] J[i, k]*s[i]*s[k])^3 + sum[(i, k) in G] softplus(J[i, k]*s[i] + s[k])",
    "two layers": "visible v[3] : spin\nhidden h[2] : binary\ninput z[2] : real\nparam W[3, 3], U[2, 3], A[2, 3]\nenergy = - sum(softplus(v @ W + h @ U + z @ A)) - v @ W @ v",
    "two forms": "visible v[4] : binary\nparam W[4, 3], U[4, 3], c[3]\nenergy one = - sum(tanh(v @ W) * sigmoid(v @ U)) + 0.3 * sum(c) * sum(v)\nenergy two = sum(abs(v @ W) * c^2)",
    "edges": "graph G = grid(2, 3)\nvisible s[6] : spin\nparam J[G]\nenergy = - sum[(i, k) in G] softplus(J[i, k]*s[i] + J[i, k]*s[k])",
    "one site": "visible v : binary\nhidden h[2] : spin\nparam w, u[2]\nenergy = cos(w * v + u @ h)",
}  # fmt: skip
RUNNING = {
    "dense memory": ["s"],
    "softplus": ["v"],
    "log cosh": ["x"],
    "experts": ["v"],
    "patches": ["x"],
    "two forms": ["v"],
    "edges": ["s"],
    "one site": ["v", "h"],
    "two layers": ["h"],
}


@pytest.mark.parametrize("name", MODELS)
def test_derived_right(name: str, backend: str) -> None:
    certificate = ed.loads(MODELS[name]).verify(backend=backend)  # type: ignore[arg-type]
    assert certificate.ok, str(certificate)
    assert any(check.name == "running forms = forms made anew" for check in certificate.checks)


@pytest.mark.parametrize("name", MODELS)
def test_which_layers_need_forms_alone(name: str) -> None:
    program = lower(ed.loads(MODELS[name]).derived)
    found = [n for n, layer in program.layers.items() if layer.scan is not None and layer.scan.running is not None]
    assert found == RUNNING.get(name, [])


def chains(name: str, backend: Any, steps: int, keep: bool = False) -> dict[str, np.ndarray]:
    """States after a few sweeps, in float64; keep: with every second entry held."""
    program = ed.loads(MODELS[name]).compile(backend, "float64")
    engine, rng = program.engine, ed.Rng(3)
    draws = np.random.default_rng(0)
    p = check_params(
        engine,
        {
            n: draws.normal(0, 0.7, q.shape) ** (2 if "positive" in q.constraints else 1)
            for n, q in program.model.params.items()
        },
    )
    given = {n: draws.normal(size=(17, *program.model.layers[n].shape)) for n in program.model.by_role("input")}
    x = random_state(engine, 17, ed.Rng(1), given)
    held = {n: engine.xp.asarray(np.indices(x[n].shape).sum(axis=0) % 2 == 0) for n in program.model.by_role("visible")}
    if keep and next(iter(held.values())).ndim > 2:
        held = {}
    engine.sweep(p, x, engine.settings(0.8), rng, engine.parts(), steps, keep=held if keep else None)
    return {n: engine.host(a) for n, a in x.items()}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_chains_are_those_of_numpy(name: str, keep: bool, fast: str) -> None:
    wanted, found = (chains(name, b, 20, keep) for b in ("numpy", fast))
    for layer, values in wanted.items():
        np.testing.assert_array_equal(found[layer], values)


def test_forms_drift_no_more_than_their_rounding(backend: str) -> None:
    """units * sweeps * the rounding of the largest form, in float32; the bound that the engine relies on."""
    text = "dim N = 60, P = 20\nvisible s[N] : spin\nparam X[P, N]\nenergy = - 0.001 * sum[p] (sum[i] X[p, i]*s[i])^4"
    engine = ed.loads(text).compile(backend, "float32").engine  # type: ignore[arg-type]
    rng, sweeps = ed.Rng(0), 16
    p = check_params(engine, {"X": np.random.default_rng(0).normal(size=(20, 60))})
    x, s = random_state(engine, 30, ed.Rng(1)), engine.settings()
    running = engine.kernels.with_forms(p, x, s, engine.workspace)
    start = engine.host(running["form 1"]).copy()
    for _ in range(sweeps):
        rng.next()
        for part in engine.parts():
            engine.kernels.update(part, p, running, s, rng, engine.workspace)
    anew = engine.host(engine.kernels.with_forms(p, x, s, engine.workspace)["form 1"])
    drift, size = abs(engine.host(running["form 1"]) - anew).max(), abs(anew).max()
    bound = 60 * sweeps * np.finfo(np.float32).eps * size
    assert drift <= bound
    assert abs(start - anew).max() > 1000 * bound, "the chains moved"


def replaced(old: str, new: str, original: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """What a printer gives, with a text replaced."""

    def mutant(*arguments: Any) -> list[str]:
        lines = original(*arguments)
        assert any(old in line for line in lines)
        return [line.replace(old, new) for line in lines]

    return mutant


KERNEL_MISTAKES: dict[str, tuple[str, Any, str, Any]] = {
    "powers of d wrong": ("dense memory", running, "_natural", lambda base, exponent: base),
    "forms left as they were": ("softplus", form_scans, "_dense", replaced(", step)", ", step * FLOAT(0.0))", form_scans._dense)),
    "one chain in place of another": ("softplus", form_scans, "_change_of", replaced("min(start", "min(1 + start", form_scans._change_of)),
    "windows one entry short": ("patches", form_scans, "_windowed", replaced("[i + 1])", "[i + 1] - 1)", form_scans._windowed)),
    "windows left as they were": ("patches", form_scans, "_windowed", replaced("(new - value)", "0", form_scans._windowed)),
}  # fmt: skip


@pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed")
@pytest.mark.parametrize("mistake", KERNEL_MISTAKES)
def test_mistake_in_the_kernel_is_seen(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, module, function, mutant = KERNEL_MISTAKES[mistake]
    monkeypatch.setattr(module, function, mutant)
    wanted, found = (chains(name, b, 20) for b in ("numpy", "numba"))
    assert any((found[layer] != values).any() for layer, values in wanted.items())
