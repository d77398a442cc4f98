"""Models with few neighbours a unit: found as such, and swept to the same states as by the plain kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.backends.sparse_sweeps import SparseSweeps
from energydsl.energy.terms import Predicate
from energydsl.kernels import lower, sparse
from energydsl.kernels.sparse import one_hot_tables, sparse_plan
from energydsl.program.initialise import constrained
from energydsl.program.states import check_params
from tests.backends.test_agreement import on_host

needs_numba = pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed")

SPARSE = {
    "torus": "visible s[6, 8] : spin\nparam K, f[6, 8]\nenergy = - K*sum[i, j] s[i, j]*(s[(i + 1) % 6, j] + s[i, (j + 1) % 8]) - sum(f * s)",
    "odd torus": "visible s[5, 7] : spin\nparam K\nenergy = - K*sum[i, j] s[i, j]*(s[(i + 1) % 5, j] + s[i, (j + 1) % 7])",
    "open chain": "graph G = grid(1, 30)\nvisible s[30] : binary\nparam J[G], f\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k] - f*sum(s)",
    "graph": "graph G = random_regular(degree = 3, nodes = 20, seed = 1)\nvisible s[20] : spin\nparam J[G], f[20]\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k] - f @ s",
    "potts": "graph G = grid(4, 4)\nvisible s[16] : categorical[3]\nparam J, f[16, 3]\nenergy = - J*sum[(i, k) in G, a] s[i, a]*s[k, a] - sum(f * s)",
    "convolution": "visible v[9, 9] : binary\nhidden h[2, 7, 7] : binary\nparam W[2, 3, 3], b, c[2]\nenergy = - b*sum(v) - sum[f, i, j] c[f]*h[f, i, j] - sum[f, i, j, p, q] h[f, i, j]*W[f, p, q]*v[i + p, j + q]",
    "real lattice": "visible s[8] : real\nparam K\nenergy = 2*sum(s^2) - K*sum[i] s[i]*s[(i + 1) % 8]",
    "two terms": "visible s[12] : spin\nparam K, L\nenergy near = - K*sum[i] s[i]*s[(i + 1) % 12]\nenergy far = - L*sum[i] s[i]*s[(i + 3) % 12]",
    "each pair once": "visible s[9] : spin\nparam J[9, 9], f\nenergy = - sum[i < k] J[i, k]*s[i]*s[k] - f*sum(s)",
    "wide torus": "visible s[16, 16] : spin\nparam K\nenergy = - K*sum[i, j] s[i, j]*(s[(i + 1) % 16, j] + s[i, (j + 1) % 16])",
    "all pairs": "visible x[9] : binary\nparam W[9, 9] : symmetric & zero_diagonal, b[9]\nenergy = - 0.5*x @ W @ x - b @ x",
    "const power": "const T : positive = 2.0\nvisible s[10] : spin\nparam J[10]\nenergy = - sum[i] J[i]^2/T*s[i]*s[(i + 1) % 10]",
    "one-hot pairs": "graph G = complete(5)\nvisible x[5] : categorical[9]\nparam J[G, 9, 9], g[5, 9]\nenergy = - sum(g * x) - sum[(i, k) in G, a, b] J[i, k, a, b]*x[i, a]*x[k, b]",
    "one-hot pairs of some sites": "graph G = grid(2, 3)\nvisible x[6] : categorical[17]\nhidden h[2] : binary\nparam J[G, 17, 17], c[2]\nenergy = - c @ h - sum[(i, k) in G, a, b] J[i, k, a, b]*x[i, a]*x[k, b]",
}
NOT_SPARSE = {
    "small dense": "visible v[9] : binary\nhidden h[8] : binary\nlayers v -- h",
    "dense": "visible v[90] : binary\nhidden h[80] : binary\nlayers v -- h",
    "third order": "visible s[9] : spin\nparam K\nenergy = - K*sum[i] s[i]*s[(i + 1) % 9]*s[(i + 2) % 9]",
}


def plan_of(model: ed.Model) -> Any:
    return sparse_plan(lower(model.derived))


def setting(model: ed.Model, chains: int, dtype: str) -> tuple[Any, Any, Any]:
    program = model.compile("numpy", dtype)
    rng = np.random.default_rng(2)
    params = {
        n: constrained(program.model.params[n], rng.normal(0, 0.5, p.shape)).astype(dtype)
        for n, p in program.init(0).items()
    }
    return program, params, program.init_state(params, chains)


@pytest.mark.parametrize("name", SPARSE)
def test_the_matrix_applied_to_a_state_is_the_field(name: str) -> None:
    model = ed.loads(SPARSE[name])
    found = plan_of(model)
    program, params, state = setting(model, 3, "float64")
    s = program.engine.settings(beta=0.7, weights=dict.fromkeys(program.model.labels, 1.3))

    sweeps = SparseSweeps(found, lower(model.derived), program.engine.kernels)
    base, _, value = sweeps._bound(params, s)
    x = np.zeros((3, found.slots))
    for layer, slots in found.layers.items():
        x[:, slots] = state[layer].reshape(3, -1)
    eta = base + np.stack([np.bincount(np.repeat(np.arange(found.slots), np.diff(found.rows)), value * row[found.source], found.slots) for row in x])  # fmt: skip
    for layer in program.model.random_layers():
        wanted = program.natural_parameters(params, state, layer, beta=0.7, weights=s.weights)[0]
        np.testing.assert_allclose(eta[:, found.layers[layer]], wanted.reshape(3, -1), atol=1e-12)


@pytest.mark.parametrize("name", NOT_SPARSE)
def test_what_is_dense_or_of_higher_order_is_left_to_the_other_kernels(name: str) -> None:
    assert plan_of(ed.loads(NOT_SPARSE[name])) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chains", [1, 7, 33, 150])
@pytest.mark.parametrize("name", SPARSE)
def test_sweeps_are_those_of_the_plain_kernels(name: str, chains: int, dtype: str, fast: str) -> None:
    model = ed.loads(SPARSE[name])
    plain, params, state = setting(model, chains, dtype)
    other = model.compile(fast, dtype)
    assert other.engine.sparse is not None
    wanted = plain.gibbs(params, state, 3, rng=ed.Rng(4), beta=0.8)
    found = on_host(other, other.gibbs(params, state, 3, rng=ed.Rng(4), beta=0.8))
    for layer, array in wanted.items():
        if model.layers[layer].domain.name == "real":
            np.testing.assert_allclose(found[layer], array, rtol=1e-4, atol=1e-4)
        else:
            assert np.mean(found[layer] != array) < 1e-3, layer


ONE_HOT = {name: SPARSE[name] for name in SPARSE if name.startswith("one-hot")}


@needs_numba
@pytest.mark.parametrize("name", ONE_HOT)
def test_tables_of_one_hot_units_give_the_same_states(name: str) -> None:
    """To the last bit: what other states would add is 0."""
    program = ed.loads(ONE_HOT[name]).compile("numba")
    _, params, state = setting(ed.loads(ONE_HOT[name]), 70, "float32")
    sweeps = program.engine.sparse
    assert set(sweeps.tables.groups) == {"x"}
    found = program.gibbs(params, state, 4, rng=ed.Rng(4))["x"]
    sweeps.tables.groups.clear()
    np.testing.assert_array_equal(found, program.gibbs(params, state, 4, rng=ed.Rng(4))["x"])


@needs_numba
def test_units_in_no_state_have_no_row() -> None:
    """Where a clamped unit is not in one of its states, all entries are added up."""
    text = "graph G = complete(4)\nvisible x[4] : categorical[9]\nhidden y[4] : categorical[9]\nparam J[G, 9, 9]\nenergy = - sum[(i, k) in G, a, b] J[i, k, a, b]*x[i, a]*y[k, b]"
    model = ed.loads(text)
    plain, params, state = setting(model, 5, "float32")
    state["x"] = np.full_like(state["x"], 1 / 9)
    sparse = model.compile("numba")
    assert set(sparse.engine.sparse.tables.groups) == {"x", "y"}
    found = (p.gibbs(params, state, 1, clamp={"x"}, rng=ed.Rng(4))["y"] for p in (plain, sparse))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("what", "energy"),
    [
        ("few states", "sum[(i, k) in G, a, b] J[a, b]*x[i, a]*x[k, b]"),
        ("equal states alone", "sum[(i, k) in G, a] x[i, a]*x[k, a]"),
        ("units of two kinds", "sum[(i, k) in G, a, b] J[a, b]*x[i, a]*x[k, b] + sum[i, a] x[i, a]*h[i]"),
        ("a pair twice", "sum[(i, k) in G, a, b] (J[a, b]*x[i, a]*x[k, b] + x[i, a]*x[k, b]*J[b, a]*J[b, b])"),
    ],
)
def test_what_has_no_tables(what: str, energy: str) -> None:
    states = 3 if what == "few states" else 9
    text = f"graph G = complete(4)\nvisible x[4] : categorical[{states}]\nhidden h[4] : binary\nparam J[{states}, {states}]\nenergy = {energy}"
    program = lower(ed.loads(text).derived)
    plan = sparse_plan(program)
    assert plan is None or not one_hot_tables(plan, program, 16).groups


def test_clamped_layers_stay_and_the_stream_goes_on(fast: str) -> None:
    model = ed.loads(SPARSE["convolution"])
    plain, params, state = setting(model, 5, "float64")
    other = model.compile(fast, "float64")
    rngs = ed.Rng(1), ed.Rng(1)
    for program, rng in zip((plain, other), rngs, strict=True):
        after = program.gibbs(params, state, 2, clamp={"v"}, rng=rng)
        np.testing.assert_array_equal(program.engine.host(after["v"]), state["v"])
    assert rngs[0].state() == rngs[1].state()
    after = on_host(other, other.gibbs(params, state, 2, rng=rngs[1]))
    np.testing.assert_array_equal(plain.gibbs(params, state, 2, rng=rngs[0])["h"], after["h"])


def test_external_fields_reach_the_sparse_kernels(fast: str) -> None:
    model = ed.loads(SPARSE["torus"])
    plain, params, state = setting(model, 40, "float64")
    other = model.compile(fast, "float64")
    field = np.random.default_rng(0).normal(size=(6, 8))
    states = []
    for program in (plain, other):
        x = {n: program.engine.xp.array(a) for n, a in state.items()}
        s = program.engine.settings(external={"s": (program.engine.device(field),)})
        program.engine.sweep(check_params(program.engine, params), x, s, ed.Rng(3), program.engine.parts(), 2)
        states.append(program.engine.host(x["s"]))
    np.testing.assert_array_equal(*states)


def test_a_stencil_is_found() -> None:
    found = plan_of(ed.loads(SPARSE["wide torus"]))
    assert found.run > 3
    graph = nx.grid_2d_graph(16, 16, periodic=True)
    assert len(found.source) == 2 * graph.number_of_edges()


@needs_numba
def test_the_sampler_keeps_the_exact_distribution() -> None:
    """Exact samples of a small glass, swept, stay exact samples: chi-square over all states."""
    text = "graph G = random_regular(degree = 3, nodes = 8, seed = 3)\nvisible s[8] : spin\nparam J[G] = normal(sd = 0.7)\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
    program = ed.loads(text).compile("numba")
    params = program.init(5)
    codes = np.arange(256)
    states = (2.0 * (codes[:, None] >> np.arange(8) & 1) - 1).astype(np.float32)
    energy = program.energy(params, {"s": states}).astype(float)
    weights = np.exp(-energy - np.logaddexp.reduce(-energy))
    start = np.random.default_rng(0).choice(256, 40_000, p=weights)
    after = program.gibbs(params, {"s": states[start]}, 3, rng=ed.Rng(9))["s"]
    counts = np.bincount(((after > 0) @ (1 << np.arange(8))).astype(int), minlength=256)
    expected = weights * len(start)
    rare = expected < 10
    observed, wanted = np.append(counts[~rare], counts[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    statistic = ((observed - wanted) ** 2 / wanted).sum()
    freedom = len(wanted) - 1
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)


def no_predicate(original: Any) -> Any:
    return lambda predicate, value: True


def next_source(original: Any) -> Any:
    return lambda *args: (
        e if (e := original(*args)) is None or e.source is None else replace(e, source=np.roll(e.source, 1))
    )


def wrong_sign(original: Any) -> Any:
    return lambda *args: e if (e := original(*args)) is None else replace(e, coefficient=-e.coefficient)


def one_long_run(original: Any) -> Any:
    return lambda rows, source, kinds: np.full(len(rows) - 1, len(rows) - 1)


MUTANTS = {
    "predicate ignored": ("each pair once", "holds", no_predicate),
    "neighbours moved on": ("graph", "_section", next_source),
    "wrong sign": ("two terms", "_section", wrong_sign),
    "runs go on over a seam": ("wide torus", "_runs", one_long_run),
}


@needs_numba
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_plan_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, function, make = MUTANTS[name]
    model = ed.loads(SPARSE[text])
    assert model.verify(backend="numba").ok
    place = Predicate if function == "holds" else sparse
    monkeypatch.setattr(place, function, make(getattr(place, function)))
    plain, params, state = setting(model, 40, "float64")
    fast = model.compile("numba", "float64")
    wanted, found = (p.gibbs(params, state, 3, rng=ed.Rng(4)) for p in (plain, fast))
    assert any((found[n] != wanted[n]).any() for n in wanted)
