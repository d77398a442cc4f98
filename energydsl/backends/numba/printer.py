"""The Numba printer: the fused text of a model, over a runtime with one kernel a family."""

from __future__ import annotations

from energydsl.backends.numba.layers import NumbaLayers
from energydsl.backends.numpy.printer import Printer
from energydsl.backends.runtime_text import numba_runtime
from energydsl.kernels.program import LayerKernels


class NumbaPrinter(Printer):
    """The module of a model over the Numba runtime."""

    layer_printer = NumbaLayers

    def straight(self, layer: LayerKernels) -> bool:
        """Where it is products and a function of them."""
        return layer.straight

    def runtime(self) -> str:
        """The text of the runtime."""
        return numba_runtime(self.dtype)
