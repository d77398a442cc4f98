"""Files that are damaged, hostile or ambiguous: each is told of in a sentence with its path, and nothing is taken for something else."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.data import load_data

REAL = ed.loads("visible v[4] : real\nenergy = sum(v) + 0.5 * sum(v^2)").resolved


def rows(path: Path, text: bytes | str | None = None, **options: object) -> list[list[float]]:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_data(REAL, [str(path)], **options).arrays["v"].tolist()  # type: ignore[arg-type]


def refused(path: Path, words: str, text: bytes | str | None = None, **options: object) -> None:
    with pytest.raises(ed.DataError, match=words) as caught:
        rows(path, text, **options)
    assert caught.value.diagnostics[0].code == "E0401"


TABLES = {
    "1,2,3,4\n5,6,7,8\n": 2,
    "\ufeff1,2,3,4\n": 1,
    "\ufeffa,b,c,d\n1,2,3,4\n": 1,
    "w,x,y,z\n0,1,2,3\n": 1,
    '"1","2","3","4"\n': 1,
    "\n1e3, -2.5,+.5,4.\n\n": 1,
    "0.0,1.0,2.0,3.0\n": 1,
}


@pytest.mark.parametrize("text", TABLES)
def test_tables(tmp_path: Path, text: str) -> None:
    assert len(rows(tmp_path / "d.csv", text)) == TABLES[text]


AMBIGUOUS = {
    "0,1,2,3\n5,6,7,8\n": "row 1 of .*d.csv is 0, 1, ..., 3: a header of columns without names, or data",
    ",0,1,2\n0,5,6,7\n": "row 1 of .*d.csv is 0, 1, ..., 2: a header",
    "a,b,c,1\n1,2,3,4\n": "row 1 of .*d.csv holds numbers and `a`: it is neither a header nor data",
    "1_5,2,3,4\n1,2,3,4\n": "row 1 of .*d.csv holds numbers and `1_5`",
    "1,2,3,4\n1,1_5,3,4\n": "row 2, column 2 of .*d.csv: `1_5` is not a number",
    "1,2,3,4\n1,2,\u0661,4\n": "row 2, column 3 of .*d.csv: `\u0661` is not a number",
    "?,?,?,?\n1,2,3,4\n": r"row 1 of .*d.csv: `\?` is not a number, and as a header it would name two columns",
    "1;2;3;4\n": "row 1 of .*d.csv is one cell: columns must be separated by commas",
    "a,b,c\n1,2,3,4\n": "3 columns, the layer has 4",
    "w,x,y,z\n1,2,3\n": "row 2 of .*d.csv has 3 columns, the first has 4",
    "1,2,3,4\n\n1,2,x,4\n": "row 3, column 3 of .*d.csv: `x` is not a number",
    "1,2,3,nan\n": "row 1, column 4 of `v` is missing",
    "1,2,3,-inf\n": "row 1, column 4 of `v` is infinite",
    "1,2,3,1e999\n": "row 1, column 4 of `v` is infinite",
}


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_no_row_of_a_table_is_lost_or_gained_in_silence(tmp_path: Path, text: str) -> None:
    refused(tmp_path / "d.csv", AMBIGUOUS[text], text)


def test_a_line_without_end_is_not_read_whole(tmp_path: Path) -> None:
    refused(tmp_path / "d.csv", "a line of .* has more than", b"1" * ((1 << 24) + 1))


def idx(sizes: tuple[int, ...], data: bytes) -> bytes:
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + data


IDX = [
    ((2**32 - 1, 2**31, 2, 2), 8, "8589934592 columns"),  # their product is 0 in 64 bits
    ((2**16,) * 4, 0, "281474976710656 columns"),
    ((2**32 - 1, 4), 8, "cut short"),
    ((2, 4), 7, "cut short"),
    ((2, 4), 9, "longer than its header says"),
    ((), 1, "empty"),
    ((0, 4), 0, "empty"),
]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("sizes", "count", "words"), IDX)
def test_sizes_of_idx_files(tmp_path: Path, sizes: tuple[int, ...], count: int, words: str, zipped: bool) -> None:
    data = idx(sizes, bytes(count))
    refused(tmp_path / "x-idx", words, gzip.compress(data) if zipped else data)


def test_damaged_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(idx((1000, 4), np.random.default_rng(0).bytes(4000)))
    flipped = bytearray(whole)
    flipped[200] ^= 255
    for data in (bytes(flipped), whole[:2000], b"\x1f\x8b\x08" + bytes(20), whole[:-6] + bytes(6)):
        refused(tmp_path / "x.gz", "x.gz is a damaged gzip file", data)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Sizes that do not fit the layer, or that no such file can hold, are refused before they are read."""
    import tracemalloc

    bombs = {"a.gz": gzip.compress(bytes(1 << 26)), "b.gz": gzip.compress(idx((1 << 26, 3), bytes(1 << 26)))}
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("v.npy", header((1 << 26, 1), "|u1") + bytes(1 << 26))
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
    tracemalloc.start()
    for name in (*bombs, "c.npz"):
        refused(tmp_path / name, "columns|not in the idx format")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 24


