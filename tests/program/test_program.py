"""The Python interface: shapes, arguments, and errors that name what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.program.exact import log_unnormalised
from tests.conftest import RBM, ROOT, zoo


def test_shapes_and_results(zoo_path: Path) -> None:
    program = zoo(zoo_path).compile()
    params = program.init(seed=0)
    layers = program.model.layers
    given = {n: np.full((1, *layers[n].energy_shape), 0.5) for n in program.model.by_role("input")}
    state = program.init_state(params, 3, 1, given)
    assert {n: a.shape for n, a in state.items()} == {n: (3, *a.energy_shape) for n, a in layers.items()}
    after = program.gibbs(params, state, steps=1, rng=ed.Rng(0))
    assert all(a.dtype == np.float32 for a in after.values())
    assert program.energy(params, after).shape == (3,)
    assert program.free_energy(params, after).shape == (3,)
    gradient = program.energy_gradient(params, after)
    assert {n: g.shape for n, g in gradient.items()} == {n: a.shape for n, a in params.items()}
    for name in program.model.random_layers():
        if name not in program.engine.owner(name).derived.conditionals:
            continue
        assert program.mean(params, after, name).shape == after[name].shape
        assert program.sample(params, after, name, np.random.default_rng(0)).shape == after[name].shape


def test_gibbs_returns_a_new_state_and_holds_what_is_clamped(rbm: ed.Model) -> None:
    program = rbm.compile()
    params = program.init()
    state = program.init_state(params, 50)
    before = {n: a.copy() for n, a in state.items()}
    after = program.gibbs(params, state, 3, clamp={"v"}, rng=ed.Rng(1))
    np.testing.assert_array_equal(state["h"], before["h"])
    np.testing.assert_array_equal(after["v"], before["v"])
    assert (after["h"] != before["h"]).any()
    again = program.gibbs(params, state, 3, clamp={"v"}, rng=ed.Rng(1))
    np.testing.assert_array_equal(again["h"], after["h"])


def test_beta_weights_and_consts_are_arguments() -> None:
    model = ed.loads(
        "const K = 0.5\nvisible v[3] : binary\nhidden h[2] : binary\nparam W[3, 2] = normal(sd = 1)\n"
        "energy bias = - K * sum(v)\nenergy coupling = - v @ W @ h"
    )
    program = model.compile(dtype="float64")
    params = program.init(1)
    state = program.init_state(params, 4)
    whole = program.energy(params, state)
    halves = program.energy(params, state, weights={"bias": 0.0}) + program.energy(
        params, state, weights={"coupling": 0.0}
    )
    np.testing.assert_allclose(halves, whole)
    np.testing.assert_allclose(program.energy(params, state, consts={"K": 1.5}), whole - state["v"].sum(axis=1))
    assert program.energy(params, state, beta=3.0) == pytest.approx(whole)
    scaled = {"W": params["W"] * 2}
    assert program.log_partition(params, beta=2.0, consts={"K": 0.5}) == pytest.approx(
        program.log_partition(scaled, consts={"K": 1.0})
    )
    eta = program.natural_parameters(params, state, "h", beta=2.0)[0]
    np.testing.assert_allclose(program.mean(params, state, "h", beta=2.0), 1 / (1 + np.exp(-eta)))


def test_explicit_uniforms(rbm: ed.Model) -> None:
    program = rbm.compile(dtype="float64")
    params, state = program.init(), program.init_state({}, 2)
    mean = program.mean(params, state, "h")
    u = np.random.default_rng(0).random(mean.shape)
    np.testing.assert_array_equal(program.sample(params, state, "h", ed.Uniforms([u])), (u < mean).astype(float))
    with pytest.raises(ed.ArgumentError, match="shape"):
        program.sample(params, state, "h", ed.Uniforms([u[:1]]))


def test_categorical_codes_are_accepted() -> None:
    program = ed.loads("visible y : categorical[4]\nparam d[4] = normal(sd = 1)\nenergy = - d @ y").compile(
        dtype="float64"
    )
    params = program.init(2)
    np.testing.assert_allclose(program.energy(params, {"y": np.array([0, 3])}), -params["d"][[0, 3]])


def test_exact_log_partition_of_a_chain() -> None:
    """Transfer matrix of the closed Ising chain: Z = (2 cosh K)^n + (2 sinh K)^n."""
    model = ed.loads("dim n = 10\nconst K = 0.7\nvisible s[n] : spin\nenergy = - K * sum[i] s[i]*s[(i + 1) % n]")
    found = model.compile(dtype="float64").log_partition({})
    assert found == pytest.approx(np.log((2 * np.cosh(0.7)) ** 10 + (2 * np.sinh(0.7)) ** 10))


def test_too_large_says_the_cost() -> None:
    program = ed.load(ROOT / "models/rbm.energy").compile()
    with pytest.raises(ed.TooLarge, match=r"2\^500"):
        program.log_partition(program.init())


def test_hubbard_stratonovich_pair() -> None:
    """Summing the Gaussian latents out leaves the Hopfield energy with J = W W' (binary: diagonal into the bias)."""
    text = "visible x[4] : spin\nhidden z[2] : real\nparam W[4, 2] = normal(sd = 0.5), a[4] = normal(sd = 0.5)\nenergy = - a @ x + 0.5 * sum(z^2) - x @ W @ z"
    latent = ed.loads(text).compile(dtype="float64")
    plain = ed.loads(
        "visible x[4] : spin\nparam J[4, 4] : symmetric, a[4]\nenergy = - a @ x - 0.5 * x @ J @ x"
    ).compile(dtype="float64")
    params = latent.init(3)
    x = latent.init_state(params, 6)["x"]
    direct = plain.free_energy({"J": params["W"] @ params["W"].T, "a": params["a"]}, {"x": x})
    np.testing.assert_allclose(latent.free_energy(params, {"x": x}) + np.log(2 * np.pi), direct, rtol=1e-10)


