"""Whether one place in a layer comes before another, whatever values the indices take.

Places are compared in the order of their indices, the first that differs decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from energydsl.model.indices import Index

# `(a, b)` says that a < b.
Less = tuple[Index, Index]


def before(
    place: Sequence[Index],
    other: Sequence[Index],
    known: Sequence[Less],
    ranges: Mapping[str, tuple[int, int]],
    nodes: Callable[[str], int],
) -> bool:
    """Whether a place provably comes before another; known: pairs of indices in order. ranges: [low, high) of every index."""
    if len(place) != len(other):
        return False
    for a, b in zip(place, other, strict=True):
        if a != b:
            return _least(b - a, tuple(known), ranges, nodes) > 0
    return False


def _least(
    difference: Index, known: tuple[Less, ...], ranges: Mapping[str, tuple[int, int]], nodes: Callable[[str], int]
) -> int:
    """A number that an index is at least: from the ranges of what it is made of, and from what is known to be in order."""
    least = difference.bounds(ranges, nodes)[0]
    for number, (low, high) in enumerate(known):
        times = dict(difference.terms).get(high.terms[0][0], 0) if high.terms else 0
        if times > 0:  # times * (high - low) is at least times
            rest = known[:number] + known[number + 1 :]
            least = max(least, times + _least(difference - (high - low) * times, rest, ranges, nodes))
    return least
