"""Rows that are alike: weights by identity, clusters, and a split that keeps clusters together.

The identity of two rows is the share of their units that are equal. A row weighs 1 / (the number of rows whose identity with it is at
least a threshold, itself included), so that a crowd of near copies counts about once (Morcos et al., PNAS 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import ArgumentError, DataError
from energydsl.random import stream

Array = NDArray[Any]
PREFIX = "identity:"
# Rows that are compared with one another at once, and indicators of their states in memory.
_ROWS, _INDICATORS = 2048, 1 << 26


def threshold_of(text: str) -> float:
    """The threshold of `identity:0.8`. Raises `ArgumentError`."""
    try:
        found = float(text.removeprefix(PREFIX))
    except ValueError:
        found = math.nan
    return checked(found, text)


def checked(threshold: float, shown: object) -> float:
    """A threshold that is a share. Raises `ArgumentError`."""
    if not 0 < threshold <= 1:
        raise ArgumentError(f"identity takes a share above 0 and at most 1, as in identity:0.8, not {shown}")
    return threshold


def identity_weights(arrays: Mapping[str, Array], threshold: float) -> Array:
    """The weight of each row, (rows,): 1 / (rows like it). arrays: by layer, rows first. Raises `DataError`."""
    values = _units(arrays)
    like = np.zeros(len(values))
    for first, second, alike in _pairs(values, threshold):
        like[first] += alike.sum(axis=1)
        if first != second:
            like[second] += alike.sum(axis=0)
    return 1.0 / like


def clusters(values: Array, threshold: float) -> Array:
    """The number of the cluster of each row, (rows,): rows are in one where a chain of rows alike joins them (single linkage)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found: Array = np.arange(len(values))
    for first, second, alike in _pairs(values.reshape(len(values), -1), threshold):
        one, other = np.nonzero(alike & (found[first][:, None] != found[second]))
        joined = np.unique(np.stack([found[first][one], found[second][other]]), axis=1)
        graph = coo_array((np.ones(joined.shape[1], np.int8), (joined[0], joined[1])), shape=(len(values),) * 2)
        found = np.asarray(connected_components(graph, directed=False)[1])[found]
    return np.unique(found, return_inverse=True)[1]


def split(values: Array, share: float, threshold: float, seed: int) -> tuple[Array, Array]:
    """Numbers of the rows for training and of those for testing: no row of one is like a row of the other.

    Clusters in a random order are for testing, each as a whole, as long as they do not make more than `share` of the rows. Raises
    `DataError` where none fits.
    """
    if not 0 < share < 1:
        raise ArgumentError(f"the share of rows for testing is between 0 and 1, not {share}")
    found = clusters(values, threshold)
    sizes, most = np.bincount(found), share * len(values)
    tested, total = [], 0
    for number in np.random.default_rng(stream(seed, "clusters for testing")).permutation(len(sizes)):
        if total + sizes[number] <= most:
            tested.append(number)
            total += int(sizes[number])
    if not tested:
        raise DataError.of(
            f"no cluster is as small as {share:g} of the rows: the smallest of {len(sizes)} has {sizes.min()} of {len(values)}",
            "raise the identity from which rows are alike, or the share for testing",
        )
    inside = np.isin(found, tested)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _units(arrays: Mapping[str, Array]) -> Array:
    """The units of all layers side by side, (rows, units)."""
    for name, array in arrays.items():
        fits = array == np.floor(array) if array.dtype.kind == "f" else array >= 0
        if not fits.all():
            raise DataError.of(f"identity compares units of whole numbers; `{name}` holds others, or misses some")
    return np.concatenate([a.reshape(len(a), -1) for a in arrays.values()], axis=1)


def _pairs(values: Array, threshold: float) -> Iterator[tuple[slice, slice, Array]]:
    """Blocks of rows, each pair of blocks once, and which of their rows are alike: products of indicators count equal units."""
    units = values.shape[1]
    codes = np.stack([np.unique(values[:, k], return_inverse=True)[1] for k in range(units)], axis=1)
    offsets = np.concatenate([[0], np.cumsum(codes.max(axis=0) + 1)])
    needed = max(1, math.ceil(threshold * units - 1e-9))
    step = max(1, min(_ROWS, _INDICATORS // int(offsets[-1])))

    def indicators(part: slice) -> Array:
        found = np.zeros((len(codes[part]), int(offsets[-1])), np.float32)
        np.put_along_axis(found, codes[part] + offsets[:-1], 1.0, axis=1)
        return found

    blocks = [slice(k, min(k + step, len(codes))) for k in range(0, len(codes), step)]
    for number, first in enumerate(blocks):
        left = indicators(first)
        for second in blocks[number:]:
            right = left if second == first else indicators(second)
            yield first, second, left @ right.T >= needed
