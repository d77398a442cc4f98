"""Objectives without chains: value and gradient against brute force on small models, which shares no code with them.

The energy is the oracle's; conditionals, scores and sums over latents are enumerated here, gradients are differences.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.graph.edges import edges_of
from energydsl.learning.objective import changes, conditionals, differences, fields, free_rows
from energydsl.learning.objective.free_rows import ByRows
from energydsl.program.initialise import base_rate, constrained
from energydsl.program.states import check_params, checked_arrays
from energydsl.verification.oracle import Oracle

Arrays = dict[str, Any]

RBM = "visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h"
BOLTZMANN = """visible s[5] : spin
param J[5, 5] : symmetric, zero_diagonal = normal(sd = 1), b[5] = normal(sd = 1)
energy = - 0.5 * s @ J @ s - b @ s"""
CUBIC = """visible s[4] : spin
param K[4, 4, 4] = normal(sd = 1), b[4] = normal(sd = 1)
energy = - sum[i < j < k] K[i, j, k]*s[i]*s[j]*s[k] - b @ s"""
POTTS = """dim L = 3, Q = 3
visible x[L] : categorical[Q]
param J[L, L, Q, Q] = normal(sd = 1), h[L, Q] = normal(sd = 1)
energy = - sum[i < j, a, b] J[i, j, a, b]*x[i, a]*x[j, b] - sum[i, a] h[i, a]*x[i, a]"""
POTTS_RBM = "visible v[2] : categorical[3]\nhidden h[2] : binary\nlayers v -- h"
INTEGER = """visible n[3] : integer[0, 2]
hidden h[2] : spin
param W[3, 2] = normal(sd = 1), a[3] = normal(sd = 1)
energy = - n @ W @ h + sum[i] a[i]*n[i]^2"""
FORMS = """visible v[4] : binary
param W[4, 2] = normal(sd = 1), b[4] = normal(sd = 1)
energy = - b @ v - sum[j] softplus(sum[i] v[i]*W[i, j])"""
GAUSSIAN = """visible x[3] : real
param A[3, 3] = normal(sd = 0.1), b[3] = normal(sd = 1), k[3] : positive = 1.5
energy = 0.5 * sum[i] k[i]*x[i]^2 + sum[i < j] A[i, j]*x[i]*x[j] - b @ x"""
GAUSSIAN_RBM = "visible v[3] : real\nhidden h[2] : binary\nlayers v -- h"
QUARTIC = """visible x[2] : real
param a[2] : positive = 1.0, c[2] : positive = 0.7, w = 0.3
energy = sum[i] (a[i]*x[i]^4 + c[i]*x[i]^2) - w*x[0]*x[1]"""


class Case:
    """A model at random parameters, and rows of data."""

    def __init__(self, text: str, rows: int = 6):
        rng = np.random.default_rng(4)
        self.program = ed.loads(text).compile("numpy", "float64")
        self.model = self.program.model
        self.params = {
            n: constrained(self.model.params[n], rng.normal(0, 0.4, np.shape(p)) + p)
            for n, p in self.program.init(1).items()
        }
        drawn = self.program.init_state(self.params, rows, 5)
        self.data = {n: np.array(drawn[n], float) for n in self.model.by_role("visible")}
        self.oracle = Oracle(self.model, {n: edges_of(g) for n, g in self.model.graphs.items()})

    def values(self, layer: str) -> list[Any]:
        """All states of a unit."""
        record = self.model.layers[layer]
        if record.domain.name == "categorical":
            return list(np.eye(record.energy_shape[-1]))
        return {"binary": [0.0, 1.0], "spin": [-1.0, 1.0], "integer": [0.0, 1.0, 2.0]}[record.domain.name]

    def log_p(self, params: Arrays, x: Arrays) -> np.ndarray:
        """log p~(x) of rows, the latents enumerated."""
        hidden = {n: self.model.layers[n] for n in self.model.by_role("hidden")}
        count, logs = len(next(iter(x.values()))), []
        for state in itertools.product(*(itertools.product(self.values(n), repeat=a.size) for n, a in hidden.items())):
            latents = {
                n: np.broadcast_to(np.reshape(s, a.energy_shape), (count, *a.energy_shape))
                for (n, a), s in zip(hidden.items(), state, strict=True)
            }
            logs.append(-self.oracle.energy(params, {**x, **latents}))
        return np.logaddexp.reduce(logs, axis=0)

    def changed(self, layer: str, unit: int) -> list[Arrays]:
        """The data with a unit in each of its states."""
        found = []
        for value in self.values(layer):
            x = {n: a.copy() for n, a in self.data.items()}
            x[layer].reshape(len(x[layer]), self.model.layers[layer].size, -1)[:, unit] = value
            found.append(x)
        return found

    def conditionals(self, params: Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each unit: log p of all its states given the rest, (states, rows), and which it is in."""
        found = []
        for name in self.model.by_role("visible"):
            for unit in range(self.model.layers[name].size):
                states = self.changed(name, unit)
                logs = np.stack([self.log_p(params, x) for x in states])
                own = np.stack(
                    [np.all((x[name] == self.data[name]).reshape(logs.shape[1], -1), axis=1) for x in states]
                )
                found.append((logs - np.logaddexp.reduce(logs, axis=0), own))
        return found

    def all_rows(self) -> Arrays:
        """All joint states of the visible layer."""
        [name] = self.model.by_role("visible")
        shape, size = self.model.layers[name].energy_shape, self.model.layers[name].size
        return {name: np.array([np.reshape(s, shape) for s in itertools.product(self.values(name), repeat=size)])}


