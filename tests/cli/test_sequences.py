"""Sequences on the command line: a split of an alignment, training and evaluation on it, and samples as FASTA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.data import alignments
from tests.families import family

MODEL = """
visible s[6] : categorical[21] = "-ACDEFGHIKLMNPQRSTVWY"
param g[6, 21] = base_rate(s)
energy = - sum[i, a] g[i, a]*s[i, a]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.energy").write_text(MODEL)
    (tmp_path / "all.fasta").write_text(family(6, 150, sweeps=2).fasta())
    return tmp_path


def told(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(cli, [*map(str, words), "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if found["ok"] else 1), result.output
    return found


def test_sequences_go_in_and_come_out(folder: Path) -> None:
    counts = told("split", folder / "all.fasta", "-o", folder / "parts", "--identity", 0.7)
    assert counts["train"] + counts["test"] == 150
    assert 0 < counts["test"] <= 30
    train, test = folder / "parts/train.fasta", folder / "parts/test.fasta"
    weighted = ("--weights", "identity:0.7")
    assert told("train", folder / "m.energy", "--data", train, *weighted, "--epochs", 1, "--out", folder / "run")["ok"]
    plain, scored = (told("eval", folder / "run", "--data", test, *w) for w in ((), weighted))
    assert plain["n"] == scored["n"] == counts["test"]
    assert told("sample", folder / "run", "-n", 7, "--steps", 2, "-o", folder / "s.fasta")["written"]
    drawn = alignments.read(folder / "s.fasta")
    assert drawn.letters.shape == (7, 6)
    assert ed.load_data(ed.load(folder / "m.energy"), str(folder / "s.fasta")).arrays["s"].shape == (7, 6)


def test_unknown_letters_are_refused_or_gaps(folder: Path) -> None:
    (folder / "odd.fasta").write_text(">a\nACXDEF\n")
    told("train", folder / "m.energy", "--data", folder / "all.fasta", "--epochs", 1, "--out", folder / "run")
    found = told("eval", folder / "run", "--data", folder / "odd.fasta")["diagnostics"][0]
    assert found["message"].startswith("row 1, column 3 of `s` is 'X'")
    assert found["help"].startswith("--unknown gap")
    assert told("eval", folder / "run", "--data", folder / "odd.fasta", "--unknown", "gap")["n"] == 1


def test_samples_without_letters_are_no_sequences(folder: Path) -> None:
    (folder / "plain.energy").write_text("visible v[2] : binary\nenergy = sum(v)")
    found = told("sample", folder / "plain.energy", "-o", folder / "s.fasta")["diagnostics"][0]
    assert "0 layers have letters" in found["message"]
