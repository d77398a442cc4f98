"""The CuPy runtime: array code for the device, with the text of its CUDA kernels in it."""

from __future__ import annotations

from functools import lru_cache

from energydsl.backends.cupy.cuda import cuda_source
from energydsl.backends.fused_printer import FusedPrinter, runtimes, tables
from energydsl.backends.numpy.printer import Printer

_HEAD = """
import base64
import contextlib
import functools
import math
import threading
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import cupy as np  # the names of NumPy, for arrays on the device
import numpy

FLOAT = numpy.{dtype}
PRECISION = "{precision}"

CUDA_SOURCE = r'''
{source}
'''

"""
_UNUSED = frozenset(
    {"philox", "_CENTRE", "_NEAR", "_FAR", "_ratio", "poisson_draw", "poisson_peak", "Panels", "Crowded"}
)


class CupyPrinter(FusedPrinter):
    """The module of a model over the runtime below."""

    def runtime(self) -> str:
        return runtime_text(self.dtype, self.precision)


@lru_cache
def runtime_text(dtype: str, precision: str = "full") -> str:
    """Everything that does not depend on the model."""
    parts = [
        "\n".join(Printer.docstring("NumPy and CuPy")),
        _HEAD.format(dtype=dtype, precision=precision, source=cuda_source(dtype)),
        *runtimes("cupy/runtime.py", "class Device", _UNUSED),
        "",
        "",
        tables(),
    ]
    return "\n".join(parts) + "\n"
