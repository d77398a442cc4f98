"""A row of weight 2 counts as two rows: in the gradient, base rates, figures and likelihoods; compared with rows that are repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl import weighted
from energydsl.cli.main import cli
from energydsl.data.sources import as_data, from_arrays
from energydsl.learning.objective import likelihood
from energydsl.learning.rows import Batches
from energydsl.program.directed import Contrast

RBM = "visible v[5] : binary\nhidden h[3] : binary\nparam W[5, 3] = normal(sd = 0.3), b[5] = base_rate(v), c[3]\n"
RBM += "energy = - b @ v - c @ h - v @ W @ h"
LABELS = RBM.replace("hidden h", "visible y : categorical[2]\nhidden h").replace("param W", "param U[2, 3], W")
LABELS += " - y @ U @ h"
GIVEN = (
    RBM.replace("hidden h", "input u[2] : real\nhidden h").replace("param W", "param A[2, 3] = 0.5, W") + " - u @ A @ h"
)
GAUSSIAN = "visible v[5] : real\nhidden h[3] : binary\nparam W[5, 3] = normal(sd = 0.3), b[5] = base_rate(v), c[3], s[5] : positive = 1\n"
GAUSSIAN += "energy = sum(0.5 * (v - b)^2 / s^2) - c @ h - v @ W @ h"
SPINS = "visible v[5] : spin\nparam J[5, 5] : symmetric & zero_diagonal = normal(sd = 0.1), a[5] = base_rate(v)\n"
SPINS += "energy = - a @ v - 0.5 * v @ J @ v"
STATES = "visible v[5] : integer[0, 2]\nparam d[5] = base_rate(v), t[5]\nenergy = - d @ v + sum(t * exp(v))"

WEIGHTS = np.array([3, 0, 1, 1, 2, 5, 1, 0, 2, 1, 1, 4])
REPEATED = np.repeat(np.arange(12), WEIGHTS)
_RNG = np.random.default_rng(0)
BITS = _RNG.integers(0, 2, (12, 5)).astype(float)
GREY = BITS + _RNG.normal(0, 0.3, BITS.shape)
CODES = BITS[:, 0].astype(int)

# What draws nothing that depends on the number of rows: training is the same to rounding.
EXACT: dict[str, tuple[str, Any, dict[str, np.ndarray]]] = {
    "centred": (RBM, ed.PCD(chains=20, centred=True), {"v": BITS}),
    "scales": (GAUSSIAN, ed.PCD(chains=20), {"v": GREY}),
    "spins": (SPINS, ed.PCD(chains=20), {"v": 2 * BITS - 1}),
    "states": (STATES, ed.PCD(chains=20), {"v": BITS + BITS[:, ::-1]}),
    "prediction": (LABELS, ed.CD(predict="y", generative=0.0), {"v": BITS, "y": CODES}),
}


def both(name: str) -> tuple[ed.Run, ed.Run]:
    """A run on rows with weights, and one on rows repeated; each one batch an epoch."""
    text, method, data = EXACT[name]
    program, given = ed.loads(text).compile("numpy", "float64"), {"epochs": 10, "batch": 100, "validation": 0.0}
    repeated = {n: a[REPEATED] for n, a in data.items()}
    return ed.train(program, data, method, weights=WEIGHTS, **given), ed.train(program, repeated, method, **given)


def apart(runs: tuple[ed.Run, ed.Run]) -> float:
    """The largest difference between parameters, base rates and figures."""
    one, other = runs
    pairs = [(one.params[n], other.params[n]) for n in one.params]
    pairs += [pair for n in one.base for pair in zip(one.base[n], other.base[n], strict=True)]
    pairs += [
        (one.history[-1][n], other.history[-1][n]) for n in ("free_energy_train", "gradient_" + next(iter(one.params)))
    ]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("name", EXACT)
def test_weights_are_rows_repeated(name: str) -> None:
    runs = both(name)
    assert apart(runs) < 1e-12
    data = EXACT[name][2]
    found = ed.evaluate(runs[0], data, weights=WEIGHTS.tolist())
    plain = ed.evaluate(runs[0], {n: a[REPEATED] for n, a in data.items()})
    assert found.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-12)
    assert found.log_z == pytest.approx(plain.log_z, abs=1e-12)
    # As sure as 21^2 / 63 = 7 rows, not as the 21 that are the same rows again.
    assert found.rows_effective == pytest.approx(7.0)
    assert found.rows_std == pytest.approx(plain.rows_std * np.sqrt(20 / 6))
    if "y" in data:
        wrong = [ed.predict(runs[0], data, "y", weights=WEIGHTS).error_rate]
        wrong += [ed.predict(runs[0], {n: a[REPEATED] for n, a in data.items()}, "y").error_rate]
        assert wrong[0] == pytest.approx(wrong[1], abs=1e-12)


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "weights left out of the gradient": (likelihood, "weigh", lambda *given: None),
    "base rates of rows that count alike": (weighted, "count", lambda values, weights: len(values)),
    "spread from the plain mean": (weighted, "variance", lambda x, w: weighted.mean(np.square(x - x.mean(axis=0)), w)),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_forgets_weights_is_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MUTANTS[mutant])
    assert apart(both("scales" if "spread" in mutant else "centred")) > 1e-6


@pytest.mark.parametrize(
    ("text", "method"), [(RBM, ed.CD()), (RBM, ed.PCD(chains=4)), (GIVEN, ed.PCD())], ids=["cd", "pcd", "inputs"]
)
def test_chains_of_a_row_have_its_weight_and_others_count_alike(text: str, method: Any) -> None:
    """dE/dW = - v h, summed by hand over the rows of both phases."""
    program = ed.loads(text).compile("numpy", "float64")
    [objective] = method.objectives()
    state, params = objective.init(program.engine, 12, ed.Rng(0)), program.init(0)
    data = {"v": BITS} | ({"u": GREY[:, :2]} if "u" in program.model.layers else {})
    objective.load(state, data, WEIGHTS / WEIGHTS.mean())
    objective.step(state, params)
    each = np.einsum("ri,rj->rij", state.both["v"], state.both["h"])
    known = WEIGHTS / WEIGHTS.mean()
    model = known if len(each) == 24 else np.ones(4)
    wanted = -np.tensordot(known, each[:12], 1) / 12 + np.tensordot(model, each[12:], 1) / len(model)
    np.testing.assert_allclose(objective.gradient(state, params, ["W"])["W"], wanted, atol=1e-14)


def epoch_of_gradients(scaled: Callable[[np.ndarray], np.ndarray]) -> float:
    """How far the mean of the gradients of an epoch's batches of 4 is from the gradient of all rows at once."""
    program = ed.loads(LABELS).compile("numpy", "float64")
    [_, objective] = ed.CD(predict="y", generative=0.0).objectives()
    params = program.init(0)
    given = from_arrays(program.model, {"v": BITS, "y": CODES}, None).weighted(WEIGHTS).counted()

    def mean(size: int) -> np.ndarray:
        state, found = objective.init(program.engine, size, ed.Rng(0)), []
        for rows, weights in Batches(given, size, 0, lambda x: x).epoch(0, 0):
            assert weights is not None
            objective.load(state, rows, scaled(weights))
            objective.step(state, params)
            found.append(np.array(objective.gradient(state, params, ["W"])["W"]))
        return np.mean(found, axis=0)

    return float(np.abs(mean(5) - mean(10)).max())


