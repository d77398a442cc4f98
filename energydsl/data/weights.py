"""The weights of rows: from an array, or from a file with one number a row. What does not fit is E0401."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.arrays import Values, as_numbers
from energydsl.data import readers
from energydsl.diagnostics import DataError

Array = NDArray[Any]
# Weights as they may be given: numbers, or a file of them.
Weights = Values | str | os.PathLike[str]
_READERS: Mapping[str, Callable[[Path], Array]] = MappingProxyType(
    {".npy": readers.npy, ".csv": readers.table, ".parquet": readers.parquet}
)
_WANTED = "give one number a row, not negative; a row of weight 2 counts as two rows"


def row_weights(given: Weights, rows: int) -> Array:
    """The weights of so many rows, (rows,), in float64. Raises `DataError` (E0401) with the row that is at fault."""
    found = _read(Path(given)) if isinstance(given, str | os.PathLike) else as_numbers(given, "weights")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (rows,):
        shown = f"{len(found)}" if found.ndim == 1 else f"an array of shape {found.shape} as"
        raise DataError.of(f"there are {shown} weights for {rows} rows of data", _WANTED)
    found = found.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if len(wrong):
        raise DataError.of(f"row {wrong[0] + 1} of the weights is {found[wrong[0]]:g}", _WANTED)
    with np.errstate(over="ignore"):
        total = found.sum()
    if not total:
        raise DataError.of("all weights are 0, so no row of data counts", _WANTED)
    if not np.isfinite(total):
        raise DataError.of("the weights are too large: their sum is infinite", "divide all of them by their maximum")
    return found


def _read(path: Path) -> Array:
    if path.suffix not in _READERS:
        raise DataError.of(f"cannot read weights from {path}: only .npy, .csv and .parquet files are read")
    try:
        return _READERS[path.suffix](path)
    except OSError as error:
        raise DataError.of(f"cannot read {path}: {error.strerror or error}") from None
