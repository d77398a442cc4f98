"""Random numbers: one counter-based stream for every backend, or numbers given explicitly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.backends.numpy.runtime import Stream
from energydsl.diagnostics import ArgumentError, DataError, whole_number

Array = NDArray[Any]

# What one seed is used for, and the number of each stream of random numbers. None is 0: a seed with zeros behind it is the
# same seed to NumPy.
STREAMS: Mapping[str, int] = MappingProxyType(
    {
        "chains of training": 1,
        "order of rows": 2,
        "grey values of a batch": 3,
        "rows for figures": 4,
        "reconstruction": 5,
        "free energy": 6,
        "latents that vary": 7,
        "held-out rows": 8,
        "look at the start": 10,
        "initial state": 9,
        "annealing": 11,
        "initial parameters": 12,
        "flipped patterns": 13,
        "greedy stage": 14,
        "greedy latents": 15,
        "call of an estimator": 16,
        "samples": 21,
        "missing entries of clamped values": 22,
        "recognition for annealing": 31,
        "recognition for a bound": 32,
        "certificate": 40,
        "grey values": 77,
        "missing entries": 78,
    }
)


def stream(seed: Any, use: str, *numbers: int) -> list[int]:
    """The seed of one stream of random numbers, for `Rng` or NumPy's generators; `numbers` tell streams of one use apart."""
    return [whole_number("seed", seed), STREAMS[use], *numbers]


def seed_of(seed: Any, use: str, *numbers: int) -> int:
    """A seed made from a seed, for work that has streams of its own."""
    return int(np.random.SeedSequence(stream(seed, use, *numbers)).generate_state(1)[0])


class Rng(Stream):
    """Uniform numbers in [0, 1) from a seed, by Philox4x32-10 (Salmon et al. 2011); nothing global is read or set.

    A number is a function of (seed, sweep, block, unit, chain) alone: the same chain results for any batch, number of
    threads and device. chain: the number of the first row, for a batch that is one piece of a larger one.
    """

    def __init__(self, seed: int | Sequence[int] | np.random.Generator = 0, chain: int = 0):
        if isinstance(seed, np.random.Generator):
            seed = [int(k) for k in seed.integers(0, 1 << 32, 2, dtype=np.uint64)]
        else:
            given = [whole_number("a seed", k) for k in np.atleast_1d(np.asarray(seed, object))]
            seed = given if np.ndim(seed) else given[0]
        super().__init__(seed, chain)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        """Whole numbers from low to high - 1."""
        uniform: Array = self(np.empty(shape, np.float64))
        return np.asarray(low + np.floor(uniform * (high - low)), np.int64)

    def state(self) -> str:
        """The state as text, for a checkpoint."""
        return json.dumps({"key": self.key, "sweep": self.sweep, "block": self.block, "chain": self.chain})

    def restore(self, state: str) -> None:
        """Go on from a saved state. Raises `DataError` (E0403) where it is none."""
        try:
            found = json.loads(state)
            key, counters = found["key"], [found[name] for name in ("sweep", "block", "chain")]
            whole = len(key) == 2 and all(type(n) is int and 0 <= n < 1 << 32 for n in (*key, *counters))
        except (ValueError, TypeError, KeyError, RecursionError):
            whole = False
        if not whole:
            raise DataError.of("the random state is not one of these streams", "", "E0403")
        self.key = key
        self.sweep, self.block, self.chain = counters


class Uniforms:
    """Explicit uniform numbers, one array a draw, in the order in which the sampler asks for them."""

    def __init__(self, arrays: Iterable[Any]):
        self.arrays = iter(arrays)

    def next(self) -> None:
        """The next sweep: the numbers simply go on."""

    def __call__(self, out: Array) -> Array:
        given = next(self.arrays, None)
        if given is None or np.shape(given) != out.shape:
            found = "none is left" if given is None else f"the next has shape {np.shape(given)}"
            raise ArgumentError(f"the sampler asks for uniform numbers of shape {out.shape}; {found}")
        out[...] = given
        return out


def as_random(rng: Any) -> Rng | Uniforms:
    """An `Rng`, `Uniforms`, or whatever of NumPy's generators the caller has."""
    if isinstance(rng, Rng | Uniforms):
        return rng
    if isinstance(rng, np.random.Generator):
        return Rng(rng)
    if rng is None:
        raise ArgumentError("rng is required: rng=ed.Rng(seed), made once, goes on from call to call")
    raise ArgumentError("rng is an ed.Rng(seed) or a numpy.random.Generator")
