"""A figure that a notebook shows, whether or not it has pyplot."""

from __future__ import annotations

from matplotlib.figure import Figure

from energydsl.report import figures


class ShownFigure(Figure):
    """A figure of matplotlib, made without pyplot."""

    def _repr_png_(self) -> bytes:
        return figures.encoded(self, "png")
