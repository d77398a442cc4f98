"""Scans over running forms, and blocks: derived right on every backend, the same chains on all, and forms that do not drift."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.cupy import form_scans as cuda_scans
from energydsl.backends.cupy.cuda import cuda_head
from energydsl.backends.numba import form_scans
from energydsl.graph import colouring
from energydsl.kernels import lower, running
from energydsl.program.samplers.gibbs import Blocks
from energydsl.program.states import check_params, random_state
from tests.backends.conftest import present
from tests.program.samplers.exact import SIGMAS, deviation
from tests.standin import cupy, nvrtc

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
    "edges": "graph G = complete(4)\nvisible s[4] : spin\nparam J[G]\nenergy = - sum[(i, k) in G] softplus(J[i, k]*s[i] + J[i, k]*s[k])",
    "deep windows": "visible x[5] : integer[0, 2]\nparam A[2], B[2]\nenergy = - sum[k in range(3)] softplus(sum[j] B[j]*tanh(sum[i] A[i]*x[k + i + j]))",
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
    layers = lower(ed.loads(MODELS[name]).derived).layers
    found = [n for n, x in layers.items() if any(part and part.running for part in (x.scan, x.block))]
    assert found == RUNNING.get(name, [])


def test_which_layers_are_drawn_in_blocks() -> None:
    parts = {name: ed.loads(text).derived.parts for name, text in MODELS.items()}
    coloured = {f"{m} {n}": x.count for m, found in parts.items() for n, x in found.items() if x.kind == "colours"}
    assert coloured == {"patches x": 4, "states x": 4, "deep windows x": 3, "one site v": 1}


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


LARGE = {
    "scan": (
        "dim N = 60, P = 20\nvisible x[N] : spin\nparam W[P, N]\nenergy = - 0.001 * sum[p] (sum[i] W[p, i]*x[i])^4",
        60,
    ),
    "blocks": (
        "dim L = 40, M = L - 2, F = 4\nvisible x[L, L] : binary\nparam W[F, 3, 3]\n"
        "energy = sum[f, i in range(M), j in range(M)] log(1 + (sum[p, q] W[f, p, q]*x[i + p, j + q])^2)",
        9,
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_forms_drift_no_more_than_their_rounding(kind: str, backend: str) -> None:
    """units of a form * sweeps * the rounding of the largest form, in float32; the bound that the engine relies on."""
    text, units = LARGE[kind]
    engine = ed.loads(text).compile(backend, "float32").engine  # type: ignore[arg-type]
    rng, sweeps = ed.Rng(0), 16 if kind == "scan" else 4
    p = check_params(engine, {"W": np.random.default_rng(0).normal(size=engine.model.params["W"].shape)})
    x, s = random_state(engine, 30, ed.Rng(1)), engine.settings()
    running = engine.kernels.with_forms(p, x, s, engine.workspace)
    start = engine.host(running["form 1"]).copy()
    for _ in range(sweeps):
        rng.next()
        for part in engine.parts():
            engine.kernels.update(part, p, running, s, rng, engine.workspace)
    anew = engine.host(engine.kernels.with_forms(p, x, s, engine.workspace)["form 1"])
    drift, size = abs(engine.host(running["form 1"]) - anew).max(), abs(anew).max()
    bound = units * sweeps * np.finfo(np.float32).eps * size
    assert drift <= bound
    assert abs(start - anew).max() > 1000 * bound, "the chains moved"


@pytest.mark.parametrize("name", ["patches", "deep windows"])
@pytest.mark.parametrize("coloured", [True, False])
def test_blocks_leave_the_distribution_as_it_is(name: str, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From exact samples, two sweeps; where all units are drawn at once it does not stay."""
    if not coloured:
        monkeypatch.setattr(colouring, "_pairs", lambda *_: ())
    program = ed.loads(MODELS[name]).compile("numpy", "float64")
    draws = np.random.default_rng(5)
    params = {n: draws.normal(0, 2, p.shape) for n, p in program.model.params.items()}
    found = deviation(program, params, Blocks(program.engine), 20_000, steps=2)
    assert (abs(found) < SIGMAS) == coloured


def replaced(old: str, new: str, original: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """What a printer gives, with a text replaced."""

    def mutant(*arguments: Any) -> list[str]:
        lines = original(*arguments)
        assert any(old in line for line in lines)
        return [line.replace(old, new) for line in lines]

    return mutant


KERNEL_MISTAKES: dict[str, tuple[str, str, Any, str, Any]] = {
    "powers of d wrong": ("dense memory", "numba", running, "_natural", lambda base, exponent: base),
    "forms left as they were": ("softplus", "numba", form_scans, "_dense", replaced(", step)", ", step * FLOAT(0.0))", form_scans._dense)),
    "one chain in place of another": ("softplus", "numba", form_scans, "_change_of", replaced("min(start", "min(1 + start", form_scans._change_of)),
    "windows one entry short": ("patches", "numba", form_scans, "_windowed", replaced("[i + 1])", "[i + 1] - 1)", form_scans._windowed)),
    "windows left as they were": ("patches", "numba", form_scans, "_windowed", replaced("(new - value)", "0", form_scans._windowed)),
    "a thread's share alone": ("softplus", "cupy", cuda_scans, "_lines", replaced("block_sum(whole)", "whole", cuda_scans._lines)),
    "forms of another chain": ("softplus", "cupy", cuda_scans, "_term", replaced("u0[place(c)", "u0[place(0)", cuda_scans._term)),
    "held units drawn": ("softplus", "cupy", cuda_scans, "_lines", replaced("keep && keep", "false && keep", cuda_scans._lines)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", KERNEL_MISTAKES)
def test_mistake_in_the_kernel_is_seen(
    mistake: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    name, backend, module, function, mutant = KERNEL_MISTAKES[mistake]
    present(backend, request)
    monkeypatch.setattr(module, function, mutant)
    wanted, found = (chains(name, b, 20, keep="held" in mistake) for b in ("numpy", backend))
    assert any((found[layer] != values).any() for layer, values in wanted.items())


def test_a_scan_over_forms_is_one_launch(stand_in: cupy.State) -> None:
    chains("dense memory", "cupy", 5)
    assert len([n for n in stand_in.launched if n.startswith("scan_forms")]) == 5


@pytest.mark.skipif(nvrtc.library() is None, reason="the wheel nvidia-cuda-nvrtc is not installed")
@pytest.mark.parametrize("name", ["two forms", "roots"])
def test_kernels_of_scans_compile(name: str, stand_in: cupy.State) -> None:
    models = MODELS | {"roots": "visible v[5] : binary\nparam W[5, 3]\nenergy = sum((1 + (v @ W)^2)^1.5)"}
    source = ed.loads(models[name]).compile("cupy").source
    kernels = re.findall(r"FormKernel\([\"'](\w+)[\"'], r\"\"\"(.*?)\"\"\"", source, re.DOTALL)
    for kernel, text in kernels:
        code, _ = nvrtc.build(cuda_head("float32") + text, "sm_80", "-std=c++17")
        assert kernel.encode() in code
    assert kernels
