"""Tables whose columns name units: in any order, all of them, and no others.

A column is called as the layer, where that is a single unit, or as a unit of it: `v[3]` or `v_3`, `v[2, 5]` or `v_2_5`, counted from 0.
A source may say which columns a layer takes instead: `table.csv:age,height`, in the order of its units, or `table.csv:pixel_*`, whose
names end in the numbers of the units.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.arrays import as_numbers
from energydsl.data import alignments, readers
from energydsl.diagnostics import DataError, suggestion
from energydsl.files import plain_file
from energydsl.model.records import Layer
from energydsl.options import Unknown

Array = NDArray[Any]
_TABLES = (".csv", ".parquet", ".arrow", ".feather")
_CHOSEN = re.compile(rf"(.*(?:{'|'.join(map(re.escape, _TABLES))})):(.+)", re.DOTALL)
# What pandas calls the index of a frame, which is no column.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
_NUMBERS = re.compile(r"\[\s*\d+(?:\s*,\s*\d+)*\s*\]|(?:[_.]\d+)+", re.ASCII)


def apart(source: str) -> tuple[str, str]:
    """The path of a source, and the columns that it chooses; "" where it chooses none."""
    found = _CHOSEN.fullmatch(source)
    return (found[1], found[2]) if found else (source, "")


def is_frame(data: object) -> bool:
    """Whether data are a data frame, of pandas or another library: columns with names."""
    return hasattr(data, "columns") and hasattr(data, "dtypes") and hasattr(data, "__getitem__")


def layers_of(layers: Iterable[Layer], names: Sequence[str], shown: str) -> list[str]:
    """The layers whose units the columns of a table name; none where they name no unit. Raises `DataError` where some do, and others do not."""
    layers = list(layers)
    found = {name: next((x.name for x in layers if _unit(x, name) is not None), None) for name in names}
    if not any(found.values()):
        return []
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise DataError.of(f"{shown} has two columns called `{twice}`")
    surplus = [name for name, layer in found.items() if layer is None]
    if surplus:
        raise DataError.of(
            f"{shown} has columns that name no unit: {_listed(surplus)}",
            suggestion(surplus[0], [_name(x, k) for x in layers for k in range(min(x.size, 100))])
            or "take them out, or say which columns a layer takes, as in v=table.csv:age,height",
        )
    return list(dict.fromkeys(n for n in found.values() if n is not None))


def names(path: Path) -> tuple[str, ...]:
    """The names of the columns of a table, as far as they have any. Raises `DataError`, `OSError`."""
    if path.suffix not in _TABLES or not path.is_file():
        return ()
    if path.suffix == ".csv":
        return tuple(cell.strip() for cell in next(_rows(path), []))
    parquet = path.suffix == ".parquet"
    known = (readers.parquet_file(path)[0].schema_arrow if parquet else readers.arrow_table(path).schema).names
    return tuple(name for name in known if not _PANDAS_INDEX.fullmatch(name))


def read(path: Path, layer: Layer, chosen: str, unknown: Unknown) -> Array | None:
    """The columns of a table that are those of a layer, (rows, units); None where it names no unit of it. Raises `DataError`, `OSError`.

    chosen: the columns that the layer takes, "" where they are called as its units are.
    """
    known = names(path)
    if chosen:
        columns = _chosen(layer, known, chosen, str(path))
    elif any(_unit(layer, name) is not None for name in known):
        columns = _by_name(layer, known, str(path))
    else:
        return None
    if path.suffix == ".csv":
        return _of_cells(layer, path, columns, unknown)
    return _of_columns(layer, readers.chosen(path, [known[k] for k in columns]), unknown, path)


def check_order(path: Path, layer: Layer) -> None:
    """Raises `DataError` where the columns of a table name units of a layer, but not in their order, or not all."""
    known = names(path)
    if any(_unit(layer, name) is not None for name in known) and _by_name(layer, known, str(path)) != list(
        range(len(known))
    ):
        raise DataError.of(
            f"the columns of {path} are not in the order of the units of `{layer.name}`",
            "streamed files are read as they are: write the columns in order",
        )


def of_frame(layers: Iterable[Layer], frame: Any) -> dict[str, Array] | None:
    """The columns of a data frame by layer; None where they name no unit. Raises `DataError`."""
    layers, known = list(layers), [str(name) for name in frame.columns]
    taken = layers_of(layers, known, "the data frame")
    if not taken:
        return None
    found = {}
    for layer in (x for x in layers if x.name in taken):
        order = [frame.columns[k] for k in _by_name(layer, known, "the data frame")]
        columns = [np.asarray(frame[name]) for name in order]
        if layer.letters and any(c.dtype.kind not in "biuf" for c in columns):
            texts = [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
            found[layer.name] = _of_text(layer, texts, "error", "the data frame", [str(n) for n in order])
        else:
            found[layer.name] = np.stack([as_numbers(frame[n], str(n)) for n in order], axis=1)
    return found


# --- names


def _unit(layer: Layer, name: str) -> int | None:
    """The number of the unit of a layer that a column names, over its flattened axes; None where it names none."""
    if name == layer.name:
        return 0 if layer.size == 1 else None
    return _number(layer, name.removeprefix(layer.name)) if name.startswith(layer.name) else None


def _number(layer: Layer, text: str) -> int | None:
    """The unit whose indices a text is, `[2, 5]` or `_2_5`."""
    found = [int(k) for k in re.findall(r"\d+", text)] if _NUMBERS.fullmatch(text) else []
    if len(found) != len(layer.shape) or any(k >= n for k, n in zip(found, layer.shape, strict=True)):
        return None
    return int(np.ravel_multi_index(found, layer.shape)) if found else None


def _numbered(layer: Layer, text: str) -> int | None:
    """The same, or `2_5`, or the number of a unit over all axes, `17`."""
    if re.fullmatch(r"\d+", text, re.ASCII):
        return int(text) if len(text) < 10 and int(text) < layer.size else None
    return _number(layer, text) if text[:1] in ("[", "_", ".") else _number(layer, f"_{text}")


def _name(layer: Layer, unit: int) -> str:
    """How a column of a unit is called."""
    if layer.size == 1 and not layer.shape:
        return layer.name
    return f"{layer.name}[{', '.join(map(str, np.unravel_index(unit, layer.shape)))}]"


def _by_name(layer: Layer, known: Sequence[str], shown: str) -> list[int]:
    """The column of each unit of a layer."""
    places = {unit: k for k, name in enumerate(known) if (unit := _unit(layer, name)) is not None}
    return _whole(layer, places, shown)


def _whole(layer: Layer, places: Mapping[int, int], shown: str) -> list[int]:
    missing = [_name(layer, unit) for unit in range(layer.size) if unit not in places]
    if missing:
        raise DataError.of(f"{shown} has no column for {_listed(missing)}")
    return [places[unit] for unit in range(layer.size)]


def _chosen(layer: Layer, known: Sequence[str], chosen: str, shown: str) -> list[int]:
    """The columns that a source says a layer takes."""
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise DataError.of(f"{shown} has two columns called `{twice}`")
    if chosen.endswith("*") and "," not in chosen:
        prefix = chosen[:-1]
        ends = {k: name.removeprefix(prefix) for k, name in enumerate(known) if name.startswith(prefix)}
        places = {k: _numbered(layer, end) for k, end in ends.items()}
        surplus = [known[k] for k, unit in places.items() if unit is None]
        if surplus or not ends:
            what = f"names no unit of `{layer.name}`" if surplus else f"begins with `{prefix}`"
            raise DataError.of(f"{shown}: {_listed(surplus) if surplus else 'no column'} {what}")
        return _whole(layer, {unit: k for k, unit in places.items() if unit is not None}, shown)
    wanted = [name.strip() for name in re.split(r",(?![^\[\]]*\])", chosen)]
    for name in wanted:
        if name not in known:
            raise DataError.of(f"{shown} has no column `{name}`", suggestion(name, known) or f"it has {_listed(known)}")
    if len(wanted) not in (layer.size, math.prod(layer.energy_shape)):
        raise DataError.of(f"`{layer.name}` has {layer.size} units, and {len(wanted)} columns are named for it")
    return [known.index(name) for name in wanted]


def _listed(found: Sequence[str]) -> str:
    """Names, the first of many."""
    return ", ".join(f"`{n}`" for n in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


# --- values


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows of a .csv file, the first its header."""
    try:
        with open(plain_file(path), newline="", encoding="utf-8-sig") as file:
            for _, cells in readers.rows_of(file, path):
                yield cells
    except (UnicodeDecodeError, csv.Error):
        raise DataError.of(f"{path} is not a text file of numbers") from None


