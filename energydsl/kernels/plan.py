"""In which order the factors of a sum of products are contracted: pairs, one after the other, as cheaply as can be found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

from energydsl.kernels.program import BATCH, Access, Contract

# For choosing an order of contractions only; any batch gives right results.
_TYPICAL_BATCH = 128
# The most factors whose every order of contractions is tried.
_SEARCHED = 9


def plan(
    accesses: list[Access], keep: tuple[str, ...], sizes: Mapping[str, tuple[int, int]], names: Iterator[str]
) -> tuple[Access | None, list[Contract]]:
    """Contract pairs; axes are summed as soon as nothing later needs them.

    The cheapest pair first or, where that leads far astray, in the order that is the cheapest of all. Where chains are summed
    over, what does not vary with them and has no other axes than the result comes last, once for all chains.
    """
    late = [a for a in accesses if a.letters and set(a.letters) <= set(keep)] if BATCH not in keep else []
    if late and any(BATCH in a.letters for a in accesses):
        result, steps = plan([a for a in accesses if a not in late], keep, sizes, names)
        for access in late:
            assert result is not None, "something varies with the chains"
            letters, out = _needed(result.letters + access.letters, [], keep), next(names)
            steps.append(Contract(out, result, access, letters))
            result = Access("local", out, letters)
        return result, steps
    result, steps = _pair_by_pair(accesses, keep, sizes, names)
    if 3 < len(accesses) <= _SEARCHED:
        tree, work = _cheapest(accesses, keep, sizes)
        if 2 * work < sum(entries_in(read_letters(s), sizes) for s in steps):
            steps = []
            result = _contracted(tree, accesses, keep, names, steps)
    return result, steps


def _pair_by_pair(
    accesses: list[Access], keep: tuple[str, ...], sizes: Mapping[str, tuple[int, int]], numbered: Iterator[str]
) -> tuple[Access | None, list[Contract]]:
    """The cheapest pair first."""
    left = list(accesses)
    steps: list[Contract] = []
    while len(left) > 1:
        a, b = min(itertools.combinations(range(len(left)), 2), key=lambda ab: _cost(left, ab, keep, sizes))
        others = [x for n, x in enumerate(left) if n not in (a, b)]
        letters = _needed(left[a].letters + left[b].letters, others, keep)
        out = next(numbered)
        steps.append(Contract(out, left[a], left[b], letters))
        left = [*others, Access("local", out, letters)]
    if not left:
        return None, steps
    letters = _needed(left[0].letters, [], keep)
    if letters != left[0].letters:
        out = next(numbered)
        steps.append(Contract(out, left[0], None, letters))
        return Access("local", out, letters), steps
    return left[0], steps


def _needed(letters: tuple[str, ...], others: list[Access], keep: tuple[str, ...]) -> tuple[str, ...]:
    wanted = set(keep) | {x for o in others for x in o.letters}
    unique = dict.fromkeys(x for x in letters if x in wanted)
    return tuple(sorted(unique, key=lambda x: (x != BATCH, keep.index(x) if x in keep else -1)))


def _cost(
    left: list[Access], pair: tuple[int, int], keep: tuple[str, ...], sizes: Mapping[str, tuple[int, int]]
) -> tuple[float, float]:
    a, b = (left[n] for n in pair)
    union = set(a.letters) | set(b.letters)
    others = [x for n, x in enumerate(left) if n not in pair]
    result = _needed(a.letters + b.letters, others, keep)

    return entries_in(union, sizes), entries_in(result, sizes)


def entries_in(letters: Iterable[str], sizes: Mapping[str, tuple[int, int]]) -> float:
    """How many entries an array has, for a typical number of chains."""
    return math.prod(_TYPICAL_BATCH if x == BATCH else sizes[x][1] - sizes[x][0] for x in letters)


def read_letters(step: Contract) -> set[str]:
    """The axes of the factors of a contraction."""
    return {*step.left.letters, *(step.right.letters if step.right else ())}


# An order of contractions: an access by its number, or two orders whose results are multiplied.
Tree = int | tuple["Tree", "Tree"]


def _cheapest(
    accesses: list[Access], keep: tuple[str, ...], sizes: Mapping[str, tuple[int, int]]
) -> tuple[Tree, float]:
    """The order with the fewest multiplications, found for all sets of accesses from small to large, and how many it takes."""
    count = len(accesses)
    every = (1 << count) - 1

    def openread_letters(chosen: int) -> set[str]:
        inside = {x for n in range(count) if chosen >> n & 1 for x in accesses[n].letters}
        outside = {x for n in range(count) if not chosen >> n & 1 for x in accesses[n].letters}
        return inside & (outside | set(keep))

    best: dict[int, tuple[float, Tree]] = {1 << n: (0.0, n) for n in range(count)}
    letters = {1 << n: set(a.letters) for n, a in enumerate(accesses)}
    for chosen in range(1, every + 1):
        if chosen in best:
            continue
        letters[chosen] = openread_letters(chosen)
        part, found = (chosen - 1) & chosen, []
        while part:
            rest = chosen ^ part
            if part > rest:
                work = entries_in(letters[part] | letters[rest], sizes)
                found.append((best[part][0] + best[rest][0] + work, (best[part][1], best[rest][1])))
            part = (part - 1) & chosen
        best[chosen] = min(found, key=lambda f: f[0])
    work, tree = best[every]
    return tree, work


def _contracted(
    tree: Tree, accesses: list[Access], keep: tuple[str, ...], names: Iterator[str], steps: list[Contract]
) -> Access:
    """The contractions of an order, added to `steps`, and their result."""
    if isinstance(tree, int):
        return accesses[tree]
    left, right = (_contracted(part, accesses, keep, names, steps) for part in tree)
    inside = set(_leaves(tree))
    others = [a for n, a in enumerate(accesses) if n not in inside]
    letters = _needed(left.letters + right.letters, others, keep)
    out = next(names)
    steps.append(Contract(out, left, right, letters))
    return Access("local", out, letters)


def _leaves(tree: Tree) -> Iterator[int]:
    if isinstance(tree, int):
        yield tree
        return
    for part in tree:
        yield from _leaves(part)
