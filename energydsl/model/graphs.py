"""Graph declarations: sizes by arithmetic, so that checking a file never builds a large graph."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from energydsl.diagnostics import Span, suggestion
from energydsl.files import plain_file
from energydsl.model.constants import DiagnosticError, Dims
from energydsl.model.records import Graph
from energydsl.syntax import tree

# Generators with the options that they take by name.
GENERATORS: Mapping[str, tuple[str, ...]] = {
    "chain": ("periodic",),
    "grid": ("periodic",),
    "complete": (),
    "random_regular": ("degree", "nodes", "seed"),
    "edges": (),
    "hyperedges": (),
}
# Units of one hyperedge: a term has a factor for each.
MAX_MEMBERS = 32
# Edges are listed in the generated module: more would take a minute or more to compile, and gigabytes.
MAX_EDGES = 5_000_000
# Each of these is drawn in Python.
MAX_RANDOM_EDGES = 2_000_000
# Dense random regular graphs are found by trial and error; above this, one may never be found.
MAX_DEGREE = 0.75
_SMALL = 40

_UNIT_NUMBER = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)
_NUMBER_LIKE = re.compile(r"\s*[+-]?[\d.].*", re.DOTALL)


def generated(name: str, call: tree.Expr, dims: Dims, folder: Path | None) -> Graph:
    """The graph of a generator call. Raises `DiagnosticError` (E0212, E0211, E0402)."""
    if not isinstance(call, tree.Call) or call.function.id not in GENERATORS:
        word = call.function.id if isinstance(call, tree.Call) else ""
        raise DiagnosticError(
            "E0212",
            f"unknown graph generator `{word}`" if word else "a graph is made by a generator",
            call.function.span if isinstance(call, tree.Call) else call.span,
            suggestion(word, GENERATORS) or f"generators: {', '.join(GENERATORS)}",
        )
    kind = call.function.id
    positional = [value for key, value in call.arguments if not key]
    named = {key: value for key, value in call.arguments if key}
    options = GENERATORS[kind]
    for key, value in named.items():
        if key not in options:
            help = suggestion(key, options) or (f"options: {', '.join(options)}" if options else "")
            raise DiagnosticError("E0212", f"`{kind}` has no option `{key}`", value.span, help)
    if kind in ("edges", "hyperedges"):
        return _from_file(name, call, positional, folder)
    if kind == "random_regular":
        graph = _random_regular(name, call, positional, named, dims)
    else:
        graph = _lattice(name, kind, call, positional, named, dims)
    most = MAX_RANDOM_EDGES if kind == "random_regular" else MAX_EDGES
    if graph.edge_count > most:
        help = "`sum[i < k] J[i, k]*s[i]*s[k]` joins every pair without a graph" if kind == "complete" else ""
        raise DiagnosticError("E0212", f"this graph has {graph.edge_count} edges, more than {most}", call.span, help)
    return graph


def _lattice(
    name: str, kind: str, call: tree.Call, positional: list[tree.Expr], named: dict[str, tree.Expr], dims: Dims
) -> Graph:
    if not positional or (kind != "grid" and len(positional) != 1):
        wanted = "one size" if kind != "grid" else "one size an axis"
        raise DiagnosticError("E0212", f"`{kind}` takes {wanted}, by position", call.span)
    sizes = tuple(dims.size(p, "a graph size") for p in positional)
    flag = named.get("periodic")
    if flag is not None and not isinstance(flag, tree.Boolean):
        raise DiagnosticError("E0212", "`periodic` is true or false", flag.span)
    periodic = isinstance(flag, tree.Boolean) and flag.value
    nodes = math.prod(sizes)
    if kind == "complete":
        return Graph(name, kind, nodes, nodes * (nodes - 1) // 2, sizes, span=call.span)
    count = sum(nodes // size * axis_edges(size, periodic) for size in sizes)
    return Graph(name, "grid", nodes, count, sizes, periodic, span=call.span)


def axis_edges(size: int, periodic: bool) -> int:
    """Edges of a chain of `size` nodes; a ring of two has one edge, a ring of one none."""
    return size if periodic and size > 2 else size - 1


def _random_regular(
    name: str, call: tree.Call, positional: list[tree.Expr], named: dict[str, tree.Expr], dims: Dims
) -> Graph:
    if positional or "degree" not in named or "nodes" not in named:
        raise DiagnosticError(
            "E0212", "`random_regular` takes `degree =`, `nodes =` and optionally `seed =`", call.span
        )
    degree, nodes = dims.size(named["degree"], "`degree`"), dims.size(named["nodes"], "`nodes`")
    seed = dims.integer(named["seed"], "`seed`") if "seed" in named else 0
    if degree >= nodes:
        raise DiagnosticError("E0212", f"degree {degree} needs more than {nodes} nodes", call.span)
    if nodes > _SMALL and MAX_DEGREE * nodes < degree < nodes - 1:
        help = "give one from Python: the complement of a sparse regular graph is a regular graph"
        raise DiagnosticError(
            "E0212", f"a regular graph of degree {degree} is too dense to be drawn at random", call.span, help
        )
    if degree * nodes % 2:
        raise DiagnosticError("E0212", f"degree {degree} times {nodes} nodes is odd: no such graph", call.span)
    return Graph(name, "random_regular", nodes, degree * nodes // 2, degree=degree, seed=seed, span=call.span)


def _from_file(name: str, call: tree.Call, positional: list[tree.Expr], folder: Path | None) -> Graph:
    kind = call.function.id
    if len(positional) != 1 or not isinstance(positional[0], tree.String):
        raise DiagnosticError("E0212", f'`{kind}` takes the name of a file: `{kind}("file.csv")`', call.span)
    file, span = positional[0].value, positional[0].span
    try:
        # utf-8-sig: a byte-order mark is no part of the first number
        text = plain_file((folder or Path()) / file).read_text(encoding="utf-8-sig")
        rows = [(reader.line_num, row) for reader in [csv.reader(text.splitlines())] for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise DiagnosticError("E0402", f"cannot read the edges of `{name}` from {file}: {reason}", span) from None
    if (
        rows
        and (kind == "hyperedges" or len(rows[0][1]) == 2)
        and not any(_NUMBER_LIKE.fullmatch(cell) for cell in rows[0][1])
    ):
        del rows[0]  # names of the columns
    if kind == "hyperedges":
        found = [_hyperedge(row, f"row {number} of {file}", span) for number, row in rows]
        if not found:
            raise DiagnosticError("E0402", f"{file} holds no hyperedge", span, "one a row, as unit numbers: 0,1,2")
        return hypergraph(name, found, None, call.span)
    pairs = [_edge(row, f"row {number} of {file}", span) for number, row in rows]
    if not pairs:
        raise DiagnosticError("E0402", f"{file} holds no edge", span, "one edge a row, as two unit numbers: 0,1")
    return from_pairs(name, pairs, None, call.span)


def _edge(row: list[str], place: str, span: Span) -> tuple[int, int]:
    if len(row) != 2:
        raise DiagnosticError(
            "E0402",
            f"{place} has {len(row)} column{'s' * (len(row) > 1)}, not two: {','.join(row)[:40]}",
            span,
            'an edge is two unit numbers: its weight belongs in a parameter, `param J[G] : frozen = file("...")`'
            if len(row) > 2
            else "an edge is two unit numbers set apart by a comma: 0,1",
        )
    if not all(_UNIT_NUMBER.fullmatch(cell) for cell in row):
        raise DiagnosticError(
            "E0402",
            f"{place} is not two whole numbers: {','.join(row)[:40]}",
            span,
            "units are numbered 0, 1, 2, ..., written without a point",
        )
    return int(row[0]), int(row[1])


def _hyperedge(row: list[str], place: str, span: Span) -> tuple[int, ...]:
    cells = row
    while cells and not cells[-1].strip():
        cells = cells[:-1]  # a shorter row of a table
    if not all(_UNIT_NUMBER.fullmatch(cell) for cell in cells):
        help = "units are numbered 0, 1, 2, ..., written without a point"
        raise DiagnosticError("E0402", f"{place} is not a list of whole numbers: {','.join(row)[:40]}", span, help)
    return tuple(map(int, cells))


def hypergraph(name: str, given: Iterable[tuple[int, ...]], nodes: int | None, span: Span | None) -> Graph:
    """Hyperedges, each once, small ones first, then by their units. Raises `DiagnosticError` (E0402, E0214)."""
    found = sorted({tuple(sorted(edge)) for edge in given}, key=lambda edge: (len(edge), edge))
    for edge in found:
        shown = ", ".join(map(str, edge[:10]))
        if len(set(edge)) < len(edge) or edge[0] < 0:
            reason = "has a negative unit number" if edge[0] < 0 else "names a unit twice"
            raise DiagnosticError("E0402", f"the hyperedge {shown} of graph `{name}` {reason}", span)
        if len(edge) > MAX_MEMBERS:
            message = f"a hyperedge of graph `{name}` has {len(edge)} units, more than {MAX_MEMBERS}"
            raise DiagnosticError("E0402", message, span)
    largest = max(edge[-1] for edge in found) + 1
    if nodes is not None and largest > nodes:
        raise DiagnosticError(
            "E0214", f"graph `{name}` has a hyperedge with unit {largest - 1} but {nodes} units", span
        )
    return Graph(name, "hyperedges", nodes or largest, len(found), edges=tuple(found), span=span)


def from_pairs(name: str, pairs: Iterable[tuple[int, ...]], nodes: int | None, span: Span | None) -> Graph:
    """A graph of given edges; sorted as (i, k), i < k, each once. Raises `DiagnosticError` (E0402)."""
    ordered = sorted({(min(p), max(p)) for p in pairs})
    loops = [a for a, b in ordered if a == b]
    if loops or (ordered and ordered[0][0] < 0):
        reason = f"joins unit {loops[0]} to itself" if loops else "has a negative unit number"
        raise DiagnosticError("E0402", f"an edge of graph `{name}` {reason}", span)
    largest = max((b for _, b in ordered), default=-1) + 1
    if nodes is not None and largest > nodes:
        raise DiagnosticError("E0214", f"graph `{name}` has an edge to unit {largest - 1} but {nodes} units", span)
    return Graph(name, "edges", largest if nodes is None else nodes, len(ordered), edges=tuple(ordered), span=span)
