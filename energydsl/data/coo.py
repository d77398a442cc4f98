"""The COO format of dimod: lines `i k bias`, with comments `# vartype=SPIN` and `# offset=1.5`; the offset is ours, others leave it out."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import IO

import numpy as np

from energydsl.data.quadratic import Quadratic, quadratic
from energydsl.diagnostics import DataError
from energydsl.files import plain_file

_LINE = re.compile(r"(\d{1,18})\s+(\d{1,18})\s+([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
_COMMENT = re.compile(r"#\s*(vartype|offset)\s*=\s*(\S+)")
_LONGEST_LINE = 1 << 10


def read(path: Path) -> Quadratic:
    """The function of a file; variables are numbers. Raises `DataError` with the line."""
    try:
        with open(plain_file(path), encoding="ascii") as file:
            return _read(file, path)
    except UnicodeDecodeError:
        raise DataError.of(f"{path} is not a text file of ASCII") from None


def _read(file: IO[str], path: Path) -> Quadratic:
    terms: dict[tuple[Hashable, Hashable], float] = {}
    said, number = {}, 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise DataError.of(f"line {number} of {path} has {_LONGEST_LINE} letters or more")
        text = line.strip()
        if text.startswith("#"):
            if comment := _COMMENT.fullmatch(text):
                said[comment[1]] = comment[2]
        elif text:
            found = _LINE.fullmatch(text)
            if found is None:
                raise DataError.of(f"line {number} of {path}: expected two numbers of variables and a bias, `0 1 -0.5`")
            pair = int(found[1]), int(found[2])
            terms[pair] = terms.get(pair, 0.0) + float(found[3])
    if said.get("vartype") not in ("SPIN", "BINARY"):
        raise DataError.of(
            f"{path} does not say what its variables are",
            "add a line `# vartype=SPIN` (-1 and +1), or BINARY (0 and 1)",
        )
    try:
        offset = float(said.get("offset", "0"))
    except ValueError:
        offset = math.nan
    return quadratic(said["vartype"] == "SPIN", offset, terms)


def write(path: Path, found: Quadratic) -> None:
    """Every variable and pair, with all digits. Raises `DataError` where labels are not whole numbers, `OSError`."""
    if not all(isinstance(label, int) and label >= 0 for label in found.labels):
        raise DataError.of("the COO format has variables by number only", "the formats bqm and qubo keep other labels")

    def line(i: int, k: int, bias: float) -> str:
        return f"{found.labels[i]} {found.labels[k]} {np.format_float_positional(bias, trim='0')}\n"

    with open(path, "w", encoding="ascii") as file:
        file.write(f"# vartype={found.vartype}\n# offset={found.offset!r}\n")
        file.writelines(line(i, i, bias) for i, bias in enumerate(found.linear.tolist()))
        file.writelines(
            line(i, k, bias) for (i, k), bias in zip(found.pairs.tolist(), found.weights.tolist(), strict=True)
        )
