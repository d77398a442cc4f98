"""The table of formats of quadratic models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from energydsl.data import bqm, coo, qubo
from energydsl.data.quadratic import Quadratic
from energydsl.options import QuadraticFormat


@dataclass(frozen=True)
class QuadraticFile:
    """read: raises `DataError`, `OSError`. write: likewise."""

    read: Callable[[Path], Quadratic]
    write: Callable[[Path, Quadratic], None]


TABLE: Mapping[QuadraticFormat, QuadraticFile] = MappingProxyType(
    {
        "bqm": QuadraticFile(bqm.read, bqm.write),
        "coo": QuadraticFile(coo.read, coo.write),
        "qubo": QuadraticFile(qubo.read, qubo.write),
    }
)
