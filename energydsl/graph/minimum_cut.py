"""The least value of sum_i u_i x_i + sum_ij w_ij x_i x_j over bits x, w <= 0: a minimum cut (Picard & Ratliff 1975).

Where pairs have both signs, some bits may be turned round so that all are <= 0: that works where every circle has an even number of
pairs above 0, and is how ferromagnets, and antiferromagnets on two sublattices, are solved. Where it does not, the same sum over
bits and their opposites, as if these were free, is solved instead: its least value is a bound from below, the roof dual (Hammer, Hansen &
Simeone 1984; Boros & Hammer 2002).
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from networkx.algorithms.flow import boykov_kolmogorov
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Bits = NDArray[np.bool_]
# Numbers are cut as whole ones, the largest of them so many: what is rounded is far below what float64 rounds.
_LARGEST = 2.0**50


def least_by_cut(u: Array, pairs: Integers, w: Array) -> Bits | None:
    """The bits of least value, (bits,); None where signs of pairs cannot be made alike. pairs: (pairs, 2), w: (pairs,)."""
    turned = _turned(len(u), pairs, w)
    if turned is None:
        return None
    a, b = turned[pairs[:, 0]], turned[pairs[:, 1]]
    alone = np.where(turned, -u, u)
    # w x y of what is turned: w (1 - x) y, w x (1 - y), w (1 - x)(1 - y)
    np.add.at(alone, pairs[:, 0], np.where(b, np.where(a, -w, w), 0.0))
    np.add.at(alone, pairs[:, 1], np.where(a, np.where(b, -w, w), 0.0))
    return _cut(alone, pairs, np.where(a == b, w, -w)) ^ turned


def roof_dual(u: Array, pairs: Integers, w: Array) -> float:
    """A bound from below on the least value: that of the mean over x and its opposite y, as if y were free.

    2 w x z = w (x z + (1 - y)(1 - t)) where w <= 0, else w (x (1 - t) + (1 - y) z), y and t being the opposites of x and z.
    """
    count, below = len(u), w <= 0
    i, j = pairs[:, 0], pairs[:, 1]
    alone = np.concatenate([0.5 * u, -0.5 * u])
    half, constant = 0.5 * w, 0.5 * float(u.sum()) + 0.5 * float(w[below].sum())
    np.add.at(alone, count + i[below], -half[below])
    np.add.at(alone, count + j[below], -half[below])
    np.add.at(alone, i[~below], half[~below])
    np.add.at(alone, j[~below], half[~below])
    joined = np.concatenate(
        [
            pairs[below],
            count + pairs[below],
            np.stack([i[~below], count + j[~below]], axis=1),
            np.stack([count + i[~below], j[~below]], axis=1),
        ]
    )
    weights = np.concatenate([half[below], half[below], -half[~below], -half[~below]])
    found = _cut(alone, joined, weights)
    return constant + float(alone @ found) + float(weights @ (found[joined[:, 0]] & found[joined[:, 1]]))


def _turned(count: int, pairs: Integers, w: Array) -> Bits | None:
    """Which bits to turn round, so that no pair is above 0."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_weighted_edges_from((int(i), int(j), float(v)) for (i, j), v in zip(pairs, w, strict=True) if v)
    turned = np.zeros(count, bool)
    for part in nx.connected_components(graph):
        for before, after in nx.bfs_edges(graph, min(part)):
            turned[after] = turned[before] ^ (graph[before][after]["weight"] > 0)
    alike = turned[pairs[:, 0]] == turned[pairs[:, 1]]
    return None if (np.where(alike, w, -w) > 0).any() else turned


def _cut(u: Array, pairs: Integers, w: Array) -> Bits:
    """The bits of least value where no pair is above 0: w x y = w x + |w| x (1 - y), which is cut where x = 1 and y = 0."""
    alone = u.copy()
    np.add.at(alone, pairs[:, 0], w)
    unit = _LARGEST / max(float(np.abs(alone).max(initial=0.0)), float(np.abs(w).max(initial=0.0)), 1e-300)
    graph: nx.DiGraph[int] = nx.DiGraph()
    one, zero = -1, -2
    graph.add_nodes_from([one, zero])
    for bit, value in enumerate(np.rint(alone * unit).tolist()):
        if value > 0:
            graph.add_edge(bit, zero, capacity=int(value))
        elif value < 0:
            graph.add_edge(one, bit, capacity=int(-value))
    for (i, j), value in zip(pairs.tolist(), np.rint(w * unit).tolist(), strict=True):
        if value:
            graph.add_edge(i, j, capacity=int(-value))
    _, (ones, _) = nx.minimum_cut(graph, one, zero, flow_func=boykov_kolmogorov)
    found = np.zeros(len(u), bool)
    found[[bit for bit in ones if bit >= 0]] = True
    return found
