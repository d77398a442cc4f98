"""Figures of matplotlib (the `plots` extra); without it nothing is drawn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energydsl.diagnostics import EnergyError

if TYPE_CHECKING:
    from energydsl.report.shown_figure import ShownFigure


# What a user without pictures is told.
MISSING = 'pip install "energydsl[plots]"'


def available() -> bool:
    """Whether pictures can be drawn."""
    return find_spec("matplotlib") is not None


def figure(width: float, height: float) -> ShownFigure:
    """An empty figure, its size in inches. Raises `EnergyError` where matplotlib is missing."""
    if not available():
        raise EnergyError(f"pictures need matplotlib: {MISSING}")
    from energydsl.report.shown_figure import ShownFigure

    return ShownFigure(figsize=(width, height), layout="constrained")


def colours(name: str) -> Any:
    """A colour map of matplotlib."""
    from matplotlib import colormaps

    return colormaps[name]


def literal(name: str) -> str:
    """A name as matplotlib shows it, which takes what stands between two dollars for mathematics."""
    return name.replace("$", r"\$")


def save(figure: ShownFigure, path: Path, **options: Any) -> None:
    """Write a figure in the format of the path's ending. Raises `EnergyError` where it cannot be written."""
    try:
        figure.savefig(path, **options)
    except (OSError, ValueError) as error:
        raise EnergyError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
