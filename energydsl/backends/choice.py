"""Which backends there are, whether one can be used here, and which one `auto` means."""

from __future__ import annotations

from energydsl.backends.registry import TABLE
from energydsl.diagnostics import EnergyError, one_of
from energydsl.options import BACKENDS, Backend

# Parameters and units from which `auto` takes compiled kernels, and a device.
_COMPILED_FROM, _DEVICE_FROM = 256, 10_000


def obstacle(backend: str) -> str:
    """Why a backend cannot be used here, and the way out; empty where it can."""
    return TABLE[backend].obstacle() if backend in TABLE else ""


def chosen(backend: Backend, size: int) -> Backend:
    """The backend that is meant for a model of so many parameters and units.

    Raises `ArgumentError` where there is none of that name, `EnergyError` where it cannot be used here.
    """
    one_of("backend", backend, BACKENDS)
    if found := obstacle(backend):
        raise EnergyError(found)
    if backend != "auto":
        return backend
    if size >= _DEVICE_FROM and not obstacle("cupy"):
        return "cupy"
    return "numba" if worth_compiling(size) and not obstacle("numba") else "numpy"


def worth_compiling(size: int) -> bool:
    """Whether `auto` takes compiled kernels for a model of so many parameters and units, where there are any."""
    return size >= _COMPILED_FROM
