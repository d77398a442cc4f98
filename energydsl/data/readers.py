"""Readers, one for each format; each gives arrays, rows first. Nothing is ever unpickled, and only plain files are opened.

`fits` is called with an array's shape as soon as that is known, before anything is read whole; it raises `DataError` where
the shape is not the wanted one.
"""

from __future__ import annotations

import array
import contextlib
import csv
import gzip
import math
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import DataError
from energydsl.files import plain_file
from energydsl.options import Split

Array = NDArray[Any]
Fits = Callable[[tuple[int, ...]], object]

# What a deflated stream can grow by at most, nearly.
_LARGEST_RATIO = 1100
_AT_ONCE = 1 << 20
_LONGEST_LINE = 1 << 24
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_ONLY_NUMBERS = re.compile(r"[0-9.eE+\- ]*")
_OTHER_NUMBERS = ("nan", "inf", "infinity")


def _any_shape(shape: tuple[int, ...]) -> None:
    """Every shape fits."""


def digits(split: Split) -> dict[str, Array]:
    """The embedded digits: `images`, (n, 28, 28), grey values in [0, 1], and `labels`, (n,); n is 3000 for training, 500 for testing."""
    with resources.as_file(resources.files("energydsl") / "data" / "digits.npz") as path, np.load(path) as file:
        images = file[f"{split}_images"].astype(np.float32) / np.float32(255)
        return {"images": images, "labels": file[f"{split}_labels"].astype(np.int64)}


def pooled(images: Array) -> Array:
    """Images (n, 28, 28) as (n, 8, 8): two pixels of margin cut off, 3 x 3 pixels averaged."""
    return np.asarray(images[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)))


def bars_and_stripes(side: int) -> Array:
    """All 2^(side + 1) patterns of full rows or full columns, (n, side, side); blank and full occur twice (MacKay 2003, ch. 43)."""
    if not 1 <= side <= 12:
        raise DataError.of("bars-and-stripes takes a side from 1 to 12, as in bars-and-stripes:4")
    bits = (np.arange(2**side)[:, None] >> np.arange(side)) & 1
    rows = np.repeat(bits[:, :, None], side, axis=2)
    return np.concatenate([rows, rows.transpose(0, 2, 1)]).astype(np.float32)


def idx(path: Path, fits: Fits = _any_shape) -> Array:
    """The array of a file in the idx format of MNIST, gzipped or not, in the shape of its header."""
    with open(plain_file(path), "rb") as file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            return _idx(file, path, path.stat().st_size, fits)
        try:
            with gzip.GzipFile(fileobj=file) as unzipped:
                return _idx(unzipped, path, path.stat().st_size * _LARGEST_RATIO, fits)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise DataError.of(f"{path} is a damaged gzip file") from None


def _idx(file: IO[bytes] | gzip.GzipFile, path: Path, largest: int, fits: Fits) -> Array:
    types = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in types:
        raise DataError.of(f"{path} is not in the idx format")
    sizes, dtype = file.read(4 * head[3]), np.dtype(types[head[2]])
    if len(sizes) < 4 * head[3]:
        raise DataError.of(f"{path} is cut short: its header is not complete")
    shape = struct.unpack(f">{head[3]}I", sizes)
    fits(shape)
    size = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while size <= largest and len(data) <= size:
        part = file.read(min(_AT_ONCE, size + 1 - len(data)))
        if not part:
            break
        data += part
    if len(data) != size:
        raise DataError.of(f"{path} is {'longer than' if len(data) > size else 'cut short:'} its header says: {shape}")
    return np.frombuffer(data, dtype).reshape(shape)


def mnist(folder: Path, split: Split, key: Literal["images", "labels"], fits: Fits = _any_shape) -> Array:
    """`images`, (n, 28, 28), grey values in [0, 1], or `labels`, (n,), of a folder with MNIST's four files."""
    prefix = "train" if split == "train" else "t10k"
    kind = {"images": "images-idx3", "labels": "labels-idx1"}[key]
    candidates = [folder / f"{prefix}-{kind}-ubyte{end}" for end in ("", ".gz")]
    path = next((p for p in candidates if p.exists()), None)
    if path is None:
        raise DataError.of(f"{folder} has no {candidates[0].name}(.gz)")
    found = idx(path, fits)
    return found if key == "labels" else found.astype(np.float32) / np.float32(255)


def npy(path: Path, fits: Fits = _any_shape) -> Array:
    """The array of an .npy file, in its shape."""
    with open(plain_file(path), "rb") as file:
        return _array(file, path.stat().st_size, str(path), fits)


