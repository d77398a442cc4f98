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
# Shapes of which a workspace keeps an array of one name: of a batch, of chains, of rows that are looked at now and then.
SHAPES = 4


class Workspace(threading.local):
    """Arrays by name and shape, made once and used again; other ones in each thread. Of a name, so many shapes are kept as `SHAPES` says."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self.arrays: dict[tuple[str, tuple[int, ...]], Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """The array of that name and shape, contents undefined."""
        array = self.arrays.get((name, shape))
        if array is None:
            array = self._made(name, shape)
        return array

    def _made(self, name: str, shape: tuple[int, ...]) -> Array:
        """A new array, in the place of the oldest of its name where there are many."""
        others = [key for key in self.arrays if key[0] == name]
        if len(others) >= SHAPES:
            del self.arrays[others[0]]
        array = self.arrays[name, shape] = np.empty(shape, self.dtype)
        return array


def quiet() -> contextlib.AbstractContextManager[Any]:
    """No warnings inside where exp leaves the range of numbers: infinity and 0 are the right values there."""
    return np.errstate(over="ignore", under="ignore")


def silent() -> contextlib.AbstractContextManager[Any]:
    """No warnings inside where both branches of a choice are computed and the one not taken is no number."""
    return np.errstate(all="ignore")


def host(array: ArrayLike) -> Array:
    """A NumPy array of the values, shape and precision as they are."""
    return np.asarray(array)


def load(target: Array, values: ArrayLike) -> None:
    """Copy values into an array of the same shape, in the array's precision."""
    target[...] = values


def repeated(function: Callable[[], Any], random: Any, work: int) -> Callable[[], Any]:
    """A function that will be called again and again with the same arrays; nothing can be gained from that here.

    random: the stream it draws from. work: about how many multiplications a call takes. (On a device, see the CuPy runtime.)
    """
    return function


def put(value: ArrayLike, like: ArrayLike, out: Array | None = None) -> Array:
    """A value in the precision of the array `like`, in an array of its own shape, or written into `out` and that returned."""
    value = np.asarray(value)
    out = np.empty(value.shape, np.asarray(like).dtype) if out is None else out
    with quiet():
        out[...] = value
    return out


def axis(low: int, high: int, position: int, rank: int) -> Array:
    """The numbers low, ..., high - 1 along one of `rank` axes, the others of length 1."""
    return np.arange(low, high).reshape([-1 if k == position else 1 for k in range(rank)])


def where_known(holds: Array, value: Callable[[], Array]) -> Array:
    """A value where a condition holds, else 0: it need not be a number there."""
    with silent():
        return np.where(holds, value(), 0.0)


def unpack(text: str, shape: tuple[int, ...]) -> Array:
    """Whole numbers from their packed text (32-bit, compressed by zlib, in base 85), as int64 in that shape."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4").reshape(shape).astype(np.int64)


def by_colour(colours: Array) -> list[Array]:
    """The units of each colour, in order; colours: (units,), numbers from 0 on without a gap."""
    return [np.flatnonzero(colours == k) for k in range(colours.max() + 1)]


def in_cache(chains: int, entries: int) -> list[slice]:
    """All chains in pieces so small that arrays over them of so many entries stay in the cache."""
    step = max(1, 131072 // max(1, entries))
    return [slice(start, start + step) for start in range(0, chains, step)]


class Spread:
    """Puts values at places of an array of zeros. index: a whole number for each value, no two alike; shape: of the array."""

    def __init__(self, index: Array, shape: tuple[int, ...]) -> None:
        self.index, self.shape = index, shape

    def __call__(self, values: Array) -> Array:
        """The array; values: an array of the shape of index."""
        out = np.zeros(self.shape, values.dtype)
        out.reshape(-1)[self.index] = values
        return out


class Scatter:
    """Adds columns of values to the columns of an output that `index` names; several may go to one.

    index: whole numbers below `size`, flattened; size: how many columns the output has. Sums are in the order of `index`.
    """

    def __init__(self, index: ArrayLike, size: int) -> None:
        flat = np.asarray(index).ravel()
        self.order = np.argsort(flat, kind="stable")
        ordered = flat[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(flat) else flat
        self.targets = ordered[self.starts] if len(flat) else flat
        self.single = len(self.targets) == len(flat)
        self.index, self.size = flat, size

    def __call__(self, output: Array, values: Array) -> None:
        """output[..., index] += values over the last axis, in place; output: (..., size), values: (..., entries of index)."""
        if self.single:
            output[..., self.index] += values
        else:
            output[..., self.targets] += np.add.reduceat(values[..., self.order], self.starts, axis=-1)
