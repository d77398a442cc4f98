"""Models with directed parts: derivation, joint probability, ancestral draws, bounds; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.inference.evaluate import evaluate
from energydsl.program.directed import Directed
from energydsl.program.exact import joint_states, log_unnormalised
from energydsl.program.initialise import constrained
from tests.conftest import ROOT

MODELS = {
    "belief net": "visible v[3] : binary\nhidden h[2] : binary\nlayers v <- h",
    "deep belief net": "visible v[3] : binary\nhidden h1[3] : spin\nhidden h2[2] : binary\nlayers v <- h1 -- h2",
    "labels": "visible v[2] : binary\nvisible y : categorical[3]\nhidden h1[2] : binary\nhidden h2[2] : binary\n"
    "layers v <- h1 -- h2 -- y",
    "given labels": "visible v[3] : binary\nvisible y : categorical[3]\nhidden h[2] : binary\nlayers v <- h <- y",
    "two parents": "visible v[3] : binary\nhidden a[2] : binary\nhidden b[2] : spin\nlayers v <- a, v <- b",
    "normal": "visible v[3] : real\nhidden h[2] : binary\nhidden k[2] : binary\nparam W[3, 2], b[3], U[2, 2], s[3] : positive = 1\n"
    "energy v | h = sum((v - b)^2 / (2 * s^2)) - v @ W @ h\nenergy h | k = - h @ U @ k\nenergy = - sum(k)",
    "counts": "visible n[3] : count\nhidden h[2] : binary\nlayers n <- h",
    "uniform top": "visible v[3] : binary\nhidden h[2] : binary\nparam W[3, 2]\nenergy v | h = - v @ W @ h",
    "input": "input x[2] : real\nvisible v[3] : binary\nhidden h[2] : spin\nparam W[3, 2], A[3, 2], c[2]\n"
    "energy v | h, x = - v @ W @ h - v @ A @ x\nenergy = - c @ h",
    "in order": "visible v[4] : binary\nparam W[4, 4], b[4]\nenergy v | v = - b @ v - sum[j < i] v[i]*W[i, j]*v[j]",
    "in order, given": "visible v[3] : binary\nhidden h[2] : spin\nparam W[3, 3], U[3, 2], c[2]\n"
    "energy v | v, h = - v @ U @ h - sum[i in range(1, 3)] W[i, i]*v[i]*v[i - 1]*h[0] - sum[j < i] v[i]*tanh(W[i, j])*v[j]\nenergy = - c @ h",
    "a sequence": "visible x[3] : categorical[3]\nparam W[3, 3], g[3, 3]\n"
    "energy x | x = - sum[n, a] g[n, a]*x[n, a] - sum[n in range(1, 3), a, b] x[n - 1, a]*W[a, b]*x[n, b]",
    "along a graph": "graph G = grid(2, 2)\nvisible v[2, 2] : spin\nparam J[G], f[2, 2]\n"
    "energy v | v = - sum(f * v) - sum[(i, k) in G] J[i, k]*v[i]*v[k]",
    "latents in order": "visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3], U[3, 3], R[3, 3], S[3, 3]\n"
    "energy h | h = - sum[j < i] h[i]*W[i, j]*h[j]\nenergy v | v, h = - v @ U @ h - sum[j < i] v[i]*W[i, j]*v[j]\n"
    "recognition h | h, v = - h @ R @ v - sum[j < i] h[i]*S[i, j]*h[j]",
    "numbers in order": "visible v[2] : integer[0, 3]\nhidden h : binary\nparam b[2], w\n"
    "energy v | v, h = - b @ v - w*v[0]*v[1]*h - 0.1*sum[i < j] log(v[i] + 1)*v[j]\nenergy = - h",
    "walk": "visible v[3] : real\nparam s : positive = 1, b[3]\n"
    "energy v | v = v[0]^2 / 2 + sum[i in range(1, 3)] (v[i] - v[i - 1] - b[i])^2 / (2 * s^2)",
    "shared": "visible v[2] : binary\nhidden h[2] : binary\nhidden k[2] : binary\nlayers v <- h (W), h -- k (W)",
}
BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not numba_backend.installed(), reason="no numba"))]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_what_is_derived_is_proved(name: str, backend: str) -> None:
    certificate = ed.loads(MODELS[name]).verify(backend=backend)
    assert certificate.ok, str(certificate)
    assert any(c.name.startswith("joint") for c in certificate.checks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3]\nenergy v | h = - v @ W @ h\nenergy h | v = - v @ W @ h", "cycle: h -> v -> h"),
        ("visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3]\nenergy v | h = - v @ W @ h\nenergy = - sum(v)", "stands in an undirected energy too"),
        ("visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3]\nenergy v | h = - v @ W @ h\nenergy v | h = - sum(v)", "left of the bar twice"),
        ("visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3]\nenergy v | h = - v @ W @ h - v @ W @ v", "does not factorise"),
        ("visible v[3] : binary\ninput h[3] : binary\nparam W[3, 3]\nenergy v | h = - v @ W @ h", "none has a distribution of its own"),
    ],
)  # fmt: skip
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(text)
    assert {d.code for d in caught.value.diagnostics} == {"E0303"}
    assert message in str(caught.value)


def test_a_precision_is_asked_for_in_the_part_that_draws_the_layer() -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(
            "visible v[3] : real\nhidden h[2] : binary\nparam W[3, 2]\nenergy v | h = - v @ W @ h\nenergy = - sum(h)"
        )
    assert [d.code for d in caught.value.diagnostics] == ["E0311"]


def random_program(name: str) -> tuple[ed.Program, dict[str, np.ndarray]]:
    program = ed.loads(MODELS[name]).compile("numpy", "float64")
    assert isinstance(program.engine, Directed)
    rng = np.random.default_rng(4)
    return program, {n: rng.normal(0, 0.8, a.shape) for n, a in program.init().items()}


@pytest.mark.parametrize("name", ["belief net", "deep belief net", "labels", "given labels", "shared", "in order", "in order, given", "a sequence", "along a graph", "latents in order"])  # fmt: skip
def test_draws_have_the_joint_distribution(name: str) -> None:
    """Sweeps of the core and what is drawn below it, against the enumerated joint (chi-square)."""
    program, params = random_program(name)
    names = tuple(program.model.random_layers())
    states = {n: np.concatenate([c[n] for c in joint_states(program.engine, names)]) for n in names}
    log_p = -program.free_energy(params, states) - program.log_partition(params)
    assert np.logaddexp.reduce(log_p) == pytest.approx(0.0, abs=1e-9)
    count = 20_000
    drawn = program.gibbs(params, program.init_state(params, count), 60, rng=ed.Rng(2))

    def key(x: dict[str, np.ndarray]) -> np.ndarray:
        flat = np.concatenate([x[n].reshape(len(x[n]), -1) > 0 for n in names], axis=1)
        return flat @ (1 << np.arange(flat.shape[1], dtype=np.int64))

    order = np.argsort(key(states))
    found = np.bincount(np.searchsorted(key(states)[order], key(drawn)), minlength=len(order))
    expected = np.exp(log_p)[order] * count
    common = expected >= 5
    observed, wanted = (
        np.append(found[common], found[~common].sum()),
        np.append(expected[common], expected[~common].sum()),
    )
    statistic = ((observed - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum()
    assert stats.chi2.sf(statistic, len(wanted) - 1) > 1e-3


def test_the_bound_is_below_the_truth_and_meets_it_where_recognition_is_exact() -> None:
    program, params = random_program("deep belief net")
    x = {"v": np.array(list(np.ndindex(2, 2, 2)), float)}
    truth = log_unnormalised(program.engine, params, x)
    bounds = np.mean([program.engine.bound(params, x, ed.Rng(k))[0] for k in range(300)], axis=0)
    assert (bounds < truth).all()
    # p(h | v) factorises where every latent has one child: q with the same weights, and the normaliser in its bias, is exact
    text = "visible v[3] : binary\nhidden h[3] : binary\nparam w[3], b[3], r[3]\n"
    text += "energy v | h = - b @ v - sum(w * v * h)\nenergy = 0 * sum(h)\nrecognition h | v = - r @ h - sum(w * v * h)"
    exact = ed.loads(text).compile("numpy", "float64")
    assert isinstance(exact.engine, Directed)
    w, b = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, -0.4])
    tied = {"w": w, "b": b, "r": np.logaddexp(0, b) - np.logaddexp(0, b + w)}
    found, _ = exact.engine.bound(tied, x, ed.Rng(0))
    np.testing.assert_allclose(found, log_unnormalised(exact.engine, tied, x), atol=1e-10)


def test_evaluation_by_recognition_is_a_bound_on_the_exact_one() -> None:
    program, params = random_program("labels")
    rows = {"v": np.array([[0, 1], [1, 1]], np.float32), "y": np.array([2, 0])}
    run = ed.train(program, rows, epochs=0, params=params, validation=0.0)
    exact, found = evaluate(run, rows, method="exact"), evaluate(run, rows, method="ais", betas=2000)
    assert found.bound
    assert found.log_likelihood < exact.log_likelihood
    assert found.log_z == pytest.approx(exact.log_z, abs=4 * found.log_z_std + 1e-6)


def test_what_has_no_closed_form_is_said() -> None:
    program, params = random_program("deep belief net")
    state = program.init_state(params, 2)
    with pytest.raises(ed.NotApplicable, match="no closed-form conditional"):
        program.gibbs(params, state, 1, clamp={"v"})
    with pytest.raises(ed.NotApplicable, match="recognition"):
        program.mean_field(params, {"v": state["v"]})
    with pytest.raises(ed.NotApplicable, match="wake-sleep"):
        ed.train(program, np.zeros((4, 3), np.float32), ed.PCD())


def test_the_belief_network_of_the_lecture_notes() -> None:
    model = ed.load(ROOT / "models/dbn.energy")
    assert str(model.conditionals["h1"]) == "p(h1_i = 1 | h2) = sigmoid(b_h1_i + sum_j W_h1_h2_ij h2_j)"
    assert model.explain("json")["recognition"]["h1"] == "q(h1_j = 1 | v) = sigmoid(r_h1_j + sum_i v_i R_v_h1_ij)"
    assert [[str(p) for p in block] for block in model.schedule()] == [["y", "h2"], ["h3"], ["h1"], ["v"]]
    assert {v.name for v in model.applicability() if v.ok and v.kind != "sampler"} == {"wake-sleep", "ais"}


H = "visible v[2] : binary\nhidden h[2] : binary\nhidden g[2] : binary\nparam a[2, 2], b[2, 2]\n"


def test_recognition_runs_from_the_data_upwards() -> None:
    with pytest.raises(ed.ModelError, match="cycle"):
        ed.loads(
            H
            + "energy v | h = - v @ a @ h\nenergy = - sum(g)\nrecognition h | g = - h @ b @ g\nrecognition g | h = - g @ b @ h"
        )
    with pytest.raises(ed.ModelError, match="need no recognition"):
        ed.loads(H + "energy v | h = - v @ a @ h\nenergy = - sum(g)\nrecognition v | h = - v @ b @ h")
    deep = H + "energy v | h = - v @ a @ h\nenergy h | g = - h @ b @ g\n"
    for text, why in (
        ("recognition g | h = - g @ b @ h", "not recognised from the data"),
        ("recognition h | v = - v @ a @ h", "`g`"),
    ):
        program = ed.loads(deep + text).compile("numpy")
        for greedy in (None, ed.Greedy((1,))):
            with pytest.raises(ed.NotApplicable, match=why):
                ed.train(program, np.zeros((4, 2), np.float32), epochs=1, greedy=greedy, validation=0.0)


def test_a_directed_model_of_visible_layers_alone() -> None:
    program = ed.loads("visible v[3] : binary\nvisible u[2] : binary\nlayers v <- u").compile("numpy")
    rows = {"v": np.eye(3, dtype=np.float32), "u": np.ones((3, 2), np.float32)}
    run = ed.train(program, rows, epochs=2, validation=0.0)
    assert np.isfinite(ed.evaluate(run, rows, method="exact").log_likelihood)


def test_the_core_is_scheduled() -> None:
    text = "visible v[3] : binary\nhidden h[2] : binary\nhidden g[2] : binary\nlayers v <- h -- g\n"
    assert [[str(p) for p in b] for b in ed.loads(text + "schedule (g), (h)").schedule()] == [["g"], ["h"], ["v"]]
    with pytest.raises(ed.ModelError, match="drawn given its parents"):
        ed.loads(text + "schedule (v), (h), (g)")


def test_a_bound_by_draws_asks_for_random_numbers() -> None:
    program, params = random_program("deep belief net")
    with pytest.raises(ed.ArgumentError, match="rng is required"):
        program.engine.bound(params, {"v": np.zeros((2, 3))})
    rng, x = ed.Rng(0), {"v": np.zeros((2, 3))}
    first, second = (program.engine.bound(params, x, rng)[0] for _ in range(2))
    assert np.isfinite(first).all()
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_the_energy_is_normalised_and_its_gradient_is_true(name: str, backend: str) -> None:
    """p(x) = exp(-E(x)) / Z, and dE/dparam is that of this E, by central differences."""
    program = ed.loads(MODELS[name]).compile(backend, "float64")
    rng = np.random.default_rng(4)
    params = {n: constrained(p, rng.normal(0.5, 0.4, p.shape)) for n, p in program.model.params.items()}
    given = {n: rng.random((5, *program.model.layers[n].shape)) for n in program.model.by_role("input")}
    state = program.init_state(params, 5, 1, given)
    np.testing.assert_allclose(
        -program.engine.host(program.energy(params, state)),
        -program.engine.host(program.free_energy(params, state)),
        rtol=1e-10,
    )
    found = program.energy_gradient(params, state)
    for name_, param in program.model.params.items():
        for at in np.ndindex(*param.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = np.array(params[name_])
                moved[at] += step
                ends.append(program.engine.host(program.energy({**params, name_: moved}, state)).mean())
            slope = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(program.engine.host(found[name_])[at], slope, rtol=1e-5, atol=1e-7)


def test_what_is_said_of_the_energy_is_true_of_it() -> None:
    text = ed.load(ROOT / "models/dbn.energy").explain()
    assert "dE/dW_v_h1_ij = -v_i h1_j - <-v_i h1_j>_p(v | h1)" in text
    assert "dE/dW_h2_h3_lm = -h2_l h3_m\n" in text
    assert "+ log sum_{v} exp(-E[v | h1])" in text
    assert "(y, h2), then (h3), then (h1 given h2), then (v given h1)" in text
