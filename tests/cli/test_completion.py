"""What shells complete: words of click's, model files, run folders, data and models of the zoo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from energydsl.cli.completion_command import SHELLS
from energydsl.cli.main import COMMANDS, cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models, a run, data, and folders without any."""
    for name in ("models/rbm.energy", "models/ising.energy", "runs/first/config.json", "runs/first/model.energy",
                 "runs/second/config.json", "data/x.npy", "data/deep/y.csv", "notes.txt", "empty/.hidden.energy"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(*words: str) -> list[str]:
    """What is offered for the last word."""
    given = {
        "_ENERGYDSL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["energydsl", *words]),
        "COMP_CWORD": str(len(words)),
    }
    said = CliRunner().invoke(cli, env=given, prog_name="energydsl")
    return [line.partition(",")[2] for line in said.output.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify"]),
        (["train", "--meth"], ["--method"]),
        (["train", "models/rbm.energy", "--method", "p"], ["pcd", "parallel-tempering", "pseudo-likelihood"]),
        (["check", "mod"], ["models/ising.energy", "models/rbm.energy"]),
        (["check", "models/ising.energy", "models/r"], ["models/rbm.energy"]),
        (["explain", "n"], []),
        (["explain", "empty/."], ["empty/.hidden.energy"]),
        (["eval", "ru"], ["runs/first", "runs/second/"]),
        (["eval", "runs/first", "--from", "runs/f"], ["runs/first"]),
        (["train", "m.energy", "--start", "runs/f"], ["runs/first"]),
        (["sample", "models/r"], ["models/rbm.energy"]),
        (["sample", "runs/f"], ["runs/first"]),
        (["train", "m.energy", "--data", "d"], ["digits", "digits:8", "data/x.npy", "data/deep/"]),
        (["eval", "runs/first", "--data", "b"], ["bars-and-stripes:4"]),
        (["new", "gaussian_m"], ["gaussian_mixture"]),
        (["completion", ""], list(SHELLS)),
        (["docs", "lang"], ["language", "language_reference"]),
        (["nosuch", "x"], []),
        (["check", "/nowhere/at/all"], []),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_offered(words: list[str], offered: list[str]) -> None:
    assert completed(*words) == offered


def test_names_that_no_shell_takes_are_left_out(folder: Path) -> None:
    (folder / "models" / "odd\nname.energy").touch()
    assert completed("check", "models/") == ["models/ising.energy", "models/rbm.energy"]


def test_folders_in_a_circle_end(folder: Path) -> None:
    (folder / "circle").mkdir()
    (folder / "circle" / "again").symlink_to(folder / "circle", target_is_directory=True)
    assert completed("check", "circ") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_part(command: str) -> None:
    """One that takes a file, a run or data says what these are."""
    found = cli.get_command(None, command)  # type: ignore[arg-type]
    assert found is not None
    for param in found.params:
        if param.name in ("file", "files", "run", "sources", "start", "first"):
            assert param._custom_shell_complete is not None or isinstance(param.type, click.Path), param.name


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_printed(shell: str) -> None:
    said = CliRunner().invoke(cli, ["completion", shell])
    assert said.exit_code == 0
    assert f"_ENERGYDSL_COMPLETE={shell}_complete" in said.output
    assert json.loads(CliRunner().invoke(cli, ["completion", shell, "--json"]).output)["script"] + "\n" == said.output
    if interpreter := shutil.which(shell):
        subprocess.run([interpreter, "-n"], input=said.output, text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(folder: Path) -> None:
    script = CliRunner().invoke(cli, ["completion", "bash"]).output
    shim = folder / "energydsl"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m energydsl "$@"\n')
    shim.chmod(0o755)
    lines = f'{script}\nCOMP_WORDS=(energydsl check mod)\nCOMP_CWORD=2\n_energydsl_completion "{shim}"\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        ["bash", "--norc", "-c", lines],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["models/ising.energy", "models/rbm.energy"]
