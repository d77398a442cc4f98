"""The functions of a layer for Numba."""

from __future__ import annotations

from energydsl.backends.fused_layers import moments_of
from energydsl.backends.numba.form_scans import kernel_of
from energydsl.backends.numpy.layers import means_function
from energydsl.backends.running_layers import RunningLayers
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Scalar
from energydsl.kernels.program import FormScan, LayerKernels


class NumbaLayers(RunningLayers):
    """The shared text, with kernels of Numba."""

    def means(self, layer: LayerKernels) -> Lines:
        """The moments of a layer from the state, by the kernel that draws it where they may wait for the end of a region."""
        if not layer.straight:
            return super().means(layer)
        body = [f"    moments = {moments_of(layer)}", *self.drawn(layer, "None", "None")]
        return means_function(layer.layer, body)

    def kernel_of(self, scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
        """The kernel of a scan for Numba."""
        return kernel_of(scan, sample, groups)