def pseudo(case: Case, params: Arrays) -> float:
    return float(np.mean(sum(-(logs * own).sum(0) for logs, own in case.conditionals(params))))


def ratio(case: Case, params: Arrays) -> float:
    return float(np.mean(sum(0.5 * ((own - np.exp(logs)) ** 2).sum(0) for logs, own in case.conditionals(params))))


def flow(case: Case, params: Arrays) -> float:
    total = 0.0
    for logs, own in case.conditionals(params):
        total = total + (np.exp(0.5 * (logs - (logs * own).sum(0))) * ~own).sum(0)
    return float(np.mean(total))


def likelihood(case: Case, params: Arrays) -> float:
    log_z = np.logaddexp.reduce(case.log_p(params, case.all_rows()))
    return float(log_z - case.log_p(params, case.data).mean())


def slopes(objective: ByRows[Any], case: Case) -> tuple[Any, Arrays, float]:
    """The state after a step on the data, the gradient, and the value."""
    engine = case.program.engine
    rng = ed.Rng(2)
    base = {n: base_rate(engine, n, case.data[n]) for n in case.data}
    state = objective.init(engine, len(next(iter(case.data.values()))), rng, {}, base)
    objective.load(state, checked_arrays(engine, case.data))
    params = check_params(engine, case.params)
    objective.step(state, params)
    found = {n: np.array(g) for n, g in objective.gradient(state, params, list(params)).items()}
    return state, found, objective.figures(state, params)["objective"]


def compare(
    case: Case, found: Arrays, value: Callable[[Arrays], float], tolerance: float = 1e-6, step: float = 1e-5
) -> None:
    """Gradients against central differences of a value, among the changes that the constraints admit."""
    rng = np.random.default_rng(0)
    for name, p in case.params.items():
        constraints = case.model.params[name].constraints
        for _ in range(3):
            way = rng.normal(size=np.shape(p))
            if "symmetric" in constraints:
                way = way + way.T
            if "zero_diagonal" in constraints:
                np.fill_diagonal(way, 0.0)
            ends = [value({**case.params, name: p + sign * step * way}) for sign in (1, -1)]
            wanted = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(np.sum(found[name] * way), wanted, rtol=tolerance, atol=tolerance, err_msg=name)


