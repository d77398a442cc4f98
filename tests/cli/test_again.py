"""The command that a report says makes a run again: it comes to the same config, and to the same parameters."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.again import again, command_of, unsaid
from energydsl.cli.main import cli

RBM = "model m\ndim J = 4\nconst t = 0.5\nvisible v[16] : binary\nhidden h[J] : binary\nparam W[16, J], b[16], c[J]\nenergy = - v @ W @ h / t - b @ v - c @ h\n"


@pytest.mark.parametrize(
    ("method", "optimizer", "options"),
    [
        (None, None, {}),
        (ed.CD(k=2, latent_sweeps=3), ed.SGD(lr=0.1, momentum=0.5, l1=(("W", 1e-3), ("", 1e-4)), average=5), {"validation": 0.25}),
        (ed.FastPCD(chains=7, decay=0.9), ed.Adam(lr=0.01, schedule="constant"), {"seed": 3, "batch": 8}),
        (ed.PseudoLikelihood(), ed.Spectral(rank=2), {}),
    ],
)  # fmt: skip
def test_it_comes_to_the_same_parameters(
    method: Any, optimizer: Any, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ed.loads(RBM, dims={"J": 3}, consts={"t": 0.25})
    run = ed.train(
        model.compile("numpy", "float64"), "bars-and-stripes:4", method, optimizer, 2, tmp_path / "a", **options
    )
    words = command_of(run.config)
    assert unsaid(words, run.config, model.resolved) == []
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*words[1:], "--out", "b", "--no-evaluate"], input=RBM)
    assert result.exit_code == 0, result.output
    made = ed.open_run("b")
    assert made.config == ed.open_run("a").config
    assert all(np.array_equal(made.params[n], a) for n, a in run.params.items())


def test_what_no_option_says_is_said() -> None:
    model = ed.loads(RBM)
    run = ed.train(model.compile("numpy"), "bars-and-stripes:4", None, ed.SGD(lr=0.1, scale_lr=0.123), epochs=1)
    assert unsaid(command_of(run.config), run.config, model.resolved) == ["optimizer scale_lr = 0.123"]


def test_a_hostile_name_is_one_word() -> None:
    model = ed.loads(RBM)
    run = ed.train(model.compile("numpy"), "bars-and-stripes:4", epochs=1)
    run.config["data"]["name"] = "x; rm -rf $HOME"
    command, _ = again(run.config, model.resolved, RBM)
    assert shlex.split((command.text or "").partition("\n")[0])[8] == "x; rm -rf $HOME"


def test_a_shell_runs_it_in_any_folder(tmp_path: Path) -> None:
    """The text of the model goes with it, as it is, whatever lines it has."""
    text = f"# $HOME `pwd`\n{RBM}#\n"
    run = ed.train(ed.loads(text).compile("numpy"), "bars-and-stripes:4", epochs=1, out=tmp_path / "a")
    command, _ = again(run.config, run.program.model, f"{text}\nEND\n")
    first, _, rest = (command.text or "").partition("\n")
    assert first.startswith("energydsl train - ")
    shown = f"cat {first[first.rindex(' <<') :]}\n{rest}"
    found = subprocess.run(["sh", "-c", shown], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == f"{text}\nEND\n"
