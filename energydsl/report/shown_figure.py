"""A figure that a notebook shows, whether or not it has pyplot, and that goes into a page."""

from __future__ import annotations

import io

from matplotlib import rc_context
from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure of matplotlib, made without pyplot."""

    def encoded(self, format: str) -> bytes:
        """The bytes of a file, "png" or "svg"; the same figure gives the same bytes."""
        file = io.BytesIO()
        with rc_context({"svg.hashsalt": "energydsl"}):
            self.savefig(file, format=format, metadata={"Date": None} if format == "svg" else {})
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.encoded("png")
