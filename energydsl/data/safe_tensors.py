"""Arrays by name in the safetensors format. Needs safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import DataError, EnergyError
from energydsl.files import plain_file

Array = NDArray[Any]


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise EnergyError('.safetensors files need safetensors: pip install "energydsl[safetensors]"') from None
    return safetensors


def read(path: Path) -> dict[str, Array]:
    """All arrays of a file, by name. Raises `DataError`."""
    library = _library()
    try:
        return dict(library.numpy.load_file(plain_file(path)))
    except (library.SafetensorError, KeyError, ValueError) as error:
        raise DataError.of(f"{path} is not a .safetensors file of numbers: {error}") from None


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Arrays by name into a file. Raises `OSError`."""
    path.write_bytes(_library().numpy.save({n: np.ascontiguousarray(a) for n, a in arrays.items()}))
