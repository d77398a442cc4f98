"""The Numba printer: the fused text of a model, over a runtime with one kernel a family."""

from __future__ import annotations

from energydsl.backends.fused_printer import FusedPrinter
from energydsl.backends.runtime_text import numba_runtime


class NumbaPrinter(FusedPrinter):
    """The module of a model over the Numba runtime."""

    def runtime(self) -> str:
        """The text of the runtime."""
        return numba_runtime(self.dtype)
