"""Each block's kernel is in detailed balance with p, and a sweep of all blocks visits every unit once and leaves p alone.

p(x) T(x -> y) = p(y) T(y -> x),   p T_1 ... T_n = p

where T_k is the transition matrix of block k.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from energydsl.backends.interface import Array
from energydsl.verification.case import Listed, Unit
from energydsl.verification.conditionals import normalised
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest, of_weights

_TOLERANCE = 1e-12


def sweeps(case: Listed) -> Iterator[Check]:
    """Both identities over all listed states, with the transition matrix of each block written out."""
    if not case.drawn:
        return
    logs = {n: normalised(case, n) for n in case.drawn}
    p, balance, most = case.p, 0.0, 0.0
    visited: list[Unit] = []
    for block in case.blocks_of(case.derived.schedule(frozenset())):
        visited += block
        after = np.empty(case.rows)
        for group, kernel in _transitions(case, block, logs):
            flow = case.p[group][:, None] * kernel
            balance, most = max(balance, largest(flow - flow.T)), max(most, largest(flow))
            after[group] = p[group] @ kernel
        p = after
    once = len(visited) == len(set(visited)) and set(visited) == {u for u in case.unit_names() if u[0] in case.drawn}
    rounding = of_weights(case.scale)
    # What is allowed must be less than the largest flow, else no kernel at all would be too wrong.
    decisive = _TOLERANCE * rounding < max(most, largest(case.p))
    yield Check("detailed balance of each block", balance / rounding, _TOLERANCE, decisive)
    error = largest(p - case.p) / rounding if once else 1.0
    yield Check("sweep leaves p(x) as it is", error, _TOLERANCE, decisive)


def _transitions(case: Listed, block: list[Unit], logs: Mapping[str, Array]) -> Iterator[tuple[Array, Array]]:
    """States that differ in a block alone, by number, and the probabilities to go from each of them to each."""
    axis = {unit: k for k, unit in enumerate(case.unit_names())}
    axes = [axis[unit] for unit in block]
    radices = case.radices()
    sizes = [radices[k] for k in axes]
    count = int(np.prod(sizes))
    groups = np.moveaxis(np.arange(case.rows).reshape(radices), axes, range(-len(axes), 0)).reshape(-1, count)
    # For each unit of the block, its value in each joint state of the block.
    digits = np.array(np.unravel_index(np.arange(count), sizes))
    for group in groups:
        kernel = np.zeros((count, count))
        for (name, unit), values in zip(block, digits, strict=True):
            kernel += logs[name][group, unit][:, values]
        yield group, np.exp(kernel)
