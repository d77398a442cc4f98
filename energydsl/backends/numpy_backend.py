"""Load generated NumPy modules. Each is registered under its hash, so tracebacks show its lines."""

from __future__ import annotations

import hashlib
import linecache
from functools import lru_cache
from types import ModuleType


@lru_cache(maxsize=64)
def load(source: str) -> ModuleType:
    """The module of a generated source; the same text is loaded once."""
    name = f"energydsl_kernels_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), module.__dict__)
    return module