def test_batches_are_right_on_average_whatever_they_weigh() -> None:
    assert epoch_of_gradients(lambda w: w) < 1e-15
    assert epoch_of_gradients(lambda w: w / w.mean()) > 1e-3


def test_directed_parts_weigh_their_states() -> None:
    text = "visible v[5] : binary\nhidden a[3] : binary\nhidden b[2] : binary\nlayers v <- a -- b"
    engine = ed.loads(text).compile("numpy", "float64").engine
    params = {n: np.random.default_rng(1).normal(size=p.shape) for n, p in engine.model.params.items()}
    state = {"v": BITS, "a": BITS[:, 1:4], "b": BITS[:, :2]}
    for part in (*engine.generative, *engine.recognition):
        one, other = Contrast(part, 12), Contrast(part, len(REPEATED))
        one.weigh(WEIGHTS / WEIGHTS.mean())
        one.fill(params, state, engine.settings())
        other.fill(params, {n: a[REPEATED] for n, a in state.items()}, engine.settings())
        names = list(part.engine.model.params)
        for found, wanted in zip(
            one.gradient(params, names).values(), other.gradient(params, names).values(), strict=True
        ):
            np.testing.assert_allclose(found, wanted, atol=1e-14)


def test_wake_sleep_and_greedy_stages_follow_the_weights() -> None:
    """With all weight on one pattern, both learn that pattern."""
    rows = np.repeat([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], 20, axis=0)
    weights = np.repeat([1.0, 1e-9], 20)
    for layers, method in (("v <- a -- b", "wake-sleep"), ("v -- a -- b", "pcd")):
        text = f"visible v[6] : binary\nhidden a[3] : binary\nhidden b[2] : binary\nlayers {layers}"
        program = ed.loads(text).compile("numpy")
        given = {"epochs": 20, "batch": 10, "validation": 0.0, "greedy": ed.Greedy((20,)), "weights": weights}
        run = ed.train(program, rows, method, ed.SGD(lr=0.2), **given)
        assert ed.sample(run, 200, 50)["v"].mean(axis=0) @ np.repeat([1, -1], 3) > 2.0


