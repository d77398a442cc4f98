"""Sequences of letters: aligned ones from FASTA, A2M and Stockholm files, and letters as states of a layer.

FASTA: a line `>name` before each sequence. A2M, A3M: the same, where lower-case letters and dots are insertions, which are left out.
Stockholm: lines `name letters`, in one block or several; where it has a line `#=GC RF`, its columns that are gaps there are insertions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import ArgumentError, DataError, one_of
from energydsl.files import plain_file
from energydsl.model.alphabet import GAP, gap_of
from energydsl.model.records import Layer
from energydsl.options import UNKNOWN, Unknown

Array = NDArray[Any]
_LONGEST_LINE = 1 << 24
# What files write for a gap beside `-`.
_GAPS = ".~_"
_INSERTIONS = "".join(map(chr, range(ord("a"), ord("z") + 1))) + "."
_NO_STATE = -1


@dataclass(frozen=True)
class Alignment:
    """Sequences of equal length. names: (rows,); letters: (rows, columns), codes of ASCII."""

    names: tuple[str, ...]
    letters: Array

    def rows(self, index: Array) -> Alignment:
        """Some of the sequences."""
        return Alignment(tuple(self.names[k] for k in index), self.letters[index])

    def texts(self) -> list[str]:
        """Each sequence as text."""
        return [bytes(row).decode("ascii") for row in self.letters]


class Parser(Protocol):
    """Sequences from the lines of a file, with their numbers."""

    def __call__(self, lines: Iterator[tuple[int, str]], path: Path) -> dict[str, _Sequence]:
        """Sequences by what tells them apart."""


@dataclass(frozen=True)
class _Sequence:
    """name: as the file has it. line: where it begins. parts: its letters, piece by piece."""

    name: str
    line: int
    parts: list[str]


def read(path: Path) -> Alignment:
    """The sequences of a file, by its suffix. Raises `DataError` (E0401) with the line."""
    try:
        with open(plain_file(path), encoding="ascii") as file:
            found = _PARSERS[path.suffix](_lines(file, path), path)
    except UnicodeDecodeError:
        raise DataError.of(f"{path} is not a text file of ASCII") from None
    if not found:
        raise DataError.of(f"{path} has no sequences")
    return _aligned(list(found.values()), path)


def _lines(file: Any, path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise DataError.of(f"line {number} of {path} has more than {_LONGEST_LINE} characters")
        if line.strip():
            yield number, line.rstrip()


def _aligned(sequences: list[_Sequence], path: Path) -> Alignment:
    rows = ["".join(s.parts) for s in sequences]
    for sequence, row in zip(sequences, rows, strict=True):
        if not row:
            raise DataError.of(f"line {sequence.line} of {path}: the sequence `{sequence.name}` is empty")
        if len(row) != len(rows[0]):
            raise DataError.of(
                f"line {sequence.line} of {path}: the sequence `{sequence.name}` has {len(row)} columns, the first has {len(rows[0])}",
                "sequences must be aligned; in files called .a2m and .a3m, lower-case letters and dots are insertions, which are left out",
            )
    letters = np.frombuffer("".join(rows).encode("ascii"), np.uint8).reshape(len(rows), -1)
    return Alignment(tuple(s.name for s in sequences), letters)


def _fasta(lines: Iterator[tuple[int, str]], path: Path) -> dict[str, _Sequence]:
    found: dict[str, _Sequence] = {}
    current: _Sequence | None = None
    for number, line in lines:
        if line.startswith(">"):
            current = _Sequence(line[1:].strip(), number, [])
            found[str(number)] = current
        elif current is None:
            raise DataError.of(f"line {number} of {path}: a sequence begins with a line `>name`")
        else:
            current.parts.append("".join(line.split()))
    return found


def _a2m(lines: Iterator[tuple[int, str]], path: Path) -> dict[str, _Sequence]:
    found = _fasta(lines, path)
    kept = str.maketrans("", "", _INSERTIONS)
    return {k: _Sequence(s.name, s.line, [p.translate(kept) for p in s.parts]) for k, s in found.items()}


def _stockholm(lines: Iterator[tuple[int, str]], path: Path) -> dict[str, _Sequence]:
    found: dict[str, _Sequence] = {}
    reference, ended = "", False
    number, line = next(lines, (1, ""))
    if not line.startswith("# STOCKHOLM"):
        raise DataError.of(f"line {number} of {path}: a Stockholm file begins with `# STOCKHOLM 1.0`")
    for number, line in lines:
        if ended:
            raise DataError.of(
                f"line {number} of {path}: there is something after the end, `//`; one alignment a file is read"
            )
        if line.startswith("#=GC RF"):
            reference += "".join(line.split()[2:])
        elif line == "//":
            ended = True
        elif not line.startswith("#"):
            words = line.split()
            if len(words) != 2:
                raise DataError.of(f"line {number} of {path}: expected a name and a sequence")
            found.setdefault(words[0], _Sequence(words[0], number, [])).parts.append(words[1])
    if not ended:
        raise DataError.of(f"{path} is cut short: a Stockholm file ends with `//`")
    return _of_reference(found, reference, path) if reference else found


def _of_reference(found: Mapping[str, _Sequence], reference: str, path: Path) -> dict[str, _Sequence]:
    """The columns in which the reference has no gap."""
    columns = [k for k, c in enumerate(reference) if c not in GAP + _GAPS]
    kept = {}
    for key, sequence in found.items():
        row = "".join(sequence.parts)
        if len(row) != len(reference):
            raise DataError.of(
                f"line {sequence.line} of {path}: the sequence `{sequence.name}` has {len(row)} columns, `#=GC RF` has {len(reference)}"
            )
        kept[key] = _Sequence(sequence.name, sequence.line, ["".join(row[k] for k in columns)])
    return kept


_PARSERS: Mapping[str, Parser] = MappingProxyType(
    dict.fromkeys((".fasta", ".fa", ".fas", ".afa"), _fasta)
    | dict.fromkeys((".a2m", ".a3m"), _a2m)
    | dict.fromkeys((".sto", ".stk", ".stockholm"), _stockholm)
)
SUFFIXES = tuple(_PARSERS)


# --- letters as states


def is_text(values: object) -> bool:
    """Whether values are text: an array of strings, or a list of them."""
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "SU"
    return isinstance(values, list | tuple) and len(values) > 0 and all(isinstance(v, str) for v in values)


def single_letters(rows: list[Any], name: str) -> Array:
    """The code of each letter of strings of one length, or of rows of letters, (rows, letters). Raises `DataError` (E0401)."""
    texts = ["".join(row) for row in rows]
    odd = next((k for k, text in enumerate(texts) if len(text) != len(texts[0])), None)
    if odd is not None:
        raise DataError.of(f"row 1 of `{name}` has {len(texts[0])} letters, row {odd + 1} has {len(texts[odd])}")
    try:
        letters = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        raise DataError.of(f"the letters of `{name}` are not all of ASCII") from None
    return letters.reshape(len(texts), -1)


def of_text(layer: Layer, values: object, unknown: Unknown = "error") -> Array:
    """Strings, each a row, or an array of single letters, as states. Raises `DataError` (E0401)."""
    array = np.asarray(values)
    array = array.astype("U") if array.dtype.kind == "S" else array
    rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    return states(layer, single_letters(rows.tolist(), layer.name), unknown)


def states(layer: Layer, letters: Array, unknown: Unknown = "error") -> Array:
    """The states that letters name, in their shape. Raises `DataError` (E0401) with row and column of one that names none.

    A lower-case letter stands for the upper-case one, and `.`, `~` and `_` for the gap, where these are none of the letters themselves.
    unknown: "gap" takes a letter that names no state as the gap.
    """
    one_of("unknown", unknown, UNKNOWN)
    if not layer.letters:
        raise DataError.of(
            f"the data of `{layer.name}` are letters, and its states have none",
            f'declare them in the model: {layer.name} : {layer.domain} = "..."',
        )
    gap = gap_of(layer.letters)
    if unknown == "gap" and gap is None:
        raise ArgumentError(f"unknown letters cannot be gaps: `{layer.name}` has no state `{GAP}`")
    found: Array = _table(layer.letters)[letters]
    wrong = found == _NO_STATE
    if not wrong.any():
        return found
    if unknown == "gap" and gap is not None:
        return np.where(wrong, gap, found)
    row, column = (int(k) for k in np.argwhere(wrong)[0])
    raise DataError.of(
        f'row {row + 1}, column {column + 1} of `{layer.name}` is {chr(letters[row, column])!r}, none of its letters "{layer.letters}"',
        'unknown="gap" takes unknown letters as gaps' if gap is not None else "",
    )


def _table(letters: str) -> Array:
    """The state of each code of ASCII."""
    table = np.full(256, _NO_STATE, np.int64)
    if (gap := gap_of(letters)) is not None:
        table[[ord(c) for c in _GAPS]] = gap
    for state, letter in enumerate(letters):
        table[ord(letter.lower())] = state
    for state, letter in enumerate(letters):
        table[ord(letter)] = state
    return table


def as_texts(layer: Layer, codes: Array) -> list[str]:
    """Each row of states as text."""
    letters = np.frombuffer(layer.letters.encode("ascii"), np.uint8)
    return [bytes(row).decode("ascii") for row in letters[codes.reshape(-1, layer.size).astype(np.int64)]]


def write_fasta(path: str | os.PathLike[str], names: list[str], texts: list[str]) -> None:
    """Sequences with their names, each on one line. Raises `OSError`."""
    with open(path, "w", encoding="ascii") as file:
        for name, text in zip(names, texts, strict=True):
            file.write(f">{name}\n{text}\n")
