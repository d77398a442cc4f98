"""Every subcommand: text, one JSON object, exit statuses 0, 1, 2, 3, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import energydsl as ed
from energydsl.cli.main import COMMANDS, cli
from tests.conftest import ROOT, ZOO

RBM = str(ROOT / "models/rbm.energy")
GOOD = "visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h\n"
BAD = "visible v[4] : bin\nenergy = sum(u)\n"


def run(*arguments: Any, text: str | None = None) -> Result:
    result = CliRunner().invoke(cli, [str(a) for a in arguments], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def as_json(*arguments: Any, text: str | None = None, status: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json", text=text)
    assert result.exit_code == status, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    (tmp_path / "m.energy").write_text(
        "visible v[4, 4] : binary\nhidden h[4] : binary\nvisible y : categorical[2]\nlayers v -- h -- y\n"
    )
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", v=rng.integers(0, 2, (60, 4, 4)), y=rng.integers(0, 2, 60))
    out = tmp_path / "run"
    found = as_json("train", tmp_path / "m.energy", "--data", tmp_path / "d.npz", "--out", out, "--epochs", 2)
    assert {"run", "epochs", "seconds", "updates"} <= set(found)
    assert found["epochs"] == 2
    return out


def test_check() -> None:
    assert run("check", RBM).exit_code == 0
    assert as_json("check", "-", text=GOOD) == {"ok": True, "diagnostics": []}
    found = as_json("check", "-", text=BAD, status=1)
    assert not found["ok"]
    first = found["diagnostics"][0]
    assert {"code", "severity", "message", "line", "column", "end_line", "end_column", "notes", "help"} <= set(first)
    assert (first["code"], first["line"], first["column"]) == ("E0212", 1, 16)
    assert "did you mean" in run("check", "-", text=BAD).output
    assert run("check", "nowhere.energy").exit_code == 1


def test_explain() -> None:
    assert "sigmoid(c_j + sum_i v_i W_ij)" in run("explain", RBM).output
    assert as_json("explain", RBM)["layers"]["h"]["family"] == "bernoulli"
    assert r"\begin{align*}" in run("explain", RBM, "--latex").output
    for stage in ("syntax", "model", "energy", "graph", "derived", "kernels", "source"):
        assert run("explain", RBM, "--emit", stage).exit_code == 0
    assert as_json("explain", "-", text=BAD, status=1)["diagnostics"]
    assert run("explain", RBM, "--emit", "nothing").exit_code == 2


def test_overrides() -> None:
    assert as_json("explain", RBM, "-D", "J=7")["layers"]["h"]["shape"] == [7]
    assert as_json("explain", RBM, "-D", "Q=7", status=1)["diagnostics"][0]["code"] == "E0201"
    assert run("explain", RBM, "-D", "J=x").exit_code == 2
    assert run("explain", ROOT / "models/ising.energy", "-c", "K=0.1").exit_code == 0


def test_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = run("new").stdout.splitlines()
    assert {line.split()[0] for line in listed} == {p.stem for p in ZOO}
    assert any(line.startswith("rbm ") and "Restricted Boltzmann machine" in line for line in listed)
    assert [m["name"] for m in as_json("new")["models"]] == [line.split()[0] for line in listed]
    assert run("new", "rbm").exit_code == 0
    assert (tmp_path / "rbm.energy").read_text() == Path(RBM).read_text()
    assert "exists" in run("new", "rbm").stderr
    assert as_json("new", "rbm", "-o", tmp_path / "mine.energy")["out"] == str(tmp_path / "mine.energy")
    assert run("new", "rbm", "-o", "-").stdout == Path(RBM).read_text()
    assert "did you mean `ising`?" in as_json("new", "isng", status=1)["diagnostics"][0]["message"]
    assert run("check", "rbm.energy").exit_code == 0


def test_fmt(tmp_path: Path) -> None:
    path = tmp_path / "m.energy"
    path.write_text("visible v[4]:binary # units\nenergy=sum(v)")
    assert run("fmt", "--check", path).exit_code == 1
    assert "+visible v[4] : binary  # units" in run("fmt", "--diff", path).output
    assert path.read_text().startswith("visible v[4]:binary")
    assert run("fmt", path).exit_code == 0
    assert path.read_text() == "visible v[4] : binary  # units\nenergy = sum(v)\n"
    assert as_json("fmt", "--check", path) == {"ok": True, "changed": []}
    assert run("fmt", "-", text="dim I=3").output == "dim I = 3\n"
    assert run("fmt", "-", text="dim I=").exit_code == 1


def test_graph(tmp_path: Path) -> None:
    assert "block 1: v, h2" in run("graph", ROOT / "models/dbm.energy").output
    found = as_json("graph", ROOT / "models/dbm.energy", "-o", tmp_path / "g.svg")
    assert found["blocks"] == [["v", "h2"], ["h1"]]
    assert (tmp_path / "g.svg").read_text().startswith("<?xml")


def test_compile(tmp_path: Path) -> None:
    assert run("compile", RBM, "-o", tmp_path / "k.py").exit_code == 0
    compile((tmp_path / "k.py").read_text(), "k.py", "exec")
    assert "def gibbs" in as_json("compile", RBM)["source"]
    for backend in ("numba", "cupy"):
        assert f"import {backend}" in run("compile", RBM, "--backend", backend).output
    assert run("train", RBM, "--data", "digits", "--backend", "numpy", "--precision", "tf32").exit_code == 1
    assert run("compile", RBM, "-o", tmp_path / "no" / "k.py").exit_code == 1
    net = "visible v[2] : binary\nhidden h[2] : binary\nlayers v <- h"
    assert "# ===== q(h | v)" in as_json("compile", "-", text=net)["source"]
    found = as_json("compile", "-", "-o", tmp_path / "n.py", text=net)["written"]
    assert {Path(p).name for p in found} == {"n.py", "n_p_v_h.py", "n_q_h_v.py"}


def test_verify() -> None:
    found = as_json("verify", RBM)
    assert found["ok"]
    assert all({"name", "error", "tolerance", "ok"} == set(c) for c in found["checks"])
    assert "all identities hold" in run("verify", RBM).output


def test_train_eval_sample_info(trained: Path, tmp_path: Path) -> None:
    data = tmp_path / "d.npz"
    found = as_json("eval", trained, "--data", data)
    assert {"method", "log_z", "log_z_std", "log_likelihood", "log_likelihood_std", "n"} <= set(found)
    assert found["method"] == "exact"
    assert "nats a row" in run("eval", trained, "--data", data, "--method", "ais", "--betas", 50).output
    drawn = as_json(
        "sample",
        trained,
        "-n",
        5,
        "--steps",
        3,
        "--clamp",
        "y=1",
        "-o",
        tmp_path / "s.npz",
        "--image",
        tmp_path / "s.png",
    )
    assert drawn["layers"]["y"]["mean"] == 1.0
    with np.load(tmp_path / "s.npz") as file:
        assert file["v"].shape == (5, 4, 4)
        assert file["y"].tolist() == [1] * 5
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in trained.glob("*.png")} == {"samples.png", "filters.png", "curves.png"}
    assert as_json("info", trained)["config"]["method"]["name"] == "pcd"
    assert "finished" in run("info", trained).output


def test_training_follows_the_likelihood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.energy").write_text("visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h")
    np.save(tmp_path / "d.npy", np.random.default_rng(0).integers(0, 2, (600, 4)))
    asked = ("--data", tmp_path / "d.npy", "--out", tmp_path / "r", "--epochs", 4, "--evaluate-every", 2)
    assert "log-likelihood -2." in run("train", tmp_path / "m.energy", *asked).stderr
    found = [row["log_likelihood"] for row in ed.open_run(tmp_path / "r").history]
    assert [x is not None for x in found] == [True, False, True, False, True]
    assert (tmp_path / "r" / "curves.png").exists()
    (tmp_path / "m.energy").write_text(
        "visible v[40] : binary\nhidden h[30] : binary\ninput x[2] : real\nparam U[2, 30]\nlayers v -- h\nenergy = - x @ U @ h"
    )
    np.savez(tmp_path / "d.npz", v=np.ones((300, 40)), x=np.arange(600).reshape(300, 2) / 600)
    monkeypatch.setattr("energydsl.limits.INPUT_ROWS", 20)
    asked = ("--data", tmp_path / "d.npz", "--out", tmp_path / "q", "--epochs", 2, "--evaluate-every", 1)
    said = run("train", tmp_path / "m.energy", *asked)
    assert said.exit_code == 0
    assert said.stderr.count("no log-likelihood") == 2  # once on the way, once at the end


def test_training_says_when_latents_have_died(tmp_path: Path) -> None:
    (tmp_path / "m.energy").write_text(
        "visible v[4] : binary\nhidden h[3] : binary\nparam W[4, 3] = 0.1, c[3] = -90\nenergy = - c @ h - v @ W @ h"
    )
    np.save(tmp_path / "d.npy", np.random.default_rng(0).integers(0, 2, (600, 4)))
    said = run("train", tmp_path / "m.energy", "--data", tmp_path / "d.npy", "--out", tmp_path / "r", "--epochs", 1)
    assert "100% of the units of `h` were the same for all rows" in said.stderr


def test_faults_of_data_and_runs(trained: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.energy"
    assert run("train", model, "--data", "digits", "--out", tmp_path / "x").exit_code == 1
    found = as_json("train", RBM, "--data", "bars-and-stripes:4", "--out", tmp_path / "y", status=1)
    assert found["diagnostics"][0]["code"] == "E0401"
    assert not (tmp_path / "y").exists()
    assert run("train", model, "--data", tmp_path / "d.npz", "--out", trained).exit_code == 1
    assert "there is no nowhere.energy" in run("map", "nowhere.energy").stderr
    assert run("eval", tmp_path / "nowhere", "--data", "digits").exit_code == 1
    assert run("sample", trained, "--clamp", "q=1").exit_code == 1
    assert run("sample", trained, "--clamp", "y").exit_code == 2
    assert run("info", tmp_path).exit_code == 1


def test_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energydsl.cli.site.kept", lambda: ROOT / "docs")
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    for command in COMMANDS:
        assert run(command, "--help").exit_code == 0
        assert run(command).exit_code == (0 if command in ("new", "lsp", "docs", "doctor") else 2)
    assert run("nonsense").exit_code == 2
    assert run("train", RBM).exit_code == 2


def test_misspelt_commands_and_options_are_guessed() -> None:
    assert "did you mean `explain`?" in run("explan").stderr
    assert "there are new, check" in run("nonsense").stderr
    assert "--json" in run("check", "--jsno").stderr


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("check",), ("check", "--jsno"), ("train", RBM, "--epochs", "x"), ("explain", RBM, "-D", "J")],
)
def test_usage_errors_are_json_too(arguments: tuple[str, ...]) -> None:
    found = as_json(*arguments, status=2)
    assert not found["ok"]
    assert found["diagnostics"][0]["message"]
    assert run(*arguments, "--json").stderr == ""
    assert run(*arguments).stdout == ""


def test_places_are_paths_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m.energy").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    for given in ("models/m.energy", str(tmp_path / "models/m.energy"), "./models/m.energy"):
        for command in ("check", "explain", "verify"):
            assert f"--> {given}:1:16" in run(command, given).stderr
    with pytest.raises(ed.ModelError, match=r"--> models/m\.energy:1:16"):
        ed.load("models/m.energy")
    (tmp_path / "models/m.energy").write_text(GOOD)
    assert "[layers] m.energy:3" in run("explain", "models/m.energy").stdout


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    from energydsl.cli import common

    def painted(terminal: bool) -> str:
        monkeypatch.setattr(common.sys.stderr, "isatty", lambda: terminal, raising=False)
        return common.paint("error", "error")

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert painted(True) == "\x1b[31m\x1b[1merror\x1b[0m"
    assert painted(False) == "error"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted(True) == "error"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert painted(True) == "error"
    assert "\x1b" not in run("check", "-", text=BAD).output


def test_internal_errors_are_status_3(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr("energydsl.cli.explain_command.read_model", broken)
    result = run("explain", RBM)
    assert result.exit_code == 3
    assert "fault of energydsl" in result.output
