"""A log-likelihood: kept with its run, and its rows written."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from energydsl.diagnostics import EnergyError


def keep(run: Any, found: dict[str, Any], rows: Any, **settings: Any) -> None:
    """Keep an evaluation in the run's folder, where `info` finds it; a remark where that fails."""
    from energydsl.learning.evaluations import keep_evaluation

    if why := keep_evaluation(run, found, rows, {**settings, "binarise": rows.binarise}):
        click.echo(f"this evaluation is not kept with the run: {why}", err=True)


def write_rows(path: Path, values: Iterable[float]) -> None:
    """Write the log-likelihood of each row as CSV: its number from 1, and nats. Raises `EnergyError`."""
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "log_likelihood"])
            writer.writerows((number, f"{value:.9g}") for number, value in enumerate(values, 1))
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
