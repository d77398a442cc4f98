"""`energydsl sample`: from a model file, without a run; and what it says before its chains run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.cli.main import cli

COIN = "dim I = 3\nconst K = 0.0\nvisible v[I] : binary\nenergy = - K * sum(v)"
SHIFT = "input x[2] : real\nvisible v[2] : real\nenergy = 0.5 * sum((v - x)^2)"
WEIGHTS = "visible v[2] : binary\nparam b[2]\nenergy = - b @ v"


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(cli, ["sample", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        (tmp_path / "m.energy").write_text(text)
        return tmp_path / "m.energy"

    return write


def test_a_model_without_parameters_is_sampled_from_its_file(file: Any, tmp_path: Path) -> None:
    out = tmp_path / "s.npz"
    result = run(file(COIN), "-n", 4000, "--steps", 2, "-D", "I=5", "-c", "K=1.5", "-o", out)
    assert result.exit_code == 0, result.output
    found = np.load(out)["v"]
    assert found.shape == (4000, 5)
    assert abs(found.mean() - 1 / (1 + np.exp(-1.5))) < 0.01
    program = ed.loads(COIN, dims={"I": 5}, consts={"K": 1.5}).compile()
    np.testing.assert_array_equal(ed.sample(program, n=4000, steps=2)["v"], found)


def test_parameters_come_from_a_file_and_inputs_are_clamped(file: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", b=np.array([9.0, -9.0]))
    shown = run(file(WEIGHTS), "--params", tmp_path / "p.npz", "--steps", 2, "-n", 500, "-o", tmp_path / "s.npz")
    assert shown.exit_code == 0, shown.output
    np.testing.assert_allclose(np.load(tmp_path / "s.npz")["v"].mean(axis=0), [1.0, 0.0], atol=0.02)
    result = run(file(SHIFT), "--clamp", "x=7", "-n", 900, "--steps", 1, "--json")
    assert abs(json.loads(result.stdout)["layers"]["v"]["mean"] - 7.0) < 0.15


@pytest.mark.parametrize(
    ("text", "arguments", "status", "words"),
    [
        (SHIFT, (), 1, "`x` is an input: give it a value, --clamp x=..."),
        (WEIGHTS, ("--params", "wrong.npz"), 1, "E0403"),
        (WEIGHTS, ("--params", "nowhere.npz"), 2, "does not exist"),
        (WEIGHTS, ("-o", "nowhere/s.npz"), 1, "there is no folder"),
        (WEIGHTS.replace("- b @ v", "- sum(v / b)"), (), 1, "parameter `b` is 0 there"),
    ],
)
def test_what_is_wrong_is_said(
    file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, arguments: tuple, status: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("wrong.npz", c=np.zeros(2))
    result = run(file(text), "--steps", 1, *arguments)
    assert result.exit_code == status, result.output
    assert words in result.output


def test_options_of_a_file_do_not_fit_a_run(tmp_path: Path) -> None:
    program = ed.loads(WEIGHTS).compile("numpy")
    ed.train(program, np.eye(2), epochs=1, out=tmp_path / "run")
    result = run(tmp_path / "run", "-D", "I=3")
    assert result.exit_code == 2
    assert "-D can be given for a model file only" in result.output
    assert run(tmp_path / "run", "--steps", 1).exit_code == 0
    with pytest.raises(ed.ArgumentError, match="has its own params"):
        ed.sample(ed.open_run(tmp_path / "run"), params={})
    with pytest.raises(ed.ArgumentError, match=r"a program, model\.compile\(\), not of a model"):
        ed.sample(ed.loads(WEIGHTS))  # type: ignore[arg-type]


def test_that_nothing_is_kept_is_said_before_the_chains_run(
    file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "nothing will be written: -o s.npz keeps the samples"
    assert said not in run(file(COIN), "--steps", 1, "-o", tmp_path / "s.npz").output
    assert said in run(file(COIN), "--steps", 1).output

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("energydsl.learning.sampling.chains", stop)
    assert said in run(file(COIN), "--steps", 1).output


def test_without_numba_it_is_said_once_what_that_costs(
    file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numba_backend, "installed", lambda: False)
    words = 'pip install "energydsl[numba]"'
    large = file("visible v[400] : binary\nparam b[400]\nenergy = - b @ v")
    assert words not in run(large, "--steps", 1, "--backend", "numpy").output
    assert words not in run(large, "--steps", 1, "--json").output
    assert words in run(large, "--steps", 1).output
    assert words not in run(large, "--steps", 1).output
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path / "other"))
    assert words not in run(file(COIN), "--steps", 1).output
