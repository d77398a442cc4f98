"""Sparse sweeps on the kernels of the Numba runtime: pieces of chains side by side, chains innermost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np

from energydsl.backends.interface import Array, Arrays, CompiledModule, Part
from energydsl.backends.sparse_sweeps import SparseSweeps
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.sparse import SparsePlan, one_hot_tables

_LANES = 64


class _Lanes(threading.local):
    """The state of some chains, where entries read it, and tables of one-hot units; other ones in each thread."""

    def __init__(self, dtype: Any) -> None:
        self.x: Array = np.zeros((0, 0), dtype)
        self.source: Array = np.zeros(0, np.uint32)
        self.table: Array = np.zeros(0, dtype)


class NumbaModule(CompiledModule, Protocol):
    """What sparse sweeps ask of a module of the Numba backend."""

    @property
    def WIDTH(self) -> int:
        """Numbers in a vector of the machine."""

    def pieces(self, work: int, /) -> int:
        """Into how many pieces to cut: one a thread, or one where that does not pay."""

    def into_lanes(self, x: Array, state: Array, slots: Array, lanes: int, /) -> None:
        """State (chains, entries) of a layer into x (pieces, slots * lanes), chains innermost."""

    def out_of_lanes(self, x: Array, state: Array, slots: Array, lanes: int, /) -> None:
        """The state of a layer back from x."""

    def sparse_sweeps(self, x: Array, *arguments: Any) -> None:
        """Sweeps over a table of parts, in place."""


class NumbaSweeps(SparseSweeps):
    """All sweeps in one parallel kernel."""

    def __init__(self, plan: SparsePlan, program: KernelProgram, kernels: CompiledModule):
        super().__init__(plan, program, kernels)
        self.module = cast(NumbaModule, kernels)
        self.rows = plan.rows.astype(np.int64)
        self.until = plan.until if plan.run > 2.0 else plan.until[:0]
        self.tables = one_hot_tables(plan, program, self.module.WIDTH)
        self.inside = np.flatnonzero(self.tables.places >= 0)
        self.met = {n: bool(np.isin(self.tables.units[:, 0], s).any()) for n, s in plan.layers.items()}
        self.slots = {n: s.astype(np.uint32) for n, s in plan.layers.items()}
        self.lanes = _Lanes(self.float)

    def sweep(self, p: Arrays, x: Arrays, s: Any, random: Any, parts: Sequence[Part], steps: int) -> None:
        """Run sweeps in place; the stream goes on as if every part had been drawn by itself."""
        kernels, chains = self.module, len(next(iter(x.values())))
        base, second, value = self._bound(p, s)
        lanes = self._lanes(chains, kernels.pieces(chains * self.plan.slots * steps))
        pieces = -(-chains // lanes)
        shape = (pieces, self.plan.slots * lanes)
        own = self.lanes
        if own.x.shape != shape:
            own.x, own.source = np.zeros(shape, self.float), (self.plan.source * lanes).astype(np.uint32)
            own.table = np.zeros(self.tables.size, self.float)
        own.table[self.tables.places[self.inside]] = value[self.inside]
        for name, slots in self.slots.items():
            kernels.into_lanes(own.x, np.ascontiguousarray(x[name].reshape(chains, -1)), slots, lanes)
        table = np.array([self._row(part, number) for number, part in enumerate(parts)], np.int64)
        first = (random.sweep + 1) & 0xFFFFFFFF
        kernels.sparse_sweeps(
            own.x, table, lanes, *map(np.uint32, random.key), random.chain, first, steps, base, second,
            self.rows, own.source, value, self.until if base.size and (base == base[0]).all() else self.until[:0],
            chains, self.tables.units, self.tables.starts, own.table,
        )  # fmt: skip
        random.sweep, random.block = (random.sweep + steps) & 0xFFFFFFFF, len(parts)
        for name in dict.fromkeys(part.layer for part in parts):
            kernels.out_of_lanes(own.x, x[name].reshape(chains, -1), self.slots[name], lanes)

    def _row(self, part: Part, block: int) -> list[int]:
        return [*super()._row(part, block), self.tables.groups.get(part.layer, 0), self.met[part.layer]]

    def _lanes(self, chains: int, threads: int) -> int:
        """Chains side by side: an even share for each thread, in whole vectors where that wastes little."""
        width = self.module.WIDTH
        share = min(_LANES, -(-chains // threads))
        return -(-share // width) * width if 2 * share > width else max(1, share)
