"""How training goes on, as it goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def reporting(as_json: bool, epochs: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar with the latest figures on a terminal, a line now and then elsewhere."""
    if as_json:
        yield lambda row: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("starting", total=max(1, epochs))

            def show(row: dict[str, Any]) -> None:
                whole = row.get("epochs", epochs)
                bar.update(task, completed=row["epoch"], total=max(1, whole), description=_line(row, whole))

            yield show
    else:

        def report(row: dict[str, Any]) -> None:
            whole = row.get("epochs", epochs)
            if row["epoch"] % max(1, whole // 20) == 0 or row["epoch"] == whole:
                click.echo(_line(row, whole), err=True)

        yield report


def _line(row: dict[str, Any], epochs: int) -> str:
    stage = f"{row['stage']}  " if "stage" in row else ""
    text = f"{stage}epoch {row['epoch']}/{epochs}  {row['seconds']:.1f} s"
    if math.isfinite(row["reconstruction_error"]):
        text += f"  reconstruction {row['reconstruction_error']:.4f}"
    gap, score = row.get("free_energy_gap"), row.get("log_likelihood")
    text += f"  free-energy gap {gap:+.2f}" if gap is not None and math.isfinite(gap) else ""
    return text + (f"  log-likelihood {_known(row, score)}" if score is not None else "")


def _known(row: dict[str, Any], score: float) -> str:
    """A log-likelihood with what is known of it."""
    low, high, bound = (row.get(f"log_likelihood_{n}") for n in ("low", "high", "bound"))
    if bound:
        return f">= {score if low is None else low:.2f} (a bound)"
    if low is not None and high is not None:
        return f"{score:.2f} (between {low:.2f} and {high:.2f})"
    if bound is not None:
        return f"{score:.2f} (exact)"
    return f"{score:.2f} (an estimate)"
