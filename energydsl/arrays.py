"""What a user may hand over as numbers: NumPy and masked arrays, lists, pandas, SciPy's sparse matrices, other libraries'."""

from __future__ import annotations

import decimal
import numbers
import sys
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energydsl.diagnostics import DataError

Array = NDArray[Any]


class Sparse(Protocol):
    """A sparse matrix, as SciPy has them."""

    def toarray(self) -> Array:
        """The same matrix, dense."""


# Numbers as a user may give them: arrays of NumPy and pandas, lists, sparse matrices.
Values = ArrayLike | Sparse
_KINDS = {"c": "complex numbers", "U": "text", "S": "bytes", "M": "dates", "m": "times", "V": "records", "T": "text"}


def as_numbers(value: object, name: str, code: str = "E0401") -> Array:
    """The values of `name` as one array of numbers, in their shape; what is masked, None or NA becomes NaN.

    Raises `DataError` with `code` where they are not numbers, or not one array.
    """
    if type(value) is np.ndarray and value.dtype.kind in "biuf":
        return value
    try:
        return _numbers(value, name)
    except _Unfit as error:
        raise DataError.of(f"the values of `{name}` {error}", error.help, code) from None


class _Unfit(Exception):
    """What is wrong with values, and the way out."""

    def __init__(self, message: str, help: str = ""):
        super().__init__(message)
        self.help = help


def _numbers(value: object, name: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        plain, mask = _numbers(np.asarray(value.data), name), np.ma.getmaskarray(value)
        return np.where(mask, np.nan, plain) if mask.any() else plain
    try:
        array = np.asarray(_opened(value, name))
    except MemoryError:
        raise _Unfit("do not fit into memory") from None
    except (ValueError, TypeError, RuntimeError, OverflowError, AttributeError) as error:
        raise _Unfit(f"are not one array: {_why(value, error)}") from None
    if array.dtype.kind == "O":
        return _of_objects(array)
    if array.dtype.kind not in "biuf":
        raise _Unfit(f"are not numbers, but {_KINDS.get(array.dtype.kind, array.dtype)}")
    return array


def _opened(value: Any, name: str) -> Any:
    """Sparse matrices as dense ones, and columns of pandas as arrays; neither library is imported here."""
    if type(value).__module__.startswith("scipy.sparse"):
        return value.toarray()
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return value
    if isinstance(value, pandas.DataFrame):
        if all(isinstance(t, np.dtype) and t.kind in "biuf" for t in value.dtypes):
            return value.to_numpy()
        columns = [_column(pandas, value.iloc[:, k], str(c)) for k, c in enumerate(value.columns)]
        return np.stack(columns, axis=1) if columns else np.empty((len(value), 0))
    if isinstance(value, pandas.Series | pandas.Index | pandas.api.extensions.ExtensionArray):
        return _column(pandas, pandas.Series(value), name)
    return value


def _column(pandas: Any, column: Any, name: str) -> Array:
    """A column of pandas; categories stand for their values where these are numbers."""
    kind = column.dtype
    if isinstance(kind, pandas.CategoricalDtype):
        if not pandas.api.types.is_numeric_dtype(kind.categories.dtype):
            shown = ", ".join(map(str, [*kind.categories[:3], "..."][: len(kind.categories)]))
            raise _Unfit(f"are not numbers: `{name}` has the categories {shown}", "give their codes: column.cat.codes")
        column = column.astype(kind.categories.dtype if column.notna().all() else "float64")
    elif not pandas.api.types.is_numeric_dtype(kind):
        try:
            return _numbers(np.asarray(column), name)
        except _Unfit as error:
            raise _Unfit(f"{error} in column `{name}`", error.help) from None
    if isinstance(column.dtype, np.dtype):
        return np.asarray(column)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _of_objects(array: Array) -> Array:
    """Python's numbers of any kind; None and pandas' NA are missing."""
    missing = {id(None), id(getattr(sys.modules.get("pandas"), "NA", None))}
    found = np.empty(array.shape)
    for at, value in np.ndenumerate(array):
        known = isinstance(value, numbers.Real | np.bool_ | decimal.Decimal)
        if not known and id(value) not in missing:
            raise _Unfit(
                f"are not all numbers: there is a {type(value).__name__}" + (f" in row {at[0] + 1}" if at else "")
            )
        try:
            found[at] = float(value) if known else np.nan
        except OverflowError:
            found[at] = np.inf
    return found


def _why(value: object, error: Exception) -> str:
    """Rows of different lengths are named, as NumPy names none."""
    if isinstance(value, Sequence):
        lengths = [len(row) if isinstance(row, Sequence | np.ndarray) else 0 for row in value]
        odd = next((k for k, n in enumerate(lengths) if n != lengths[0]), None)
        if odd is not None:
            return f"row 1 has {lengths[0]} entries, row {odd + 1} has {lengths[odd]}"
    return str(error)
