"""Files of other programs: imported, exported, and read again by the libraries that own the formats."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.data import quadratic_formats
from tests.inference.test_binary_quadratic import drawn, states

dimod = pytest.importorskip("dimod")


def told(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(cli, [*map(str, words), "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if found["ok"] else 1), result.output
    return found


def bqm_of(path: Path) -> Any:
    with open(path, "rb") as file:
        return dimod.BinaryQuadraticModel.from_file(file)


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_dimod_to_a_model_file_and_back(tmp_path: Path, vartype: str) -> None:
    bqm = drawn(vartype, 40, 100)
    with bqm.to_file() as file:
        (tmp_path / "x.bqm").write_bytes(file.read())
    facts = told("import", tmp_path / "x.bqm", "-o", tmp_path / "m.energy")
    assert (facts["variables"], facts["vartype"], facts["offset"]) == (40, vartype, 1.25)
    labels = ("--labels", tmp_path / "m.labels.json")
    told("export", tmp_path / "m.energy", "--as", "bqm", *labels, "-o", tmp_path / "y.bqm")
    assert bqm_of(tmp_path / "y.bqm") == bqm
    x = states(bqm, 20)
    program = ed.load(tmp_path / "m.energy").compile("numpy", "float64")
    np.testing.assert_allclose(
        program.energy(program.init(), {"x": x}), bqm.energies((x, list(bqm.variables))), rtol=1e-12
    )
    told("export", tmp_path / "m.energy", "--as", "qubo", *labels, "-o", tmp_path / "y.json")
    told("import", tmp_path / "y.json", "-o", tmp_path / "n.energy")
    again = ed.load(tmp_path / "n.energy").compile("numpy", "float64")
    bits = (x + 1) // 2 if vartype == "SPIN" else x
    np.testing.assert_allclose(
        again.energy(again.init(), {"x": bits}), program.energy(program.init(), {"x": x}), rtol=1e-11
    )


def test_coo_is_what_dimod_reads(tmp_path: Path) -> None:
    from dimod.serialization import coo

    bqm = drawn("SPIN", 12, 30)
    bqm.relabel_variables({v: k for k, v in enumerate(list(bqm.variables))})
    bqm.set_linear(3, 1e-7)
    quadratic_formats.TABLE["coo"].write(tmp_path / "x.coo", ed.from_bqm(bqm))
    with open(tmp_path / "x.coo") as file:
        theirs = coo.load(file)
    theirs.offset = bqm.offset
    assert theirs == bqm
    told("import", tmp_path / "x.coo", "-o", tmp_path / "m.energy")
    told("export", tmp_path / "m.energy", "--as", "coo", "-o", tmp_path / "y.coo")
    assert (tmp_path / "y.coo").read_text() == (tmp_path / "x.coo").read_text()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.bqm", "DIMODBQM\x02\x00garbage", "damaged file"),
        ("x.bqm", "something", "no file of a binary quadratic model"),
        ("x.coo", "0 1 0.5\n", "does not say what its variables are"),
        ("x.coo", "# vartype=SPIN\n0 1 0.5\n0 1\n", "line 3 of .*: expected two numbers"),
        ("x.coo", "# vartype=SPIN\n# offset=nan\n0 1 1\n", "the offset is nan"),
        ("x.coo", "# vartype=SPIN\n", "there are no variables"),
        ("x.json", '{"qubo": [["a", "b"]]}', "entry 1 of the qubo"),
        ("x.json", '{"qubo": [["a", null, 1]]}', "None is no label"),
        ("x.json", "[]", "is no QUBO"),
        ("x.json", "{\n,", "line 2 of .*: not JSON"),
        ("x.txt", "", "does not say its format"),
    ],
)
def test_damaged_files_are_told_of(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    found = told("import", tmp_path / name, "-o", tmp_path / "m.energy")["diagnostics"][0]["message"]
    assert re.search(words, found), found
    assert not (tmp_path / "m.energy").exists()


def test_a_model_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.coo").write_text("# vartype=SPIN\n0 1 0.5\n")
    (tmp_path / "m.energy").write_text("mine")
    for name, words in (
        ("m.energy", "already exists"),
        ('a"b.energy', "could not name the files"),
        ("m.txt", "end in .energy"),
    ):
        found = told("import", tmp_path / "x.coo", "-o", tmp_path / name)["diagnostics"][0]["message"]
        assert words in found
    assert (tmp_path / "m.energy").read_text() == "mine"


def test_parameters_are_arrays_by_name(tmp_path: Path) -> None:
    tensors = pytest.importorskip("safetensors.numpy")
    text = "visible v[4] : binary\nhidden h[2] : binary\nparam W[4, 2] = normal(sd = 1)\nenergy = - v @ W @ h"
    (tmp_path / "m.energy").write_text(text)
    told("export", tmp_path / "m.energy", "--as", "npz", "-o", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as file:
        W = file["W"]
    told(
        "export",
        tmp_path / "m.energy",
        "--params",
        tmp_path / "p.npz",
        "--as",
        "safetensors",
        "-o",
        tmp_path / "p.safetensors",
    )
    np.testing.assert_array_equal(tensors.load_file(tmp_path / "p.safetensors")["W"], W)
    tensors.save_file({"W": W + 1}, tmp_path / "q.safetensors")
    told(
        "export", tmp_path / "m.energy", "--params", tmp_path / "q.safetensors", "--as", "npz", "-o", tmp_path / "q.npz"
    )
    with np.load(tmp_path / "q.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["W"], W + 1)
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    found = told(
        "export",
        tmp_path / "m.energy",
        "--params",
        tmp_path / "bad.safetensors",
        "--as",
        "npz",
        "-o",
        tmp_path / "r.npz",
    )
    assert "is not a .safetensors file" in found["diagnostics"][0]["message"]