def _of_cells(layer: Layer, path: Path, columns: list[int], unknown: Unknown) -> Array:
    """Columns of a .csv file, as numbers or as letters of the states."""
    found: list[Any] = []
    width = 0
    for number, cells in enumerate(_rows(path), 1):
        if number == 1:
            width = len(cells)
            heads = [cells[k].strip() for k in columns]
            continue
        if len(cells) != width:
            raise DataError.of(f"row {number} of {path} has {len(cells)} columns, the first has {width}")
        own = [cells[k] for k in columns]
        found.append([cell.strip() for cell in own] if layer.letters else readers.numbers_of(own, path, number))
    if not found:
        raise DataError.of(f"{path} has no rows")
    return _of_text(layer, found, unknown, str(path), heads) if layer.letters else np.array(found)


def _of_text(layer: Layer, rows: list[list[str]], unknown: Unknown, shown: str, heads: Sequence[str]) -> Array:
    """Cells that are letters of the states of a layer, or all of them numbers."""
    cells = {cell for row in rows for cell in row}
    if not cells <= set(layer.letters) and all(readers.number_of(cell) is not None for cell in cells):
        return np.array([readers.numbers_of(row, Path(shown), k + 2) for k, row in enumerate(rows)])
    for k, row in enumerate(rows):
        for name, cell in zip(heads, row, strict=True):
            if len(cell) != 1:
                raise DataError.of(
                    f"row {k + 1} of column `{name}` is {cell!r}: states of `{layer.name}` are called by one letter"
                )
    return alignments.of_text(layer, ["".join(row) for row in rows], unknown)


def _of_columns(layer: Layer, table: Any, unknown: Unknown, path: Path) -> Array:
    """Columns of an Arrow table."""
    if layer.letters and any(map(readers.holds_text, table.columns)):
        cells = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
        return _of_text(layer, [list(row) for row in zip(*cells, strict=True)], unknown, str(path), table.column_names)
    return readers.parquet_columns(table, path)
