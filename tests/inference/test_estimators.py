"""Estimators of log Z against enumeration; samplers against exact distributions and known energies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import energydsl as ed
from energydsl.inference import evaluate as evaluation
from energydsl.inference.ais import ais
from energydsl.inference.scores import independent
from energydsl.inference.told import describe
from energydsl.learning.run import Run
from energydsl.program.exact import joint_states, log_unnormalised
from energydsl.program.initialise import base_rate
from energydsl.program.states import layer_arrays
from energydsl.program.undirected import Undirected
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
        found = ais(program.engine, params, {}, betas=200, chains=50, seed=seed)
        scores.append((found.log_z - program.log_partition(params)) / found.log_z_std)
    assert abs(np.mean(scores)) < 1.0
    assert np.mean(np.abs(scores) < 2) >= 0.8


@pytest.mark.parametrize("name", ["rbm", "spin glass", "deep"])
def test_sweeps_leave_exact_samples_exact(name: str) -> None:
    """Start from exact samples, run sweeps, compare the joint distribution (chi-square over the commonest states)."""
    program = ed.loads(MODELS[name]).compile(dtype="float64")
    params = program.init(3)
    names = tuple(program.model.random_layers())
    states = {n: np.concatenate([c[n] for c in joint_states(program.engine, names)]) for n in names}
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


def test_models_with_inputs_are_annealed_for_each_row_of_them() -> None:
    """As exact, to its error; rows with one value of the inputs share one log Z."""
    model = ed.load(ROOT / "models/gated.energy", dims={"X": 3, "Y": 6, "H": 2})
    rng = np.random.default_rng(2)
    rows = {"x": rng.integers(0, 2, (40, 3)), "y": rng.integers(0, 2, (40, 6))}
    run = ed.train(model.compile(), rows, ed.CD(), ed.SGD(lr=0.5), epochs=20, batch=4, validation=0.0)
    exact, found = ed.evaluate(run, rows, "exact"), ed.evaluate(run, rows, "ais", betas=300)
    assert found.log_z_std > 0
    assert abs(found.log_likelihood - exact.log_likelihood) < 4 * found.log_z_std + 1e-4
    assert abs(found.log_z - exact.log_z) < 4 * found.log_z_std + 1e-4
    for k in (0, 1):
        same = (rows["x"] == rows["x"][k]).all(axis=1)
        difference = (found.rows - exact.rows)[same]
        np.testing.assert_allclose(difference, difference[0], atol=1e-5)


def test_too_many_different_inputs_are_refused_with_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ed.load(ROOT / "models/gated.energy", dims={"X": 3, "Y": 3, "H": 2})
    rows = {"x": [[0, 0, 0], [0, 0, 1], [0, 1, 1]], "y": np.zeros((3, 3))}
    run = ed.train(model.compile(), rows, ed.CD(), epochs=0)
    monkeypatch.setattr("energydsl.limits.INPUT_ROWS", 2)
    with pytest.raises(ed.TooLarge, match="3 different rows"):
        ed.evaluate(run, rows, method="ais")


def test_conditional_models_are_evaluated_exactly_row_by_row() -> None:
    model = ed.load(ROOT / "models/gated.energy", dims={"X": 3, "Y": 3, "H": 2})
    rng = np.random.default_rng(1)
    rows = {"x": rng.integers(0, 2, (8, 3)), "y": rng.integers(0, 2, (8, 3))}
    run = ed.train(model.compile(dtype="float64"), rows, ed.CD(), epochs=1, batch=4)
    found = ed.evaluate(run, rows, method="exact")
    every = {"x": np.repeat(rows["x"], 8, axis=0), "y": np.tile((np.arange(8)[:, None] >> np.arange(3)) & 1, (8, 1))}
    scores = log_unnormalised(run.program.engine, run.params, every).reshape(8, 8)
    here = log_unnormalised(run.program.engine, run.params, rows) - np.logaddexp.reduce(scores, axis=1)
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
    whole = Undirected.mean_field
    monkeypatch.setattr(
        Undirected, "mean_field", lambda self, p, x, s, tolerance, _: whole(self, p, x, s, tolerance, 1)
    )
    assert ed.evaluate(run, rows, "ais", betas=10).settled == 0.0


RECOGNISED = "visible v[6] : binary\nhidden h[4] : binary\nparam W[6, 4], R[6, 4], b[6], c[4]\nenergy v | h = - b @ v - v @ W @ h\nenergy = - c @ h\nrecognition h | v = - v @ R @ h"


def a_run(text: str, seed: int = 0, rows: int = 30, scale: float = 1.0) -> tuple[Run, dict[str, np.ndarray]]:
    """Random parameters, random rows."""
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(seed)
    params = {n: rng.normal(0.0, scale, p.shape) for n, p in program.model.params.items()}
    state = program.init_state(params, rows, seed)
    x = {n: state[n] for n in program.model.by_role("visible")}
    base = {n: base_rate(program.engine, n, a) for n, a in x.items()}
    return Run(program, params, {"data": {"binarise": None}}, base=base), x


def test_every_error_is_there_and_has_its_name() -> None:
    run, x = a_run(MODELS["rbm"], rows=50)
    exact, found = ed.evaluate(run, x, "exact"), ed.evaluate(run, x, "ais", betas=100)
    rows = log_unnormalised(run.program.engine, run.params, x) - run.program.log_partition(run.params)
    np.testing.assert_allclose(exact.rows, rows)
    for each in (exact, found):
        assert each.rows_std == pytest.approx(rows.std(ddof=1) / np.sqrt(50))
    assert (exact.method, exact.log_likelihood_std, exact.log_z_std) == ("exact", 0.0, 0.0)
    assert found.log_likelihood_std == found.log_z_std > 0
    assert describe(exact.as_dict(), "test").endswith(f"nats a row (exact), +- {exact.rows_std:.2g} over the rows")
    told = describe(found.as_dict(), "test")
    assert f"+- {found.rows_std:.2g} over the rows, +- {found.log_z_std:.2g} of log Z (sampling error)" in told
    assert "exact" not in told
    assert ed.evaluate(run, {"v": x["v"][:1]}, "exact").rows_std is None


def test_a_bound_by_recognition_has_the_error_of_its_draws_and_is_not_called_exact() -> None:
    """log Z of independent units is exact at once, the bound is not: seeds differ as much as the error says."""
    run, x = a_run(RECOGNISED, rows=20)
    program = run.program
    found = [evaluation.find_scores(program.engine, run.params, x, "ais", k, float) for k in range(200)]
    means, errors = np.array([f.values.mean() for f in found]), np.array([f.mean_error for f in found])
    assert np.std(means) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.2)
    one = ed.evaluate(run, x, "ais", betas=20)
    assert one.bound
    assert one.bound_std > 0
    assert one.log_likelihood_std == pytest.approx(np.hypot(one.log_z_std, one.bound_std))
    told = describe(one.as_dict(), "test")
    assert "exact" not in told
    assert f"+- {one.bound_std:.2g} over draws of recognition" in told


PAIR = "visible v[2] : real\nhidden h[2] : real\nparam W[2, 2]\nenergy = 0.5 * sum(v^2) + 0.5 * sum(h^2) - v @ W @ h"
INSIDE = "visible x[3] : real\nparam W[3, 3] : symmetric & zero_diagonal\nenergy = 0.5 * sum(x^2) - 0.5 * x @ W @ x"
BESIDE = "visible x[2] : real\nvisible s[2] : spin\nparam W\nenergy = sum(x^2) - 2 * W * x[0] * x[1] - sum(s * x)"
FIELD = (
    "graph G = grid(3, 3)\nvisible x[3, 3] : real\nparam W\nenergy = 0.5 * sum(x^2) - W * sum[(i, k) in G] x[i]*x[k]"
)


@pytest.mark.parametrize(
    ("text", "least", "names"),
    [
        (PAIR, lambda w: 1 - abs(w), "`v` and `h`"),
        (INSIDE, lambda w: min(1 - 2 * w, 1 + w), "`x`"),
        (BESIDE, lambda w: 2 - 2 * abs(w), "`x`"),
        (FIELD, lambda w: 1 - 2 * np.sqrt(2) * abs(w), "`x`"),
    ],
    ids=["two layers", "one layer", "beside spins", "a grid"],
)
def test_real_units_without_a_joint_density_have_no_likelihood(text: str, least: object, names: str) -> None:
    for w in (0.3, 0.5, 0.95, 1.0, 1.02, 1.1, -0.3, -1.02):
        program = ed.loads(text).compile("numpy")
        [(name, param)] = program.model.params.items()
        value = np.full(param.shape, w)
        params = {name: w * np.eye(2) if text is PAIR else value * (1 - np.eye(3)) if text is INSIDE else value}
        state = program.init_state(params, 10)
        rows = {n: state[n] for n in program.model.by_role("visible")}
        run = Run(program, params, {"data": {"binarise": None}})
        if least(w) > 1e-6:
            assert np.isfinite(ed.evaluate(run, rows, betas=20).log_likelihood)
            continue
        for call in (
            lambda: ed.evaluate(run, rows, betas=20),  # noqa: B023
            lambda: ed.evaluate(run, rows, "exact"),  # noqa: B023
            lambda: ais(program.engine, params, {}, betas=20),  # noqa: B023
            lambda: program.log_partition(params),  # noqa: B023
        ):
            with pytest.raises(ed.NotNormalisable, match=f"of {names} cannot be normalised"):
                call()


def test_the_gaussian_pair_has_the_log_z_of_its_determinant() -> None:
    program = ed.loads(PAIR).compile("numpy", "float64")
    w = np.array([[0.5, -0.2], [0.3, 0.6]])
    found = ais(program.engine, {"W": w}, {}, betas=500, chains=200)
    wanted = 2 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(np.eye(2) - w.T @ w)[1]
    assert found.log_z == pytest.approx(wanted, abs=4 * found.log_z_std)


@pytest.mark.parametrize("method", ["auto", "exact", "ais"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_figure_that_is_not_finite_is_given(method: str, bad: float) -> None:
    run, x = a_run(MODELS["rbm"])
    run.params["b"][2] = bad
    with np.errstate(all="ignore"), pytest.raises(ed.DataError, match="a parameter is finite"):
        ed.evaluate(run, x, method, betas=20)


def test_log_z_below_what_the_rows_weigh_is_refused() -> None:
    """A narrow mode behind a wide valley: every chain stays where the base rates of other rows put it."""
    text = "visible v[20] : binary\nhidden h : binary\nparam W[20], c\nenergy = - c * h - sum[i] W[i]*v[i]*h"
    program = ed.loads(text).compile("numpy", "float64")
    base = {"v": base_rate(program.engine, "v", None)}
    run = Run(program, {"W": np.full(20, 20.0), "c": -378.0}, {"data": {"binarise": None}}, base=base)
    ones = np.ones((5, 20))
    assert ed.evaluate(run, ones, "exact").log_likelihood == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(ed.EstimateError, match="log Z is 22.000 at least"):
        ed.evaluate(run, ones, "ais", betas=200)
    assert ed.evaluate(run, np.zeros((5, 20)), "ais", betas=200).log_likelihood < 0


def test_auto_leaves_a_long_enumeration_for_annealing_and_exact_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    run, x = a_run(
        "visible s[16] : spin\nparam J[16, 16] : symmetric & zero_diagonal\nenergy = - 0.5 * s @ J @ s", scale=0.1
    )
    run.params["J"] = np.zeros((16, 16))
    assert ed.evaluate(run, x, betas=10).method == "exact"
    clock = iter(np.arange(0.0, 1e6, 30.0))
    monkeypatch.setattr(evaluation.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(evaluation, "ais_seconds", lambda *_: 5.0)
    assert ed.evaluate(run, x, betas=10).method == "ais"
    done: list[float] = []
    assert ed.evaluate(run, x, "exact", progress=done.append).method == "exact"
    assert done == sorted(done)
    assert len(done) > 4
    monkeypatch.setattr(evaluation, "ais_seconds", lambda *_: 1e9)
    assert ed.evaluate(run, x, betas=10).method == "exact"


DOMAINS = {
    "binary": ("binary", "- b @ x"),
    "spin": ("spin", "- b @ x"),
    "categorical[3]": ("categorical[3]", "- sum(b[0] * x[0])"),
    "integer[-1, 2]": ("integer[-1, 2]", "- b @ x"),
    "count": ("count", "sum(lgamma(x + 1)) - b @ x"),
    "geometric": ("count", "sum(exp(b) * x)"),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_independent_units_at_base_rates_are_normalised(name: str) -> None:
    """Summed over all states of one unit they give 1."""
    domain, energy = DOMAINS[name]
    one_hot = domain.startswith("categorical")
    text = f"visible x[1] : {domain}\nparam b[{'1, 3' if one_hot else 1}]\n"
    text += f"energy = {'- sum[i, k] b[i, k]*x[i, k]' if one_hot else energy}"
    program = ed.loads(text).compile("numpy")
    values = {"binary": [0, 1], "spin": [-1, 1], "categorical[3]": [0, 1, 2], "integer[-1, 2]": [-1, 0, 1, 2]}
    states = np.array(values.get(domain, range(120)), float)[:, None]
    data = layer_arrays(program.engine, {"x": states[np.array([0, 1, 1, 1, 0, 1])]})["x"]
    base = {"x": base_rate(program.engine, "x", data)}
    log_p = independent(program.engine, base, layer_arrays(program.engine, {"x": states}))
    assert np.logaddexp.reduce(log_p) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("domain", "energy"), [("real", "0.5 * sum((x - b)^2)"), ("positive", "sum(exp(b) * x)"), ("positive", "sum(x^2) - b @ x"), ("interval[-1, 2]", "- b @ x")]
)  # fmt: skip
def test_independent_densities_at_base_rates_are_normalised(domain: str, energy: str) -> None:
    program = ed.loads(f"visible x[1] : {domain}\nparam b[1]\nenergy = {energy}").compile("numpy")
    low, high = {"real": (-9.0, 9.0), "positive": (0.0, 40.0)}.get(domain, (-1.0, 2.0))
    data = layer_arrays(program.engine, {"x": np.array([[0.2], [0.7], [1.1]])})["x"]
    base = {"x": base_rate(program.engine, "x", data)}
    grid = np.linspace(low, high, 200_001)
    density = np.exp(independent(program.engine, base, layer_arrays(program.engine, {"x": grid[:, None]})))
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-3)


def test_an_evaluation_is_printed_as_a_sentence() -> None:
    text = "visible v[4] : binary hidden h[2] : binary param W[4, 2] energy = - v @ W @ h"
    found = ed.evaluate(ed.train(ed.loads(text).compile("numpy"), "bars-and-stripes:2", epochs=0), "bars-and-stripes:2")
    assert str(found).startswith("log-likelihood of 8 rows: -2.773 nats a row (exact)")
    apart = replace(
        found,
        method="bar",
        effective=3.0,
        chains=10,
        agree=False,
        gap=4.0,
        log_likelihood_low=-9.0,
        log_likelihood_high=-1.0,
    )
    assert "do not quote this: the two sides differ by 4.0 nats. More betas narrow" in str(apart)
    assert "More --betas narrow" in describe(apart.as_dict(), "test")
