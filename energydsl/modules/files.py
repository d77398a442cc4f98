"""Files that a model imports: plain ones, inside the folder of the model, a few of them. Their text is as untrusted as any."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from energydsl.diagnostics import Diagnostic, ModelError, Source, Span, nearest
from energydsl.files import plain_file
from energydsl.syntax import parse, tree
from energydsl.syntax.parser import MAX_BYTES, decode

SUFFIX = ".energy"
# Files of one model, and how many may stand one inside the other.
MAX_FILES = 64
MAX_DEPTH = 8
LESS = "import fewer files, or put what they say into one"


@dataclass(frozen=True)
class File:
    """A file as it was read. path: from the folder of the model. where: the file itself, links followed."""

    path: PurePosixPath
    where: Path
    module: tree.Module


@dataclass(frozen=True)
class Files:
    """The folder of a model, None for a text that has none, and the files that were read from it. known: those that were read before."""

    folder: Path | None
    known: Mapping[str, Source] = field(default_factory=dict)
    read: dict[PurePosixPath, File] = field(default_factory=dict)

    def open(self, name: tree.String, beside: PurePosixPath) -> File:
        """The file of an `import` that stands in a file of the folder `beside`. Raises `ModelError` (E0501, E0502, E0504, E01xx)."""
        if self.folder is None and not self.known:
            help = "load it from its file, or say where they are: ed.loads(text, folder=...)"
            raise refused("E0502", "a text without a folder cannot import files", name.span, help)
        path = inside(self.folder, name, beside)
        if path.suffix != SUFFIX:
            raise refused(
                "E0502", f"{name.value} is not a file of a model", name.span, f"its name ends with `{SUFFIX}`"
            )
        try:
            if path not in self.read and str(path) in self.known:
                self.read[path] = File(path, Path(path), self._one_more(name.span, self.known[str(path)]))
            elif path not in self.read:
                if self.folder is None:
                    raise FileNotFoundError
                where = (self.folder / path).resolve(strict=True)
                self.read[path] = File(path, where, self._parsed(where, path, name.span))
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "that is no name of a file"
            raise refused("E0501", f"cannot import {name.value}: {reason}", name.span, self._near(path)) from None
        return self.read[path]

    def _parsed(self, where: Path, path: PurePosixPath, at: Span) -> tree.Module:
        if plain_file(where).stat().st_size > MAX_BYTES:
            raise refused("E0504", f"{path} is larger than 1 MiB; a model is not", at, LESS)
        assert self.folder is not None
        source = decode(where.read_bytes(), str(self.folder / path), at)
        return self._one_more(at, source)

    def _one_more(self, at: Span, source: Source) -> tree.Module:
        if len(self.read) == MAX_FILES:
            raise refused("E0504", f"a model is made of at most {MAX_FILES} files", at, LESS)
        return parse(source)

    def _near(self, path: PurePosixPath) -> str:
        """The file of the folder that may be meant."""
        if self.folder is None:
            return ""
        folder = self.folder / path.parent
        known = sorted(f.stem for f in folder.glob(f"*{SUFFIX}") if f.is_file()) if folder.is_dir() else []
        close = nearest(path.stem, known)
        return f"did you mean `{close}{SUFFIX}`?" if close else "its path is relative to the file that imports it"


def inside(folder: Path | None, name: tree.String, beside: PurePosixPath) -> PurePosixPath:
    """A path that a file in the folder `beside` names, from the folder of the model. Raises `ModelError` (E0502) where it leaves it."""
    text = name.value
    if not text or "\\" in text or PurePosixPath(text).is_absolute() or PureWindowsPath(text).anchor:
        help = "write it relative to the file that names it, with `/` between folders"
        raise refused("E0502", f'"{text}" is not a relative path', name.span, help)
    path = PurePosixPath(posixpath.normpath(str(beside / text)))
    if path.parts[:1] == ("..",):
        raise _outside(text, name.span)
    if folder is None:
        return path
    try:
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise _outside(text, name.span)
    except (OSError, RuntimeError, ValueError):
        raise refused("E0502", f"`{text}` is not the path of a file", name.span) from None
    return path


def _outside(text: str, span: Span) -> ModelError:
    help = "put a copy into the folder: a model reads nothing outside its own"
    return refused("E0502", f"{text} lies outside the folder of the model", span, help)


def refused(code: str, message: str, span: Span, help: str = "") -> ModelError:
    """An error with a single diagnostic."""
    return ModelError([Diagnostic(code, message, span, help)])
