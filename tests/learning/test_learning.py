"""Learning reaches what is known to be reachable, keeps constraints, and stops with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.data import load_data
from energydsl.data.sources import from_arrays
from energydsl.learning.run import Run
from energydsl.program.exact import log_unnormalised
from energydsl.program.gradients import projected
from energydsl.program.initialise import constrained
from tests.conftest import RBM, ROOT, zoo


@pytest.mark.slow
def test_bars_and_stripes_reach_the_ceiling() -> None:
    """4 x 4, 16 hidden units: the exact log-likelihood comes within 0.05 of the entropy of the patterns, -3.3791."""
    text = (ROOT / "models/rbm.energy").read_text().replace("normal(sd = 0.01)", "normal(sd = 0.5)")
    model = ed.loads(text, dims={"I": 16, "J": 16})
    data = load_data(model.resolved, ["bars-and-stripes:4"])
    method, optimizer = ed.PCD(k=20, chains=2000), ed.SGD(lr=0.3, schedule="cosine")
    run = ed.train(model.compile(), data, method, optimizer, epochs=12_000, batch=32, seed=1)
    found = ed.evaluate(run, data, method="exact").log_likelihood
    patterns = np.unique(data.arrays["v"].reshape(32, -1), axis=0, return_counts=True)[1] / 32
    ceiling = (patterns * np.log(patterns)).sum()
    assert ceiling == pytest.approx(-3.3791, abs=1e-4)
    assert ceiling - 0.05 < found <= ceiling


def test_a_hopfield_memory_recalls_from_a_fifth_of_flipped_bits() -> None:
    program = ed.load(ROOT / "models/hopfield.energy").compile()
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (5, 100)).astype(np.float32)
    run = ed.train(
        program, np.repeat(patterns, 20, axis=0), ed.CD(), ed.SGD(lr=0.05), epochs=200, batch=50, validation=0.0
    )
    flipped = np.abs(patterns - (rng.random(patterns.shape) < 0.2))
    assert 0.1 < np.abs(flipped - patterns).mean() < 0.3
    recalled = program.gibbs(run.params, {"x": flipped}, 20, rng=ed.Rng(1), beta=10.0)["x"]
    np.testing.assert_array_equal(recalled, patterns)


def test_gaussian_rbm_recovers_the_variance_of_a_mixture() -> None:
    text = (ROOT / "models/gaussian_rbm.energy").read_text().replace("normal(sd = 0.01)", "normal(sd = 1)")
    program = ed.loads(text, dims={"I": 2, "J": 4}).compile()
    rng = np.random.default_rng(0)
    deviations, centres = np.array([0.5, 0.8]), np.array([[-1.5, -1.0], [1.5, 1.0]])
    data = (centres[rng.integers(0, 2, 4000)] + deviations * rng.standard_normal((4000, 2))).astype(np.float32)
    run = ed.train(
        program, data, ed.PCD(k=5, chains=500), ed.Adam(lr=0.02, schedule="linear"), epochs=150, batch=200, seed=0
    )
    np.testing.assert_allclose(run.params["sigma"], deviations, rtol=0.1)
    assert ed.evaluate(run, data, method="exact").log_likelihood > -2.63


MODELS = {
    "rbm": RBM,
    "no latents": "visible v[6] : spin\nparam J[6, 6] : symmetric & zero_diagonal, a[6]\nenergy = - a @ v - 0.5 * v @ J @ v",
    "lateral": "visible v[6] : binary\nhidden h[3] : binary\nparam W[6, 3] = normal(sd = 0.1), L[6, 6] : symmetric & zero_diagonal, M[3, 3] : symmetric & zero_diagonal, b[6], c[3]\n"
    "energy = - b @ v - c @ h - v @ W @ h - 0.5 * v @ L @ v - 0.5 * h @ M @ h",
    "deep": "visible v[6] : binary\nhidden h1[3] : binary\nhidden h2[3] : spin\nparam b_v[6]\nlayers v -- h1 -- h2",
    "gaussian latents": "visible v[6] : spin\nhidden z[3] : real\nparam W[6, 3] = normal(sd = 0.1), s[3] : positive = 1\nenergy = 0.5 * sum(s * z^2) - v @ W @ z",
    "counts": "visible v[6] : count\nhidden h[3] : binary\nparam W[6, 3] = normal(sd = 0.3), b[6], c[3]\nenergy = sum(lgamma(v + 1)) - b @ v - c @ h - v @ W @ h",
    "positive latents": "visible v[6] : binary\nhidden z[2] : positive\nparam W[6, 2] = normal(sd = 0.3), b[6], c[2]\nenergy = 0.5 * sum(z^2) - b @ v - c @ z - v @ W @ z",
    "table": "visible v[6] : integer[0, 2]\nhidden h[3] : binary\nparam W[6, 3] = normal(sd = 0.3), d[6], t\nenergy = sum(d * v^2) + sum(exp(t * v)) - v @ W @ h",
    "mixture": "visible v[6] : binary\nhidden z : categorical[4]\nparam W[6, 4] = normal(sd = 0.5), c[4]\nenergy = - c @ z - v @ W @ z",
}


def two_patterns(spin: bool) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = np.repeat([[1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 1]], 40, axis=0)
    rows = np.abs(rows - (rng.random(rows.shape) < 0.05)).astype(np.float32)
    return 2 * rows - 1 if spin else rows


@pytest.mark.parametrize(
    "method", [ed.CD(k=1), ed.PCD(k=2, chains=200), ed.MCMC(k=10, chains=200)], ids=lambda m: m.name
)
@pytest.mark.parametrize("name", MODELS)
def test_every_method_raises_the_exact_likelihood(name: str, method: Any) -> None:
    program = ed.loads(MODELS[name]).compile()
    data = two_patterns("v[6] : spin" in MODELS[name])
    before = ed.evaluate(ed.train(program, data, method, epochs=0, validation=0.0), data, method="exact").log_likelihood
    run = ed.train(program, data, method, ed.SGD(lr=0.1, schedule="linear"), epochs=150, batch=40, validation=0.0)
    after = ed.evaluate(run, data, method="exact").log_likelihood
    assert after > before + 0.5
    for param in program.model.params.values():
        np.testing.assert_array_equal(run.params[param.name], constrained(param, run.params[param.name]))


@pytest.mark.parametrize("name", MODELS)
def test_the_estimated_gradient_is_right_on_average(name: str) -> None:
    """With long chains the mean of many estimates is the exact gradient, Rao-Blackwell means included."""
    program = ed.loads(MODELS[name]).compile(dtype="float64")
    rng = np.random.default_rng(1)
    params = {
        n: constrained(program.model.params[n], rng.normal(0, 0.4, a.shape) + (n == "s"))
        for n, a in program.init().items()
    }
    data = two_patterns("v[6] : spin" in MODELS[name])[:8].astype(float)
    [objective] = ed.PCD(k=5, chains=2000, latent_sweeps=20).objectives()
    phases = objective.init(program.engine, 2000, ed.Rng(0))
    rows = np.repeat(data, 250, axis=0)
    for _ in range(20):
        objective.load(phases, {"v": rows})
        objective.step(phases, params)
    total = {n: np.zeros(a.shape) for n, a in params.items()}
    for _ in range(40):
        objective.load(phases, {"v": rows})
        objective.step(phases, params)
        for n, g in objective.gradient(phases, params, list(params)).items():
            total[n] += g / 40
    h = 1e-5
    for n, a in params.items():
        for at in list(np.ndindex(*a.shape))[:6]:
            change = np.zeros(a.shape)
            change[at] = 1
            change = np.asarray(projected(program.engine.xp, program.model.params[n], change))
            scores = []
            for sign in (h, -h):
                moved = {**params, n: a + sign * change}
                scores.append(
                    log_unnormalised(program.engine, moved, {"v": data}).mean() - program.log_partition(moved)
                )
            exact = -(scores[0] - scores[1]) / (2 * h)
            assert abs((total[n] * change).sum() - exact) < 0.02, (n, at)


def test_frozen_parameters_stay() -> None:
    program = ed.loads(RBM.replace("b[I] =", "b[I] : frozen =")).compile()
    start = program.init(0)
    run = ed.train(program, two_patterns(False), epochs=5, batch=40, params=start)
    np.testing.assert_array_equal(run.params["b"], start["b"])
    assert (run.params["W"] != start["W"]).any()


def test_an_exploding_parameter_is_named(tmp_path: Any) -> None:
    text = "visible v[6] : real\nparam J[6, 6] : symmetric & zero_diagonal, b[6]\nenergy = 0.5 * sum((v - b)^2) - 0.5 * v @ J @ v"
    program = ed.loads(text).compile()
    rows = np.random.default_rng(0).normal(size=(200, 1)) @ np.ones((1, 6))
    with pytest.raises(ed.TrainingError, match=r"update \d+: parameter `J`.*unbounded below.*checkpoint-") as caught:
        ed.train(program, rows, ed.PCD(k=5), ed.SGD(lr=2.0), epochs=200, out=tmp_path / "run")
    assert isinstance(caught.value, ed.EnergyError)
    kept = ed.open_run(tmp_path / "run")
    assert all(np.isfinite(a).all() for a in kept.params.values())


def test_methods_that_do_not_fit_say_why() -> None:
    program = ed.load(ROOT / "models/gated.energy").compile()
    rows = {"x": np.zeros((4, 16)), "y": np.zeros((4, 16))}
    with pytest.raises(ed.NotApplicable, match="persistent chain"):
        ed.train(program, rows, ed.PCD(), epochs=1)
    with pytest.raises(ed.NotApplicable, match="no visible layer"):
        ed.train(
            ed.loads("hidden h[2] : binary\nparam b[2]\nenergy = - b @ h").compile(), {"h": np.zeros((3, 2))}, epochs=1
        )


@pytest.mark.parametrize(
    "make",
    [lambda: ed.CD(k=0), lambda: ed.SGD(lr=-1), lambda: ed.SGD(momentum=1.0), lambda: ed.SGD(schedule="steps"), lambda: ed.PCD(chains=0), lambda: ed.Adam(weight_decay=-1.0)],
)  # fmt: skip
def test_arguments_out_of_range(make: Any) -> None:
    with pytest.raises(ed.ArgumentError):
        make()


def test_weight_decay_acts_on_couplings_only() -> None:
    program = ed.loads(RBM).compile()
    assert program.derived.couplings == {"W"}


CLAMPED = {
    "spin": ("spin", 0.5, [0, 1, 0], [-1, 1, -1]),
    "count": ("count", 0.5, [3, 0, 7], [3, 0, 7]),
    "integer": ("integer[0, 3]", 1.5, [3, 0, 1], [3, 0, 1]),
    "real": ("real", np.inf, [0.5, -1, 2], [0.5, -1, 2]),
    "positive": ("positive", -1.0, [0.5, 0, 2], [0.5, 0, 2]),
    "state": ("categorical[4]", -1.0, [3, 0, 2], [3, 0, 2]),
}


@pytest.mark.parametrize("name", CLAMPED)
def test_what_is_clamped_is_a_value_of_its_domain(name: str) -> None:
    """Spins may be written as 0 and 1, as in data."""
    domain, wrong, given, held = CLAMPED[name]
    program = ed.loads(f"visible x[3] : {domain}\nhidden h[2] : binary\nlayers x -- h").compile("numpy")
    run = Run(program, program.init(), {})
    with pytest.raises(ed.ArgumentError, match="is held at"):
        ed.sample(run, 2, 1, clamp={"x": [given[0], wrong, given[1]]})
    np.testing.assert_allclose(ed.sample(run, 2, 1, clamp={"x": given})["x"], [held, held])


def test_samples_follow_a_clamp() -> None:
    model = ed.load(ROOT / "models/label_rbm.energy", dims={"I": 6, "J": 4, "K": 2})
    rows = {"v": two_patterns(False), "y": np.repeat([0, 1], 40)}
    method, optimizer = ed.PCD(k=2, chains=100), ed.SGD(lr=0.1, schedule="constant")
    run = ed.train(model.compile(), rows, method, optimizer, epochs=150, batch=40)
    means = [ed.sample(run, 300, 50, clamp={"y": k})["v"].mean(axis=0) for k in (0, 1)]
    assert means[0][0] > 0.7 > 0.3 > means[1][0]
    assert set(np.unique(ed.sample(run, 50, 5)["y"])) <= {0, 1}


class Apart(ed.SGD):
    """Gradients apart from steps, always."""

    def direct(self, param: Any, decays: bool) -> bool:
        return False


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_added_onto_a_parameter_is_a_step(zoo_path: Path, dtype: str) -> None:
    model = zoo(zoo_path)
    if not next(v for v in model.applicability() if v.name == "cd").ok:
        pytest.skip("the method does not fit this model")
    found = []
    for optimizer in (ed.SGD(lr=0.02), Apart(lr=0.02)):
        program = model.compile("numpy", dtype)
        rng = np.random.default_rng(5)
        given = {n: rng.random((40, *program.model.layers[n].energy_shape)) for n in program.model.by_role("input")}
        state = program.init_state({}, 40, 0, given)
        names = (*program.model.by_role("visible"), *program.model.by_role("input"))
        data = from_arrays(program.model, {n: state[n] for n in names}, "none")
        found.append(ed.train(program, data, ed.CD(), optimizer, epochs=2, batch=10, validation=0.0))
    close = {"rtol": 1e-3, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    for name, wanted in found[1].params.items():
        np.testing.assert_allclose(found[0].params[name], wanted, **close)
    for row, other in zip(found[0].history, found[1].history, strict=True):
        sizes = {k: v for k, v in row.items() if k.startswith("gradient_")}
        assert sizes == pytest.approx({k: other[k] for k in sizes}, rel=1e-2 if dtype == "float32" else 1e-8)


def test_products_are_added_onto_parameters_where_that_is_the_step() -> None:
    rbm = ed.loads("visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h").compile("numpy")
    assert "W_v_h" in rbm.engine.kernels.direct
    gauss = ed.load(ROOT / "models/gaussian_rbm.energy").compile("numpy")
    assert "sigma" not in gauss.engine.kernels.direct
    param = rbm.model.params["W_v_h"]
    assert ed.SGD().direct(param, True)
    assert not ed.SGD(momentum=0.5).direct(param, True)
    assert not ed.SGD(weight_decay=0.1).direct(param, True)
    assert ed.SGD(weight_decay=0.1).direct(param, False)
    assert not ed.Adam().direct(param, False)
    assert not ed.SGD().direct(
        ed.loads("visible x[4] : binary\nparam W[4, 4] : symmetric\nenergy = - x @ W @ x").params["W"], True
    )
