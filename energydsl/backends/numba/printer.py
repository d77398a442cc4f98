"""The Numba printer: the fused text of a model, over a runtime with one kernel a family."""

from __future__ import annotations

from energydsl.backends.numba.layers import NumbaLayers
from energydsl.backends.numpy.printer import Printer
from energydsl.backends.runtime_text import numba_runtime
from energydsl.backends.text import Printed


class NumbaPrinter(Printer):
    """The module of a model over the Numba runtime."""

    layer_printer = NumbaLayers

    def module(self) -> Printed:
        """The text of the runtime, of kernels for the functions of this model, and of the model."""
        model = self.model()
        assert isinstance(self.layers, NumbaLayers)
        kernels = "\n\n\n".join("\n".join(text) for text in self.layers.kernels.values())
        return Printed(self.runtime(), model, kernels)

    def runtime(self) -> str:
        """The text of the runtime."""
        return numba_runtime(self.dtype)
