"""Load generated CuPy modules, and say why that cannot be done here."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, cast

from energydsl.backends.interface import CompiledModule
from energydsl.backends.numpy.loader import execute

if TYPE_CHECKING:
    from energydsl.backends.text import Printed

INSTALL = 'pip install "cupy-cuda12x[ctk]", or "cupy-cuda13x[ctk]", whichever CUDA the driver has (nvidia-smi says)'
# How the reason begins where nothing is wrong but that.
NO_GPU = "CuPy finds no GPU"


def obstacle() -> str:
    """Why kernels cannot run on a GPU here, and the way out; empty where they can."""
    if importlib.util.find_spec("cupy") is None:
        return f"backend `cupy` needs CuPy: {INSTALL}"
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except ImportError as error:
        return f"CuPy cannot be loaded ({_first_line(error)}): {INSTALL}"
    except RuntimeError as error:
        return f"{NO_GPU} ({_first_line(error)}); use the numba or numpy backend (or auto)"
    if not count:
        return f"{NO_GPU}; use the numba or numpy backend (or auto)"
    try:
        cupy.cuda.nvrtc.getVersion()
        cupy.cuda.cublas.getVersion  # noqa: B018  loads the library
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"CuPy finds the GPU but not CUDA's compiler and cuBLAS ({_first_line(error)}): {INSTALL}"
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def load(printed: Printed) -> CompiledModule:
    """The module of a generated source, over a runtime that is loaded once."""
    names = runtime(printed.runtime).__dict__
    if printed.kernels:
        names = execute(printed.kernels, names).__dict__
    return cast(CompiledModule, execute(printed.model, names))


@lru_cache(maxsize=8)
def runtime(text: str) -> ModuleType:
    """The runtime module of a text."""
    return execute(text, {})
