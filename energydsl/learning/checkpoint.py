"""Checkpoints: one .npz of plain arrays, with the SHA-256 of each in its meta data; the newest that is whole counts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import EnergyError
from energydsl.learning import files

Array = NDArray[Any]
Check = Callable[[dict[str, Array], dict[str, Any]], None]
KEEP = 2


def save(folder: Path, update: int, arrays: dict[str, Array], meta: dict[str, Any]) -> Path:
    """Write checkpoint-UPDATE.npz; the one before is kept, older ones go. Raises `EnergyError` where it cannot."""
    path = folder / f"checkpoint-{update:09d}.npz"
    text = json.dumps({**meta, "digests": files.digests(arrays)}, sort_keys=True)
    try:
        files.write_arrays(path, {"meta": np.frombuffer(text.encode(), np.uint8), **arrays})
    except EnergyError as error:
        raise EnergyError(f"{error}. The checkpoint before is kept") from None
    for old in found(folder)[:-KEEP]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """Checkpoints of a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.npz"))


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays and meta data of a checkpoint. Raises `DataError` (E0403) where it is damaged; one without digests is taken."""
    arrays = files.read_arrays(path)
    meta = files.parsed(arrays.pop("meta", np.empty(0, np.uint8)).tobytes(), path)
    if not isinstance(meta, dict):
        raise files.invalid(f"{path} is damaged: its meta data are no JSON object")
    if "digests" in meta:
        saved, there = meta.pop("digests"), files.digests(arrays)
        if not isinstance(saved, dict):
            raise files.invalid(f"{path} is damaged: its digests are no JSON object")
        for name in sorted({*saved, *there}):
            if saved.get(name) != there.get(name):
                raise files.invalid(f"{path} is damaged: `{name}` is not what was saved")
    return arrays, meta


def load_latest(folder: Path, check: Check) -> tuple[dict[str, Array], dict[str, Any], list[str]]:
    """The newest checkpoint that is whole and passes a check, and what was wrong with newer ones.

    check: raises `EnergyError`. Raises `DataError` (E0403) where there is none.
    """
    warnings: list[str] = []
    for path in reversed(found(folder)):
        try:
            arrays, meta = load(path)
            check(arrays, meta)
        except EnergyError as error:
            said = error.diagnostics[0].message
            warnings.append(said if path.name in said else f"{path}: {said}")
        else:
            return arrays, meta, [f"{w}; going back to the checkpoint before" for w in warnings]
    raise files.invalid("; ".join(warnings) if warnings else f"{folder} holds no checkpoint")
