"""The table of backends: how each prints, loads and sweeps, and why it cannot be used here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from energydsl.backends.cupy import loader as cupy_loader
from energydsl.backends.cupy.printer import CupyPrinter
from energydsl.backends.cupy.sweeps import CupySweeps
from energydsl.backends.interface import CompiledModule
from energydsl.backends.numba import loader as numba_loader
from energydsl.backends.numba.printer import NumbaPrinter
from energydsl.backends.numba.sweeps import NumbaSweeps
from energydsl.backends.numpy import loader as numpy_loader
from energydsl.backends.numpy.printer import Printer
from energydsl.backends.sparse_sweeps import SparseSweeps
from energydsl.backends.text import Printed
from energydsl.derive import Derived
from energydsl.kernels import Choices, kernels_of
from energydsl.options import Backend, DType, Precision


@dataclass(frozen=True)
class Implementation:
    """printer: of modules; load: a printed module; sweeps: on sparse matrices; obstacle: why it cannot be used here, or ""."""

    printer: type[Printer]
    load: Callable[[Printed], CompiledModule]
    sweeps: type[SparseSweeps] | None
    obstacle: Callable[[], str]


TABLE: Mapping[str, Implementation] = {
    "numpy": Implementation(Printer, numpy_loader.load, None, lambda: ""),
    "numba": Implementation(NumbaPrinter, numba_loader.load, NumbaSweeps, numba_loader.obstacle),
    "cupy": Implementation(CupyPrinter, numpy_loader.load, CupySweeps, cupy_loader.obstacle),
}


def printed(
    derived: Derived,
    dtype: DType = "float32",
    backend: Backend = "numpy",
    precision: Precision = "full",
    choices: Choices | None = None,
) -> Printed:
    """The text of the kernels of a derived model, a standalone module."""
    return TABLE[backend].printer(kernels_of(derived, choices), dtype, precision).module()


def load(backend: Backend, text: Printed) -> CompiledModule:
    """The compiled module of a printed one."""
    return TABLE[backend].load(text)


def sweeps(backend: Backend) -> type[SparseSweeps] | None:
    """The sweeps on sparse matrices that a backend has, if any."""
    return TABLE[backend].sweeps