def test_mean_field_bound_is_below_the_truth_and_exact_where_latents_factorise() -> None:
    dbm = ed.loads(
        "visible v[3] : binary\nhidden a[3] : spin\nhidden b[3] : categorical[3]\nlayers v -- a -- b"
    ).compile(dtype="float64")
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=a.shape) for n, a in dbm.init().items()}
    v = {"v": dbm.init_state(params, 8)["v"]}
    truth = log_unnormalised(dbm.engine, params, v)
    found = dbm.mean_field(params, v)
    assert (found.bound <= truth + 1e-9).all()
    assert found.residual < 1e-6
    bounds = [dbm.mean_field(params, v, max_iterations=n).bound for n in range(1, 8)]
    assert (np.diff(bounds, axis=0) >= -1e-9).all()
    rbm = ed.loads(RBM).compile(dtype="float64")
    params = rbm.init(1)
    v = {"v": rbm.init_state(params, 8)["v"]}
    np.testing.assert_allclose(rbm.mean_field(params, v).bound, -rbm.free_energy(params, v), rtol=1e-9)


def test_constraints_hold_after_initialisation() -> None:
    program = ed.loads(
        "visible v[4] : real\nparam J[4, 4] : symmetric & zero_diagonal = normal(sd = 1), s[4] : positive = normal(sd = 1), "
        "n[4] : nonnegative = uniform(low = -1, high = 1)\nenergy = sum(s * v^2) + sum(n * v^2) - 0.5 * v @ J @ v"
    ).compile()
    params = program.init(5)
    np.testing.assert_array_equal(params["J"], params["J"].T)
    np.testing.assert_array_equal(np.diag(params["J"]), 0)
    assert (params["s"] > 0).all()
    assert (params["n"] >= 0).all()


