"""Random numbers: a seeded stream whose state can be saved, or numbers given explicitly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import ArgumentError

Array = NDArray[Any]


class Rng:
    """Uniform numbers in [0, 1) from a seed; nothing global is read or set."""

    def __init__(self, seed: int | np.random.Generator = 0):
        self.generator = seed if isinstance(seed, np.random.Generator) else np.random.Generator(np.random.SFC64(seed))

    def __call__(self, out: Array) -> Array:
        """Fill `out` with uniform numbers."""
        self.generator.random(out=out, dtype=out.dtype)
        return out

    def state(self) -> str:
        """The state as text, for a checkpoint."""
        return json.dumps(_plain(self.generator.bit_generator.state))

    def restore(self, state: str) -> None:
        """Go on from a saved state."""
        self.generator.bit_generator.state = json.loads(state)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return int(value) if isinstance(value, np.integer) else value


class Uniforms:
    """Explicit uniform numbers, one array a draw, in the order in which the sampler asks for them."""

    def __init__(self, arrays: Iterable[Any]):
        self.arrays = iter(arrays)

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
    raise ArgumentError("rng is an ed.Rng(seed) or a numpy.random.Generator")
