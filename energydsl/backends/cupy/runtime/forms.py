"""Scans of layers that inner forms hold."""

from __future__ import annotations

import functools
from typing import Any

import cupy as np

from energydsl.backends.cupy.runtime.device import DEVICE, NULL, DeviceArray, compiled, whole
from energydsl.backends.cupy.runtime.draws import flat
from energydsl.backends.cupy.runtime.given import CUDA_HEAD, FLOAT


class FormKernel:
    """A kernel made for the functions of one model, compiled when it is first called."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    @functools.cached_property
    def function(self) -> Any:
        """The kernel."""
        return compiled(CUDA_HEAD + self.text).get_function(self.name)


def table(value: Any, shape: tuple[int, ...], rows: int) -> DeviceArray:
    """A value of this shape as a matrix of so many rows in the module's precision; as a vector where they are 0."""
    found = np.ascontiguousarray(np.broadcast_to(np.asarray(value, FLOAT), shape))
    return found.reshape(rows, -1) if rows else found.reshape(-1)


def scan_forms(
    kernel: FormKernel,
    x: DeviceArray,
    field: DeviceArray,
    uniform: DeviceArray,
    keep: DeviceArray | None,
    factors: tuple[float, ...],
    forms: tuple[DeviceArray, ...],
    *tables: DeviceArray,
) -> None:
    """Draw the units of a layer in turn, in place, a block of threads a chain. field: natural parameters without the terms of forms.

    forms: running forms (chains, ...), which are changed in place. tables: their slopes, then arrays of parameters.
    """
    rows = len(x)
    units = np.ascontiguousarray(x)
    held = NULL if keep is None else np.ascontiguousarray(np.broadcast_to(keep, x.shape))
    entries = [argument for form in forms for argument in (form, whole(form.size // max(1, rows)))]
    arguments = (
        units, *flat(field, x.shape), uniform, held, whole(rows), whole(x.size // max(1, rows)), *map(FLOAT, factors), *entries,
        *tables,
    )  # fmt: skip
    # Threads of a block wait for one another at each unit: few of them, where blocks enough fill the device.
    threads = 64 if rows > 2 * DEVICE.processors else 256
    kernel.function((max(1, min(rows, 65535)),), (threads,), arguments)
    if units is not x:
        x[...] = units