def test_base_rates_reproduce_the_mean() -> None:
    model = ed.load(ROOT / "models/label_rbm.energy", dims={"I": 5, "J": 2, "K": 3})
    program = model.compile(dtype="float64")
    rng = np.random.default_rng(0)
    v, y = (rng.random((4000, 5)) < [0.1, 0.3, 0.5, 0.7, 0.9]).astype(float), rng.integers(0, 3, 4000)
    params = program.init(0, {"v": v, "y": y})
    np.testing.assert_allclose(1 / (1 + np.exp(-params["b"])), v.mean(axis=0), atol=1e-3)
    shares = np.exp(params["d"]) / np.exp(params["d"]).sum()
    np.testing.assert_allclose(shares, np.bincount(y) / 4000, atol=1e-3)


def test_base_rate_of_a_real_layer_is_its_mean() -> None:
    program = ed.load(ROOT / "models/gaussian_rbm.energy", dims={"I": 2}).compile()
    data = np.random.default_rng(0).normal([3.0, -1.0], [0.1, 5.0], (500, 2))
    np.testing.assert_allclose(program.init(0, data)["b"], data.mean(axis=0), rtol=1e-4)


ERRORS = [
    (lambda p, w, x: p.energy({}, x), ed.DataError, "`W` is missing"),
    (lambda p, w, x: p.energy({**w, "Q": 1}, x), ed.DataError, "no parameter `Q`"),
    (lambda p, w, x: p.energy({**w, "b": np.zeros(2)}, x), ed.DataError, "shape"),
    (lambda p, w, x: p.energy(w, {"v": x["v"]}), ed.ArgumentError, "no layer `h`"),
    (lambda p, w, x: p.energy(w, {**x, "v": np.zeros((3, 9))}), ed.DataError, "shape"),
    (lambda p, w, x: p.energy(w, {**x, "v": np.zeros((7, 6))}), ed.DataError, "different numbers of rows"),
    (lambda p, w, x: p.energy(w, {**x, "v": [["a"] * 6]}), ed.DataError, "not numbers"),
    (lambda p, w, x: p.energy(w, x, weights={"x": 1}), ed.ArgumentError, "no energy term"),
    (lambda p, w, x: p.energy(w, x, consts={"x": 1}), ed.ArgumentError, "no const"),
    (lambda p, w, x: p.energy(w, x, beta="high"), ed.ArgumentError, "beta is not a number"),
    (lambda p, w, x: p.log_partition(w, beta=np.nan), ed.ArgumentError, "beta is not a number"),
    (lambda p, w, x: p.energy(w, {n: a[:0] for n, a in x.items()}), ed.EnergyError, "no rows"),
    (lambda p, w, x: p.init_state(w, 0), ed.ArgumentError, "one row or more"),
    (lambda p, w, x: p.mean(w, x, "q"), ed.ArgumentError, "no random layer"),
    (lambda p, w, x: p.gibbs(w, x, clamp={"q"}), ed.ArgumentError, "no layer `q`"),
    (lambda p, w, x: p.gibbs(w, x, rng=3), ed.ArgumentError, "rng"),
    (lambda p, w, x: p.init(0, np.zeros((3, 9))), ed.DataError, "shape"),
]


ISING = "visible s[2] : spin\nenergy = - 0.5 * s[0] * s[1]"


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_mistakes_are_named(rbm: ed.Model, call: object, kind: type[Exception], words: str) -> None:
    program = rbm.compile()
    params = program.init()
    with pytest.raises(kind, match=words) as caught:
        call(program, params, program.init_state(params, 3))  # type: ignore[operator]
    assert isinstance(caught.value, ed.EnergyError)


def test_an_unknown_backend_is_refused(rbm: ed.Model) -> None:
    with pytest.raises(ed.ArgumentError, match="backend must be one of"):
        rbm.compile("torch")


def test_a_program_does_not_grow_with_sizes() -> None:
    """A million units make the module of ten, but for the numbers in it (`benchmarks/promises.py` has the times)."""
    text = "dim I = {0}\nvisible v[I] : binary\nhidden h[I] : binary\nlayers v -- h"
    small, large = (ed.loads(text.format(size)).compile("numpy").source for size in (10, 10**6))
    assert large.replace(str(10**6), "10") == small


