"""The random stream, the same numbers as in the NumPy runtime, made on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import DEVICE, NULL, DeviceArray, whole, word
from energydsl.backends.cupy.runtime.given import FLOAT


class Stream:
    """Uniform numbers by Philox4x32-10, the same as the NumPy runtime's, made on the device."""

    def __init__(self, seed: int | Sequence[int] = 0, chain: int = 0) -> None:
        self.key = [int(k) for k in numpy.random.SeedSequence(seed).generate_state(2)]
        self.sweep, self.block, self.chain = 0, 0, chain

    def next(self) -> None:
        """Go on to the next sweep."""
        self.sweep, self.block = (self.sweep + 1) & 0xFFFFFFFF, 0

    def __call__(self, out: DeviceArray) -> DeviceArray:
        """Fill `out`, chains first, and go on to the next block."""
        return fill(self, out)


def numbers_of(random: Any) -> tuple[Any, ...]:
    """The arguments of a kernel that draws: key, block, sweep, sweeps to add, first chain."""
    k0, k1 = random.key
    moved = NULL if DEVICE.moved is None else DEVICE.moved
    return word(k0), word(k1), word(random.block), word(random.sweep), moved, word(random.chain)


def fill(random: Any, out: DeviceArray) -> DeviceArray:
    """Fill an array with the numbers of a stream, or with those given explicitly."""
    if not hasattr(random, "key"):
        given = random(numpy.empty(out.shape, FLOAT))
        out[...] = np.asarray(given)
        return out
    units = out.size // max(1, len(out))
    k0, k1, block, sweep, moved, chain = numbers_of(random)
    DEVICE("fill_uniforms", out.size, out, whole(len(out)), whole(units), k0, k1, block, sweep, moved, chain)
    random.block += 1
    return out
