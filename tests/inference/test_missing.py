"""Partial observation: entries that are held differ from row to row, and the rest is drawn given them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.cli.main import cli
from energydsl.program.exact import log_unnormalised
from energydsl.program.gradients import projected
from energydsl.program.initialise import constrained
from energydsl.program.states import initialise_missing

MODELS = {
    "rbm": "visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h",
    "scanned": "visible v[4] : spin\nparam J[4, 4] : symmetric & zero_diagonal, a[4]\nenergy = - a @ v - 0.5 * v @ J @ v",
    "ring": "visible v[4] : binary\nparam J[4], a[4]\nenergy = - a @ v - sum[i] J[i]*v[i]*v[(i + 1) % 4]",
    "states": "visible v[2] : categorical[3]\nhidden h[3] : binary\nlayers v -- h",
    "table": "visible v[3] : integer[0, 2]\nhidden h[2] : binary\nlayers v -- h",
}
BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not numba_backend.installed(), reason="no numba"))]


def a_run(name: str, backend: str) -> ed.Run:
    program = ed.loads(MODELS[name]).compile(backend)
    rng = np.random.default_rng(2)
    params = {n: constrained(program.model.params[n], rng.normal(0, 0.9, a.shape)) for n, a in program.init().items()}
    rows = program.init_state(params, 4, 0)
    return ed.train(program, {"v": program.engine.host(rows["v"])}, epochs=0, params=params, validation=0.0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_missing_entries_have_their_distribution_given_the_known_ones(name: str, backend: str) -> None:
    run = a_run(name, backend)
    program = run.program
    layer = program.model.layers["v"]
    values = {"scanned": [-1.0, 1.0], "rbm": [0.0, 1.0], "ring": [0.0, 1.0]}.get(name, [0.0, 1.0, 2.0])
    rng = np.random.default_rng(0)
    patterns = []
    for _ in range(3):
        row = rng.choice(values, layer.size)
        row[rng.permutation(layer.size)[: max(1, layer.size // 2)]] = np.nan
        patterns.append(row)
    each = 4000
    drawn = ed.sample(run, n=3 * each, steps=40, clamp={"v": np.repeat(patterns, each, axis=0)})["v"].reshape(
        3, each, -1
    )
    for row, found in zip(patterns, drawn, strict=True):
        gaps = np.flatnonzero(np.isnan(row))
        known = np.flatnonzero(~np.isnan(row))
        np.testing.assert_array_equal(found[:, known], np.broadcast_to(row[known], (each, len(known))))
        full = np.array(
            [
                np.put_along_axis(w := row.copy(), gaps, np.array(c), 0) or w
                for c in itertools.product(values, repeat=len(gaps))
            ]
        )
        log_p = log_unnormalised(program.engine, run.params, {"v": full})
        p = np.exp(log_p - np.logaddexp.reduce(log_p))
        shares = np.array([(found == state).all(axis=1).mean() for state in full])
        np.testing.assert_allclose(shares, p, atol=4 * np.sqrt(0.25 / each))


def test_what_cannot_be_held_in_part_says_so() -> None:
    net = ed.loads("visible v[4] : binary\nhidden h1[3] : binary\nhidden h2[2] : binary\nlayers v <- h1 -- h2").compile(
        "numpy"
    )
    run = ed.train(net, np.zeros((4, 4), np.float32), epochs=0, validation=0.0)
    with pytest.raises(ed.NotApplicable, match="as a whole"):
        ed.sample(run, n=2, steps=1, clamp={"v": np.array([0, 1, np.nan, 1])})


@pytest.mark.parametrize("value", [np.nan, [np.nan] * 4, np.ma.array([1.0] * 4, mask=True)])
def test_a_clamp_that_holds_nothing_is_refused(value: Any) -> None:
    program = ed.loads("visible v[4] : binary\nhidden h[2] : binary\nlayers v -- h").compile("numpy")
    run = ed.train(program, np.zeros((4, 4), np.float32), epochs=0, validation=0.0)
    with pytest.raises(ed.DataError, match="no value of `v` is known, so nothing is held") as caught:
        ed.sample(run, n=2, steps=1, clamp={"v": value})
    assert caught.value.diagnostics[0].code == "E0401"
    masked = ed.sample(run, n=2, steps=1, clamp={"v": np.ma.array([1.0, 0, 0, 0], mask=[0, 1, 1, 1])})
    assert masked["v"][:, 0].tolist() == [1, 1]


def test_completion_on_the_command_line(tmp_path: Path) -> None:
    def call(*arguments: Any) -> Any:
        result = CliRunner().invoke(cli, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result

    (tmp_path / "m.energy").write_text(MODELS["rbm"])
    rows = np.random.default_rng(0).integers(0, 2, (40, 4)).astype(float)
    np.save(tmp_path / "x.npy", rows)
    call(
        "train",
        tmp_path / "m.energy",
        "--data",
        tmp_path / "x.npy",
        "--out",
        tmp_path / "run",
        "--epochs",
        2,
        "--no-evaluate",
    )
    rows[:, 2:] = np.nan
    np.save(tmp_path / "masked.npy", rows)
    call(
        "sample",
        tmp_path / "run",
        "-n",
        40,
        "--steps",
        5,
        "--clamp",
        f"v={tmp_path / 'masked.npy'}",
        "-o",
        tmp_path / "s.npz",
    )
    with np.load(tmp_path / "s.npz") as found:
        np.testing.assert_array_equal(found["v"][:, :2], rows[:, :2])
        assert np.isin(found["v"], (0, 1)).all()


@pytest.mark.parametrize("name", ["rbm", "scanned", "states"])
def test_training_with_missing_entries_follows_the_likelihood_of_what_is_known(name: str) -> None:
    """The mean of many estimates is the gradient of log p(known entries), by finite differences of the enumerated sum."""
    run = a_run(name, "numpy")
    program = ed.loads(MODELS[name]).compile("numpy", "float64")
    params = {n: np.asarray(a, float) for n, a in run.params.items()}
    values = {"rbm": [0.0, 1.0], "scanned": [-1.0, 1.0], "states": [0.0, 1.0, 2.0]}[name]
    rng = np.random.default_rng(1)
    size = program.model.layers["v"].size
    patterns = []
    for _ in range(4):
        row = rng.choice(values, size)
        row[rng.integers(0, size)] = np.nan
        patterns.append(row)
    rows = np.repeat(patterns, 500, axis=0)
    [objective] = ed.PCD(k=5, chains=2000, impute=True, latent_sweeps=10).objectives()
    phases = objective.init(program.engine, len(rows), ed.Rng(0))
    total = {n: np.zeros(a.shape) for n, a in params.items()}
    for step in range(50):
        objective.load(phases, {"v": rows})
        objective.step(phases, params)
        if step >= 10:
            for n, g in objective.gradient(phases, params, list(params)).items():
                total[n] += g / 40

    def score(p: dict[str, np.ndarray]) -> float:
        found = []
        for row in patterns:
            whole = np.where(np.isnan(row), np.array(values)[:, None], row)
            found.append(np.logaddexp.reduce(log_unnormalised(program.engine, p, {"v": whole})))
        return float(np.mean(found) - program.log_partition(p))

    for n, a in params.items():
        for at in list(np.ndindex(*a.shape))[:4]:
            change = np.zeros(a.shape)
            change[at] = 1
            change = np.asarray(projected(program.engine.xp, program.model.params[n], change))
            exact = -(score({**params, n: a + 1e-5 * change}) - score({**params, n: a - 1e-5 * change})) / 2e-5
            assert abs((total[n] * change).sum() - exact) < 0.03, (n, at)


def test_no_row_need_be_whole() -> None:
    """Base rates are those of each unit's known entries, and what is learned is what whole rows teach."""
    program, rng = ed.loads(MODELS["rbm"]).compile("numpy", "float64"), np.random.default_rng(0)
    whole = (rng.random((2000, 1)) < 0.3) * np.ones((1, 4))
    holed = np.where(rng.random(whole.shape) < 0.25, np.nan, whole)
    holed = holed[np.isnan(holed).any(axis=1)]
    method = ed.PCD(impute=True, latent_sweeps=2)
    run = ed.train(program, holed, method, ed.SGD(lr=0.3), epochs=60, batch=50, validation=0.2)
    np.testing.assert_allclose(1 / (1 + np.exp(-run.base["v"][0])), np.nanmean(holed, axis=0), atol=0.03)
    assert {"reconstruction_error", "free_energy_gap"} <= set(run.history[-1])
    found = ed.evaluate(run, whole, "exact").log_likelihood
    assert found > -1.3  # rows carry 0.61 nats; independent units would take 2.44
    with pytest.raises(ed.DataError, match="no entry of `v` is known"):
        ed.train(program, holed * np.nan, method, epochs=1)
    monitored: list[Any] = []
    ed.train(program, holed, method, epochs=1, monitor=lambda _, rows: monitored.append(rows) or {})
    assert not monitored