@pytest.mark.parametrize(("layer", "value"), [("v", 255.0), ("v", np.nan), ("s", -1.5), ("t", -0.1)])
def test_states_outside_their_domains_are_refused(layer: str, value: float) -> None:
    """Grey values of 255, missing ones, and negative times are no states; means of units are."""
    model = ed.loads(
        "visible v[2] : binary\nvisible s[2] : spin\nvisible t[2] : positive\nparam a\nenergy = sum(t) - a * sum(v) * sum(s)"
    )
    program = model.compile()
    state = {n: np.full((3, 2), 0.5) for n in "vst"}
    assert program.energy(program.init(), state).shape == (3,)
    state[layer][1, 1] = value
    with pytest.raises(ed.DataError, match="outside its domain"):
        program.energy(program.init(), state)


_DRAWS: dict[str, Any] = {
    "binary": lambda rng: rng.random((5000, 3)) < 0.1,
    "spin": lambda rng: 2 * (rng.random((5000, 3)) < 0.1) - 1,
    "categorical[4]": lambda rng: np.eye(4)[rng.binomial(3, 0.3, (5000, 3))],
    "integer[0, 4]": lambda rng: rng.binomial(4, 0.2, (5000, 3)),
    "integer[-1, 2]": lambda rng: rng.integers(-1, 2, (5000, 3)),
    "count": lambda rng: rng.poisson(2.5, (5000, 3)),
    "real": lambda rng: rng.normal(3, 1, (5000, 3)),
    "positive": lambda rng: rng.exponential(2, (5000, 3)),
    "interval[0, 1]": lambda rng: rng.random((5000, 3)) ** 2,
}


@pytest.mark.parametrize("link", ["--", "<-"])
@pytest.mark.parametrize("domain", _DRAWS)
def test_visible_biases_of_a_layers_statement_begin_at_the_mean_of_the_data(domain: str, link: str) -> None:
    rows = _DRAWS[domain](np.random.default_rng(0)).astype(float)
    program = ed.loads(f"visible v[3] : {domain}\nhidden h[2] : binary\nlayers v {link} h").compile("numpy", "float64")
    params = {**program.init(0, rows), "W_v_h": np.zeros(program.model.params["W_v_h"].shape)}
    found = program.mean(params, program.init_state(params, 1, 0), "v")[0]
    np.testing.assert_allclose(found, rows.mean(axis=0), atol=2.0 / len(rows))
    middle = program.init(0)["b_v"]
    if domain not in ("count", "positive"):  # whose middle is at 1
        np.testing.assert_allclose(middle - middle.mean(), 0.0, atol=1e-12)
        assert abs(middle.mean()) < 1e-6 or domain.startswith("categorical")
    stuck = program.init(0, np.zeros_like(rows) if domain != "categorical[4]" else np.eye(4)[np.zeros((5000, 3), int)])
    assert np.abs(stuck["b_v"]).max() <= 100.0


def test_sweeps_ask_for_random_numbers_and_a_chain_of_calls_moves() -> None:
    program = ed.loads(ISING).compile("numpy")
    state = program.init_state({}, 2000, 0)
    with pytest.raises(ed.ArgumentError, match=r"rng is required.*ed.Rng"):
        program.gibbs({}, state, 1)
    rng, aligned = ed.Rng(0), []
    for step in range(60):
        after = program.gibbs({}, state, 1, rng=rng)
        assert (after["s"] != state["s"]).mean() > 0.05
        state = after
        if step >= 20:
            s = state["s"]
            aligned.append((s[:, 0] == s[:, 1]).mean())
    exact = 1 / (1 + np.exp(-1.0))
    assert abs(np.mean(aligned) - exact) < 0.01


EXPONENTIAL = "visible x[3] : positive\nparam r[3] : positive = 2\nenergy = r @ x"
GEOMETRIC = "visible x[3] : count\nparam r[3] : positive = 1\nenergy = r @ x"
POISSON = "visible x[3] : count\nparam b[3]\nenergy = sum(lgamma(x + 1)) - b @ x"
NORMAL = "visible x[3] : real\nparam b[3]\nenergy own = 0.5 * sum(x^2)\nenergy push = - b @ x"
QUARTIC = "visible x[3] : real\nenergy own = sum(x^4)\nenergy push = sum(x^2)"
SWITCHES = "visible x[3] : binary\nparam b[3] = 1\nenergy = b @ x"
SLOPE = "visible x[3] : interval[0, 1]\nparam b[3] = 1\nenergy = b @ x"