def npz(path: Path, key: str | None, fits: Fits = _any_shape) -> Array:
    """The array of an .npz file that is named `key`, or its only one, in its shape."""
    with _members(path) as (file, members):
        if key and key not in members:
            raise DataError.of(f"{path} has no array `{key}`; it has {', '.join(members) or 'none'}")
        if not key and len(members) != 1:
            raise DataError.of(f"{path} holds {', '.join(members) or 'no array'}", 'choose one by its name: key="NAME"')
        return _member(file, members[key or next(iter(members))], path, fits)


def arrays(path: Path) -> dict[str, Array]:
    """All arrays of an .npz file, by name."""
    with _members(path) as (file, members):
        return {name: _member(file, member, path, _any_shape) for name, member in members.items()}


@contextlib.contextmanager
def _members(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """An .npz and its members by the names of their arrays."""
    try:
        with zipfile.ZipFile(plain_file(path)) as file:
            yield file, {m.filename.removesuffix(".npy"): m for m in file.infolist() if m.filename.endswith(".npy")}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError):
        raise DataError.of(f"{path} is not an .npz file of plain arrays") from None


def _member(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, fits: Fits) -> Array:
    if member.file_size > member.compress_size * _LARGEST_RATIO:
        raise zipfile.BadZipFile
    with file.open(member) as part:
        return _array(part, member.file_size, f"`{member.filename}` of {path}", fits)


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    """Shape, type, whether columns are kept together, and where the numbers begin, of an .npy file that is as long as it says."""
    with open(plain_file(path), "rb") as file:
        return _header(file, path.stat().st_size, str(path), _any_shape)


def _array(file: IO[bytes], size: int, shown: str, fits: Fits) -> Array:
    """The array in NumPy's format in a file of so many bytes."""
    _header(file, size, shown, fits)
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _header(file: IO[bytes], size: int, shown: str, fits: Fits) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = headers[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, EOFError):
        raise DataError.of(f"{shown} is not a plain .npy array") from None
    if dtype.hasobject:
        raise DataError.of(f"{shown} is not a plain .npy array: it holds Python objects, which are never unpickled")
    if dtype.kind not in "biuf":
        raise DataError.of(f"{shown} holds {dtype}, which are not numbers")
    fits(shape)
    given, wanted = size - file.tell(), math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or given != wanted:
        raise DataError.of(f"{shown} is {'longer than' if given > wanted else 'cut short:'} its header says: {shape}")
    return shape, dtype, fortran, file.tell()


def table(path: Path, fits: Fits = _any_shape) -> Array:
    """Numbers of a .csv file, (rows, columns), columns separated by commas; an empty cell, or nan, is missing (NaN).

    A first row without a number is a header. One of numbers is data, and one of both is refused, and so is 0, 1, 2, ... to
    the number of columns, which is how columns without names are written.
    """
    values, width = array.array("d"), 0
    try:
        with open(plain_file(path), newline="", encoding="utf-8-sig") as file:
            for number, cells in rows_of(file, path):
                if not width:
                    width = len(cells)
                    if width == 1 and re.search(r"\S[;\t ]\S", cells[0]):
                        raise DataError.of(f"row {number} of {path} is one cell: columns must be separated by commas")
                    fits((1, width))
                    if _is_header(cells, path, number):
                        continue
                if len(cells) != width:
                    raise DataError.of(f"row {number} of {path} has {len(cells)} columns, the first has {width}")
                values.extend(numbers_of(cells, path, number))
    except (UnicodeDecodeError, csv.Error):
        raise DataError.of(f"{path} is not a text file of numbers") from None
    if not values:
        raise DataError.of(f"{path} has no rows")
    return np.frombuffer(values).reshape(-1, width)


