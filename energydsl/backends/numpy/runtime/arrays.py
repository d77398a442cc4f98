"""Arrays: where they are kept, how they are copied, and how places in them are named."""

from __future__ import annotations

import base64
import contextlib
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

xp = np
Array = NDArray[Any]


class Workspace(threading.local):
    """Arrays by name, made once and used again as long as shape and precision stay the same; other ones in each thread."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self.arrays: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """The array of that name, contents undefined."""
        array = self.arrays.get(name)
        if array is None or array.shape != shape:
            array = self.arrays[name] = np.empty(shape, self.dtype)
        return array


def quiet() -> contextlib.AbstractContextManager[Any]:
    """No warnings where exp leaves the range of numbers."""
    return np.errstate(over="ignore", under="ignore")


def silent() -> contextlib.AbstractContextManager[Any]:
    """No warnings where one of two branches that are both computed is not a number."""
    return np.errstate(all="ignore")


def host(array: ArrayLike) -> Array:
    """A NumPy array of the values."""
    return np.asarray(array)


def load(target: Array, values: ArrayLike) -> None:
    """Copy values into an array."""
    target[...] = values


def repeated(function: Callable[[], Any], random: Any, work: int) -> Callable[[], Any]:
    """A function that is called again and again with the same arrays; nothing can be gained from that here."""
    return function


def put(value: ArrayLike, like: ArrayLike, out: Array | None = None) -> Array:
    """A value in the precision of an array, into `out` if that is given."""
    value = np.asarray(value)
    out = np.empty(value.shape, np.asarray(like).dtype) if out is None else out
    with quiet():
        out[...] = value
    return out


def axis(low: int, high: int, position: int, rank: int) -> Array:
    """low, ..., high - 1 along one of `rank` axes."""
    return np.arange(low, high).reshape([-1 if k == position else 1 for k in range(rank)])


def unpack(text: str, shape: tuple[int, ...]) -> Array:
    """Whole numbers from their packed text."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4").reshape(shape).astype(np.int64)


def by_colour(colours: Array) -> list[Array]:
    """The units of each colour, in order."""
    return [np.flatnonzero(colours == k) for k in range(colours.max() + 1)]


class Scatter:
    """Adds columns of values to the columns of an output that `index` names; several may go to one."""

    def __init__(self, index: ArrayLike, size: int) -> None:
        flat = np.asarray(index).ravel()
        self.order = np.argsort(flat, kind="stable")
        ordered = flat[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(flat) else flat
        self.targets = ordered[self.starts] if len(flat) else flat
        self.single = len(self.targets) == len(flat)
        self.index, self.size = flat, size

    def __call__(self, output: Array, values: Array) -> None:
        """output[..., index] += values, over the last axis; output has `size` columns."""
        if self.single:
            output[..., self.index] += values
        else:
            output[..., self.targets] += np.add.reduceat(values[..., self.order], self.starts, axis=-1)