BY_CHANGES = [RBM, BOLTZMANN, CUBIC, POTTS, POTTS_RBM, INTEGER, FORMS]
VALUES: Mapping[Any, Any] = {
    ed.PseudoLikelihood(units=99): pseudo,
    ed.RatioMatching(units=99): ratio,
    ed.MinimumProbabilityFlow(units=99): flow,
    ed.Exact(): likelihood,
}


@pytest.mark.parametrize("text", BY_CHANGES, ids=lambda t: t.splitlines()[-1][:30])
@pytest.mark.parametrize("method", VALUES, ids=lambda m: m.name)
def test_value_and_gradient_of(method: Any, text: str) -> None:
    case = Case(text)
    [objective] = method.objectives()
    _, found, value = slopes(objective, case)
    wanted = next(v for m, v in VALUES.items() if m.name == method.name)
    np.testing.assert_allclose(value, wanted(case, case.params), rtol=1e-9)
    compare(case, found, lambda p: wanted(case, p))


@pytest.mark.parametrize("text", [RBM, POTTS_RBM], ids=["rbm", "potts"])
def test_a_block_of_all_units_is_the_likelihood(text: str) -> None:
    case = Case(text)
    size = case.model.layers["v"].size
    [objective] = ed.CompositeLikelihood(size=size).objectives()
    _, found, value = slopes(objective, case)
    np.testing.assert_allclose(value, likelihood(case, case.params), rtol=1e-9)
    compare(case, found, lambda p: likelihood(case, p))


def test_pseudo_likelihood_of_real_units() -> None:
    case = Case(GAUSSIAN)
    [objective] = ed.PseudoLikelihood().objectives()

    def value(params: Arrays) -> float:
        x, k = case.data["x"], params["k"]
        upper = np.triu(params["A"], 1)
        mean = (params["b"] - x @ (upper + upper.T)) / k
        return float(np.mean(np.sum(0.5 * k * (x - mean) ** 2 - 0.5 * np.log(k / (2 * np.pi)), axis=1)))

    _, found, objective_value = slopes(objective, case)
    np.testing.assert_allclose(objective_value, value(case.params), rtol=1e-9)
    compare(case, found, value)


