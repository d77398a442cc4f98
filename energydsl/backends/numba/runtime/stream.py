"""The random stream, the same numbers as in the NumPy runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from energydsl.backends.numba.runtime.blas import pieces
from energydsl.backends.numba.runtime.compiling import SINGLE, WORDS, Number, edge, fast, parallel, scalar
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


@fast
def uniforms(u: Array, words: Array, count: int, chain: int, block: int, sweep: int, k0: Number, k1: Number) -> None:
    """The numbers of all units of a chain, to u; count: ceil(units / WORDS); words: (WORDS, padded(count)), scratch."""
    b, c, d = np.uint64(chain), np.uint64(block), np.uint64(sweep)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for i in range(words.shape[1]):
        w0, w1, w2, w3 = philox4(np.uint64(i), b, c, d, k0, k1)
        as_uniforms(w0, w1, w2, w3, words, i)
    for w in range(WORDS):
        for i in range(count):
            u[w * count + i] = words[w, i]


@parallel()
def fill_rows(out: Array, parts: int, k0: int, k1: int, block: int, sweep: int, chain: int) -> None:
    """Uniform numbers for every unit of every chain: out (chains, units)."""
    rows, units = out.shape
    count = (units + WORDS - 1) // WORDS
    for t in prange(parts):
        u, words = np.empty(WORDS * count, FLOAT), np.empty((WORDS, padded(count)), FLOAT)
        for r in range(edge(rows, t, parts), edge(rows, t + 1, parts)):
            uniforms(u, words, count, chain + r, block, sweep, k0, k1)
            for i in range(units):
                out[r, i] = u[i]


def fill(random: Any, out: Array) -> Any:
    """Fill an array (chains, ...) with uniform numbers from a stream, or from whatever else writes them into an array."""
    key: tuple[int, int] | None = getattr(random, "key", None)
    if key is None or out.dtype != FLOAT or not out.flags.c_contiguous:
        return random(out)
    fill_rows(out.reshape(len(out), -1), pieces(out.size), *key, random.block, random.sweep, random.chain)
    random.block += 1
    return out
