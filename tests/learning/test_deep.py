"""Deep models: wake-sleep, greedy stacks, mean-field phases, the centred gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import energydsl as ed
from energydsl.data import load_data
from energydsl.learning.greedy import stages
from energydsl.learning.optimizer.centred import Centring
from energydsl.learning.phases import middle
from energydsl.program.directed import Directed
from energydsl.program.gradients import projected, weighted_gradient
from tests.conftest import ROOT
from tests.learning.test_learning import two_patterns

BELIEF_NET = "visible v[6] : binary\nhidden h1[4] : binary\nhidden h2[3] : spin\nlayers v <- h1 -- h2"
MACHINE = BELIEF_NET.replace("<-", "--")


@pytest.mark.parametrize("chains", [0, 50])
def test_wake_sleep_raises_the_exact_likelihood(chains: int) -> None:
    program, data = ed.loads(BELIEF_NET).compile(), two_patterns(False)
    method, optimizer = ed.WakeSleep(chains=chains), ed.SGD(lr=0.2, schedule="linear")
    run = ed.train(program, data, method, optimizer, epochs=600, batch=40, validation=0.0)
    uniform = -6 * np.log(2.0)
    assert ed.evaluate(run, data, method="exact").log_likelihood > uniform + 2.0


def test_each_part_follows_the_gradient_of_its_own_likelihood() -> None:
    """Of p at the states that were recognised, of q at those that were dreamt: against finite differences."""
    program = ed.loads(BELIEF_NET).compile("numpy", "float64")
    assert isinstance(program.engine, Directed)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(0, 0.5, a.shape) for n, a in program.init().items()}
    [objective] = ed.WakeSleep().objectives()
    phases = objective.init(program.engine, 8, ed.Rng(1))
    objective.load(phases, {"v": two_patterns(False)[:8].astype(float)})
    objective.step(phases, params)
    found = objective.gradient(phases, params, list(params))
    settings = program.engine.settings()
    for part in (*program.engine.generative, *program.engine.recognition):
        states = phases.wake if part in program.engine.generative else phases.sleep
        for name in part.engine.model.params:
            for at in list(np.ndindex(*params[name].shape))[:5]:
                sides = []
                for step in (1e-5, -1e-5):
                    moved = {**params, name: params[name].copy()}
                    moved[name][at] += step
                    sides.append(part.log_probability(moved, states, settings.parts[part.factor.name]).mean())
                assert found[name][at] == pytest.approx(-(sides[0] - sides[1]) / 2e-5, abs=1e-8), (name, at)


def test_a_stack_of_directed_pairs_ties_recognition_to_generation() -> None:
    program, data = ed.loads(BELIEF_NET).compile("numpy"), two_patterns(False)
    run = ed.train(program, data, epochs=0, greedy=ed.Greedy((60,), optimizer=ed.SGD(lr=0.2)), batch=20, validation=0.0)
    np.testing.assert_array_equal(run.params["R_v_h1"], run.params["W_v_h1"])
    assert np.abs(run.params["W_v_h1"]).max() > 0.1
    assert run.params["r_h1"].any()
    assert np.abs(run.params["W_h1_h2"]).max() > 0.02


def test_stages_of_a_deep_machine_make_up_for_the_side_they_lack() -> None:
    """At the ends of a chain one side is doubled, by a copy; in the middle both are, and the weights halved."""
    text = "visible v[6] : binary\nhidden a[5] : binary\nhidden b[4] : binary\nhidden c[3] : binary\nlayers v -- a -- b -- c"
    bottom, middle, top = stages(ed.loads(text).compile("numpy").engine)
    assert bottom.copies == {"v_copy": "v"}
    assert ("W_a_b", "W_a_b", 0.5) in middle.gives
    assert [("b_b", "b_b", 1.0) in s.gives for s in (bottom, middle, top)] == [False, True, True]
    assert ("b_v", "b_v", 1.0) in bottom.gives
    assert "c_copy" in ed.loads(top.text).layers
    field = str(ed.loads(bottom.text).conditionals["a"])
    assert "v_i W_v_a_ij" in field
    assert "W_v_a_kj v_copy_k" in field
    assert {n for s in (bottom, middle, top) for n, _, _ in s.gives} == set(ed.loads(text).params)


@pytest.mark.parametrize("links", ["v -- a -- b", "v -- a -- b -- c", "v -- a -- b -- c -- d"])
def test_the_energy_of_a_deep_machine_is_half_the_sum_of_its_stages(links: str) -> None:
    names = links.split(" -- ")
    text = "visible v[6] : binary\n" + "".join(f"hidden {n}[4] : binary\n" for n in names[1:]) + f"layers {links}"
    program, rng = ed.loads(text).compile("numpy", "float64"), np.random.default_rng(6)
    x = {n: rng.integers(0, 2, (20, 6 if n == "v" else 4)) for n in names}
    parts: dict[str, list[Any]] = {}
    total = np.zeros(20)
    for stage in stages(program.engine):
        part = ed.loads(stage.text).compile("numpy", "float64")
        params = {n: rng.normal(size=p.shape) for n, p in part.model.params.items()}
        total += part.energy(params, {n: x[n.removesuffix("_copy")] for n in part.model.layers}) / 2
        for name, source, factor in stage.gives:
            parts.setdefault(name, []).append(factor * params[source])
    whole = {n: np.mean(found, axis=0) for n, found in parts.items()}
    np.testing.assert_allclose(program.energy(whole, x), total)


def test_a_parameter_of_several_stages_becomes_their_mean_and_a_frozen_one_stays() -> None:
    text = (
        "visible v[4] : binary\nhidden h[4] : binary\nhidden k[4] : binary\nhidden l[4] : binary\n"
        "param W[4, 4] = 1, U[4, 4] : frozen = 1, s : positive & frozen = 2\n"
        "energy = - sum(s * h) - sum(s * k) - sum(s * l)\nlayers v -- h (W) -- k (W)\nlayers k -- l (U)"
    )
    run = ed.train(ed.loads(text).compile(), np.eye(4), epochs=0, greedy=ed.Greedy((0,)))
    np.testing.assert_allclose(run.params["W"], 0.75)  # 1 at the bottom, halved in the middle
    np.testing.assert_array_equal(run.params["U"], 1.0)
    assert run.params["s"] == 2.0


def test_a_stage_with_nothing_to_centre_is_trained_as_it_is() -> None:
    text = (
        "visible v[4] : binary\nhidden h[3] : binary\nhidden k[2] : binary\nparam b[4], c[3], W[4, 3], U[3, 2]\n"
        "energy = - b @ v - c @ h - v @ W @ h - h @ U @ k"
    )
    greedy, method = ed.Greedy((1,), ed.CD(centred=True)), ed.PCD(centred=True, chains=10)
    rows = np.random.default_rng(0).integers(0, 2, (40, 4))
    assert ed.train(ed.loads(text).compile(), rows, method, epochs=1, greedy=greedy).finished
    rows = np.where(np.arange(160).reshape(40, 4) == 7, np.nan, rows)
    with pytest.raises(ed.NotApplicable, match="whole rows"):
        ed.train(ed.loads(text).compile(), rows, ed.PCD(impute=True), epochs=1, greedy=ed.Greedy((1,)))


@pytest.mark.parametrize("constraint", ["zero_diagonal", "symmetric"])
def test_a_constrained_coupling_moves_the_biases_by_the_step_that_is_taken(constraint: str) -> None:
    text = f"visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3] : {constraint}\nlayers v -- h (W)"
    program, rng = ed.loads(text).compile("numpy", "float64"), np.random.default_rng(4)
    params, centring = program.init(), Centring.of(program.engine, ["W", "b_v", "b_h"])
    offsets = centring.init()
    offsets.values.update(v=rng.random(3), h=rng.random(3))
    state, row = program.init_state(params, 4, 1), np.array([0.5, 0.5, -0.25, -0.75])
    found = centring.apply(
        offsets, dict(weighted_gradient(program.engine, params, state, program.engine.settings(), row))
    )
    np.testing.assert_array_equal(
        found["W"], projected(program.engine.xp, program.model.params["W"], found["W"].copy())
    )
    np.testing.assert_allclose(found["b_v"], -row @ state["v"] - found["W"] @ offsets.values["h"], atol=1e-12)


@pytest.mark.parametrize(
    "domain", ["binary", "spin", "categorical[3]", "integer[0, 2]", "count", "real", "positive", "interval[0, 1]"]
)
def test_latents_of_every_domain_are_stacked_and_centred(domain: str) -> None:
    text = f"visible v[4] : binary\nhidden a[3] : {domain}\nhidden b[3] : binary\nlayers v -- a -- b"
    rows, method = np.random.default_rng(1).integers(0, 2, (80, 4)), ed.PCD(chains=10, centred=True)
    greedy = ed.Greedy((2,), ed.CD(centred=True), ed.SGD(lr=0.01))
    run = ed.train(ed.loads(text).compile("numpy"), rows, method, ed.SGD(lr=0.01), 2, batch=20, greedy=greedy)
    assert run.finished
    assert all(np.isfinite(a).all() for a in run.params.values())


@pytest.mark.parametrize("name", ["dbm", "dbn", "rbm", "label_rbm"])
def test_stages_of_the_zoo_are_models_and_give_every_parameter(name: str) -> None:
    model = ed.load(ROOT / f"models/{name}.energy")
    found = stages(model.compile("numpy").engine)
    for stage in found:
        ed.loads(stage.text)
    assert {n for s in found for n, _, _ in s.gives} == set(model.params)


def test_stages_see_through_lets_and_take_graphs_from_outside() -> None:
    text = (
        "graph G[4]\nvisible v[4] : binary\nhidden a[3] : binary\nhidden b[2] : binary\n"
        "param W[4, 3] = normal(sd = 0.1), U[3, 2] = normal(sd = 0.1), J[G]\nlet w = 2 * W, u = 1 - v\n"
        "energy = - u @ w @ a - a @ U @ b - sum[(i, k) in G] J[i, k]*v[i]*v[k]"
    )
    program = ed.loads(text, graphs={"G": nx.Graph([(0, 1), (2, 3)])}).compile("numpy")
    rows = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 40, axis=0)
    begun = program.init(0)
    run = ed.train(program, rows, epochs=0, greedy=ed.Greedy((40,), optimizer=ed.SGD(lr=0.2)), batch=20, validation=0.0)
    for name in ("W", "U", "J"):
        assert np.abs(run.params[name] - begun[name]).max() > 0.05, name


def test_recognition_that_no_stage_can_begin_says_so() -> None:
    """`h @ R @ v` is the transpose of what stands in p(v | h): it would stay where it was."""
    text = (
        "visible v[3] : binary\nhidden h[2] : binary\nhidden g[2] : binary\nparam W[3, 2], U[2, 2], R[2, 3]\n"
        "energy v | h = - v @ W @ h\nenergy = - h @ U @ g\nrecognition h | v = - h @ R @ v"
    )
    with pytest.raises(ed.NotApplicable, match="no value for `R`"):
        stages(ed.loads(text).compile("numpy").engine)
    assert stages(ed.loads(text.replace("R[2, 3]", "R[3, 2]").replace("h @ R @ v", "v @ R @ h")).compile("numpy"))


def test_what_is_no_stack_says_so() -> None:
    with pytest.raises(ed.NotApplicable, match="tree"):
        stages(ed.load(ROOT / "models/ising.energy").compile("numpy"))


def test_greedy_training_begins_near_the_data(tmp_path: Path) -> None:
    model = ed.loads("visible v[16] : binary\nhidden a[12] : binary\nhidden b[8] : binary\nlayers v -- a -- b")
    data = load_data(model.resolved, ["bars-and-stripes:4"])
    program = model.compile("numpy")
    plain = ed.train(program, data, epochs=0, validation=0.0)
    run = ed.train(
        program, data, ed.PCD(k=5), ed.SGD(lr=0.05), epochs=0, batch=32, validation=0.0,
        greedy=ed.Greedy((1000, 300), optimizer=ed.SGD(lr=0.1)), out=tmp_path / "run",
    )  # fmt: skip
    before, after = (ed.evaluate(r, data, method="exact").log_likelihood for r in (plain, run))
    assert after > before + 2.0
    assert (tmp_path / "run" / "greedy-2" / "model.energy").exists()


def test_the_positive_phase_by_mean_field_holds_its_moments() -> None:
    program = ed.loads(MACHINE).compile("numpy", "float64")
    rng = np.random.default_rng(0)
    params = {n: rng.normal(0, 0.5, a.shape) for n, a in program.init().items()}
    v = two_patterns(False)[:8].astype(float)
    [objective] = ed.PCD(positive="mean-field", latent_sweeps=200).objectives()
    phases = objective.init(program.engine, 8, ed.Rng(0))
    objective.load(phases, {"v": v})
    objective.step(phases, params)
    wanted = program.mean_field(params, {"v": v}, tolerance=1e-12).moments
    for name, moments in wanted.items():
        np.testing.assert_allclose(phases.both[name][:8], moments, atol=1e-9)
    with pytest.raises(ed.ArgumentError, match="pcd and mcmc"):
        ed.CD(positive="mean-field")


def test_a_positive_phase_by_mean_field_takes_units_with_moments() -> None:
    text = "visible v[4] : binary\nhidden h[3] : real\nparam W[4, 3]\nenergy = sum(h^4) - v @ W @ h"
    program, seen = ed.loads(text).compile("numpy"), []
    with pytest.raises(ed.NotApplicable, match="`h` enters the energy by other functions"):
        ed.train(program, np.zeros((9, 4)), ed.PCD(positive="mean-field"), report=seen.append)
    assert not seen


@pytest.mark.parametrize("domain", ["binary", "spin", "real"])
def test_the_centred_gradient_is_that_of_the_centred_energy(domain: str) -> None:
    """Steps along it are those of gradient ascent in the parameters of (v - m)(h - l), whatever the offsets."""
    program = ed.loads(MACHINE.replace("binary", domain)).compile("numpy", "float64")
    rng = np.random.default_rng(2)
    params = {n: rng.normal(size=a.shape) for n, a in program.init().items()}
    centring = Centring.of(program.engine, list(params))
    moved_to = centring.init()
    offsets = {n: rng.random(a.shape) for n, a in moved_to.values.items()}
    moved_to.values.update(offsets)
    state = program.init_state(params, 5, 1)
    row = rng.normal(size=5)
    row -= row.mean()  # positive minus negative phase

    def weighed(centred: dict[str, np.ndarray]) -> float:
        v, h1, h2 = (state[n] - offsets[n] for n in ("v", "h1", "h2"))
        energy = -np.einsum("ri,ij,rj->r", v, centred["W_v_h1"], h1) - np.einsum(
            "ri,ij,rj->r", h1, centred["W_h1_h2"], h2
        )
        for name in ("v", "h1", "h2"):
            energy -= state[name] @ centred[f"b_{name}"]
        return float(row @ energy)

    slope: dict[str, np.ndarray] = {}
    for name, value in params.items():
        slope[name] = np.zeros_like(value)
        for at in np.ndindex(*value.shape):
            moved = {**params, name: value.copy()}
            moved[name][at] += 1.0
            slope[name][at] = weighed(moved) - weighed(params)  # linear in the parameters
    wanted = dict(slope)
    wanted["b_v"] = slope["b_v"] - slope["W_v_h1"] @ offsets["h1"]
    wanted["b_h1"] = slope["b_h1"] - slope["W_v_h1"].T @ offsets["v"] - slope["W_h1_h2"] @ offsets["h2"]
    wanted["b_h2"] = slope["b_h2"] - slope["W_h1_h2"].T @ offsets["h1"]
    plain = weighted_gradient(program.engine, params, state, program.engine.settings(), row)
    found = centring.apply(moved_to, {n: np.array(g) for n, g in plain.items()})
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-10, err_msg=name)


def test_copies_of_a_layer_are_centred_together() -> None:
    """A stage of greedy training: G_W' weighs (v - m + v' - m)(h - q), and each copy's bias moves by G_W' q once."""
    text = (
        "visible v[3] : binary\nvisible w[3] : binary\nhidden h[2] : binary\nparam b[3], c[2], W[3, 2]\n"
        "energy = - b @ v - b @ w - c @ h - v @ W @ h - w @ W @ h"
    )
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(3)
    params = {n: rng.normal(size=a.shape) for n, a in program.init().items()}
    centring = Centring.of(program.engine, list(params))
    offsets = centring.init()
    m, k, q = (rng.random(n) for n in (3, 3, 2))
    offsets.values.update(v=m, w=k, h=q)
    state, row = program.init_state(params, 4, 1), np.array([0.5, 0.5, -0.25, -0.75])
    found = centring.apply(
        offsets, dict(weighted_gradient(program.engine, params, state, program.engine.settings(), row))
    )
    v, w, h = (state[n] for n in ("v", "w", "h"))
    slope = -np.einsum("r,ri,rj->ij", row, v - m + w - k, h - q)
    np.testing.assert_allclose(found["W"], slope, atol=1e-12)
    np.testing.assert_allclose(found["b"], -row @ (v + w) - slope @ q, atol=1e-12)
    np.testing.assert_allclose(found["c"], -row @ h - (m + k) @ slope, atol=1e-12)


def test_offsets_start_at_the_means_that_are_met_first() -> None:
    program = ed.loads(MACHINE).compile("numpy", "float64")
    centring = Centring.of(program.engine, list(program.init()))
    offsets = centring.init()
    rng, met = np.random.default_rng(5), []
    for update in range(300):
        state = {n: rng.random((10, *a.shape)) ** 3 for n, a in offsets.values.items()}
        met.append(0.5 * (state["v"][:4].mean(0) + state["v"][4:].mean(0)))
        centring.at(offsets, update)
        means = {n: middle(x, 4) for n, x in state.items()}
        centring.follow(offsets, means.__getitem__)
        if update < 100:
            np.testing.assert_allclose(offsets.values["v"], np.mean(met, axis=0))
    decay = 0.99 ** np.arange(200)[::-1]
    np.testing.assert_allclose(offsets.values["v"], 0.99**200 * np.mean(met[:100], 0) + 0.01 * decay @ met[100:])


def test_centring_learns_a_deep_machine_without_a_greedy_start() -> None:
    """From a bias of zero, which is far from the data: at the base rate there is less to make up for."""
    program, data = ed.loads(MACHINE.replace("layers", "param b_v[6]\nlayers")).compile("numpy"), two_patterns(False)
    scores = []
    for centred in (False, True):
        method = ed.PCD(k=5, chains=100, centred=centred)
        run = ed.train(program, data, method, ed.SGD(lr=0.05), epochs=300, batch=40, validation=0.0)
        scores.append(ed.evaluate(run, data, method="exact").log_likelihood)
    assert scores[1] > scores[0] + 0.1


def test_centring_takes_biases() -> None:
    program = ed.loads(
        "visible v[4] : binary\nhidden h[3] : binary\nparam W[4, 3] = 0.1\nenergy = - v @ W @ h"
    ).compile("numpy")
    with pytest.raises(ed.NotApplicable, match="centred"):
        ed.train(program, np.zeros((8, 4), np.float32), ed.PCD(centred=True), epochs=1)


METHODS: dict[str, Any] = {
    "wake-sleep": (BELIEF_NET, ed.WakeSleep(), None),
    "wake-sleep, chains": (BELIEF_NET, ed.WakeSleep(chains=7), None),
    "greedy, then wake-sleep": (BELIEF_NET, ed.WakeSleep(), ed.Greedy((3, 2))),
    "mean field, centred": (MACHINE, ed.PCD(k=2, chains=10, positive="mean-field", centred=True), None),
    "greedy, then mean field": (MACHINE, ed.PCD(chains=10, positive="mean-field"), ed.Greedy((3, 2))),
}


class Stop(Exception):
    pass


@pytest.mark.parametrize(
    ("name", "stop_at"), [(n, at) for n, (_, _, greedy) in METHODS.items() for at in ((2, 4) if greedy else (4,))]
)
def test_resumed_equals_uninterrupted(name: str, stop_at: int, tmp_path: Path) -> None:
    """Stopped in a stage, or in the main phase."""
    text, method, greedy = METHODS[name]
    program = ed.loads(text).compile("numpy")
    rows = np.random.default_rng(0).random((120, 6), dtype=np.float32)
    arguments: dict[str, Any] = {"epochs": 6, "batch": 30, "seed": 3, "binarise": "sample", "greedy": greedy}
    whole = ed.train(program, rows, method, ed.SGD(lr=0.05), out=tmp_path / "whole", **arguments)

    def stop_late(row: dict[str, Any]) -> None:
        in_stage = "stage" in row
        if row["epoch"] == stop_at and (in_stage or greedy is None or stop_at > 3):
            raise Stop

    with pytest.raises(Stop):
        ed.train(program, rows, method, ed.SGD(lr=0.05), out=tmp_path / "parts", report=stop_late, **arguments)
    parts = ed.train(program, rows, method, ed.SGD(lr=0.05), out=tmp_path / "parts", resume=True, **arguments)
    for key, value in whole.params.items():
        np.testing.assert_array_equal(parts.params[key], value, err_msg=key)
    for key, value in whole.chains.items():
        np.testing.assert_array_equal(parts.chains[key], value, err_msg=key)


def test_labels_of_a_belief_net_are_predicted_through_recognition() -> None:
    text = "visible v[6] : binary\nvisible y : categorical[2]\nhidden h1[6] : binary\nhidden h2[6] : binary\nlayers v <- h1 -- h2 -- y"
    program = ed.loads(text).compile("numpy")
    v = two_patterns(False)
    rows = {"v": v, "y": np.repeat([0, 1], 40)}
    run = ed.train(
        program, rows, ed.WakeSleep(), ed.SGD(lr=0.05, schedule="constant"), epochs=100, batch=20, validation=0.0,
        greedy=ed.Greedy((100,), optimizer=ed.SGD(lr=0.1, schedule="constant")),
    )  # fmt: skip
    found = ed.predict(run, rows, "y")
    assert found.error_rate < 0.1
    with pytest.raises(ed.NotApplicable, match="drawn from its parents"):
        ed.predict(run, rows, "v")
    drawn = ed.sample(run, n=50, steps=50, clamp={"y": 1})
    assert (drawn["y"] == 1).all()
    assert (
        np.abs(drawn["v"].mean(axis=0) - v[40:].mean(axis=0)).mean()
        < np.abs(drawn["v"].mean(axis=0) - v[:40].mean(axis=0)).mean()
    )


def test_a_run_goes_on_from_another(tmp_path: Path) -> None:
    """Its parameters and its chains: no epoch of training leaves both as they were."""
    model = ed.loads("visible v[6] : binary\nhidden h1[4] : binary\nhidden h2[3] : spin\nlayers v -- h1 -- h2")
    program = model.compile()
    rows = (np.random.default_rng(0).random((60, 6)) < 0.4).astype(float)
    first = ed.train(program, rows, ed.PCD(chains=20), epochs=2, batch=20, out=tmp_path / "a", validation=0.0)
    again = ed.train(
        program,
        rows,
        ed.PCD(chains=30),
        epochs=0,
        batch=20,
        out=tmp_path / "b",
        validation=0.0,
        start=ed.open_run(tmp_path / "a"),
    )
    for name, value in first.params.items():
        np.testing.assert_array_equal(again.params[name], value)
    for name, states in again.chains.items():
        np.testing.assert_array_equal(states, first.chains[name][np.arange(30) % 20])
    with pytest.raises(ed.EnergyError, match="no greedy stages"):
        ed.train(program, rows, ed.PCD(), greedy=ed.Greedy((1,)), start=first)
