"""Colourings of regular lattices by arithmetic on their axes, whatever their size."""

from __future__ import annotations

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

    One colour where there are no distances; two by parity if the rings are even; three for nearest neighbours on odd rings; else the smallest modulus m
    with a linear colouring sum(a_k i_k) mod m, or boxes, whichever takes fewer.
    """
    if math.prod(shape) > limits.COLOURED_UNITS:
        return None
    if not offsets:
        return np.zeros(shape, np.int64)
    rings = tuple(any(o.rings[k] for o in offsets) for k in range(len(shape)))
    boxes = _boxes(shape, offsets, rings)
    linear = _linear(shape, offsets, rings, math.inf if boxes is None else _count(boxes))
    return boxes if linear is None else linear


def _count(colours: Integers) -> int:
    return int(colours.max()) + 1


def _linear(shape: tuple[int, ...], offsets: list[Offset], rings: tuple[bool, ...], most: float) -> Integers | None:
    """The smallest modulus, up to `most`; before it, three colours for neighbours."""
    steps = np.array([o.steps for o in offsets], np.int64)
    sizes = np.array([n if ring else 0 for n, ring in zip(shape, rings, strict=True)])
    for modulus in range(2, 13):
        if modulus > most:
            return None
        if modulus == 3:
            walk = _neighbour_walk(shape, offsets, rings)
            if walk is not None:
                return walk
        factors = np.indices((modulus,) * len(shape)).reshape(len(shape), -1)
        fits = (factors * sizes[:, None] % modulus == 0).all(axis=0) & (steps @ factors % modulus != 0).all(axis=0)
        if fits.any():
            grids = np.indices(shape, sparse=True)
            total = sum(a * g for a, g in zip(factors[:, fits.argmax()].tolist(), grids, strict=True)) % modulus
            return np.broadcast_to(np.asarray(total, dtype=np.int64), shape)
    return None


def _boxes(shape: tuple[int, ...], offsets: list[Offset], rings: tuple[bool, ...]) -> Integers | None:
    """A colour for each place in a box as long as the longest distance along each axis; None where a ring has no room."""
    total = np.zeros((1,) * len(shape), dtype=np.int64)
    for axis, (size, ring) in enumerate(zip(shape, rings, strict=True)):
        wide = 1 + max(abs(o.steps[axis]) for o in offsets)
        longer = size % wide if ring else 0  # boxes that are longer by one, so that they close
        if longer * (wide + 1) > size:
            return None
        places = np.arange(size, dtype=np.int64)
        places = np.where(places < longer * (wide + 1), places % (wide + 1), (places - longer * (wide + 1)) % wide)
        total = total * _count(places) + places.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.broadcast_to(total, shape)


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
