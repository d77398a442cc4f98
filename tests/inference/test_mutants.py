"""Scores of mutants are differences of log probabilities, by the model's own energy."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.data import alignments
from tests.conftest import ROOT
from tests.families import LETTERS

HIDDEN = """
visible s[3] : categorical[4] = "-ACD"
visible y : binary
hidden h[2] : binary
param W[3, 4, 2] = normal(sd = 1), g[3, 4] = normal(sd = 1), U[2] = normal(sd = 1)
energy = - sum[i, a] g[i, a]*s[i, a] - sum[i, a, j] s[i, a]*W[i, a, j]*h[j] - y*sum[j] U[j]*h[j]
"""


def test_scores_are_differences_of_energies() -> None:
    program = ed.zoo("protein_potts", dims={"N": 4}).compile("numpy", "float64")
    params = program.init(seed=2)
    found = ed.mutants(program, "AC-W", params)
    for unit, own, state, score in found.listed():
        states = np.eye(21)[[[LETTERS.index(c) for c in "AC-W"], found.mutated(unit, state)]]
        before, after = program.energy(params, {"x": states})
        assert score == pytest.approx(before - after, abs=1e-12)
        assert found.shown(own) == "AC-W"[unit]
    assert len(list(found.listed())) == 4 * 20


def test_hidden_layers_are_summed_out_and_others_are_given() -> None:
    program = ed.loads(HIDDEN).compile("numpy", "float64")
    params = program.init(seed=1)
    found = ed.mutants(program, {"s": "AC-", "y": 1.0}, params)
    states = np.eye(4)[[[1, 2, 0], [1, 3, 0]]]
    before, after = program.free_energy(params, {"s": states, "y": np.ones(2)})
    assert found.scores[1, 3] == pytest.approx(before - after, abs=1e-12)
    with pytest.raises(ed.DataError, match="no data for `y`"):
        ed.mutants(program, "AC-", params)


def test_what_has_no_free_energy_is_refused() -> None:
    with pytest.raises(ed.NotApplicable, match="cannot be summed out"):
        ed.mutants(ed.loads("visible s[2] : categorical[2]\nhidden h[2] : binary\nparam J[2, 2]\nenergy = - h[0]*h[1] - sum[i, a, j] J[i, j]*s[i, a]*h[j]*a").compile("numpy"), [[0, 1]])  # fmt: skip
    with pytest.raises(ed.NotApplicable, match="`v` is binary"):
        ed.mutants(ed.loads("visible v[2] : binary\nenergy = sum(v)").compile("numpy"), [[0, 1]])


def test_the_command_writes_scores_and_sequences(tmp_path: Path) -> None:
    (tmp_path / "wild.fasta").write_text(">w\nACDEFG\n>x\nAC--FG\n")
    outs = [tmp_path / "m.csv", tmp_path / "m.fasta"]
    words = ["mutants", str(ROOT / "models/protein_potts.energy"), "-D", "N=6", "--data", str(tmp_path / "wild.fasta"), "--row", "2"]  # fmt: skip
    result = CliRunner().invoke(cli, [*words, "-o", str(outs[0]), "-o", str(outs[1])])
    assert result.exit_code == 0, result.output
    with open(outs[0], newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0]["mutant"] == "A1-"
    assert len(rows) == 6 * 20
    written = alignments.read(outs[1])
    assert written.texts()[0] == "-C--FG"
    assert written.names[0].split() == ["A1-", f"score={float(rows[0]['score']):.6g}"]
    assert CliRunner().invoke(cli, [*words[:-1], "3"]).exit_code == 1
