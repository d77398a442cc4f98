"""Why generated CuPy modules cannot be run here; they are loaded like those of NumPy."""

from __future__ import annotations

import importlib.util

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
