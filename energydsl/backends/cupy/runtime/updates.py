"""The step of an optimiser, sums into places of an array, and packed arrays brought to the device."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import DEVICE, NULL, DeviceArray, host, whole
from energydsl.backends.cupy.runtime.given import FLOAT


def axpy(value: Any, direction: DeviceArray, factor: float | DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    """value += factor * direction, in place; parts of the sums of squares of the direction and of the new value.

    factor: a number, or an array of one on the device.
    """
    blocks = max(1, min(-(-value.size // 256), 256))
    sums = np.empty((2, blocks), numpy.float64)
    straight = np.ascontiguousarray(direction)
    varies = isinstance(factor, np.ndarray)
    DEVICE.kernel("axpy")(
        (blocks,), (256,),
        (value, straight, FLOAT(1.0 if varies else factor), factor if varies else NULL, whole(value.size), sums),
    )  # fmt: skip
    return sums[0], sums[1]


def square_sum(array: Any) -> DeviceArray:
    """The sum of squares of all entries, on the device."""
    return (array * array).sum()


class Scatter:
    """Adds columns of values to the columns of an output that `index` names; several may go to one, always in order.

    index: whole numbers below `size`, flattened; size: how many columns the output has.
    """

    def __init__(self, index: DeviceArray, size: int) -> None:
        flat = host(index).ravel()
        order = numpy.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = numpy.flatnonzero(numpy.r_[True, ordered[1:] != ordered[:-1]]) if len(flat) else flat
        targets = ordered[starts] if len(flat) else flat
        self.order, self.targets = np.asarray(order, whole), np.asarray(targets, whole)
        self.starts = np.asarray(numpy.append(starts, len(flat)), whole)
        self.size, self.entries = size, len(flat)

    def __call__(self, output: DeviceArray, values: Any) -> None:
        """output[..., index] += values over the last axis, in place; output: (..., size), values: (..., entries of index)."""
        rows = output.size // max(1, self.size)
        source = np.ascontiguousarray(np.broadcast_to(values, (*output.shape[:-1], self.entries)), FLOAT)
        target = output if output.flags.c_contiguous else np.ascontiguousarray(output)
        DEVICE(
            "scatter", rows * len(self.targets), target, source, self.order, self.starts, self.targets,
            whole(rows), whole(self.size), whole(len(self.targets)), whole(self.entries),
        )  # fmt: skip
        if target is not output:
            output[...] = target


def unpack(text: str, shape: tuple[int, ...]) -> DeviceArray:
    """Whole numbers from their packed text (32-bit, compressed by zlib, in base 85), as int64 in that shape."""
    packed = numpy.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4")
    return np.asarray(packed.reshape(shape).astype(numpy.int64))


def in_cache(chains: int, entries: int) -> list[slice]:
    """All chains at once."""
    return [slice(0, chains)]


def by_colour(colours: DeviceArray) -> list[DeviceArray]:
    """The units of each colour, in order; colours: (units,), numbers from 0 on without a gap."""
    flat = host(colours)
    return [np.asarray(numpy.flatnonzero(flat == k)) for k in range(flat.max() + 1)]
