"""Elimination: log Z, marginals, joint draws and likelihoods of chains, trees and strips against plain sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl import limits
from energydsl.program import elimination
from energydsl.program.elimination import Elimination, planned, sums_of
from energydsl.program.factors import Table
from energydsl.program.samplers import Tree, chosen, transition
from energydsl.program.states import check_params, layer_arrays
from tests.program.samplers.exact import SIGMAS, deviation, listed

HMM = (
    "dim T = 7, K = 3, M = 4\nvisible x[T] : categorical[M]\nhidden z[T] : categorical[K]\n"
    "param start[K] = normal(sd = 1), A[K, K] = normal(sd = 1), B[K, M] = normal(sd = 1)\n"
    "energy = - sum[a] start[a]*z[0, a] - sum[t in range(T - 1), a, b] z[t, a]*A[a, b]*z[t + 1, b] - sum[t, a, m] z[t, a]*B[a, m]*x[t, m]"
)
STRIP = (
    "dim W = 4, L = 5\nvisible s[W, L] : spin\nparam J[W, L] = normal(sd = 0.7), f[W, L] = normal(sd = 0.5)\n"
    "energy = - sum[i in range(W - 1), j] J[i, j]*s[i, j]*s[i + 1, j] - sum[i, j in range(L - 1)] J[i, j]*s[i, j]*s[i, j + 1] - sum(f * s)"
)
TREE = (
    "graph G = edges_of_a_tree\nvisible s[6] : integer[0, 2]\nparam J[G] = normal(sd = 1), f[6] = normal(sd = 1)\n"
    "energy = sum[(i, k) in G] J[i, k]*s[i]*s[k] - f @ s + 0.3 * sum(s^2)"
).replace("graph G = edges_of_a_tree", "graph G[6]")
TRIPLES = (
    "dim N = 7\nvisible s[N] : spin\nhidden b[3] : binary\nparam T[N] = normal(sd = 1)\n"
    "energy = - sum[i in range(N - 2)] T[i]*s[i]*s[i + 1]*s[i + 2] - sum[i in range(3)] tanh(T[i])*b[i]*s[i]"
)


def program_of(text: str, **more: Any) -> tuple[ed.Program, dict[str, Any]]:
    program = ed.loads(text, **more).compile("numpy", "float64")
    return program, program.init(3)


def tree_graph() -> Any:
    import networkx as nx

    return {"G": nx.Graph([(0, 1), (1, 2), (1, 3), (3, 4), (3, 5)])}


MODELS = {"hmm": (HMM.replace("T = 7", "T = 4"), {}), "strip": (STRIP.replace("L = 5", "L = 3"), {}), "tree": (TREE, {"graphs": tree_graph()}), "triples": (TRIPLES, {})}  # fmt: skip


def sums(program: ed.Program, params: Any, s: Any = None, x: Any = None) -> tuple[Elimination, Any, Any]:
    engine = program.engine
    layers = [n for n in program.model.random_layers() if n not in (x or {})]
    plan = planned(program.derived, layers)
    assert isinstance(plan, Elimination), plan
    given = layer_arrays(engine, x) if x else {}
    return plan, *sums_of(engine.core, plan, check_params(engine, params), given, s or engine.settings())


@pytest.mark.parametrize("name", MODELS)
def test_log_z_and_marginals_against_listing(name: str) -> None:
    text, more = MODELS[name]
    program, params = program_of(text, **more)
    states, p = listed(program, params, beta=0.7)
    plan, found, constant = sums(program, params, program.engine.settings(0.7))
    energy = program.energy(params, states)
    assert float((found.log_z + constant)[0]) == pytest.approx(np.logaddexp.reduce(-0.7 * energy), abs=1e-10)
    codes = plan.units.codes(states, np)
    for unit, marginal in enumerate(plan.marginals(program.engine.core, found)):
        wanted = np.bincount(codes[:, unit], p, minlength=plan.units.states[unit])
        np.testing.assert_allclose(marginal[0], wanted, atol=1e-10)


def test_a_strip_of_width_four_against_the_enumeration_of_every_state() -> None:
    program, params = program_of(STRIP)
    plan, found, constant = sums(program, params)
    assert plan.order.log2_states <= 6
    assert float((found.log_z + constant)[0]) == pytest.approx(program.log_partition(params), abs=1e-9)


def test_log_partition_eliminates_where_listing_is_too_large() -> None:
    """A spin chain of 200: the transfer matrix, written out."""
    text = "dim N = 200\nconst J = 0.8, f = 0.3\nvisible s[N] : spin\nenergy = - J * sum[i in range(N - 1)] s[i]*s[i + 1] - f * sum(s)"
    program, params = program_of(text)
    values = np.array([-1.0, 1.0])
    transfer = np.exp(0.8 * np.outer(values, values) + 0.3 * values[None])
    vector, log_z = np.exp(0.3 * values), 0.0
    for _ in range(199):
        vector = vector @ transfer
        log_z += np.log(vector.sum())
        vector /= vector.sum()
    log_z += np.log(vector.sum())
    assert program.log_partition(params) == pytest.approx(log_z, abs=1e-8)
    assert program.log_partition(params, beta=0.0) == pytest.approx(200 * np.log(2), abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_draws_are_exact(name: str) -> None:
    """Whatever the state before: here all chains begin in the same."""
    text, more = MODELS[name]
    program, params = program_of(text, **more)

    class FromOne:
        def sweep(self, p: Any, x: Any, s: Any, random: Any, steps: int) -> None:
            for name in x:
                x[name][...] = x[name][:1]
            transition(program.engine, Tree()).sweep(p, x, s, random, steps)

    assert abs(deviation(program, params, FromOne(), 60_000, beta=0.7)) < SIGMAS  # type: ignore[arg-type]


def _first_table_only(self: Elimination, engine: Any, found: Any) -> Any:
    return forwards(self, engine, [Table(t.units, t.log * (0.5 if k == 0 else 1.0)) for k, t in enumerate(found)])


def _not_backwards(self: Elimination, engine: Any, given: Any, uniform: Any) -> Any:
    codes = plain_draw(self, engine, given, uniform)
    codes[:, given.groups[0].unit] = np.roll(codes[:, given.groups[0].unit], 1)
    return codes


forwards, plain_draw = Elimination.forwards, Elimination.draw
MUTANTS = {
    "a factor halved": ("forwards", _first_table_only),
    "a unit drawn for another chain": ("draw", _not_backwards),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elimination, *MUTANTS[name])
    program, params = program_of(TRIPLES)
    assert abs(deviation(program, params, transition(program.engine, Tree()), 60_000)) > SIGMAS


# --- hidden Markov models


def forward_backward(params: Any, x: Any, steps: int, states: int) -> tuple[float, Any]:
    """log p~(x) and p(z_t | x), by the recursions of Rabiner (1989), in plain numbers."""
    emission = np.exp(params["B"][:, x])
    move = np.exp(params["A"])
    alpha, beta = np.zeros((steps, states)), np.ones((steps, states))
    alpha[0] = np.exp(params["start"]) * emission[:, 0]
    for t in range(1, steps):
        alpha[t] = (alpha[t - 1] @ move) * emission[:, t]
    for t in range(steps - 2, -1, -1):
        beta[t] = move @ (emission[:, t + 1] * beta[t + 1])
    z = alpha[-1].sum()
    return float(np.log(z)), alpha * beta / z


def test_hidden_markov_model_against_forward_and_backward() -> None:
    program, params = program_of(HMM)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 4, (6, 7))
    plan, found, constant = sums(program, params, None, {"x": rows})
    marginals = plan.marginals(program.engine.core, found)
    for row, x in enumerate(rows):
        wanted, posterior = forward_backward(params, x, 7, 3)
        assert float((found.log_z + constant)[row]) == pytest.approx(wanted, abs=1e-10)
        for t in range(7):
            np.testing.assert_allclose(marginals[t][row], posterior[t], atol=1e-10)


def test_likelihood_of_a_long_chain_is_exact() -> None:
    """200 hidden states, 3^200 paths: log p(x) = forward algorithm - log Z, in `evaluate`."""
    program, params = program_of(HMM.replace("T = 7", "T = 60"))
    rows = np.random.default_rng(1).integers(0, 4, (5, 60))
    run = ed.train(program, rows, "cd", epochs=0, params=params)
    found = ed.evaluate(run, rows, "exact")
    wanted = [forward_backward(params, x, 60, 3)[0] for x in rows]
    emission, move = np.exp(params["B"]).sum(axis=1), np.exp(params["A"])
    vector, log_z = np.exp(params["start"]) * emission, 0.0
    for _ in range(59):
        vector = (vector @ move) * emission
        log_z += np.log(vector.sum())
        vector /= vector.sum()
    log_z += np.log(vector.sum())
    np.testing.assert_allclose(found.rows, np.array(wanted) - log_z, rtol=0, atol=1e-10)


def test_training_by_exact_draws_recovers_a_hidden_markov_model() -> None:
    """The negative phase in exact draws, the positive one exact given the data: the likelihood reaches that of the truth."""
    text = HMM.replace("T = 7", "T = 12").replace("K = 3", "K = 2").replace("M = 4", "M = 3")
    program = ed.loads(text).compile("numpy", "float64")
    truth = {
        "start": np.zeros(2),
        "A": np.array([[1.5, -0.5], [-0.5, 1.5]]),
        "B": np.array([[1.5, 0.0, -1.0], [-1.0, 0.0, 1.5]]),
    }
    drawn = ed.sample(program, n=600, steps=1, params=truth, sampler="tree")["x"]
    run = ed.train(program, drawn, ed.PCD(sampler="tree", chains=200), ed.Adam(lr=0.1), epochs=30, batch=50, seed=1)
    ideal = ed.evaluate(ed.train(program, drawn, "cd", epochs=0, params=truth), drawn, "exact").log_likelihood
    fitted = ed.evaluate(run, drawn, "exact").log_likelihood
    assert fitted > ideal - 0.05
    found, wanted = hidden_markov_tables(program, run.params), hidden_markov_tables(program, truth)
    others = {
        n: table[::-1, ::-1] if n == "moves" else table[::-1] for n, table in found.items()
    }  # states have no names
    found = min(found, others, key=lambda tables: abs(tables["seen"] - wanted["seen"]).max())
    for name, table in wanted.items():
        np.testing.assert_allclose(found[name], table, atol=0.08, err_msg=name)


def hidden_markov_tables(program: ed.Program, params: Any) -> dict[str, Any]:
    """p(z_0), p(z_T | z_(T-1)) and p(x_t | z_t): the same for all parameters that make one distribution."""
    seen = np.exp(params["B"])
    moves = np.exp(params["A"]) * seen.sum(axis=1)
    return {
        "start": program.marginals(params)["z"][0, 0],
        "moves": moves / moves.sum(axis=1, keepdims=True),
        "seen": seen / seen.sum(axis=1, keepdims=True),
    }


def test_missing_entries_and_other_layers() -> None:
    """Entries that are held stay; a real layer beside a chain is drawn by Gibbs in between."""
    program, params = program_of(HMM)
    rng = np.random.default_rng(0)
    x = np.where(rng.random((50, 7)) < 0.4, np.nan, rng.integers(0, 4, (50, 7)))
    found = ed.sample(program, n=50, steps=2, clamp={"x": x}, params=params, sampler="tree")["x"]
    assert (found[~np.isnan(x)] == x[~np.isnan(x)]).all()
    noisy = (
        "dim T = 6\nvisible y[T] : real\nhidden z[T] : spin\nparam c = 0.7\n"
        "energy = 0.5 * sum((y - z)^2) - c * sum[t in range(T - 1)] z[t]*z[t + 1]"
    )
    fit = Tree().fits(ed.loads(noisy).derived)
    assert fit.ok
    assert "`y` by Gibbs in between" in fit.why


def test_what_is_too_dense_says_so() -> None:
    fit = Tree().fits(ed.zoo("rbm").derived)
    assert not fit.ok
    assert "too densely" in fit.why
    lattice = Tree().fits(ed.zoo("ising").derived)
    assert not lattice.ok
    assert f"2^{limits.LOG2_CLIQUE:.0f}" in lattice.why
    assert chosen("auto", ed.loads(HMM).derived).name == "gibbs"
    assert elimination.planned(ed.zoo("gaussian_rbm").derived, ["v"]) == "a layer is of an infinite domain"


def test_marginals_of_a_program() -> None:
    program, params = program_of(HMM)
    x = np.random.default_rng(0).integers(0, 4, (3, 7))
    found = program.marginals(params, {"x": x})["z"]
    assert found.shape == (3, 7, 3)
    np.testing.assert_allclose(found[1], forward_backward(params, x[1], 7, 3)[1], atol=1e-10)
    with pytest.raises(ed.NotApplicable, match="too densely"):
        ed.zoo("rbm").compile("numpy").marginals(ed.zoo("rbm").compile("numpy").init())
    exact = next(v for v in ed.loads(HMM.replace("T = 7", "T = 70")).applicability() if v.name == "exact")
    assert exact.ok
    assert "eliminated" in exact.why
