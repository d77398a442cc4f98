"""The pictures of a run: samples, filters and curves, as far as the model has an image shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energydsl.backends.interface import Arrays
from energydsl.learning.labels import of_row
from energydsl.learning.run import Run
from energydsl.learning.sampling import chains, visible_means
from energydsl.report.curves import curves
from energydsl.report.figures import available
from energydsl.report.sheets import TILES, Sheet, filter_sheet, pictured, sample_sheet, write

_SWEEPS = 200


def sheet_of(run: Run, state: Arrays, held: Mapping[str, Any] | None = None) -> Sheet | None:
    """Samples of a run as pictures, smoothed to means where there are latents; None where no layer is one.

    state: by layer, (rows, *layer); held: values of layers that were held, shown as they are.
    """
    model = run.program.model
    means = visible_means(run, state) if model.by_role("hidden") and pictured(model) is not None else {}
    return sample_sheet(model, state, means, held)


def draw_run(run: Run, seed: int = 0) -> list[Path]:
    """samples.png, filters.png and curves.png of a run folder, as far as the model has pictures; the paths written."""
    if run.path is None or not available():
        return []
    model = run.program.model
    drawn = not model.by_role("input") and pictured(model) is not None
    sheets = {
        "samples.png": sheet_of(run, chains(run, TILES, _SWEEPS, None, seed).last) if drawn else None,
        "filters.png": filter_sheet(run.program.derived, run.params),
    }
    written = []
    for name, sheet in sheets.items():
        if sheet is not None:
            write(run.path / name, sheet)
            written.append(run.path / name)
    if len(run.history) > 1:
        columns = dict.fromkeys(name for row in run.history for name in row)
        last = {n: next((row[n] for row in reversed(run.history) if row.get(n) is not None), None) for n in columns}
        written.append(curves(run.path / "curves.png", run.history, of_row(run.program.engine, last)))
    return written
