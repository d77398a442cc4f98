"""The CuPy printer: the fused text of a model, over a runtime with the text of its CUDA kernels in it."""

from __future__ import annotations

from energydsl.backends.cupy.layers import CupyLayers
from energydsl.backends.numpy.printer import Printer
from energydsl.backends.runtime_text import cupy_runtime


class CupyPrinter(Printer):
    """The module of a model over the CuPy runtime."""

    layer_printer = CupyLayers

    def runtime(self) -> str:
        """The text of the runtime."""
        return cupy_runtime(self.dtype, self.precision)
