"""How long work goes on, as it goes on: a bar in a notebook and on a terminal, a line now and then in a log."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from energydsl.diagnostics import ArgumentError, a_kind
from energydsl.markup import element, html

Row = Mapping[str, Any]
Taken = TypeVar("Taken")
Taker = Callable[[Taken], None]
# Lines of a log, at most.
_LINES, _STEPS = 10, 20


@contextmanager
def fractions(title: str, shown: bool = True) -> Iterator[Taker[float]]:
    """Shows how far work is; takes the fraction done."""
    told = [0]
    with _bar(title, 1.0, shown) as bar:

        def show(fraction: float) -> None:
            if bar is not None:
                bar(fraction, 1.0, title)
            elif shown and int(fraction * _LINES) > told[0]:
                told[0] = int(fraction * _LINES)
                _log(f"{title}: {100 * told[0] // _LINES} %")

        yield show
        if bar is not None:
            bar(1.0, 1.0, title)


@contextmanager
def epochs(count: int, shown: bool = True) -> Iterator[Taker[Row]]:
    """Shows how training goes; takes the rows of its metrics, those of greedy stages with their own number of `epochs`."""
    with _bar("starting", max(1, count), shown, lasting=True) as bar:

        def show(row: Row) -> None:
            whole = row.get("epochs", count)
            if bar is not None:
                bar(row["epoch"], max(1, whole), line(row, whole))
            elif shown and (row["epoch"] % max(1, whole // _STEPS) == 0 or row["epoch"] == whole):
                _log(line(row, whole))

        yield show


@contextmanager
def watched(title: str, progress: bool | Taker[float] | None, speaks: bool = True) -> Iterator[Taker[float] | None]:
    """What an argument `progress` means: True shows the fraction done, a function is called with it. Raises `ArgumentError`."""
    if callable(progress) or progress is None:
        yield progress
        return
    with fractions(title, _asked(progress) and speaks) as show:
        yield show if progress else None


@contextmanager
def reported(
    count: int, progress: bool, report: Taker[dict[str, Any]] | None, speaks: bool = True
) -> Iterator[Taker[dict[str, Any]] | None]:
    """A function of rows of metrics, if one is needed: it shows them, where `progress` says so, and hands them on."""
    if not _asked(progress):
        yield report
        return
    with epochs(count, speaks) as show:

        def both(row: dict[str, Any]) -> None:
            show(row)
            if report is not None:
                report(row)

        yield both


def _asked(progress: object) -> bool:
    if not isinstance(progress, bool):
        raise ArgumentError(f"progress is True or False, not {a_kind(progress)}")
    return progress


def line(row: Row, count: int) -> str:
    """A row of metrics in words."""
    stage = f"{row['stage']}  " if "stage" in row else ""
    text = f"{stage}epoch {row['epoch']}/{count}  {row['seconds']:.1f} s"
    if math.isfinite(row["reconstruction_error"]):
        text += f"  reconstruction {row['reconstruction_error']:.4f}"
    gap, score = row.get("free_energy_gap"), row.get("log_likelihood")
    text += f"  free-energy gap {gap:+.2f}" if gap is not None and math.isfinite(gap) else ""
    return text + (f"  log-likelihood {_known(row, score)}" if score is not None else "")


def _known(row: Row, score: float) -> str:
    """A log-likelihood with what is known of it."""
    low, high, bound = (row.get(f"log_likelihood_{n}") for n in ("low", "high", "bound"))
    if bound:
        return f">= {score if low is None else low:.2f} (a bound)"
    if low is not None and high is not None:
        return f"{score:.2f} (between {low:.2f} and {high:.2f})"
    if bound is not None:
        return f"{score:.2f} (exact)"
    return f"{score:.2f} (an estimate)"


# --- where it is shown


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, whose output is a page."""
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found is not None else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def _bar(
    title: str, whole: float, shown: bool, lasting: bool = False
) -> Iterator[Callable[[float, float, str], None] | None]:
    """A bar that takes what is done, of how much, and words; None where lines are written instead. lasting: whether it stays."""
    if not shown:
        yield None
    elif in_notebook():
        yield _in_page(title, whole)
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = BarColumn(), TextColumn("{task.description}", markup=False), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True), transient=not lasting) as bar:
            task = bar.add_task(title, total=whole)
            yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)
    else:
        yield None


def _in_page(title: str, whole: float) -> Callable[[float, float, str], None]:
    """A bar of the page itself, replaced as it goes on: it needs no widgets, and what is left in the notebook is the last one."""
    from IPython.display import HTML, display

    def page(done: float, total: float, text: str) -> Any:
        bar = element("progress", value=f"{done:g}", max=f"{total:g}")
        return HTML(html(element("div", bar, f" {text}")))

    handle = display(page(0.0, whole, title), display_id=True)

    def show(done: float, total: float, text: str) -> None:
        handle.update(page(done, total, text))

    return show


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