def score(case: Case, params: Arrays, x: np.ndarray, step: float = 1e-2) -> np.ndarray:
    """d log p~/dx at rows (rows, units), by differences of fourth order."""
    [name] = case.model.by_role("visible")
    columns = []
    for unit in np.eye(x.shape[1]):
        near, far = ([case.log_p(params, {name: x + sign * size * step * unit}) for sign in (1, -1)] for size in (1, 2))
        columns.append((8 * (near[0] - near[1]) - (far[0] - far[1])) / (12 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("text", [GAUSSIAN, GAUSSIAN_RBM, QUARTIC], ids=["gaussian", "rbm", "quartic"])
def test_score_matching(text: str) -> None:
    case = Case(text)
    [objective] = ed.ScoreMatching().objectives()
    state, found, objective_value = slopes(objective, case)
    [name] = case.model.by_role("visible")
    x, rows = case.data[name], len(case.data[name])
    signs = np.sign(state.parts[1].x[name][2 * rows : 3 * rows] - x)

    def value(params: Arrays) -> float:
        s, h = score(case, params, x), 1e-3
        bend = np.sum(signs * (score(case, params, x + h * signs) - score(case, params, x - h * signs)), axis=1) / (
            2 * h
        )
        return float(np.mean(0.5 * np.sum(s**2, axis=1) + bend))

    np.testing.assert_allclose(objective_value, value(case.params), rtol=1e-5)
    compare(case, found, value, 2e-5, 1e-3)


@pytest.mark.parametrize("text", [GAUSSIAN_RBM, QUARTIC], ids=["rbm", "quartic"])
def test_denoising_score_matching(text: str) -> None:
    case = Case(text)
    [objective] = ed.DenoisingScoreMatching(sd=0.3).objectives()
    state, found, objective_value = slopes(objective, case)
    [name] = case.model.by_role("visible")
    noisy = np.array(state.parts[0].x[name])

    def value(params: Arrays) -> float:
        back = (noisy - case.data[name]) / 0.3**2
        return float(np.mean(0.5 * np.sum((score(case, params, noisy) + back) ** 2, axis=1)))

    assert 0.1 < np.std(noisy - case.data[name]) < 0.6
    np.testing.assert_allclose(objective_value, value(case.params), rtol=1e-5)
    compare(case, found, value, 2e-5, 1e-3)


@pytest.mark.parametrize("text", [RBM, POTTS_RBM, FORMS], ids=["rbm", "potts", "forms"])
def test_noise_contrast(text: str) -> None:
    case = Case(text)
    [objective] = ed.NoiseContrastive(ratio=3).objectives()
    state, found, objective_value = slopes(objective, case)
    [name], rows = case.model.by_role("visible"), len(next(iter(case.data.values())))
    [eta] = base_rate(case.program.engine, name, case.data[name])
    every = np.array(state.parts[0].x[name])
    flat = eta - np.logaddexp.reduce(eta, axis=-1, keepdims=True) if text == POTTS_RBM else eta
    log_q = (every * flat).reshape(len(every), -1).sum(1)
    log_q -= 0.0 if text == POTTS_RBM else np.logaddexp(0, eta).sum()

    def value(params: Arrays) -> float:
        u = case.log_p(params, {name: every}) - float(state.constant) - log_q - np.log(3)
        return float(np.logaddexp(0, -u[:rows]).mean() + 3 * np.logaddexp(0, u[rows:]).mean())

    np.testing.assert_allclose(objective_value, value(case.params), rtol=1e-9)
    compare(case, found, value)


@pytest.mark.parametrize("text", [RBM, BOLTZMANN], ids=["changes", "fields"])
@pytest.mark.parametrize("method", VALUES, ids=lambda m: m.name)
def test_a_row_of_weight_two_counts_as_two(method: Any, text: str) -> None:
    case = Case(text)
    [objective] = method.objectives()
    counts = np.array([2.0, 1.0, 3.0, 1.0, 2.0, 3.0])
    engine, params = case.program.engine, check_params(case.program.engine, case.params)
    weighted = objective.init(engine, 6, ed.Rng(1))
    objective.load(weighted, checked_arrays(engine, case.data), counts / counts.mean())
    objective.step(weighted, params)
    found = {n: np.array(g) for n, g in objective.gradient(weighted, params, list(params)).items()}
    case.data = {n: np.repeat(a, counts.astype(int), axis=0) for n, a in case.data.items()}
    _, wanted, value = slopes(objective, case)
    np.testing.assert_allclose(objective.figures(weighted, params)["objective"], value, rtol=1e-9)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (RBM, ed.RatioMatching(units=9)),
        (BOLTZMANN.replace("spin", "binary"), ed.MinimumProbabilityFlow()),
        (RBM, ed.NoiseContrastive(ratio=1)),
    ],
    ids=["changes", "fields", "noise"],
)
def test_grey_data_are_probabilities_of_states(text: str, method: Any) -> None:
    case = Case(text, 400)
    [name] = case.model.by_role("visible")
    low = case.values(name)[0]
    case.data[name] = np.full_like(case.data[name], low + 0.25 * (1.0 - low))
    state, _, _ = slopes(method.objectives()[0], case)
    met = np.array(state.data[name] if hasattr(state, "data") else state.parts[0].x[name][:400])
    assert set(np.unique(met)) == {low, 1.0}
    assert abs(np.mean(met == 1.0) - 0.25) < 0.05


