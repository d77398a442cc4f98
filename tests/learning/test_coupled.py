"""Unbiased contrastive divergence: its mean gradient against enumeration, that pairs meet, and that each chain keeps its law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.learning.chains import Coupled, coupled
from energydsl.program import coupling
from energydsl.program.coupling import maximal
from energydsl.program.states import check_params, checked_arrays
from tests.learning.test_objectives import BOLTZMANN, GAUSSIAN_RBM, INTEGER, POTTS, POTTS_RBM, RBM, Arrays, Case

LATTICE = """visible x[2, 4] : categorical[3]
param J = 0.5, b[3] = normal(sd = 0.5)
energy = - J * sum[i, j, a] (x[i, j, a]*x[i, (j + 1) % 4, a] + x[i, j, a]*x[(i + 1) % 2, j, a]) - sum[i, j, a] b[a]*x[i, j, a]"""
INTEGERS = INTEGER.replace("normal(sd = 1)", "normal(sd = 0.1)")
MIXED = GAUSSIAN_RBM.replace("v[3]", "v[2]")
# By how much couplings are larger, so that a sweep from the data is far from equilibrium. Layers are drawn whole, by colour and unit by unit.
FAR = {RBM: 4.0, BOLTZMANN: 2.5, POTTS: 1.5, LATTICE: 1.0, POTTS_RBM: 4.0, INTEGERS: 1.0, MIXED: 3.0}
NAMES = ["rbm", "boltzmann", "potts", "lattice", "potts-rbm", "integers", "mixed"]
SEEDS, PAIRS = 40, 200


def gradients(text: str, method: Any, seeds: int = SEEDS, pairs: int = PAIRS) -> tuple[Case, np.ndarray, Any]:
    """A model far from equilibrium and one row of data; gradients from so many pairs that begin there, (seeds, entries)."""
    case = Case(text, 1)
    case.params = {n: p * FAR[text] if np.ndim(p) > 1 else p for n, p in case.params.items()}
    engine, params = case.program.engine, check_params(case.program.engine, case.params)
    [objective] = method.objectives()
    state, found = objective.init(engine, pairs, ed.Rng(3)), []
    objective.load(state, checked_arrays(engine, {n: np.repeat(a, pairs, axis=0) for n, a in case.data.items()}))
    for _ in range(seeds):
        objective.step(state, params)
        each = objective.gradient(state, params, list(params))
        found.append(np.concatenate([np.ravel(each[n]) for n in params]))
    return case, np.array(found), objective.figures(state, params)


def exact(case: Case) -> np.ndarray:
    """The gradient of -log p(data) among the changes that the constraints admit, states listed, or real units on a grid."""
    if case.model.layers["v" if "v" in case.model.layers else next(iter(case.data))].domain.name == "real":
        line = np.linspace(-25.0, 25.0, 301)
        points = {"v": np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)}
        width = 2 * np.log(line[1] - line[0])
    else:
        points, width = case.all_rows(), 0.0

    def value(params: Arrays) -> float:
        log_z = np.logaddexp.reduce(case.log_p(params, points)) + width
        return float(log_z - case.log_p(params, case.data).mean())

    found = []
    for name, p in case.params.items():
        symmetric = "symmetric" in case.model.params[name].constraints
        for at in np.ndindex(np.shape(p)):
            way = np.zeros(np.shape(p))
            way[at] = 1e-5
            if symmetric:
                way = (way + way.T) / 2 * (at[0] != at[1])
            found.append((value({**case.params, name: p + way}) - value({**case.params, name: p - way})) / 2e-5)
    return np.array(found)


def miss(text: str, method: Any) -> float:
    """By how many standard errors the mean gradient is off, at the entry where that is most."""
    case, found, _ = gradients(text, method)
    error = found.std(axis=0, ddof=1) / np.sqrt(SEEDS)
    unseen = 1.0 / (SEEDS * PAIRS)
    return float(np.max(abs(found.mean(axis=0) - exact(case)) / (error + unseen)))


@pytest.mark.parametrize("text", FAR, ids=NAMES)
def test_the_mean_gradient_is_exact_where_that_of_contrastive_divergence_is_not(text: str) -> None:
    assert miss(text, ed.UnbiasedCD(max_sweeps=1000)) < 4.0
    assert miss(text, ed.CD()) > 8.0


def test_it_is_exact_after_several_sweeps() -> None:
    assert miss(RBM, ed.UnbiasedCD(k=3, max_sweeps=1000)) < 4.0
    assert miss(RBM, ed.CD(k=3)) > 8.0


def _without_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Coupled, "corrected", lambda chains, phases, gradients: gradients)


def _terms_with_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Coupled.corrected

    def wrong(chains: Coupled, phases: Any, gradients: Arrays) -> Arrays:
        both = right(chains, phases, gradients)
        return {n: 2 * g - both[n] for n, g in gradients.items()}

    monkeypatch.setattr(Coupled, "corrected", wrong)


def _what_is_left_drawn_from_p(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(xp: Any, p: np.ndarray, q: np.ndarray, u: np.ndarray) -> Any:
        one, other = maximal(xp, p, q, u)
        return one, np.where(one == other, other, p.argmax(axis=-1))

    monkeypatch.setattr(coupling, "maximal", wrong)


@pytest.mark.parametrize(
    ("text", "mutant"),
    [(RBM, _without_the_terms), (RBM, _terms_with_the_wrong_sign), (POTTS, _what_is_left_drawn_from_p)],
)
def test_mutants_are_biased(text: str, mutant: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    assert miss(text, ed.UnbiasedCD(max_sweeps=200)) > 8.0


def test_each_state_has_its_probability_and_both_are_equal_as_often_as_can_be() -> None:
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), size=2)
    u = (np.arange(100_000) + 0.5) / 100_000
    one, other = maximal(np, *(np.broadcast_to(a, (len(u), 5)) for a in (p, q)), u)
    np.testing.assert_allclose(np.bincount(one, minlength=5) / len(u), p, atol=1e-4)
    np.testing.assert_allclose(np.bincount(other, minlength=5) / len(u), q, atol=1e-4)
    np.testing.assert_allclose(np.mean(one == other), np.minimum(p, q).sum(), atol=1e-4)


def _independent(engine: Any, parts: Any, p: Any, pair: Any, s: Any, random: Any, means: Any) -> None:
    for x, moments in zip(pair, means, strict=True):
        engine.sweep(p, x, s, random, parts, 1, moments)


def _inverted(xp: Any, p: np.ndarray, q: np.ndarray, u: np.ndarray) -> Sequence[np.ndarray]:
    return [np.minimum((a.cumsum(axis=-1) <= u[..., None]).sum(axis=-1), a.shape[-1] - 1) for a in (p, q)]


WIDE = "visible v[20] : binary\nhidden h[10] : binary\nlayers v -- h"
MANY = POTTS.replace("L = 3, Q = 3", "L = 8, Q = 21")


@pytest.mark.parametrize(
    ("text", "where", "what", "worse"),
    [(WIDE, coupled, "sweep_together", _independent), (MANY, coupling, "maximal", _inverted)],
    ids=["independent numbers", "states in order"],
)
def test_pairs_meet(text: str, where: Any, what: str, worse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAR, text, 0.3)
    figures = gradients(text, ed.UnbiasedCD(), 1)[2]
    assert figures["unmet"] == 0.0
    assert figures["met_in"] < 6.0
    monkeypatch.setattr(where, what, worse)
    assert gradients(text, ed.UnbiasedCD(), 1)[2]["unmet"] > 0.5


def test_a_pair_counts_as_its_row_does() -> None:
    case, weights = Case(RBM), np.array([3.0, 0.0, 1.0, 0.5, 1.0, 0.5])
    engine, params = case.program.engine, check_params(case.program.engine, case.params)

    def gradient(weights: np.ndarray | None) -> np.ndarray:
        [objective] = ed.UnbiasedCD().objectives()
        state = objective.init(engine, 6, ed.Rng(1))
        objective.load(state, checked_arrays(engine, case.data), weights)
        objective.step(state, params)
        assert objective.figures(state, params)["met_in"] > 2.0
        return np.array(objective.gradient(state, params, ["W_v_h"])["W_v_h"])

    alone = [gradient(row) for row in np.eye(6)]
    np.testing.assert_allclose(gradient(weights), sum(w * g for w, g in zip(weights, alone, strict=True)), atol=1e-12)
    np.testing.assert_allclose(gradient(None), sum(alone), atol=1e-12)


def test_a_run_says_how_many_pairs_did_not_meet(tmp_path: Path) -> None:
    program = ed.loads(WIDE).compile("numpy")
    rows = np.random.default_rng(0).integers(0, 2, (20, 20))
    run = ed.train(program, rows, ed.UnbiasedCD(max_sweeps=2), epochs=2, batch=20, out=tmp_path)
    assert run.history[-1]["unmet"] > 0.0
    assert any("had not met after 2 sweeps" in warning for warning in run.warnings)
    assert "had not met after 2 sweeps" in CliRunner().invoke(cli, ["info", str(tmp_path)]).output


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("visible v[2] : real\nparam a[2] = 1\nenergy = sum(0.5 * (v - a)^2)", "no layer has finitely many states"),
        ("visible v[2] : binary\nhidden h[2] : real\nhidden g[2] : real\nlayers v -- h -- g", "`h` and `g`"),
        (
            "visible v[2] : real\nhidden h[2] : binary\nparam W[2, 2]\nenergy = v[0]^2 + v[1]^2 - v[0]*v[1] - v @ W @ h",
            "units of `v`",
        ),
        (
            "visible v[2] : real\nhidden h[2] : binary\nparam W[2, 2]\nenergy = sum(v^2) - sum[j] h[j]*tanh(sum[i] v[i]*W[i, j])",
            "no conditional",
        ),
    ],
)
def test_what_can_not_meet_is_refused(text: str, why: str) -> None:
    [verdict] = [v for v in ed.loads(text).applicability() if v.name == "unbiased-cd"]
    assert not verdict.ok
    assert why in verdict.why


def test_other_samplers_are_refused() -> None:
    program = ed.loads(BOLTZMANN).compile("numpy")
    with pytest.raises(ed.NotApplicable, match="take the sampler gibbs"):
        ed.train(program, np.ones((4, 5)), ed.UnbiasedCD(sampler="gibbs-gradient"), epochs=1)
