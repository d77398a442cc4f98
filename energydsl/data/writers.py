"""Writers of the files that hold named arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np


def npz(file: str | IO[bytes] | Any, arrays: Mapping[str, Any]) -> None:
    """An .npz of arrays by name, compressed; `np.savez` takes names as keywords, so that none could be called `file`."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
