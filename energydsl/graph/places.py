"""Where the loops of a monomial go: the units that its entries name, at every place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Monomial
from energydsl.graph.edges import Integers, edges_of
from energydsl.model.indices import Index
from energydsl.model.records import Resolved

# More places than these are not listed.


@dataclass(frozen=True)
class Places:
    """All places of the loops of a monomial where its predicates hold: the values of every loop, each of shape (count,)."""

    model: Resolved
    count: int
    loops: Mapping[str, Integers]

    def value(self, index: Index) -> Integers:
        """The index at every place."""
        return np.broadcast_to(np.asarray(index.value(self.loops, self._edge), np.int64), (self.count,))

    def units(self, atom: At, rules: Rules) -> Integers:
        """The flat number of the unit that an entry of a layer names, at every place."""
        values = [self.value(i) for i in atom.indices[: rules.sites(atom)]]
        if atom.flat:
            return values[0]
        number = np.zeros(self.count, np.int64)
        for value, size in zip(values, self.model.layers[atom.name].shape, strict=True):
            number = number * size + value
        return number

    def _edge(self, graph: str, side: int, number: Any) -> Any:
        return edges_of(self.model.graphs[graph])[number, side]


def places(model: Resolved, monomial: Monomial) -> Places | None:
    """Where the loops of a monomial go; None where there are too many places to list, or a graph was not supplied."""
    count = math.prod(loop.high - loop.low for loop in monomial.loops)
    if count > limits.PLACES_OF_A_TERM or any(model.graphs[g].kind == "absent" for g in _graphs(monomial)):
        return None
    grids = np.meshgrid(*(np.arange(loop.low, loop.high) for loop in monomial.loops), indexing="ij")
    every = Places(model, count, {loop.name: g.ravel() for loop, g in zip(monomial.loops, grids, strict=True)})
    keep = np.ones(count, bool)
    for predicate in monomial.predicates:
        keep &= predicate.holds(every.value)
    return Places(model, int(keep.sum()), {name: values[keep] for name, values in every.loops.items()})


def _graphs(monomial: Monomial) -> set[str]:
    return {loop.graph for loop in monomial.loops if loop.graph}
