"""`--sampler` in sampling, training and estimation, and what `explain` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from energydsl.cli.main import cli

GAUSS = "model g\nvisible v[3] : real\nhidden h[2] : binary\nparam W[3, 2] = normal(sd = 0.5), c[2]\nenergy = 0.5 * sum(v^2) - c @ h - v @ W @ h\n"


def invoke(*words: str) -> str:
    found = CliRunner().invoke(cli, list(words), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


def test_every_command_takes_a_sampler(tmp_path: Path) -> None:
    file, rows, run = tmp_path / "g.energy", tmp_path / "v.npy", tmp_path / "run"
    file.write_text(GAUSS)
    np.save(rows, np.random.default_rng(0).normal(size=(60, 3)))
    shown = json.loads(invoke("sample", str(file), "-n", "5", "--steps", "10", "--sampler", "hmc", "--json"))
    assert shown["layers"]["v"]["shape"] == [5, 3]
    invoke(
        "train", str(file), "--data", str(rows), "--epochs", "1", "--sampler", "mala", "--out", str(run), "--no-evaluate",
        "--backend", "numpy",
    )  # fmt: skip
    assert json.loads((run / "config.json").read_text())["method"]["sampler"] == "mala"
    words = ("eval", str(run), "--data", str(rows), "--method", "ais", "--betas", "50", "--chains", "20", "--json")
    assert json.loads(invoke(*words, "--sampler", "hmc"))["method"] == "ais"


def test_one_that_does_not_fit_says_why(tmp_path: Path) -> None:
    file = tmp_path / "g.energy"
    file.write_text(GAUSS)
    found = CliRunner().invoke(cli, ["sample", str(file), "-n", "2", "--steps", "2", "--sampler", "wolff", "--json"])
    assert found.exit_code == 1
    assert "wolff does not fit this model" in found.output
    unknown = CliRunner().invoke(cli, ["sample", str(file), "--sampler", "metropolis"])
    assert unknown.exit_code == 2


def test_explain_says_which_fit(tmp_path: Path) -> None:
    file = tmp_path / "g.energy"
    file.write_text(GAUSS)
    rows = json.loads(invoke("explain", str(file), "--json"))["applicability"]
    assert rows["gibbs"] == {"kind": "sampler", "ok": True, "why": "2 blocks a sweep (by default)"}
    assert rows["hmc"]["why"] == "3 units of `v` jointly, `h` by Gibbs in between"
    assert not rows["swendsen-wang"]["ok"]
