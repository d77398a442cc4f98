"""Sparse matrices as SciPy saves them (`scipy.sparse.save_npz`), as dense rows."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import DataError
from energydsl.files import plain_file

Array = NDArray[Any]
# Entries of the dense matrix.
_MOST = 1 << 32


def is_sparse(path: Path) -> bool:
    """Whether an .npz file holds a sparse matrix of SciPy."""
    try:
        with zipfile.ZipFile(plain_file(path)) as file:
            return {"format.npy", "shape.npy", "data.npy"} <= set(file.namelist())
    except zipfile.BadZipFile:
        return False


def read(path: Path, fits: Callable[[tuple[int, ...]], object]) -> Array:
    """The matrix of a file, dense; fits: told of its shape before it is made so. Raises `DataError`."""
    from scipy.sparse import load_npz

    try:
        found: Any = load_npz(plain_file(path))
        if hasattr(found, "check_format"):  # SciPy's own loops trust the indices
            found.check_format(full_check=True)
        entries = found.tocoo() if math.prod(found.shape) <= _MOST else None
    except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        EOFError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ):
        raise DataError.of(f"{path} is a damaged file of a sparse matrix") from None
    fits(found.shape)
    if entries is None:
        raise DataError.of(f"{path} holds a matrix of {found.shape}, which is too large to be made dense")
    if found.dtype.kind not in "biuf":
        raise DataError.of(f"{path} holds {found.dtype}, which are not numbers")
    dense = np.zeros(found.shape, found.dtype)
    np.add.at(dense, (entries.row, entries.col), entries.data)
    return dense
