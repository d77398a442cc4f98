"""One writer a run folder: a lock file that says whose it is, and is nobody's once its process is gone."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from energydsl.diagnostics import EnergyError

NAME = "lock"


@contextmanager
def locked(folder: Path, name: str = NAME, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder. Raises `EnergyError` where another process, or another thread, holds it after `wait` seconds.

    The system lets go of the lock when its holder dies, so one left by a dead process of this host is taken over. One that
    names another host is not: not every network file system keeps locks between hosts.
    """
    path, until = folder / name, time.monotonic() + wait
    while (number := _taken(path)) is None:
        if time.monotonic() >= until and path.exists():
            raise EnergyError(_held(folder, path))
        time.sleep(0.02)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(number)


def _taken(path: Path) -> int | None:
    """The descriptor of the lock file, now ours; None where it is another's."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
    try:
        if _ours(number, path):
            since = datetime.now().astimezone().isoformat(timespec="seconds")
            text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n"
            os.ftruncate(number, 0)
            os.lseek(number, 0, os.SEEK_SET)
            os.write(number, text.encode())
            return number
    except OSError as error:
        os.close(number)
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
    os.close(number)
    return None


def _ours(number: int, path: Path) -> bool:
    """Whether the file that is open here is locked for us, and is still the one of this name."""
    if not stat.S_ISREG(os.fstat(number).st_mode):
        raise OSError(0, "it is not a plain file")
    kept = _flocked(number)
    owner = _owner(os.read(number, 4096))
    here = owner.get("host") == socket.gethostname()
    if kept is False or (owner and not here) or (owner and kept is None and _alive(owner.get("pid"))):
        return False
    try:
        return os.fstat(number).st_ino == os.stat(path).st_ino
    except FileNotFoundError:
        return False


def _flocked(number: int) -> bool | None:
    """Whether the system's lock is ours; None where there are none, as on some network file systems."""
    try:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _alive(pid: Any) -> bool:
    """Whether a process of this host is there."""
    if not isinstance(pid, int) or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _owner(text: bytes) -> dict[str, Any]:
    """What a lock file says of its owner; nothing where its writer was cut off."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _held(folder: Path, path: Path) -> str:
    owner: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        owner = _owner(path.read_bytes()[:4096])
    whose = ", ".join(f"{k} {owner[k]}" for k in ("pid", "host", "since") if k in owner) or "it does not say which"
    return f"{folder} is being written by another process ({whose}). If that one is gone, delete {path}"
