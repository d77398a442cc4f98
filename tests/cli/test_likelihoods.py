"""`eval` and `predict` from the command line: of runs, of files with nothing to learn, with inputs; what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import energydsl as ed
from energydsl.cli.main import cli

CHAIN = "dim N = 6\nconst K = 0.5\nvisible s[N] : spin\nvisible y : spin\nenergy = - K * sum[i in range(0, N - 1)] s[i]*s[i + 1] - K * s[0]*y"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Path]:
    """A chain of spins with nothing to learn, and rows of it."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", s=2.0 * rng.integers(0, 2, (50, 6)) - 1, y=2.0 * rng.integers(0, 2, 50) - 1)
    (tmp_path / "chain.energy").write_text(CHAIN)
    return tmp_path / "chain.energy", tmp_path / "d.npz"


def test_a_file_with_nothing_to_learn_is_evaluated_as_it_is(chain: tuple[Path, Path]) -> None:
    file, data = chain
    arrays = np.load(data)
    pairs = (arrays["s"][:, 1:] * arrays["s"][:, :-1]).sum(axis=1) + arrays["s"][:, 0] * arrays["y"]
    for k in (0.5, 1.5):
        found = json.loads(run("eval", file, "--data", data, "-c", f"K={k}", "--json").stdout)
        log_z = 7 * np.log(2) + 6 * np.log(np.cosh(k))
        assert found["log_z"] == pytest.approx(log_z)
        assert found["log_likelihood"] == pytest.approx(np.mean(k * pairs) - log_z, rel=1e-6)
        assert found["rows_std"] == pytest.approx(k * pairs.std(ddof=1) / np.sqrt(50), rel=1e-5)
    told = run("eval", file, "--data", data, "--method", "ais", "--betas", 50)
    assert told.exit_code == 0, told.output
    assert "over the rows" in told.stdout
    assert "of log Z (sampling error)" in told.stdout


def test_a_file_with_nothing_to_learn_predicts(chain: tuple[Path, Path]) -> None:
    file, data = chain
    arrays = np.load(data)
    found = json.loads(run("predict", file, "--data", data, "--layer", "y", "--json").stdout)
    agree = arrays["s"][:, 0] * arrays["y"]
    log_p = -np.logaddexp(0.0, -2 * 0.5 * agree)
    assert found["mean_log_probability"] == pytest.approx(log_p.mean())
    assert found["mean_log_probability_std"] == pytest.approx(log_p.std(ddof=1) / np.sqrt(50))
    assert found["error_rate"] == pytest.approx(np.mean(agree < 0))
    assert found["error_rate_std"] == pytest.approx(np.std(agree < 0, ddof=1) / np.sqrt(50))
    assert "+- is the standard error over the rows" in run("predict", file, "--data", data, "--layer", "y").stdout


def test_both_sides_and_every_row(chain: tuple[Path, Path], tmp_path: Path) -> None:
    """The keys of --json, the line, and one row a line whose mean is the figure."""
    file, data = chain
    asked = ("eval", file, "--data", data, "--method", "bar", "--betas", 50, "--rows", tmp_path / "rows.csv")
    found = json.loads(run(*asked, "--json").stdout)
    exact = json.loads(run("eval", file, "--data", data, "--json").stdout)
    assert found["agree"] is True
    assert found["exactness"] == "estimate"
    assert found["log_likelihood_low"] < exact["log_likelihood"] < found["log_likelihood_high"]
    assert exact["exactness"] == "exact"
    assert exact["log_likelihood_low"] == exact["log_likelihood_high"] == exact["log_likelihood"]
    head, *lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert head == "row,log_likelihood"
    numbers, values = zip(*(line.split(",") for line in lines), strict=True)
    assert numbers == tuple(map(str, range(1, 51)))
    assert np.mean([float(v) for v in values]) == pytest.approx(found["log_likelihood"])
    assert "both sides agree" in run(*asked).stdout
    told = run("eval", file, "--data", data, "--rows", tmp_path / "none" / "rows.csv")
    assert told.exit_code == 1
    assert "there is no folder" in told.stderr


def test_what_is_to_be_learned_is_trained_first(tmp_path: Path) -> None:
    (tmp_path / "m.energy").write_text("visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h")
    np.save(tmp_path / "d.npy", np.zeros((10, 4)))
    for command in (("eval",), ("predict", "--layer", "v")):
        told = run(*command, tmp_path / "m.energy", "--data", tmp_path / "d.npy")
        assert told.exit_code == 1
        assert "are parameters to be learned: train the model" in told.stderr
    trained = run("train", tmp_path / "m.energy", "--data", tmp_path / "d.npy", "--out", tmp_path / "r", "--epochs", 1)
    assert trained.exit_code == 0
    told = run("eval", tmp_path / "r", "--data", tmp_path / "d.npy", "-D", "N=3")
    assert told.exit_code == 2


def test_inputs(tmp_path: Path) -> None:
    """A logistic model: exact, annealed, and predicted alike."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (60, 2)).astype(float)
    y = (rng.random(60) < 1 / (1 + np.exp(2 - 4 * x[:, 0]))).astype(float)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    (tmp_path / "m.energy").write_text(
        "input x[2] : real\nvisible y : binary\nparam w[2], b\nenergy = - b*y - y*(w @ x)"
    )
    asked = ("--data", tmp_path / "d.npz", "--out", tmp_path / "r", "--epochs", 200, "--lr", 0.5, "--batch", 60)
    assert run("train", tmp_path / "m.energy", *asked, "--no-evaluate", "--validation", 0).exit_code == 0
    params = ed.open_run(tmp_path / "r").params
    logits = x @ params["w"] + params["b"]
    log_p = np.where(y == 1, -np.logaddexp(0, -logits), -np.logaddexp(0, logits))
    data = ("--data", tmp_path / "d.npz", "--json")
    for method in ("exact", "ais"):
        found = json.loads(run("eval", tmp_path / "r", *data, "--method", method, "--betas", 100).stdout)
        assert found["log_likelihood"] == pytest.approx(log_p.mean(), abs=5 * found["log_z_std"] + 1e-5)
    found = json.loads(run("predict", tmp_path / "r", *data, "--layer", "y").stdout)
    assert found["mean_log_probability"] == pytest.approx(log_p.mean(), rel=1e-4)


@pytest.mark.parametrize("w", [1.0, 1.1])
def test_a_joint_that_cannot_be_normalised_has_no_likelihood(tmp_path: Path, w: float) -> None:
    (tmp_path / "m.energy").write_text(
        "const w = 0.5\nvisible v[2] : real\nhidden h[2] : real\nenergy = 0.5 * sum(v^2) + 0.5 * sum(h^2) - w * sum(v * h)"
    )
    np.save(tmp_path / "d.npy", np.zeros((10, 2)))
    asked = ("eval", tmp_path / "m.energy", "--data", tmp_path / "d.npy", "--betas", 50)
    assert run(*asked).exit_code == 0
    for method in ("auto", "exact", "ais"):
        told = run(*asked, "-c", f"w={w}", "--method", method)
        assert told.exit_code == 1
        assert told.stdout == ""
        assert "the joint density of `v` and `h` cannot be normalised" in told.stderr
