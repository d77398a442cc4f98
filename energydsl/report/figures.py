"""Figures of matplotlib (the `plots` extra); without it nothing is drawn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energydsl.diagnostics import EnergyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def available() -> bool:
    """Whether pictures can be drawn."""
    return find_spec("matplotlib") is not None


def figure(width: float, height: float) -> Figure:
    """An empty figure, its size in inches. Raises `EnergyError` where matplotlib is missing."""
    if not available():
        raise EnergyError('pictures need matplotlib: pip install "energydsl[plots]"')
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def colours(name: str) -> Any:
    """A colour map of matplotlib."""
    from matplotlib import colormaps

    return colormaps[name]


def save(figure: Figure, path: Path, **options: Any) -> None:
    """Write a figure in the format of the path's ending. Raises `EnergyError` where it cannot be written."""
    try:
        figure.savefig(path, **options)
    except (OSError, ValueError) as error:
        raise EnergyError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