RESUMED: list[tuple[str, Any]] = [
    (RBM, ed.FastPCD(chains=5)),
    (RBM, ed.ParallelTempering(chains=4)),
    (RBM, ed.TrajectoryTempering(chains=4)),
    (POTTS_RBM, ed.UnbiasedCD()),
    (RBM, ed.Exact()),
    (RBM, ed.PseudoLikelihood(units=2)),
    (BOLTZMANN, ed.RatioMatching()),
    (RBM, ed.CompositeLikelihood()),
    (GAUSSIAN_RBM, ed.ScoreMatching()),
    (GAUSSIAN_RBM, ed.DenoisingScoreMatching()),
    (RBM, ed.NoiseContrastive()),
]


@pytest.mark.parametrize(("text", "method"), RESUMED, ids=lambda x: getattr(x, "name", ""))
def test_interrupted_equals_uninterrupted(text: str, method: Any, tmp_path: Any) -> None:
    program = ed.loads(text).compile("numpy")
    [name] = program.model.by_role("visible")
    rows = {name: Case(text, 40).data[name]}
    given: dict[str, Any] = {"epochs": 4, "batch": 10, "validation": 0.0}
    whole = ed.train(program, rows, method, **given)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    assert not ed.train(program, rows, method, out=tmp_path, report=stop, **given).finished
    parts = ed.train(program, rows, method, out=tmp_path, resume=True, **given)
    for key, value in whole.params.items():
        np.testing.assert_array_equal(parts.params[key], value)
    assert np.isfinite(parts.history[-1].get("objective", 0.0))
    ed.sample(parts, 3, steps=2)


def test_fast_weights_fade_and_move_the_chains_alone() -> None:
    program = ed.loads(RBM).compile("numpy", "float64")
    rows = Case(RBM, 40).data["v"]
    plain, fast, none = (
        ed.train(program, rows, method, ed.SGD(lr=0.1), epochs=3, batch=10)
        for method in (ed.PCD(chains=5), ed.FastPCD(chains=5), ed.FastPCD(chains=5, decay=0.0, fast_rate=1e-12))
    )
    np.testing.assert_allclose(none.params["W_v_h"], plain.params["W_v_h"], atol=1e-9)
    assert np.abs(fast.params["W_v_h"] - plain.params["W_v_h"]).max() > 1e-5


@pytest.mark.parametrize(
    ("text", "method", "why"),
    [
        (RBM, "score-matching", "`v` is not real"),
        (GAUSSIAN_RBM, "pseudo-likelihood", "infinitely many states"),
        ("visible v[40] : binary\nhidden h[40] : binary\nlayers v -- h", "exact", "2\\^40 states to list"),
        ("visible v[4] : binary\nhidden h[3] : binary\nhidden g[2] : binary\nlayers v -- h -- g", "pseudo-likelihood", "cannot be summed out"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_why(text: str, method: str, why: str) -> None:
    program = ed.loads(text).compile("numpy")
    with pytest.raises(ed.NotApplicable, match=why):
        ed.train(program, np.zeros((4, program.model.layers["v"].size)), method, epochs=1)


def _slope_of_the_wrong_square(xp: Any, d: Any) -> Any:
    value, slope = differences.quadratic(xp, d)
    return value, slope - 0.1 * slope**2


MUTANTS: Mapping[str, tuple[Any, str, Any, Any, str]] = {
    "central differences of too low a degree": (fields, "_CENTRAL", ((0.5,), (0.5, 0.0), (0.5, 0.0, 0.0)), ed.PseudoLikelihood(), CUBIC),
    "a state that is never tried": (changes, "_shifted", lambda engine, layer, values, shift: values, ed.PseudoLikelihood(units=9), POTTS_RBM),
    "a wrong slope of the squared distance": (conditionals, "SCORES", {"quadratic": _slope_of_the_wrong_square}, ed.RatioMatching(units=9), RBM),
    "latents that are summed out count twice": (free_rows, "summed_log_partition", lambda *_: np.ones(1), ed.Exact(), RBM),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_objectives_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, wrong, method, text = MUTANTS[name]
    test_value_and_gradient_of(method, text)
    monkeypatch.setattr(where, what, wrong)
    with pytest.raises(AssertionError):
        test_value_and_gradient_of(method, text)
