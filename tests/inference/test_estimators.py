"""Estimators of log Z against enumeration; samplers against exact distributions and known energies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import energydsl as ed
from energydsl.inference.ais import ais
from energydsl.program import Program
from tests.conftest import ROOT

MODELS = {
    "rbm": "visible v[6] : binary\nhidden h[5] : binary\nparam W[6, 5] = normal(sd = 0.8), b[6] = normal(sd = 1), c[5] = normal(sd = 1)\nenergy = - b @ v - c @ h - v @ W @ h",
    "spin glass": "visible s[8] : spin\nparam J[8, 8] : symmetric & zero_diagonal = normal(sd = 0.3), f[8] = normal(sd = 0.3)\nenergy = - f @ s - 0.5 * s @ J @ s",
    "gaussian": "visible v[4] : real\nhidden h[5] : binary\nparam W[4, 5] = normal(sd = 0.7), b[4] = normal(sd = 1), c[5]\nenergy = 0.5 * sum((v - b)^2) - c @ h - v @ W @ h",
    "poisson": "visible n[4] : count\nhidden h[5] : binary\nparam W[4, 5] = normal(sd = 0.5), b[4] = normal(sd = 1), c[5]\nenergy = sum(lgamma(n + 1)) - b @ n - c @ h - n @ W @ h",
    "rectified": "visible v[4] : binary\nhidden z[3] : positive\nparam W[4, 3] = normal(sd = 0.7), b[4], c[3]\nenergy = 0.5 * sum(z^2) - b @ v - c @ z - v @ W @ z",
    "binomial": "visible x[4] : integer[0, 4]\nhidden h[5] : binary\nparam W[4, 5] = normal(sd = 0.5), b[4] = normal(sd = 1)\nenergy = sum(lgamma(x + 1)) + sum(lgamma(5 - x)) - b @ x - x @ W @ h",
    "coupled tables": "visible x[3] : integer[-1, 2]\nparam J[3, 3] : symmetric & zero_diagonal = normal(sd = 0.4), d[3] = normal(sd = 0.5)\nenergy = sum(d * x^2) - 0.5 * x @ J @ x",
    "deep": "visible v[4] : binary\nhidden a[4] : spin\nhidden b[2] : categorical[3]\nparam U[4, 4] = normal(sd = 0.6), W[4, 2, 3] = normal(sd = 0.6)\nenergy = - v @ U @ a - sum[i, j, k] a[i]*W[i, j, k]*b[j, k]",
}


@pytest.mark.parametrize("name", MODELS)
def test_ais_agrees_with_enumeration_within_its_error_bar(name: str) -> None:
    """Over many random models the standardised error has mean near 0 and the bar covers as often as it should."""
    scores = []
    for seed in range(20):
        program = ed.loads(MODELS[name]).compile(dtype="float64")
        params = program.init(seed)
        found = ais(program, params, {}, betas=200, chains=50, seed=seed)
        scores.append((found.log_z - program.log_partition(params)) / found.log_z_std)
    assert abs(np.mean(scores)) < 1.0
    assert np.mean(np.abs(scores) < 2) >= 0.8


@pytest.mark.parametrize("name", ["rbm", "spin glass", "deep"])
def test_sweeps_leave_exact_samples_exact(name: str) -> None:
    """Start from exact samples, run sweeps, compare the joint distribution (chi-square over the commonest states)."""
    program = ed.loads(MODELS[name]).compile(dtype="float64")
    params = program.init(3)
    names = tuple(program.model.units())
    states = {n: np.concatenate([c[n] for c in program.states(names)]) for n in names}
    logits = -program.energy(params, states)
    p = np.exp(logits - np.logaddexp.reduce(logits))
    count = 40_000
    start = np.random.default_rng(0).choice(len(p), count, p=p)
    after = program.gibbs(params, {n: a[start] for n, a in states.items()}, 5, rng=ed.Rng(1))

    def key(x: dict[str, np.ndarray]) -> np.ndarray:
        flat = np.concatenate([x[n].reshape(len(x[n]), -1) > 0 for n in names], axis=1)
        return flat @ (1 << np.arange(flat.shape[1], dtype=np.int64))

    keys, found = key(states), np.bincount(np.searchsorted(np.sort(key(states)), key(after)), minlength=len(p))
    expected = p[np.argsort(keys)] * count
    common = expected >= 5
    observed = np.append(found[common], found[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    statistic = ((observed - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum()
    assert stats.chi2.sf(statistic, len(wanted) - 1) > 1e-3


def kaufman_energy(side: int, coupling: float) -> float:
    """Mean energy of the Ising model on a square torus, by the transfer matrix."""
    spins = 1 - 2 * ((np.arange(2**side)[:, None] >> np.arange(side)) & 1)
    inside = (spins * np.roll(spins, 1, axis=1)).sum(axis=1)
    between = spins @ spins.T

    def log_z(k: float) -> float:
        matrix = np.exp(k * (0.5 * inside[:, None] + 0.5 * inside[None, :] + between))
        values = np.linalg.eigvalsh(matrix)
        return float(np.log((values / values.max()) ** side @ np.ones(len(values))) + side * np.log(values.max()))

    h = 1e-4
    return -(log_z(coupling + h) - log_z(coupling - h)) / (2 * h)


def test_ising_torus_has_the_exact_energy() -> None:
    model = ed.load(ROOT / "models/ising.energy", dims={"L": 8}, consts={"K": 0.4})
    program = model.compile()
    chains = 200
    state = program.gibbs({}, program.init_state({}, chains, 0), 300, rng=ed.Rng(0))
    rng, samples = ed.Rng(1), []
    for _ in range(100):
        state = program.gibbs({}, state, 5, rng=rng)
        samples.append(program.energy({}, state) / 0.4)
    means = np.mean(samples, axis=0)
    error = means.std(ddof=1) / np.sqrt(chains)
    exact = kaufman_energy(8, 0.4)
    assert error < 0.01 * abs(exact)
    assert abs(means.mean() - exact) < 3 * error


def test_exact_and_ais_evaluation_agree() -> None:
    program = ed.loads(MODELS["rbm"]).compile()
    data = np.random.default_rng(0).integers(0, 2, (50, 6)).astype(np.float32)
    run = ed.train(program, data, epochs=3, batch=25)
    exact = ed.evaluate(run, data, method="exact")
    estimate = ed.evaluate(run, data, method="ais", betas=500)
    assert exact.log_likelihood_std == 0
    assert abs(exact.log_likelihood - estimate.log_likelihood) < 5 * estimate.log_likelihood_std + 1e-3


def test_ais_does_not_fit_models_with_inputs() -> None:
    model = ed.load(ROOT / "models/conditional_rbm.energy", dims={"J": 30})
    rows = {"past": np.zeros((4, 30)), "v": np.zeros((4, 10))}
    run = ed.train(model.compile(), rows, ed.CD(), epochs=0)
    with pytest.raises(ed.NotApplicable, match="depends on the inputs"):
        ed.evaluate(run, rows, method="ais")


def test_conditional_models_are_evaluated_exactly_row_by_row() -> None:
    model = ed.load(ROOT / "models/gated.energy", dims={"X": 3, "Y": 3, "H": 2})
    rng = np.random.default_rng(1)
    rows = {"x": rng.integers(0, 2, (8, 3)), "y": rng.integers(0, 2, (8, 3))}
    run = ed.train(model.compile(dtype="float64"), rows, ed.CD(), epochs=1, batch=4)
    found = ed.evaluate(run, rows, method="exact")
    every = {"x": np.repeat(rows["x"], 8, axis=0), "y": np.tile((np.arange(8)[:, None] >> np.arange(3)) & 1, (8, 1))}
    scores = run.program.log_unnormalised(run.params, every).reshape(8, 8)
    here = run.program.log_unnormalised(run.params, rows) - np.logaddexp.reduce(scores, axis=1)
    assert found.log_likelihood == pytest.approx(here.mean())


def test_the_bound_of_a_deep_machine_says_how_much_of_it_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the exact likelihood; and on no row where mean field is cut short."""
    model = ed.loads("visible v[5] : binary\nhidden a[4] : binary\nhidden b[3] : binary\nlayers v -- a -- b")
    rows = (np.random.default_rng(0).random((40, 5)) < 0.5).astype(float)
    run = ed.train(model.compile(dtype="float64"), rows, ed.PCD(chains=20), ed.SGD(lr=0.2), epochs=20, validation=0.0)
    exact = ed.evaluate(run, rows, "exact").log_likelihood
    found = ed.evaluate(run, rows, "ais", betas=500)
    assert found.bound
    assert found.settled == 1.0
    assert found.log_likelihood <= exact + 4 * found.log_likelihood_std
    whole = Program.mean_field
    monkeypatch.setattr(Program, "mean_field", lambda *given: whole(*given, max_iterations=1))
    assert ed.evaluate(run, rows, "ais", betas=10).settled == 0.0
