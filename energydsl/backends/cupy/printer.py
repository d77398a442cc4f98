"""The CuPy printer: the fused text of a model, over a runtime with the text of its CUDA kernels in it."""

from __future__ import annotations

from energydsl.backends.fused_printer import FusedPrinter
from energydsl.backends.runtime_text import cupy_runtime


class CupyPrinter(FusedPrinter):
    """The module of a model over the CuPy runtime."""

    def runtime(self) -> str:
        """The text of the runtime."""
        return cupy_runtime(self.dtype, self.precision)
