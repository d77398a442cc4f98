"""Readers, one a format; each gives named arrays: rows first. Nothing is ever unpickled."""

from __future__ import annotations

import csv
import gzip
import struct
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import DataError

Array = NDArray[Any]


def digits(split: str) -> dict[str, Array]:
    """The embedded digits: 3000 images of 28 x 28 for training and 500 for testing, grey values in [0, 1], and labels."""
    with resources.as_file(resources.files("energydsl") / "data" / "digits.npz") as path, np.load(path) as file:
        images = file[f"{split}_images"].astype(np.float32) / np.float32(255)
        return {"images": images, "labels": file[f"{split}_labels"].astype(np.int64)}


def pooled(images: Array) -> Array:
    """28 x 28 images as 8 x 8: two pixels of margin cut off, 3 x 3 pixels averaged."""
    return np.asarray(images[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)))


def bars_and_stripes(side: int) -> Array:
    """All 2^(side + 1) patterns of full rows or full columns; blank and full occur twice (MacKay 2003, ch. 43)."""
    if not 1 <= side <= 12:
        raise DataError.of("bars-and-stripes takes a side from 1 to 12: bars-and-stripes:4")
    bits = (np.arange(2**side)[:, None] >> np.arange(side)) & 1
    rows = np.repeat(bits[:, :, None], side, axis=2)
    return np.concatenate([rows, rows.transpose(0, 2, 1)]).astype(np.float32)


def idx(path: Path) -> Array:
    """An array in the idx format of MNIST, gzipped or not."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError):
            raise DataError.of(f"{path.name} is a damaged gzip file") from None
    types = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in types:
        raise DataError.of(f"{path.name} is not in the idx format")
    rank = data[3]
    head = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", data[4:head]) if len(data) >= head else ()
    dtype = np.dtype(types[data[2]])
    if int(np.prod(shape, dtype=np.int64)) * dtype.itemsize != len(data) - head:
        raise DataError.of(f"{path.name} is cut short: its header says {shape}")
    return np.frombuffer(data, dtype, offset=head).reshape(shape)


def mnist(folder: Path, split: str) -> dict[str, Array]:
    """Images (grey values in [0, 1]) and labels of a folder with MNIST's four files."""
    prefix = "train" if split == "train" else "t10k"
    found = {}
    for key, kind in (("images", "images-idx3"), ("labels", "labels-idx1")):
        candidates = [folder / f"{prefix}-{kind}-ubyte{end}" for end in ("", ".gz")]
        path = next((p for p in candidates if p.is_file()), None)
        if path is None:
            if key == "labels":
                continue
            raise DataError.of(f"{folder} has no {candidates[0].name}(.gz)")
        found[key] = idx(path)
    found["images"] = found["images"].astype(np.float32) / np.float32(255)
    return found


def npy(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError):
        raise DataError.of(f"{path.name} is not a plain .npy array") from None


def npz(path: Path, key: str | None) -> dict[str, Array]:
    """Arrays of an .npz by name, or the one named `key`."""
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            if key and key not in file.files:
                raise DataError.of(f"{path.name} has no array `{key}`, but {', '.join(file.files)}")
            return {name: file[name] for name in ([key] if key else file.files)}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile):
        raise DataError.of(f"{path.name} is not an .npz of plain arrays") from None


def table(path: Path) -> Array:
    """Numbers of a .csv; a first row that holds none is a header; an empty cell is missing (NaN)."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error):
        raise DataError.of(f"{path.name} is not a text file of numbers") from None
    if rows and not any(_is_number(cell) for cell in rows[0]):
        rows, first = rows[1:], 2
    else:
        first = 1
    if not rows:
        raise DataError.of(f"{path.name} has no rows")
    width = len(rows[0])
    values = np.empty((len(rows), width))
    for number, row in enumerate(rows):
        if len(row) != width:
            raise DataError.of(f"row {number + first} of {path.name} has {len(row)} columns, the first has {width}")
        for column, cell in enumerate(row):
            if not _is_number(cell):
                raise DataError.of(f"row {number + first}, column {column + 1} of {path.name}: `{cell}` is no number")
            values[number, column] = float(cell) if cell.strip() else np.nan
    return values


def _is_number(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parquet(path: Path) -> Array:
    """Columns of numbers of a .parquet file; needs pyarrow."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError.of("reading .parquet needs pyarrow", 'pip install "energydsl[parquet]"') from None
    try:
        columns = pq.read_table(path)
        return np.stack([columns[name].to_numpy() for name in columns.column_names], axis=1).astype(float)
    except (ValueError, TypeError, OSError) as error:
        raise DataError.of(f"{path.name}: {error}") from None
