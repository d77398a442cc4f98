"""CUDA source built for the host: each kernel a function that runs its grid of threads."""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
_KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
SCALARS = {"int": np.int32, "word": np.uint32, "float": np.float32, "double": np.float64, "bool": np.bool_}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: its scalar type, and whether it is a pointer to such."""

    name: str
    kind: type
    pointer: bool
    const: bool


def parameters(text: str, real: str) -> tuple[Parameter, ...]:
    found = []
    for part in text.split(","):
        words = part.replace("*", " * ").split()
        kind = next(w for w in words if w not in ("const", "*"))
        kinds = {**SCALARS, "FLOAT": SCALARS[real], "unsigned": np.uint16}
        found.append(Parameter(words[-1], kinds[kind], "*" in words, "const" in words))
    return tuple(found)


def signatures(source: str) -> dict[str, tuple[Parameter, ...]]:
    """Names and parameters of all kernels of a source."""
    real = re.search(r"typedef (\w+) FLOAT;", source)
    assert real
    return {name: parameters(text, real.group(1)) for name, text in _KERNEL.findall(source)}


@lru_cache
def build(source: str) -> ctypes.CDLL:
    """The kernels of a source as a library with one `launch_` function each; kept between runs by their hash."""
    assert COMPILER is not None
    header = Path(__file__).with_name("cuda_host.h").read_text()
    launchers = []
    for name, text in _KERNEL.findall(source):
        names = ", ".join(p.split()[-1].lstrip("*") for p in text.split(","))
        launchers.append(
            f'extern "C" void launch_{name}(unsigned grid_x, unsigned grid_y, unsigned threads, {text}) '
            f"{{ host::launch({{grid_x, grid_y, 1}}, threads, [&] {{ {name}({names}); }}); }}"
        )
    whole = "\n".join([header, source, *launchers])
    digest = hashlib.sha256(whole.encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / "energydsl-host-kernels"
    folder.mkdir(exist_ok=True)
    library = folder / f"{digest}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as here:
            text_file, made = Path(here) / "kernels.cpp", Path(here) / "kernels.so"
            text_file.write_text(whole)
            options = [
                "-std=c++17",
                "-O1",
                "-ffp-contract=off",
                "-shared",
                "-fPIC",
                "-w",
                "-U_FORTIFY_SOURCE",
                "-Wl,-Bsymbolic",
            ]
            subprocess.run([COMPILER, *options, "-o", str(made), str(text_file)], check=True)
            made.replace(library)
    return ctypes.CDLL(str(library))
