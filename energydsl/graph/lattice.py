"""Colourings of regular lattices by arithmetic on their axes, whatever their size."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from energydsl import limits
from energydsl.graph.edges import Integers


@dataclass(frozen=True)
class Offset:
    """Units coupled at a constant distance: along each axis, and whether that axis closes to a ring."""

    steps: tuple[int, ...]
    rings: tuple[bool, ...]


def lattice_colours(shape: tuple[int, ...], offsets: list[Offset]) -> Integers | None:
    """A colouring of a lattice that separates units at the given distances; None where no simple one does.

    Two colours by parity if the rings are even; three for nearest neighbours on odd rings; else the smallest modulus m
    with a linear colouring sum(a_k i_k) mod m.
    """
    if math.prod(shape) > limits.COLOURED_UNITS:
        return None
    rings = tuple(any(o.rings[k] for o in offsets) for k in range(len(shape)))
    for modulus in range(2, 13):
        if modulus == 3:
            walk = _neighbour_walk(shape, offsets, rings)
            if walk is not None:
                return walk
        for factors in itertools.product(range(modulus), repeat=len(shape)):
            closes = all(not r or a * n % modulus == 0 for a, n, r in zip(factors, shape, rings, strict=True))
            apart = all(sum(a * s for a, s in zip(factors, o.steps, strict=True)) % modulus for o in offsets)
            if closes and apart:
                grids = np.indices(shape, sparse=True)
                total = sum(a * g for a, g in zip(factors, grids, strict=True)) % modulus
                return np.broadcast_to(np.asarray(total, dtype=np.int64), shape)
    return None


def _neighbour_walk(shape: tuple[int, ...], offsets: list[Offset], rings: tuple[bool, ...]) -> Integers | None:
    """Three colours: along each axis the colour steps by +-1 mod 3, and an odd ring closes with a 2."""
    if any(sum(map(abs, o.steps)) != 1 for o in offsets):
        return None
    total = np.zeros((1,) * len(shape), dtype=np.int64)
    for axis, (size, ring) in enumerate(zip(shape, rings, strict=True)):
        steps = np.arange(size, dtype=np.int64) % 2
        if ring and size % 2 and size > 1:
            steps[-1] = 2
        total = total + steps.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.broadcast_to(total % 3, shape)
