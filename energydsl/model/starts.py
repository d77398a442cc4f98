"""Initial values of a parameter from a file: `param J[G] = file("weights.csv")`.

The file is found as that of `edges("file.csv")` is: a plain file, its path relative to the model's. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import csv
import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import Span, suggestion
from energydsl.files import plain_file
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import Graph
from energydsl.syntax import tree

Array = NDArray[np.float64]


def read(call: tree.Call, name: str, shape: tuple[int, ...], graph: Graph | None, folder: Path | None) -> Array:
    """The values of a parameter of this shape. Raises `DiagnosticError` (E0212, E0402 unreadable, E0403 of another shape).

    A .csv holds a matrix row by row, a vector in one row or one column, more axes with the last along a row; for one value an
    edge, also rows of three: both units, and the value. A .npy holds the array itself. graph: of whose edges the values are.
    """
    if len(call.arguments) != 1 or call.arguments[0][0] or not isinstance(call.arguments[0][1], tree.String):
        raise DiagnosticError("E0212", '`file` takes the name of a file: `file("weights.csv")`', call.span)
    file, span = call.arguments[0][1].value, call.arguments[0][1].span
    path = (folder or Path()) / file
    if path.suffix not in (".csv", ".npy"):
        raise DiagnosticError(
            "E0212", f"{file} is neither a .csv nor a .npy file", span, suggestion(path.suffix, (".csv", ".npy"))
        )
    try:
        found = _npy(path, shape) if path.suffix == ".npy" else _csv(path)
    except _Unfit as problem:
        raise DiagnosticError("E0403", f"{file} {problem}", span) from None
    except (OSError, EOFError, SyntaxError, ValueError, csv.Error, tokenize.TokenError) as error:
        reason = getattr(error, "strerror", None) or f"not a {path.suffix} file of numbers"
        raise DiagnosticError("E0402", f"cannot read the values of `{name}` from {file}: {reason}", span) from None
    if path.suffix == ".csv":
        found = _by_edge(found, graph, file, span) if _has_edges(found, graph) else _shaped(found, shape)
    if found.shape != shape:
        raise DiagnosticError(
            "E0403", f"{file} holds an array of shape {found.shape}, but `{name}` has shape {shape}", span
        )
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        at = ", ".join(map(str, bad[0]))
        raise DiagnosticError(
            "E0403", f"{file} holds {found[tuple(bad[0])]} at [{at}], which is no finite number", span
        )
    return found


class _Unfit(Exception):
    """What is wrong with a file that can be read."""


def _npy(path: Path, shape: tuple[int, ...]) -> Array:
    """The array of a .npy file; its shape is known before it is read."""
    found: NDArray[Any] = np.load(plain_file(path), mmap_mode="r", allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biuf":
        raise _Unfit("does not hold an array of real numbers")
    return np.array(found, np.float64) if found.shape == shape else np.broadcast_to(np.zeros(()), found.shape)


def _csv(path: Path) -> Array:
    text = plain_file(path).read_text(encoding="utf-8-sig")
    reader = csv.reader(text.splitlines())
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if rows and not any(_is_number(cell) for cell in rows[0][1]):
        del rows[0]  # names of the columns
    if not rows:
        raise _Unfit("holds no number")
    for number, row in rows:
        if len(row) != len(rows[0][1]):
            raise _Unfit(f"has {len(row)} columns in row {number}, and {len(rows[0][1])} in row {rows[0][0]}")
        wrong = next((cell for cell in row if not _is_number(cell)), None)
        if wrong is not None:
            raise _Unfit(f"has `{wrong.strip()[:40]}` in row {number}, which is not a number")
    return np.array([[float(cell) for cell in row] for _, row in rows])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _shaped(found: Array, shape: tuple[int, ...]) -> Array:
    """The rows of a table in the shape of a parameter, where they have it."""
    if len(shape) < 2:
        fits = 1 in found.shape and found.size == math.prod(shape)
    else:
        fits = found.shape == (math.prod(shape[:-1]), shape[-1])
    return found.reshape(shape) if fits else found


def _has_edges(found: Array, graph: Graph | None) -> bool:
    return graph is not None and found.shape[1] == 3 and found.size != graph.edge_count


def _by_edge(found: Array, graph: Graph | None, file: str, span: Span) -> Array:
    """Values by their edges, in the order of the graph's, which must be those very edges."""
    assert graph is not None
    if graph.kind != "edges":
        help = "one value a row, edges sorted as (i, k), i < k"
        raise DiagnosticError(
            "E0403", f"{file} names edges, but those of `{graph.name}` are made by a generator", span, help
        )
    if not np.isfinite(found).all():
        raise DiagnosticError("E0403", f"{file} holds what is no finite number", span)
    values: dict[tuple[int, ...], float] = {}
    for a, b, value in found.tolist():
        edge: tuple[int, ...] = (int(min(a, b)), int(max(a, b)))
        if edge in values or (a, b) != (int(a), int(b)):
            reason = "twice" if edge in values else "of units that are no whole numbers"
            raise DiagnosticError("E0403", f"{file} has the edge {a:g}, {b:g} {reason}", span)
        values[edge] = value
    for edge in sorted(set(graph.edges) ^ set(values)):
        where = "is no edge of" if edge in values else f"is missing from {file}, and is an edge of"
        raise DiagnosticError("E0403", f"{edge[0]}, {edge[1]} {where} graph `{graph.name}`", span)
    return np.array([values[edge] for edge in graph.edges])
