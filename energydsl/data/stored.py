"""Arrays that stay in their file and are read some rows at a time: .npy, Parquet and Zarr."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.data import readers
from energydsl.diagnostics import DataError

Array = NDArray[Any]
# Groups of rows that a file keeps together are read as a whole; one may be so large, in bytes.
_LARGEST_GROUP = 256 << 20


@dataclass(frozen=True)
class Stored:
    """An array of so many rows. shape: of a row. row_bytes: of a row in memory. together: rows that are read at once anyhow.

    read: rows from a first one to before another, (rows, *shape).
    """

    rows: int
    shape: tuple[int, ...]
    row_bytes: int
    together: int
    read: Callable[[int, int], Array]


def stored(path: Path) -> Stored:
    """The array of a file, which is not read yet. Raises `DataError` where the file is of another kind, or damaged."""
    if path.suffix not in _OPENED:
        raise DataError.of(f"{path} cannot be streamed: {', '.join(_OPENED)} can")
    if not path.exists():
        raise DataError.of(f"there is no file {path}")
    found = _OPENED[path.suffix](path)
    if not found.rows:
        raise DataError.of(f"{path} has no rows")
    if found.together * found.row_bytes > _LARGEST_GROUP:
        raise DataError.of(
            f"{path} keeps {found.together:,} rows together, {found.together * found.row_bytes >> 20} MB, which would all have to be in memory",
            "write it in groups of fewer rows: row_group_size=..., or chunks=...",
        )
    return found


def _npy(path: Path) -> Stored:
    """Rows are mapped for as long as they are copied."""
    shape, dtype, fortran, begin = readers.npy_header(path)
    if fortran and len(shape) > 1:
        raise DataError.of(f"{path} keeps columns together, not rows", "save it with np.ascontiguousarray(...)")
    row = shape[1:]
    size = math.prod(row) * dtype.itemsize

    def read(start: int, stop: int) -> Array:
        return np.array(np.memmap(path, dtype, "r", begin + start * size, (stop - start, *row)))

    return Stored(shape[0], row, size, 1, read)


def _parquet(path: Path) -> Stored:
    file, columns = readers.parquet_file(path)
    groups = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
    ends = np.cumsum(groups)

    def read(start: int, stop: int) -> Array:
        first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
        skipped = int(ends[first - 1]) if first else 0
        table = readers.parquet_read(
            lambda: file.read_row_groups(list(range(first, last + 1)), use_threads=False), path
        )
        return readers.parquet_columns(table, path)[start - skipped : stop - skipped]

    return Stored(sum(groups), (columns,), 8 * columns, max(groups, default=1), read)


def _zarr(path: Path) -> Stored:
    try:
        import zarr
    except ImportError:
        raise DataError.of("reading .zarr needs zarr", 'pip install "energydsl[zarr]"') from None
    try:
        array = zarr.open_array(str(path), mode="r")
        shape, dtype, chunks = array.shape, np.dtype(array.dtype), array.chunks
    except Exception as error:
        raise DataError.of(f"{path} is not a Zarr array: {str(error) or type(error).__name__}") from None
    if dtype.kind not in "biuf" or not shape:
        raise DataError.of(f"{path} holds {dtype} in shape {shape}, which are not rows of numbers")
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    return Stored(shape[0], shape[1:], row_bytes, chunks[0], lambda start, stop: np.asarray(array[start:stop]))


_OPENED: Mapping[str, Callable[[Path], Stored]] = MappingProxyType({".npy": _npy, ".parquet": _parquet, ".zarr": _zarr})
