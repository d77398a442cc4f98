"""`metrics.csv` of a run: one row a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from energydsl.learning import files
from energydsl.learning.run import Row

FILE = "metrics.csv"


def read(folder: Path) -> list[Row]:
    """The reports of a run."""
    path = folder / FILE
    text = files.read_text(path) if path.exists() else ""
    if not text:
        return []
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if not {"epoch", "update"} <= set(reader.fieldnames or ()):
            raise ValueError
        return [{name: _cell(name, text) for name, text in row.items()} for row in reader]
    except (ValueError, TypeError, csv.Error):
        raise files.invalid(
            f"{path} is damaged: it is not a table of numbers with an epoch and an update a row"
        ) from None


def _cell(name: str, text: str | None) -> float | int | None:
    if text is None:
        raise ValueError(f"no {name}")
    if name in ("epoch", "update"):
        return int(text)
    return float(text) if text else None


def write(folder: Path, history: Iterable[Row]) -> None:
    """All reports; not awaited on the disk, which would take as long as a small epoch: checkpoints hold the last one."""
    rows = list(history)
    names = list(dict.fromkeys(k for row in rows for k in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    files.write_bytes(folder / FILE, text.getvalue().encode(), durable=False)