def test_a_weighted_run_resumes_as_if_uninterrupted_and_with_no_other_weights(tmp_path: Path) -> None:
    program = ed.loads(RBM).compile("numpy")
    rows = np.tile(BITS, (10, 1))
    given: dict[str, Any] = {"epochs": 4, "batch": 20, "weights": np.tile(WEIGHTS, 10)}
    whole = ed.train(program, rows, **given)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    assert not ed.train(program, rows, out=tmp_path, report=stop, **given).finished
    for others in (None, np.tile(WEIGHTS + 1, 10)):
        with pytest.raises(ed.EnergyError, match="settings differ .*data .*weights"):
            ed.train(program, rows, out=tmp_path, resume=True, **given | {"weights": others})
    parts = ed.train(program, rows, out=tmp_path, resume=True, **given)
    for name, value in whole.params.items():
        np.testing.assert_array_equal(parts.params[name], value)
    assert ed.open_run(tmp_path).config["data"]["weights"] == whole.config["data"]["weights"]


WRONG: list[tuple[Any, str]] = [
    (np.ones(11), "there are 11 weights for 12 rows of data"),
    (np.ones((12, 2)), r"an array of shape \(12, 2\) as weights"),
    (np.r_[1.0, -2.0, np.ones(10)], "row 2 of the weights is -2"),
    (np.r_[np.ones(11), np.nan], "row 12 of the weights is nan"),
    (np.zeros(12), "all weights are 0"),
    (np.full(12, 1e308), "their sum is infinite"),
    (["a"] * 12, "the values of `weights` are not"),
    ("nowhere.csv", "cannot read nowhere.csv"),
    ("weights.txt", "only .npy, .csv and .parquet"),
]


@pytest.mark.parametrize(("weights", "message"), WRONG, ids=[m for _, m in WRONG])
def test_weights_that_do_not_fit_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ed.DataError, match=message) as caught:
        as_data(ed.loads(RBM).resolved, BITS, None, "train", weights=weights)
    assert [d.code for d in caught.value.diagnostics] == ["E0401"]


def test_the_command_line_takes_a_file_of_weights(tmp_path: Path) -> None:
    (tmp_path / "m.energy").write_text(RBM)
    np.save(tmp_path / "rows.npy", BITS)
    (tmp_path / "w.csv").write_text("weight\n" + "\n".join(map(str, WEIGHTS)))
    data = ["--data", str(tmp_path / "rows.npy"), "--weights", str(tmp_path / "w.csv"), "--json"]
    train = ["train", str(tmp_path / "m.energy"), "--out", str(tmp_path / "run"), "--epochs", "2", "--backend", "numpy"]
    trained = json.loads(CliRunner().invoke(cli, [*train, *data]).stdout)
    found = json.loads(CliRunner().invoke(cli, ["eval", str(tmp_path / "run"), *data]).stdout)
    assert trained["evaluation"]["rows_effective"] == found["rows_effective"] == pytest.approx(7.0)
    compare = [
        "compare",
        str(tmp_path / "m.energy"),
        "--out",
        str(tmp_path / "all"),
        "--epochs",
        "2",
        "--backend",
        "numpy",
    ]
    [row] = json.loads(CliRunner().invoke(cli, [*compare, *data]).stdout)["variants"]
    assert row["log_likelihood"] == pytest.approx(found["log_likelihood"])
    (tmp_path / "w.csv").write_text("1\n" * 3)
    refused = json.loads(CliRunner().invoke(cli, [*train, *data]).stdout)
    assert refused["diagnostics"][0]["code"] == "E0401"
    assert "3 weights for 12 rows" in refused["diagnostics"][0]["message"]
