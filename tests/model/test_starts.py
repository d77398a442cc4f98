"""Parameters that begin with the numbers of a file."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed

TEXT = """graph G = edges("e.csv")
visible s[4] : spin
hidden  h[3] : binary
param   J[G] : frozen = file("{}"), W[4, 3] = file("{}")
energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k] - s @ W @ h
"""
EDGES = [(0, 1), (1, 2), (2, 3)]
W = np.arange(12.0).reshape(4, 3) / 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "e.csv").write_text("".join(f"{a},{b}\n" for a, b in EDGES))
    (tmp_path / "by edge.csv").write_text("i,k,J\n3,2,2\n0,1,0.5\n1,2,-1\n")
    (tmp_path / "column.csv").write_text("0.5\n-1\n2\n")
    (tmp_path / "row.csv").write_text("0.5, -1, 2\n")
    np.savetxt(tmp_path / "W.csv", W, delimiter=",")
    np.save(tmp_path / "W.npy", W.astype(np.float32))
    return tmp_path


def loaded(folder: Path, couplings: str, weights: str) -> ed.Model:
    (folder / "m.energy").write_text(TEXT.format(couplings, weights))
    return ed.load(folder / "m.energy")


@pytest.mark.parametrize("couplings", ["by edge.csv", "column.csv", "row.csv"])
@pytest.mark.parametrize("weights", ["W.csv", "W.npy"])
def test_values_are_those_of_the_file(folder: Path, couplings: str, weights: str) -> None:
    model = loaded(folder, couplings, weights)
    found = model.compile("numpy").init(seed=3)
    np.testing.assert_array_equal(found["J"], [0.5, -1.0, 2.0])
    np.testing.assert_array_equal(found["W"], W)
    assert model.verify().ok
    (folder / couplings).unlink()
    again = copy.deepcopy(model).compile("numpy").init(seed=3)
    np.testing.assert_array_equal(again["J"], found["J"])


BAD = {
    "cut.npy": (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'", "E0402", "not a .npy file"),
    "empty.npy": (b"", "E0402", "not a .npy file"),
    "empty.csv": (b"", "E0403", "holds no number"),
    "ragged.csv": (b"1,2,3\n1,2\n", "E0403", "has 2 columns in row 2, and 3 in row 1"),
    "word.csv": (b"1,2,3\n4,five,6\n", "E0403", "has `five` in row 2"),
    "nan.csv": (b"1,2,3\n1,nan,3\n1,2,3\n1,2,3\n", "E0403", "nan at \\[1, 1\\]"),
    "small.csv": (b"1,2,3\n", "E0403", "shape \\(1, 3\\), but `W` has shape \\(4, 3\\)"),
    "bytes.csv": (b"\xff\xfe1", "E0402", "cannot read the values of `W`"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_said(folder: Path, name: str) -> None:
    content, code, message = BAD[name]
    (folder / name).write_bytes(content)
    with pytest.raises(ed.ModelError, match=message) as error:
        loaded(folder, "row.csv", name)
    assert [d.code for d in error.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1,1\n1,2,1\n0,3,1\n", "0, 3 is no edge of graph `G`"),
        ("0,1,1\n1,2,1\n", "2, 3 is missing from"),
        ("0,1,1\n1,0,1\n2,3,1\n", "has the edge 1, 0 twice"),
        ("0,1.5,1\n1,2,1\n2,3,1\n", "no whole numbers"),
        ("0,nan,1\n1,2,1\n2,3,1\n", "no finite number"),
    ],
)
def test_edges_that_are_not_those_of_the_graph_are_named(folder: Path, text: str, message: str) -> None:
    (folder / "w.csv").write_text(text)
    with pytest.raises(ed.ModelError, match=message):
        loaded(folder, "w.csv", "W.csv")


def test_objects_are_never_unpickled_and_pipes_never_opened(folder: Path) -> None:
    np.save(folder / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "d.npy").mkdir()
    for name, reason in (("o.npy", "not a .npy file"), ("d.npy", "it is a folder, not a plain file")):
        with pytest.raises(ed.ModelError, match=reason):
            loaded(folder, "row.csv", name)