@pytest.mark.parametrize(
    ("text", "scalars", "culprit"),
    [
        (EXPONENTIAL, {"beta": 0}, "beta = 0.*rate of `x`"),
        (EXPONENTIAL, {"beta": -1}, "beta = -1.*rate of `x`"),
        (GEOMETRIC, {"beta": -1}, "beta = -1.*rate of `x`"),
        (NORMAL, {"beta": 0}, "beta = 0.*precision of `x`"),
        (NORMAL, {"beta": -0.5}, "beta = -0.5.*precision of `x`"),
        (NORMAL, {"weights": {"own": 0}}, "weight of 0 for `own`.*precision of `x`"),
        (NORMAL, {"weights": {"own": -1}}, "weight of -1 for `own`.*precision of `x`"),
        (QUARTIC, {"weights": {"own": 0}}, "weight of 0 for `own`.*highest power of `x`"),
        *((text, {"beta": b}, "beta is") for text in (EXPONENTIAL, SWITCHES) for b in (np.inf, -np.inf, np.nan)),
        (NORMAL, {"weights": {"own": np.inf}}, "own is infinite"),
    ],
)
def test_a_temperature_or_weight_without_a_distribution_is_refused(text: str, scalars: dict, culprit: str) -> None:
    program = ed.loads(text).compile("numpy")
    params = program.init(0)
    state = program.init_state(params, 2)
    for call in (
        lambda: program.sample(params, state, "x", ed.Rng(0), **scalars),
        lambda: program.gibbs(params, state, 1, rng=ed.Rng(0), **scalars),
        lambda: program.variance(params, state, "x", **scalars),
    ):
        with pytest.raises(ed.ArgumentError, match=culprit):
            call()


@pytest.mark.parametrize(
    ("text", "scalars", "mean"),
    [
        (SWITCHES, {"beta": 0}, 0.5),
        (SWITCHES, {"beta": -1}, 1 / (1 + np.exp(-1))),
        (SLOPE, {"beta": 0}, 0.5),
        (SLOPE, {"beta": -1}, 1 - (1 - 2 / np.e) / (1 - 1 / np.e)),
        (POISSON, {"beta": 0}, 1.0),
        (NORMAL, {"weights": {"push": 0}}, 0.0),
        (NORMAL, {"weights": {"push": -1}}, 0.0),
        (QUARTIC, {"weights": {"push": -1}}, 0.0),
    ],
)
def test_a_temperature_or_weight_with_a_distribution_is_taken(text: str, scalars: dict, mean: float) -> None:
    program = ed.loads(text).compile("numpy", "float64")
    params = program.init(0)
    found = program.mean(params, program.init_state(params, 2), "x", **scalars)
    np.testing.assert_allclose(found, mean, atol=1e-6)


@pytest.mark.parametrize("what", ["mean", "variance", "sample", "gibbs"])
def test_what_cannot_be_drawn_is_said_with_its_layer(what: str) -> None:
    """A conditional that takes too many panels gives a sentence, never NaN."""
    program = ed.loads("visible x[2] : real\nparam a : positive = 1\nenergy = a*sum(x^4) + sum(cos(3000*x))").compile(
        "numpy"
    )
    params = {"a": np.array(1e-30)}
    state = program.init_state({}, 3, 0)
    calls = {
        "mean": lambda: program.mean(params, state, "x"),
        "variance": lambda: program.variance(params, state, "x"),
        "sample": lambda: program.sample(params, state, "x", ed.Rng(0)),
        "gibbs": lambda: program.gibbs(params, state, rng=ed.Rng(0)),
    }
    with pytest.raises(ed.EnergyError, match="units of `x` have no finite value"):
        calls[what]()
