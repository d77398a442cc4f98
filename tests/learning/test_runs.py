"""Run folders: resumed equals uninterrupted, killed loses nothing but the last interval, damage is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.learning import checkpoint
from tests.conftest import ROOT

TRAIN = [
    sys.executable, "-m", "energydsl", "train", str(ROOT / "models/rbm.energy"), "--data", "digits", "-D", "J=20",
    "--epochs", "6", "--no-evaluate", "--json",
]  # fmt: skip
METHODS = {
    "pcd": (ed.PCD(k=1, chains=20), ed.SGD(lr=0.05, momentum=0.5)),
    "cd": (ed.CD(), ed.Adam()),
    "mcmc": (ed.MCMC(k=3, chains=20), ed.SGD(lr=0.05)),
}
DEEP = "visible v[64] : binary\nhidden h1[10] : binary\nhidden h2[5] : spin\nlayers v -- h1 -- h2"


class Stop(Exception):
    pass


@pytest.mark.parametrize("name", METHODS)
def test_resumed_equals_uninterrupted(name: str, tmp_path: Path) -> None:
    program = ed.loads(DEEP).compile()
    rows = np.random.default_rng(0).random((300, 64), dtype=np.float32)
    method, optimizer = METHODS[name]
    arguments = {"epochs": 6, "batch": 50, "seed": 3, "binarise": "sample"}
    whole = ed.train(program, rows, method, optimizer, out=tmp_path / "whole", **arguments)

    def stop_late(row: dict[str, float]) -> None:
        if row["epoch"] == 4:
            raise Stop

    with pytest.raises(Stop):
        ed.train(program, rows, method, optimizer, out=tmp_path / "parts", report=stop_late, **arguments)
    parts = ed.train(program, rows, method, optimizer, out=tmp_path / "parts", resume=True, **arguments)
    for key, value in whole.params.items():
        np.testing.assert_array_equal(parts.params[key], value)
    for key, value in whole.chains.items():
        np.testing.assert_array_equal(parts.chains[key], value)
    figures = [
        [{k: v for k, v in row.items() if k != "seconds" and v is not None} for row in run.history]
        for run in (whole, parts)
    ]
    assert figures[0] == figures[1]


def test_killed_in_the_middle_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    subprocess.run([*TRAIN, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    process = subprocess.Popen([*TRAIN, "--out", str(tmp_path / "killed")], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not checkpoint.found(tmp_path / "killed") and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert ed.open_run(tmp_path / "killed").updates < ed.open_run(tmp_path / "whole").updates
    subprocess.run([*TRAIN, "--out", str(tmp_path / "killed"), "--resume"], check=True, capture_output=True)
    whole, resumed = ed.open_run(tmp_path / "whole"), ed.open_run(tmp_path / "killed")
    assert resumed.updates == whole.updates
    for name, value in whole.params.items():
        np.testing.assert_array_equal(resumed.params[name], value)


@pytest.fixture
def finished(tmp_path: Path) -> ed.Run:
    rows = np.random.default_rng(0).integers(0, 2, (600, 6)).astype(np.float32)
    program = ed.loads("visible v[6] : binary\nhidden h[3] : binary\nlayers v -- h").compile()
    return ed.train(program, rows, epochs=3, batch=20, out=tmp_path / "run")


def test_a_monitor_sees_the_run_on_the_way(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (300, 6)).astype(np.float32)
    program = ed.loads("visible v[6] : binary\nhidden h[3] : binary\nlayers v -- h").compile()
    seen: list[tuple[int, int]] = []

    def monitor(run: ed.Run, held: ed.Data) -> dict[str, float]:
        seen.append((run.updates, len(held)))
        return {"log_likelihood": ed.evaluate(run, held, method="exact").log_likelihood}

    run = ed.train(program, rows, epochs=5, batch=27, monitor=monitor, monitor_every=2, out=tmp_path / "run")
    assert seen == [(0, 30), (20, 30), (40, 30), (50, 30)]
    again = ed.open_run(tmp_path / "run").history
    for epoch, row in enumerate(run.history):
        assert ("log_likelihood" in row) == (epoch in (0, 2, 4, 5))
        assert again[epoch]["log_likelihood"] == row.get("log_likelihood")

    def impatient(run: ed.Run, held: ed.Data) -> dict[str, float]:
        if run.updates:
            raise KeyboardInterrupt
        return {}

    stopped = ed.train(program, rows, epochs=5, batch=27, monitor=impatient, monitor_every=3, out=tmp_path / "b")
    assert not stopped.finished
    assert stopped.history[-1]["epoch"] == 3
    assert ed.open_run(tmp_path / "b").updates == 30
    whole = ed.train(program, rows, epochs=5, batch=27, out=tmp_path / "b", resume=True)
    np.testing.assert_array_equal(whole.params["W_v_h"], run.params["W_v_h"])
    assert [row["epoch"] for row in whole.history] == list(range(6))


def test_units_that_are_the_same_for_every_row_are_counted() -> None:
    rows = np.random.default_rng(0).integers(0, 2, (600, 6)).astype(np.float32)
    program = ed.loads("visible v[6] : binary\nhidden h[4] : binary\nlayers v -- h").compile()
    for frozen in range(4):
        params = dict(program.init(0, rows))
        params["b_h"] = np.array([80.0, -80.0, 80.0, -80.0], np.float32) * (np.arange(4) < frozen)
        run = ed.train(program, rows, epochs=0, params=params)
        assert run.history[-1]["varying_h"] == 1.0 - frozen / 4
    few = ed.train(program, rows[:150], epochs=0)
    assert "varying_h" not in few.history[-1]
    classes = ed.loads("visible v[6] : binary\nhidden z[2] : categorical[500]\nlayers v -- z").compile()
    assert ed.train(classes, rows, epochs=0).history[-1]["varying_z"] == 1.0


def test_a_run_explains_itself(finished: ed.Run) -> None:
    assert finished.path is not None
    config = json.loads((finished.path / "config.json").read_text())
    assert config["method"]["name"] == "pcd"
    assert "/" not in json.dumps(config["data"]["name"])
    assert "layers v -- h" in (finished.path / "model.energy").read_text()
    header = (finished.path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert header[:4] == ["epoch", "update", "seconds", "reconstruction_error"]
    assert {"free_energy_gap", "gradient_W_v_h", "energy_layers", "varying_h"} <= set(header)
    again = ed.open_run(finished.path)
    np.testing.assert_array_equal(again.params["W_v_h"], finished.params["W_v_h"])
    assert again.finished


def test_a_run_folder_moves(finished: ed.Run, tmp_path: Path) -> None:
    assert finished.path is not None
    moved = finished.path.rename(tmp_path / "elsewhere")
    assert ed.open_run(moved).updates == finished.updates


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:200] + b"\xff\xff\xff" + b[203:], lambda b: b""]
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(finished: ed.Run, damage: object) -> None:
    assert finished.path is not None
    last = checkpoint.found(finished.path)[-1]
    last.write_bytes(damage(last.read_bytes()))  # type: ignore[operator]
    assert ed.open_run(finished.path).updates < finished.updates
    for path in checkpoint.found(finished.path):
        path.write_bytes(b"nothing")
    with pytest.raises(ed.EnergyError, match="damaged"):
        ed.open_run(finished.path)


def test_a_full_disk_keeps_the_checkpoint_before(finished: ed.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finished.path is not None
    before = [p.name for p in checkpoint.found(finished.path)]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ed.EnergyError, match="No space left"):
        checkpoint.save(finished.path, 999, {"param/x": np.zeros(3)}, {})
    assert [p.name for p in checkpoint.found(finished.path)] == before
    assert not list(finished.path.glob(".*part"))


def test_a_run_is_not_overwritten_nor_resumed_otherwise(finished: ed.Run) -> None:
    rows = np.zeros((200, 6), np.float32)
    with pytest.raises(ed.EnergyError, match="holds a run already"):
        ed.train(finished.program, rows, epochs=3, out=finished.path)
    with pytest.raises(ed.EnergyError, match="settings differ"):
        ed.train(finished.program, rows, epochs=3, out=finished.path, resume=True)
    with pytest.raises(ed.EnergyError, match="no run to resume"):
        ed.train(finished.program, rows, epochs=3, out=str(finished.path) + "x", resume=True)


def test_a_checkpoint_of_another_model_is_refused(finished: ed.Run) -> None:
    assert finished.path is not None
    text = (finished.path / "model.energy").read_text()
    (finished.path / "model.energy").write_text(text.replace("h[3]", "h[4]"))
    with pytest.raises(ed.DataError) as caught:
        ed.open_run(finished.path)
    assert caught.value.diagnostics[0].code == "E0403"
