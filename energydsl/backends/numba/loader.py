"""Load generated Numba modules. The runtime is a file of the kernel cache, so that what Numba compiles is kept beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, cast

from energydsl.backends.interface import CompiledModule
from energydsl.backends.kernel_cache import as_file
from energydsl.backends.numpy.loader import execute

if TYPE_CHECKING:
    from energydsl.backends.text import Printed


# A runtime is loaded once, by whichever thread asks first.
_LOADING = threading.RLock()


def installed() -> bool:
    """Whether this backend can be used; does not import anything heavy."""
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "threadpoolctl"))


def obstacle() -> str:
    """Why this backend cannot be used here, and the way out; empty where it can."""
    return "" if installed() else 'backend `numba` needs its packages: pip install "energydsl[numba]"'


def load(printed: Printed) -> CompiledModule:
    """The module of a generated source, over a runtime that is loaded once."""
    names = dict(runtime(printed.runtime).__dict__)
    if printed.kernels:
        names |= kernels(printed.runtime, printed.kernels).__dict__
    return cast(CompiledModule, execute(printed.model, names))


@lru_cache(maxsize=64)
def kernels(over: str, text: str) -> ModuleType:
    """Kernels for the functions of a model, in a file of their own over a runtime."""
    base = runtime(over)
    digest = hashlib.sha256(f"{base.__name__}\n{text}".encode()).hexdigest()[:16]
    return _as_module(f"energydsl_forms_{digest}", f"from {base.__name__} import *\n\n\n{text}\n")


def runtime(text: str) -> ModuleType:
    """The runtime module of a text."""
    with _LOADING:
        return _runtime(text)


@lru_cache(maxsize=8)
def _runtime(text: str) -> ModuleType:
    started = start_threads()
    name = f"energydsl_runtime_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    module = _as_module(name, text)
    if started != os.getpid():
        module.BLAS.after_fork()
    return module


def _as_module(name: str, text: str) -> ModuleType:
    """A text as a module, from a file of the kernel cache."""
    spec = importlib.util.spec_from_file_location(name, as_file(name, text))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def start_threads() -> int:
    """The process that has Numba's threads, which wait for work awake for microseconds only.

    On a shared machine, who spins keeps others from their work. GNU's OpenMP library reads this when it is loaded and never again, so the variable is there for that moment alone.
    """
    import numba

    unsaid = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    if unsaid:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    numba.get_num_threads()
    if unsaid:
        del os.environ["GOMP_SPINCOUNT"]
    return os.getpid()
