"""Caches: where compiled kernels are kept, what says so, and how large they have become."""

from __future__ import annotations

import os
from pathlib import Path

from energydsl.backends.kernel_cache import cache_folder, obstacle
from energydsl.doctor.record import Finding


def caches() -> list[Finding]:
    """The cache of kernels, and those of Numba and CuPy where they are elsewhere."""
    found = [_kernels()]
    for name, folder in (
        ("numba", os.environ.get("NUMBA_CACHE_DIR")),
        ("cupy", os.environ.get("CUPY_CACHE_DIR") or "~/.cupy/kernel_cache"),
    ):
        if folder and (place := Path(folder).expanduser()).is_dir():
            found.append(Finding("caches", name, "ok", f"{place}, {size(place)}"))
    return found


def _kernels() -> Finding:
    folder = cache_folder()
    if folder is None:
        return Finding(
            "caches",
            "kernels",
            "missing",
            "there is no home directory: kernels are compiled for each process",
            "set ENERGYDSL_CACHE",
        )
    by = next((f", set by {name}" for name in ("ENERGYDSL_CACHE", "XDG_CACHE_HOME") if os.environ.get(name)), "")
    if not folder.exists():
        return Finding("caches", "kernels", "ok", f"{folder}{by}: made when it is needed")
    if why := obstacle(folder):
        return Finding("caches", "kernels", "broken", f"{folder}{by}", why)
    return Finding("caches", "kernels", "ok", f"{folder}{by}, {size(folder)}")


def size(folder: Path) -> str:
    """How many files, and how large together."""
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"
