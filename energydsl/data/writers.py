"""Writers of the files that hold named arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np


def npz(file: str | IO[bytes] | Any, arrays: Mapping[str, Any], compressed: bool = True) -> None:
    """An .npz of arrays by name; `np.savez` takes names as keywords, so that none could be called `file`.

    The same arrays give the same bytes: no entry says when it was made.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
