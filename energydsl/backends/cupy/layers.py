"""The functions of a layer for CuPy."""

from __future__ import annotations

from energydsl.backends.cupy.form_scans import kernel_of
from energydsl.backends.running_layers import RunningLayers
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Scalar
from energydsl.kernels.program import FormScan


class CupyLayers(RunningLayers):
    """The shared text, with kernels of CUDA for forms that every unit stands in."""

    windows = False

    def kernel_of(self, scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
        """The kernel of a scan in CUDA."""
        return kernel_of(scan, sample)
