"""Files of a run folder: written whole or not at all, read where they are plain files that hold what they should."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from energydsl.data import writers
from energydsl.diagnostics import ArgumentError, DataError, EnergyError

Array = NDArray[Any]
_GARBAGE = (ValueError, TypeError, KeyError, AttributeError, EOFError, OverflowError, MemoryError, RuntimeError)


def invalid(message: str, help: str = "") -> DataError:
    """What is wrong with a file of a run: E0403."""
    return DataError.of(message, help, "E0403")


def folder_of(path: Any, what: str = "out") -> Path:
    """A folder as the user gives it, a text or a path. Raises `ArgumentError`."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str) or not os.fspath(path):
        raise ArgumentError(f"{what} is the path of a folder, a text or a pathlib.Path, not {path!r}")
    return Path(path)


# --- writing


def write(path: Path, fill: Callable[[BinaryIO], Any], durable: bool = True) -> None:
    """Under another name, flushed, renamed: a full disk or a kill leaves what was there. Raises `EnergyError`.

    durable: wait until it is on the disk, so that a loss of power leaves it whole too.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with open(part, "xb") as file:
            fill(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise EnergyError(f"cannot write {path}: {error.strerror or error}") from None


def write_bytes(path: Path, data: bytes, durable: bool = True) -> None:
    """As `write`; a file that holds this already is left alone."""
    with contextlib.suppress(OSError, EnergyError):
        if path.stat().st_size == len(data) and read(path) == data:
            return
    write(path, lambda file: file.write(data), durable)


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """An .npz of plain arrays."""
    write(path, lambda file: writers.npz(file, arrays, compressed=False))


def write_json(path: Path, value: Any) -> None:
    """As `write_bytes`, the value as JSON. Raises `EnergyError`."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


# --- reading


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A plain file, open to be read; anything else, as a pipe that would never end, is refused. Raises `DataError`."""
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    except FileNotFoundError:
        raise invalid(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise invalid(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise invalid(f"{path} is not a plain file")
        yield file


def read(path: Path) -> bytes:
    """All bytes of a plain file. Raises `DataError` (E0403)."""
    with opened(path) as file:
        try:
            return file.read()
        except OSError as error:
            raise invalid(f"cannot read {path}: {error.strerror}") from None


def read_text(path: Path) -> str:
    """The text of a plain file in UTF-8. Raises `DataError` (E0403)."""
    try:
        return read(path).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid(f"{path} is damaged: it is not UTF-8 text") from None


def parsed(text: str | bytes, path: Path) -> Any:
    """What JSON says."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(f"{path} is damaged: it is not JSON") from None


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz; it is not compressed, so that none is larger than the file."""
    with opened(path) as handle:
        try:
            with np.load(handle, allow_pickle=False) as file:
                if any(member.compress_type != zipfile.ZIP_STORED for member in file.zip.infolist()):
                    raise ValueError("compressed")
                return {name: np.asarray(file[name]) for name in file.files}
        except (*_GARBAGE, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise invalid(f"{path} is damaged ({type(error).__name__})") from None


# --- fingerprints


def digest(value: str | Array) -> str:
    """SHA-256 of a text, or of the values of an array with their type and shape."""
    if isinstance(value, str):
        return hashlib.sha256(value.encode()).hexdigest()
    hasher = hashlib.sha256(f"{value.dtype.str}{value.shape}".encode())
    hasher.update(np.ascontiguousarray(value).data if value.size else b"")
    return hasher.hexdigest()


def digests(arrays: Mapping[str, Array]) -> dict[str, str]:
    """The digest of each array, by name."""
    return {name: digest(array) for name, array in arrays.items()}