def header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    found = io.BytesIO()
    np.lib.format.write_array_header_1_0(found, {"descr": kind, "fortran_order": False, "shape": shape})
    return found.getvalue()


NPY = [
    (header((10**12, 4)), "cut short"),
    (header((2, 4)) + bytes(10), "cut short"),
    (header((2, 4)) + bytes(100), "longer than its header says"),
    (header((-1, 4)), "its header says"),
    (header((2, 3)), "3 columns, the layer has 4"),
    (header((2, 4), "<U4") + bytes(128), "holds <U4, which are not numbers"),
    (header((2, 4), "<c16") + bytes(128), "which are not numbers"),
    (b"", "not a plain .npy array"),
    (b"\x93NUMPY\x01\x00\x10\x00{((((((((((((((", "not a plain .npy array"),
    (b"\x93NUMPY\x09\x00xx", "not a plain .npy array"),
    (b"PK\x03\x04", "not a plain .npy array"),
]


@pytest.mark.parametrize(("data", "words"), NPY)
def test_arrays_are_looked_at_before_they_are_read(tmp_path: Path, data: bytes, words: str) -> None:
    refused(tmp_path / "x.npy", words, data)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("v.npy", data)
    refused(tmp_path / "x.npz", words)


@pytest.mark.parametrize("name", ["p.npy", "p.npz", "p.csv", "p.parquet", "p.gz", "p-idx"])
def test_only_plain_files_are_opened(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, f"cannot read .*{name}: it is a pipe, not a plain file")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    refused(tmp_path / name, f"cannot read .*{name}: it is a device, not a plain file")


def test_a_key_is_used_or_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 4)))
    np.savez(tmp_path / "x.npz", a=np.ones((2, 4)), b=np.zeros((2, 4)))
    with pytest.raises(ed.ArgumentError, match="x.npy has none"):
        rows(tmp_path / "x.npy", key="a")
    refused(tmp_path / "x.npz", "holds a, b\n.*key=")
    refused(tmp_path / "x.npz", "no array `c`; it has a, b", key="c")
    with pytest.raises(ed.DataError, match="no array `label`; there are images and labels"):
        load_data(REAL, ["digits"], key="label")


@pytest.mark.parametrize("side", ["\u00b2", "0", "-1", "x", "9" * 5000])
def test_sides_of_bars_and_stripes(side: str) -> None:
    with pytest.raises(ed.DataError, match="bars-and-stripes takes a"):
        load_data(REAL, [f"bars-and-stripes:{side}"])


def test_columns_of_parquet(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"a": pa.array([1, None]), "b": [True, False], "c": [1.5, 2.5], "d": pa.array([3, 4]).dictionary_encode()}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    np.testing.assert_array_equal(rows(tmp_path / "x.parquet", impute=True), [[1, 1, 1.5, 3], [np.nan, 0, 2.5, 4]])
    pq.write_table(pa.table(columns | {"d": ["x", "y"]}), tmp_path / "x.parquet")
    refused(tmp_path / "x.parquet", "column `d` of .* holds string")
    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "x.parquet")
    refused(tmp_path / "x.parquet", "1 columns, the layer has 4")
    refused(tmp_path / "x.parquet", "x.parquet: ", b"junk")


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv", "x-idx", "x.gz"])
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    values, packed = rng.normal(size=(20, 4)), idx((20, 4), bytes(80))
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", v=values)
    np.savetxt(tmp_path / "x.csv", values, delimiter=",")
    (tmp_path / "x-idx").write_bytes(packed)
    (tmp_path / "x.gz").write_bytes(gzip.compress(packed))
    whole = (tmp_path / name).read_bytes()
    assert len(rows(tmp_path / name)) == 20
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(0, min(len(data), 150))] = rng.integers(0, 256)
        try:
            rows(tmp_path / name, bytes(data[: rng.integers(1, len(data) + 1)]))
        except ed.EnergyError as error:
            assert error.diagnostics[0].code == "E0401"  # noqa: PT017
