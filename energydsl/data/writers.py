"""Writers of the files that hold named arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np
from numpy.typing import ArrayLike


def npz(file: str | IO[bytes], arrays: Mapping[str, ArrayLike], compressed: bool = True) -> None:
    """Write arrays by name into an .npz file; `np.savez` takes names as keywords, so that none could be called `file`.

    The same arrays give the same bytes: no entry says when it was made.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