def test_few_labels_teach_whichever_rows_are_held_out() -> None:
    program = ed.loads(
        "visible v[4] : binary\nvisible y : categorical[2]\nhidden h[3] : binary\nlayers v -- h, y -- h"
    ).compile()
    rng = np.random.default_rng(0)
    rows = {
        "v": rng.integers(0, 2, (200, 4)).astype(float),
        "y": np.where(np.arange(200) < 4, np.arange(200) % 2, np.nan),
    }
    for seed in range(4):
        run = ed.train(program, rows, ed.PCD(impute=True), epochs=1, batch=50, validation=0.02, seed=seed)
        assert np.isfinite(run.history[-1]["free_energy_gap"])


def test_missing_entries_are_imputed_only_when_asked(tmp_path: Path) -> None:
    program = ed.loads(MODELS["rbm"]).compile("numpy")
    rows = np.random.default_rng(0).integers(0, 2, (60, 4)).astype(np.float32)
    rows[::2, 1] = np.nan
    with pytest.raises(ed.DataError, match="impute=True"):
        ed.train(program, rows, epochs=1)
    run = ed.train(program, rows, ed.PCD(impute=True), epochs=3, batch=20, out=tmp_path / "run")
    assert all(np.isfinite(a).all() for a in run.params.values())
    assert np.isfinite(run.history[-1]["reconstruction_error"])
    assert ed.evaluate(run, rows[1::2]).n == 30
    with pytest.raises(ed.DataError, match="is missing"):
        ed.evaluate(run, rows[::2])


def test_missing_entries_are_filled_anew_from_the_stream_at_hand() -> None:
    program = ed.loads("visible v[200] : binary\nparam b[200]\nenergy = -b @ v").compile("numpy")
    gaps, rng = {"v": np.full((3, 200), np.nan)}, ed.Rng(0)
    fills = [initialise_missing(program.engine, gaps, rng)[0]["v"] for _ in range(2)] + [
        initialise_missing(program.engine, gaps, ed.Rng(1))[0]["v"]
    ]
    assert not any(np.array_equal(a, b) for a, b in zip(fills, fills[1:], strict=False))
