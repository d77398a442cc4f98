"""Sparse matrices and Arrow tables, written by the libraries that own the formats."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import energydsl as ed

MODEL = ed.loads("visible n[5] : count\nparam b[5]\nenergy = sum(lgamma(n + 1)) - b @ n").resolved
ROWS = np.random.default_rng(0).poisson(0.5, (8, 5)).astype(float)


def rows(path: Path) -> np.ndarray:
    return ed.load_data(MODEL, str(path)).arrays["n"]


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_matrices_are_rows(tmp_path: Path, kind: str, make: type) -> None:
    sparse.save_npz(tmp_path / "x.npz", make(ROWS).asformat(kind))
    np.testing.assert_array_equal(rows(tmp_path / "x.npz"), ROWS)


def test_what_does_not_fit_is_told_of_before_it_is_made_dense(tmp_path: Path) -> None:
    sparse.save_npz(tmp_path / "x.npz", sparse.coo_array((1 << 40, 6)))
    with pytest.raises(ed.DataError, match="6 columns, the layer has 5 units"):
        rows(tmp_path / "x.npz")
    sparse.save_npz(tmp_path / "x.npz", sparse.coo_array((1 << 40, 5)))
    with pytest.raises(ed.DataError, match="too large to be made dense"):
        rows(tmp_path / "x.npz")


def test_damaged_matrices_are_told_of(tmp_path: Path) -> None:
    path, odd = tmp_path / "x.npz", tmp_path / "y.npz"
    sparse.save_npz(path, sparse.csr_array(ROWS))
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(odd, "w") as copy:
        for name in file.namelist():
            copy.writestr(name, file.read(name)[:-8] if name == "indices.npy" else file.read(name))
    with pytest.raises(ed.DataError, match="damaged file of a sparse matrix"):
        rows(odd)
    np.savez(odd, format=np.bytes_(b"csr"), shape=[8, 5], data=[1.0], indices=[7], indptr=[0] + [1] * 8)
    with pytest.raises(ed.DataError, match="damaged"):
        rows(odd)
    np.savez(odd, format=np.array(["csr"], object), shape=[1], data=[1.0])
    with pytest.raises(ed.DataError, match="damaged"):
        rows(odd)


@pytest.mark.parametrize("name", ["x.arrow", "x.feather"])
def test_arrow_tables_are_rows(tmp_path: Path, name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather

    table = pa.table({f"c{k}": ROWS[:, k] for k in range(5)})
    if name == "x.feather":
        feather.write_feather(table, tmp_path / name)
    else:
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    np.testing.assert_array_equal(rows(tmp_path / name), ROWS)
    (tmp_path / name).write_bytes(b"no table at all")
    with pytest.raises(ed.DataError, match=name):
        rows(tmp_path / name)
