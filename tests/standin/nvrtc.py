"""NVIDIA's run-time compiler, which needs no device: CUDA source to machine code for an architecture."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import lru_cache
from pathlib import Path


@lru_cache
def library() -> ctypes.CDLL | None:
    """libnvrtc of the wheel `nvidia-cuda-nvrtc`, if it is installed."""
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in found.submodule_search_locations if found and found.submodule_search_locations else []:
            for file in sorted(Path(folder).glob("lib/libnvrtc.so*")):
                return ctypes.CDLL(str(file))
    return None


def build(source: str, architecture: str, *options: str) -> tuple[bytes, str]:
    """The machine code and the compiler's messages. Raises `ValueError` with these where it does not compile."""
    nvrtc = library()
    assert nvrtc is not None
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    given = [f"--gpu-architecture={architecture}".encode(), *(o.encode() for o in options)]
    status = nvrtc.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    text = log.value.decode()
    if status:
        raise ValueError(text)
    nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetCUBIN(program, code)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code.raw, text
