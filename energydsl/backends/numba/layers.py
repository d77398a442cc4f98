"""The functions of a layer for Numba."""

from __future__ import annotations

from energydsl.backends.numba.form_scans import kernel_of
from energydsl.backends.running_layers import RunningLayers
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Scalar
from energydsl.kernels.program import FormScan


class NumbaLayers(RunningLayers):
    """The shared text, with kernels of Numba."""

    def kernel_of(self, scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
        """The kernel of a scan for Numba."""
        return kernel_of(scan, sample, groups)
