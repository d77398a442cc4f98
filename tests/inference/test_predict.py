"""p(layer | the others) against enumeration by the oracle, and what it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.learning.loop import Run
from energydsl.program.exact import joint_states
from energydsl.verification.oracle import Oracle, enumerate_states, unit_values

LABEL = "visible v[4] : binary\nvisible y : categorical[3]\nhidden h[3] : {hidden}\nlayers v -- h, y -- h"
MODELS = {
    "labels": LABEL.format(hidden="binary"),
    "spin latents": LABEL.format(hidden="spin"),
    "two units": "visible v[3] : spin\nvisible y[2] : spin\nhidden h[3] : binary\nlayers v -- h, y -- h",
    "no latents": "visible v[3] : binary\nvisible y : binary\nparam W[3], b\nenergy = - sum[i] v[i]*W[i]*y - b*y",
    "third order": "visible v[3] : binary\nvisible y : categorical[2]\nhidden h[2] : binary\nparam W[3, 2, 2]\nenergy = - sum[i, k, j] v[i]*y[k]*h[j]*W[i, k, j]",
}
DEEP = "visible v[4] : binary\nvisible y : categorical[3]\nhidden h[3] : binary\nhidden g[2] : binary\nlayers v -- h -- g -- y"


def a_run(text: str, scale: float) -> tuple[Run, dict[str, Any]]:
    """Random parameters, and random rows of all visible layers."""
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(4)
    params = {n: rng.normal(0.0, scale, p.shape) for n, p in program.model.params.items()}
    state = program.init_state(params, 30)
    rows = {n: state[n] for n in program.model.by_role("visible")}
    return Run(program, params, {"data": {"binarise": None}}), rows


def by_enumeration(run: Run, rows: dict[str, Any]) -> np.ndarray:
    """p(y | v) from the oracle's energies of all states of y and the latents."""
    model = run.program.model
    layers = {n: model.layers[n] for n in model.by_role("hidden")}
    hidden, _ = enumerate_states(layers, {n: unit_values(layer) for n, layer in layers.items()})
    [labels] = joint_states(run.program.engine, ("y",))
    oracle = Oracle(model, {}, {}, {})
    found = np.empty((len(rows["y"]), len(labels["y"])))
    count = len(next(iter(hidden.values()))) if hidden else 1
    for row in range(len(found)):
        for k in range(len(labels["y"])):
            x = {n: np.repeat(a[row : row + 1], count, axis=0) for n, a in rows.items()} | hidden
            x["y"] = np.repeat(labels["y"][k : k + 1], count, axis=0)
            found[row, k] = np.logaddexp.reduce(-oracle.energy(run.params, x))
    found -= np.logaddexp.reduce(found, axis=1, keepdims=True)
    return np.exp(found)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_exact_where_the_latents_can_be_summed_out(name: str) -> None:
    run, rows = a_run(MODELS[name], 1.0)
    found = ed.predict(run, rows, "y")
    assert found.method == "exact"
    np.testing.assert_allclose(found.probabilities, by_enumeration(run, rows), rtol=1e-10)
    units = (
        rows["y"].argmax(-1).reshape(30, -1)
        if rows["y"].ndim > 1 and "categorical" in MODELS[name]
        else rows["y"].reshape(30, -1)
    )
    np.testing.assert_array_equal(found.states[found.truth], units)
    assert found.confusion.sum() == 30
    wrong = found.predicted != found.truth
    assert found.error_rate_std == pytest.approx(np.std(wrong, ddof=1) / np.sqrt(30))
    assert found.mean_log_probability_std > 0
    assert found.error_rate == pytest.approx(1 - np.trace(found.confusion) / 30)


def test_mean_field_is_near_where_they_cannot() -> None:
    run, rows = a_run(DEEP, 0.25)
    found = ed.predict(run, rows, "y")
    assert found.method == "mean field"
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.probabilities, by_enumeration(run, rows), atol=0.01)


def test_mean_field_of_a_binary_label() -> None:
    run, rows = a_run(DEEP.replace("categorical[3]", "spin"), 0.25)
    found = ed.predict(run, rows, "y")
    assert found.method == "mean field"
    np.testing.assert_allclose(found.probabilities, by_enumeration(run, rows), atol=0.01)


@pytest.mark.parametrize("domain", ["integer[0, 3]", "integer[-1, 1]", "binary"])
def test_mean_field_of_a_layer_of_any_values(domain: str) -> None:
    run, rows = a_run(DEEP.replace("categorical[3]", domain), 0.4)
    found = ed.predict(run, rows, "y")
    assert found.method == "mean field"
    np.testing.assert_allclose(found.probabilities, by_enumeration(run, rows), atol=0.02)


