"""`evaluation.json` of a run's folder: every evaluation that was made of the run, oldest first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from energydsl.diagnostics import EnergyError
from energydsl.learning import files, schema
from energydsl.learning.lock import locked
from energydsl.learning.run import Run
from energydsl.version import __version__

FILE = "evaluation.json"


def keep_evaluation(run: Run, found: Mapping[str, Any], data: Any, settings: Mapping[str, Any]) -> str:
    """Add an evaluation to `evaluation.json` of the run's folder; why it could not be kept, or nothing.

    found: what was found, as `--json` has it. data: what it was found on. settings: how.
    """
    if run.path is None:
        return ""
    numbers = [v for v in found.values() if isinstance(v, float)]
    if not all(map(math.isfinite, numbers)):
        return "it is not a finite number"
    entry = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "energydsl": __version__,
        "updates": run.updates,
        "data": {"name": data.name, "rows": len(data)},
        "settings": dict(settings),
        **found,
    }
    try:
        with locked(run.path, ".evaluation.lock", wait=10.0):
            files.write_json(run.path / FILE, [*read_evaluations(run.path), entry])
    except EnergyError as error:
        return error.diagnostics[0].message
    return ""


def read_evaluations(folder: Path) -> list[dict[str, Any]]:
    """All evaluations of a run that were kept, oldest first."""
    path = folder / FILE
    if not path.exists():
        return []
    entries = files.parsed(files.read_text(path), path)
    if not isinstance(entries, list):
        raise files.invalid(f"{path} is damaged: it is no list of evaluations")
    for number, entry in enumerate(entries, 1):
        if found := schema.problem(entry, schema.EVALUATION):
            raise files.invalid(f"{path}, evaluation {number}: {found}")
    return entries
