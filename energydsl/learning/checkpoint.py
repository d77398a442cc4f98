"""Checkpoints: one .npz of plain arrays, written under a temporary name, flushed, and renamed."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import EnergyError

Array = NDArray[Any]
KEEP = 2


def save(folder: Path, update: int, arrays: dict[str, Array], meta: dict[str, Any]) -> Path:
    """Write checkpoint-UPDATE.npz; the one before is kept, older ones go. Raises `EnergyError` where it cannot."""
    path = folder / f"checkpoint-{update:09d}.npz"
    temporary = folder / f".{path.name}.part"
    text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **{"meta": text, **arrays})  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnergyError(
            f"the checkpoint at update {update} could not be written: {error.strerror}. The one before is kept"
        ) from None
    for old in found(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def found(folder: Path) -> list[Path]:
    """Checkpoints of a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.npz"))


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays and meta data of a checkpoint. Raises `EnergyError` where it is damaged."""
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays.pop("meta").tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise EnergyError(f"{path.name} is damaged ({type(error).__name__})") from None
    return arrays, dict(meta)


def load_latest(folder: Path) -> tuple[dict[str, Array], dict[str, Any], list[str]]:
    """The newest checkpoint that is whole, and what was found damaged. Raises `EnergyError` where there is none."""
    warnings: list[str] = []
    for path in reversed(found(folder)):
        try:
            arrays, meta = load(path)
            return arrays, meta, warnings
        except EnergyError as error:
            warnings.append(f"{error}; going back to the checkpoint before")
    what = "; ".join(warnings) if warnings else f"{folder} holds no checkpoint"
    raise EnergyError(what)
