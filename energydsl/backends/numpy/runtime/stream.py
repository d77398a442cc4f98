"""The random stream: uniform numbers that are a function of seed, sweep, block, unit and chain alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array


class Stream:
    """Uniform numbers by Philox4x32-10 (Salmon et al. 2011), keyed by (seed, sweep, block, unit, chain).

    Word w of counter (q, chain, block, sweep) belongs to unit w Q + q of the n units drawn, Q = ceil(n / 4); in float64
    two words make one number and Q = ceil(n / 2). So a chain is the same whichever chains run beside it.
    """

    def __init__(self, seed: int | Sequence[int] = 0, chain: int = 0) -> None:
        self.key = [int(k) for k in np.random.SeedSequence(seed).generate_state(2)]
        self.sweep, self.block, self.chain = 0, 0, chain
        self.memory = np.empty(0, np.uint64)

    def next(self) -> None:
        """Go on to the next sweep."""
        self.sweep, self.block = (self.sweep + 1) & 0xFFFFFFFF, 0

    def __call__(self, out: Array) -> Array:
        """Fill `out`, (chains, ...), with uniform numbers in [0, 1) of its precision, and go on to the next block."""
        flat = out.reshape(len(out), -1)
        wide = out.dtype == np.float64
        words = 2 if wide else 4
        count = -(-flat.shape[1] // words)
        step = max(1, 4096 // max(1, count))
        size = 6 * step * count
        if len(self.memory) < size:
            self.memory = np.empty(size, np.uint64)
        memory = self.memory[:size].reshape(6, step, count)
        for start in range(0, len(flat), step):
            part = flat[start : start + step]
            counter, spare = memory[:4, : len(part)], memory[4:, : len(part)]
            counter[0] = np.arange(count)
            counter[1] = np.arange(self.chain + start, self.chain + start + len(part))[:, None]
            counter[2], counter[3] = self.block, self.sweep
            philox(counter, self.key, spare)
            if wide:
                counter >>= np.array([5, 6, 5, 6], np.uint64)[:, None, None]
            else:
                counter >>= np.uint64(8)
            for w in range(words):
                column = part[:, w * count : (w + 1) * count]
                if wide:
                    np.multiply(counter[2 * w, :, : column.shape[1]], 2.0**-27, out=column)
                    column += counter[2 * w + 1, :, : column.shape[1]] * 2.0**-53
                else:
                    np.multiply(counter[w, :, : column.shape[1]], 2.0**-24, out=column, casting="unsafe")
        self.block += 1
        return out


def philox(counter: Array, key: Sequence[int], spare: Array) -> None:
    """Turn four counter words into four random words, in place, by Philox4x32-10 (Salmon et al. 2011, section 3.3).

    counter: (4, ...), uint64 arrays of 32-bit values; key: two such values; spare: (2, ...), overwritten.
    """
    a, b, c, d = counter
    left, right = spare
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    k0, k1 = key
    for _ in range(10):
        np.multiply(a, np.uint64(0xD2511F53), out=left)
        np.multiply(c, np.uint64(0xCD9E8D57), out=right)
        np.right_shift(right, half, out=a)
        a ^= b
        a ^= np.uint64(k0)
        np.right_shift(left, half, out=c)
        c ^= d
        c ^= np.uint64(k1)
        np.bitwise_and(right, low, out=b)
        np.bitwise_and(left, low, out=d)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF


def fill(random: Any, out: Array) -> Any:
    """Fill an array (chains, ...) with uniform numbers from a stream, or from whatever else writes them into an array."""
    return random(out)
