"""The random stream, the same numbers as in the NumPy runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from energydsl.backends.numba.runtime.blas import pieces
from energydsl.backends.numba.runtime.compiling import SINGLE, WORDS, Number, edge, fast, parallel, scalar, wide
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.arrays import Array


@scalar
def philox4(
    a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Four words of Philox4x32-10, as 64-bit numbers: so the loop round it becomes vector code."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a = (right >> half) ^ b ^ k0
        b = right & low
        c = (left >> half) ^ d ^ k1
        d = left & low
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    return a, b, c, d


if SINGLE:

    @scalar
    def as_uniforms(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64, words: Array, i: int) -> None:
        """Four words as uniform numbers in [0, 1), into column i of words: (WORDS, ...)."""
        words[0, i] = np.float32(np.int32(a >> np.uint64(8))) * np.float32(2.0**-24)
        words[1, i] = np.float32(np.int32(b >> np.uint64(8))) * np.float32(2.0**-24)
        words[2, i] = np.float32(np.int32(c >> np.uint64(8))) * np.float32(2.0**-24)
        words[3, i] = np.float32(np.int32(d >> np.uint64(8))) * np.float32(2.0**-24)

else:

    @scalar
    def as_uniforms(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64, words: Array, i: int) -> None:
        """Four words as uniform numbers in [0, 1), into column i of words: (WORDS, ...)."""
        words[0, i] = float(np.int64(a >> np.uint64(5))) * 2.0**-27 + float(np.int64(b >> np.uint64(6))) * 2.0**-53
        words[1, i] = float(np.int64(c >> np.uint64(5))) * 2.0**-27 + float(np.int64(d >> np.uint64(6))) * 2.0**-53


@scalar
def padded(count: int) -> int:
    """A length that leaves vector code no remainder."""
    return (count + 31) // 32 * 32


@scalar
def together(count: int) -> int:
    """How many chains get their numbers in one loop, of so many words each: as many as fill its vectors where layers are narrow."""
    return max(1, 32 // max(1, count))


@fast
def columns(count: int) -> tuple[Array, Array]:
    """Of each number in a loop of `uniforms`: which of the `count` words of a chain it begins, and of which chain."""
    place = np.arange(padded(together(count) * count))
    return (place % max(1, count)).astype(np.uint64), (place // max(1, count)).astype(np.uint64)


@fast
def uniforms(
    u: Array,
    words: Array,
    units: Array,
    chains: Array,
    count: int,
    chain: int,
    block: int,
    sweep: int,
    k0: Number,
    k1: Number,
) -> None:
    """The numbers of all units of a chain and those `together` with it, to u: WORDS * count each; count: ceil(units / WORDS).

    words: (WORDS, columns), scratch. units, chains: see `columns`.
    """
    wide()
    b, c, d = np.uint64(chain), np.uint64(block), np.uint64(sweep)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for i in range(len(units)):
        w0, w1, w2, w3 = philox4(units[i], b + chains[i], c, d, k0, k1)
        as_uniforms(w0, w1, w2, w3, words, i)
    for r in range(len(u) // (WORDS * count)):
        for w in range(WORDS):
            for i in range(count):
                u[(r * WORDS + w) * count + i] = words[w, r * count + i]


@parallel()
def fill_rows(out: Array, parts: int, k0: int, k1: int, block: int, sweep: int, chain: int) -> None:
    """Uniform numbers for every unit of every chain: out (chains, units)."""
    rows, size = out.shape
    count = (size + WORDS - 1) // WORDS
    few = together(count)
    for t in prange(parts):
        units, chains = columns(count)
        u, words = np.empty(few * WORDS * count, FLOAT), np.empty((WORDS, len(units)), FLOAT)
        first = edge(rows, t, parts)
        for r in range(first, edge(rows, t + 1, parts)):
            own = (r - first) % few * WORDS * count
            if own == 0:
                uniforms(u, words, units, chains, count, chain + r, block, sweep, k0, k1)
            for i in range(size):
                out[r, i] = u[own + i]


def fill(random: Any, out: Array) -> Any:
    """Fill an array (chains, ...) with uniform numbers from a stream, or from whatever else writes them into an array."""
    key: tuple[int, int] | None = getattr(random, "key", None)
    if key is None or out.dtype != FLOAT or not out.flags.c_contiguous:
        return random(out)
    fill_rows(out.reshape(len(out), -1), pieces(out.size), *key, random.block, random.sweep, random.chain)
    random.block += 1
    return out