GIVEN = "visible v[3] : binary\nvisible y : categorical[3]\nhidden h[2] : binary\nparam W[3, 2], U[3, 2], R[3, 2], Q[3, 2]\n"
BELOW = "energy v | h = - v @ W @ h\nenergy = - y @ U @ h\n"
TOLD = {
    GIVEN + BELOW + "recognition h | v, y = - v @ R @ h - y @ Q @ h": "q(h | v, y) is given `y`",
    GIVEN
    + "energy v | h, y = - v @ W @ h - v[0] * y[1]\nenergy = - y @ U @ h\nrecognition h | v = - v @ R @ h": "p(v | h, y) is given `y`",
    "visible v[3] : binary\nvisible y : categorical[3]\nhidden h[2] : binary\nlayers v <- h <- y": "p(h | y) is given `y`",
}


@pytest.mark.parametrize("text", TOLD)
def test_what_is_told_the_layer_is_not_asked_for_it(text: str) -> None:
    """p(y | v) of the core alone would be another distribution; recognition that sees y would leak it."""
    run, rows = a_run(text, 1.0)
    with pytest.raises(ed.NotApplicable) as caught:
        ed.predict(run, rows, "y")
    assert TOLD[text] in str(caught.value)


def test_a_core_with_inputs() -> None:
    """With the latent's recognition certain, p(y | v, x) is that of the core at the latent."""
    text = (
        "input x[2] : real\nvisible v[3] : binary\nvisible y : categorical[3]\nhidden h[3] : binary\nparam W[3, 3], A[2, 3], U[3, 3]\n"
        "energy v | h = - v @ W @ h\nenergy = - h @ U @ y - x @ A @ y\nrecognition h | v = - 1000 * sum((2 * v - 1) * h)"
    )
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=p.shape) for n, p in program.model.params.items()}
    rows = {"v": rng.integers(0, 2, (9, 3)), "x": rng.normal(size=(9, 2)), "y": rng.integers(0, 3, 9)}
    found = ed.predict(Run(program, params, {"data": {"binarise": None}}), rows, "y")
    assert found.method == "recognition"
    logits = rows["v"] @ params["U"] + rows["x"] @ params["A"]
    np.testing.assert_allclose(found.probabilities, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-9)


def test_faults() -> None:
    alone, v = a_run("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- h", 1.0)
    with pytest.raises(ed.ArgumentError, match="nothing to predict it from"):
        ed.predict(alone, v, "v")
    run, rows = a_run(MODELS["labels"], 1.0)
    with pytest.raises(ed.ArgumentError, match="no visible layer `h`"):
        ed.predict(run, rows, "h")
    wide, many = a_run(
        "visible v[2] : binary\nvisible y[20] : binary\nhidden h[2] : binary\nlayers v -- h, y -- h", 1.0
    )
    with pytest.raises(ed.ArgumentError, match="too many joint states"):
        ed.predict(wide, many, "y")
    wrong = {**rows, "y": np.full((30, 3), 0.5)}
    with pytest.raises(ed.EnergyError, match="not one-hot"):
        ed.predict(run, wrong, "y")


def test_the_command_learns_digits_of_two_kinds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    rows = (rng.random((400, 8)) < np.where(labels[:, None] == (np.arange(8) < 4), 0.9, 0.1)).astype(float)
    np.savez(tmp_path / "d.npz", v=rows, y=labels)
    (tmp_path / "m.energy").write_text(
        "visible v[8] : binary\nvisible y : categorical[2]\nhidden h[4] : binary\nlayers v -- h, y -- h"
    )
    out, data = tmp_path / "run", tmp_path / "d.npz"

    def run(*arguments: Any) -> Any:
        return CliRunner().invoke(cli, [str(a) for a in arguments])

    done = run(
        "train",
        tmp_path / "m.energy",
        "--data",
        data,
        "--out",
        out,
        "--epochs",
        100,
        "--lr",
        0.2,
        "--batch",
        20,
        "--no-evaluate",
    )
    assert done.exit_code == 0, done.output
    found = run("predict", out, "--data", data, "--layer", "y", "--out", tmp_path / "p.csv")
    assert found.exit_code == 0, found.output
    assert float(found.stdout.split()[1]) < 5.0
    assert "true y down, predicted across" in found.stdout
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "true,predicted,p(0),p(1)"
    assert len(lines) == 401
    assert run("predict", out, "--data", data, "--layer", "z").exit_code == 1
    assert run("predict", out, "--data", data, "--layer", "y", "--out", tmp_path / "no" / "p.csv").exit_code == 1