def rows_of(file: IO[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the numbers of their lines."""

    def lines() -> Iterator[str]:
        while line := file.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise DataError.of(f"a line of {path} has more than {_LONGEST_LINE} characters")
            yield line

    reader = csv.reader(lines())
    for cells in reader:
        if cells:
            yield reader.line_num, cells


def _is_header(cells: list[str], path: Path, number: int) -> bool:
    """Whether the first row names columns. Raises `DataError` where it may be either."""
    words = [cell.strip() for cell in cells if number_of(cell) is None]
    if len(words) == len([cell for cell in cells if cell.strip()]) > 0:
        if len(set(words)) == len(words):
            return True
        raise DataError.of(
            f"row {number} of {path}: `{words[0]}` is not a number, and as a header it would name two columns"
        )
    if words:
        raise DataError.of(
            f"row {number} of {path} holds numbers and `{words[0]}`: it is neither a header nor data",
            "name every column or none; an empty cell is a missing number",
        )
    named = cells if cells[0].strip() else cells[1:]
    if len(named) > 2 and named == [str(k) for k in range(len(named))]:
        raise DataError.of(
            f"row {number} of {path} is 0, 1, ..., {len(named) - 1}: a header of columns without names, or data?",
            "remove it, or put a row of names above it",
        )
    return False


def numbers_of(cells: list[str], path: Path, number: int) -> list[float]:
    """The numbers of a row. Raises `DataError` with row and column."""
    if _ONLY_NUMBERS.fullmatch("".join(cells)):
        with contextlib.suppress(ValueError):
            return list(map(float, cells))
    found = [number_of(cell) for cell in cells]
    if None in found:
        column = found.index(None)
        raise DataError.of(
            f"row {number}, column {column + 1} of {path}: `{cells[column]}` is not a number",
            "columns are separated by commas; an empty cell is a missing number",
        )
    return found  # type: ignore[return-value]


def number_of(cell: str) -> float | None:
    """The number of a cell; NaN where it is empty, None where it holds anything else. Python's 1_5 is not a number."""
    if _NUMBER.fullmatch(cell):
        return float(cell)
    word = cell.strip().lower()
    if not word:
        return math.nan
    return float(word) if word.lstrip("+-") in _OTHER_NUMBERS and word.count("-") + word.count("+") < 2 else None


def parquet(path: Path, fits: Fits = _any_shape) -> Array:
    """Columns of numbers of a .parquet file, (rows, columns); a null is missing (NaN). Needs pyarrow."""
    file, columns = parquet_file(path)
    fits((file.metadata.num_rows, columns))
    return parquet_columns(parquet_read(file.read, path), path)


def arrow(path: Path, fits: Fits = _any_shape) -> Array:
    """Columns of numbers of an Arrow table, in a file (Feather) or a stream, (rows, columns); a null is missing (NaN). Needs pyarrow."""
    table = arrow_table(path)
    fits((table.num_rows, table.num_columns))
    return parquet_columns(table, path)


def arrow_table(path: Path) -> Any:
    """An Arrow table in a file or a stream. Needs pyarrow."""
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError.of(f"reading {path.suffix} needs pyarrow", 'pip install "energydsl[parquet]"') from None

    def read() -> Any:
        with pa.memory_map(str(plain_file(path))) as source:
            opened = pa.ipc.open_file if source.read(6) == b"ARROW1" else pa.ipc.open_stream
            source.seek(0)
            return opened(source).read_all()

    return parquet_read(read, path)


def chosen(path: Path, names: Sequence[str]) -> Any:
    """Some columns of a .parquet file or an Arrow table, in this order. Needs pyarrow."""
    if path.suffix == ".parquet":
        file, _ = parquet_file(path)
        return parquet_read(lambda: file.read(columns=list(names)), path).select(names)
    return arrow_table(path).select(names)


def parquet_file(path: Path) -> tuple[Any, int]:
    """A .parquet file that is not read yet, and the number of its columns. Needs pyarrow."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError.of("reading .parquet needs pyarrow", 'pip install "energydsl[parquet]"') from None
    file = parquet_read(lambda: pq.ParquetFile(plain_file(path)), path)
    return file, file.metadata.num_columns


def parquet_read(read: Callable[[], Any], path: Path) -> Any:
    """What is read. Raises `DataError` where the file is damaged."""
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError.of(f"{path}: {error}") from None


def parquet_columns(table: Any, path: Path) -> Array:
    """The columns of a table, (rows, columns)."""
    import pyarrow as pa

    columns = [_parquet_column(pa, table.column(k), name, path) for k, name in enumerate(table.column_names)]
    return np.stack(columns, axis=1)


def holds_text(column: Any) -> bool:
    """Whether a column of a table is of strings, or of categories that are."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _parquet_column(pa: Any, column: Any, name: str, path: Path) -> Array:
    """A column of numbers; categories stand for their values."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_boolean(kind):
        kind = pa.int8()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataError.of(f"column `{name}` of {path} holds {kind}, which are not numbers")
    return np.asarray(column.cast(kind).cast(pa.float64(), safe=False).to_numpy())
