"""Where compiled kernels are kept: a folder that is its owner's alone, else one that ends with this process.

What lies there is run, byte code and machine code alike. So nothing is taken from a folder into which others can write.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

from energydsl.diagnostics import EnergyError

_log = logging.getLogger("energydsl")


def cache_folder() -> Path | None:
    """$ENERGYDSL_CACHE, else the user's cache folder; None where there is no home directory."""
    if given := os.environ.get("ENERGYDSL_CACHE"):
        return Path(given)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "energydsl"
    try:
        return Path.home() / ".cache" / "energydsl"
    except RuntimeError:
        return None


def as_file(name: str, text: str) -> Path:
    """The text as a file `name`.py that holds nothing else, in a folder where what is compiled from it can be kept."""
    folder = cache_folder()
    why = "there is no home directory" if folder is None else obstacle(folder)
    if folder is None or why:
        folder = _temporary(os.getpid(), why)
    path = folder / f"{name}.py"
    if not path.exists() or path.read_bytes() != text.encode():
        part = folder / f".{name}.{os.getpid()}.part"
        part.write_bytes(text.encode())
        part.replace(path)
    return path


def obstacle(folder: Path) -> str:
    """Why a folder cannot keep kernels; empty where it can. It is made, for its owner alone, where it is not there."""
    try:
        for place in (folder, folder / "__pycache__"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _private(place):
                return f"{place} is not a folder of yours alone; remove it, or `chmod 700` it if all in it is yours"
            tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"
    return ""


def _private(folder: Path) -> bool:
    """Whether a folder, no link to one, belongs to this user, and nobody else can write into it."""
    if not hasattr(os, "geteuid"):
        return True
    found = os.stat(folder, follow_symlinks=False)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


@lru_cache(maxsize=1)
def _temporary(process: int, why: str) -> Path:
    """A folder for this process, removed at its end. Raises `EnergyError` where there is no place for one."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="energydsl-"))
    except OSError:
        raise EnergyError(
            f"no folder for compiled kernels: {why}, and there is no temporary one; set ENERGYDSL_CACHE, or use backend numpy"
        ) from None
    atexit.register(_remove, folder, process)
    _log.warning("kernels are compiled for this process alone: %s (or set ENERGYDSL_CACHE)", why)
    return folder


def _remove(folder: Path, process: int) -> None:
    """At the end of the process that made it, not of one forked from it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
