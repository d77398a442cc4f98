"""Random numbers: one counter-based stream for every backend, or numbers given explicitly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
        "projections": 23,
        "cooling": 24,
        "reconstruction": 5,
        "free energy": 6,
        "latents that vary": 7,
        "held-out rows": 8,
        "look at the start": 10,
        "initial state": 9,
        "annealing": 11,
        "annealing pilot": 17,
        "temperatures": 18,
        "reverse annealing": 19,
        "samples of the model": 20,
        "annealing from rows": 25,
        "samples of the first model": 26,
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
        "rows that stand for all": 33,
        "rows of a window": 34,
        "grey values": 77,
        "missing entries": 78,
        "clusters for testing": 79,
    }
)


def stream(seed: SupportsIndex, use: str, *numbers: int) -> list[int]:
    """The seed of one stream of random numbers, for `Rng` or NumPy's generators; `numbers` tell streams of one use apart."""
    return [whole_number("seed", seed), STREAMS[use], *numbers]


def seed_of(seed: SupportsIndex, use: str, *numbers: int) -> int:
    """A seed made from a seed, for work that has streams of its own."""
    return int(np.random.SeedSequence(stream(seed, use, *numbers)).generate_state(1)[0])


class Rng(Stream):
    """Uniform numbers in [0, 1) from a seed, by Philox4x32-10 (Salmon et al. 2011); nothing global is read or set.

    A number is a function of (seed, sweep, block, unit, chain) alone: the same chain results for any batch, number of
    threads and device. seed: a whole number, several, or a generator of NumPy, which is asked for one. chain: the number of
    the first row, for a batch that is one piece of a larger one. Raises `ArgumentError` for another seed.

    >>> rng = Rng(0)
    >>> rng.integers(0, 10, (5,)).shape
    (5,)
    >>> Rng(0).integers(0, 10, (5,)).tolist() == Rng(0).integers(0, 10, (5,)).tolist()
    True
    """

    def __init__(self, seed: int | Sequence[int] | np.random.Generator = 0, chain: int = 0):
        if isinstance(seed, np.random.Generator):
            seed = [int(k) for k in seed.integers(0, 1 << 32, 2, dtype=np.uint64)]
        else:
            given = [whole_number("a seed", k) for k in np.atleast_1d(np.asarray(seed, object))]
            seed = given if np.ndim(seed) else given[0]
        super().__init__(seed, chain)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        """Whole numbers from low to high - 1, each as likely as the others, in the given shape."""
        uniform: Array = self(np.empty(shape, np.float64))
        return np.asarray(low + np.floor(uniform * (high - low)), np.int64)

    def state(self) -> str:
        """The state as JSON text, for a checkpoint."""
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
            raise DataError.of("the random state is not that of an Rng", "", "E0403")
        self.key = key
        self.sweep, self.block, self.chain = counters


class Uniforms:
    """Explicit uniform numbers in [0, 1): one array for each draw, in the order in which the sampler asks for them.

    >>> import numpy as np
    >>> given = Uniforms([np.array([[0.25, 0.75]])])
    >>> given(np.empty((1, 2)))
    array([[0.25, 0.75]])
    """

    def __init__(self, arrays: Iterable[ArrayLike]):
        self.arrays = iter(arrays)

    def next(self) -> None:
        """The next sweep: the numbers simply go on."""

    def __call__(self, out: Array) -> Array:
        """Fill `out` with the next array. Raises `ArgumentError` where none is left, or its shape is another."""
        given = next(self.arrays, None)
        if given is None or np.shape(given) != out.shape:
            found = "none is left" if given is None else f"the next has shape {np.shape(given)}"
            raise ArgumentError(f"the sampler asks for uniform numbers of shape {out.shape}; {found}")
        out[...] = given
        return out


def as_random(rng: Rng | Uniforms | np.random.Generator | None) -> Rng | Uniforms:
    """The `rng` of a caller, a generator of NumPy as an `Rng` seeded from it. Raises `ArgumentError` for anything else."""
    if isinstance(rng, Rng | Uniforms):
        return rng
    if isinstance(rng, np.random.Generator):
        return Rng(rng)
    if rng is None:
        raise ArgumentError("rng is required: make rng = ed.Rng(seed) once, and give it to every call")
    raise ArgumentError("rng must be an ed.Rng(seed) or a numpy.random.Generator")
