"""Load generated Numba modules. The runtime is a file in the cache folder, so that what Numba compiles is kept there."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from energydsl.backends.numpy_backend import execute

if TYPE_CHECKING:
    from energydsl.backends.numpy_printer import Printed


def installed() -> bool:
    """Whether this backend can be used; does not import anything heavy."""
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "threadpoolctl"))


def load(printed: Printed) -> ModuleType:
    """The module of a generated source, over a runtime that is loaded once."""
    return execute(printed.model, runtime(printed.runtime).__dict__)


@lru_cache(maxsize=8)
def runtime(text: str) -> ModuleType:
    """The runtime module of a text."""
    _start_threads()
    name = f"energydsl_runtime_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    path = _file(name, text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _start_threads() -> None:
    """Numba's threads, waiting for work awake for microseconds only: on a shared machine, who spins keeps others from their work.

    GNU's OpenMP library reads this when it is loaded and never again, so the variable is there for that moment alone.
    """
    import numba

    unsaid = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    if unsaid:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    numba.get_num_threads()
    if unsaid:
        del os.environ["GOMP_SPINCOUNT"]


def cache_folder() -> Path:
    """Where compiled kernels are kept: $ENERGYDSL_CACHE, else the user's cache folder."""
    given = os.environ.get("ENERGYDSL_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given) if given else Path(base) / "energydsl"


def _file(name: str, text: str) -> Path:
    """The text as a file that holds nothing else; in a temporary folder where the cache cannot be written."""
    for folder in (cache_folder(), Path(tempfile.mkdtemp(prefix="energydsl-"))):
        path = folder / f"{name}.py"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                part = folder / f".{name}.{os.getpid()}.part"
                part.write_text(text, encoding="utf-8")
                part.replace(path)
        except OSError:
            continue
        return path
    raise OSError("no folder for compiled kernels can be written")
