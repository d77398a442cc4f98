"""Load generated modules of Python. Each is registered under its hash, so tracebacks show its lines."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Mapping
from functools import lru_cache
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from energydsl.backends.interface import CompiledModule

if TYPE_CHECKING:
    from energydsl.backends.text import Printed


@lru_cache(maxsize=64)
def load(printed: Printed) -> CompiledModule:
    """The module of a generated source, over a runtime that is loaded once; so is the same text."""
    names = runtime(printed.runtime).__dict__
    if printed.kernels:
        names = execute(printed.kernels, names).__dict__
    return cast(CompiledModule, execute(printed.model, names))


@lru_cache(maxsize=8)
def runtime(text: str) -> ModuleType:
    """The runtime module of a text."""
    return execute(text, {})


def execute(source: str, names: Mapping[str, Any]) -> ModuleType:
    """A module made by running a generated source, with some names there beforehand."""
    name = f"energydsl_kernels_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__dict__.update({k: v for k, v in names.items() if not k.startswith("__")})
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(_code(source, filename), module.__dict__)
    return module


@lru_cache(maxsize=64)
def _code(source: str, filename: str) -> CodeType:
    """The byte code of a source, which takes far longer to make than to run."""
    return compile(source, filename, "exec")
