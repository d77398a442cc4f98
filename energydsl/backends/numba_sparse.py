"""Gibbs sweeps of a model that is one sparse matrix, on the kernels of the Numba runtime."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.domains import DOMAINS
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.sparse import Entries, SparsePlan

Array = NDArray[Any]
Arrays = Mapping[str, Array]

KINDS = tuple(name for name, domain in DOMAINS.items() if domain.derived)
_LANES = 64


class SparseSweeps:
    """The plan of a model with its arrays in the form the kernels take."""

    def __init__(self, plan: SparsePlan, program: KernelProgram, kernels: ModuleType):
        self.plan, self.kernels, self.layers = plan, kernels, program.layers
        self.rows = plan.rows.astype(np.int64)
        self.source: Array = np.zeros(0, np.uint32)
        self.until = plan.until if plan.run > 2.0 else plan.until[:0]
        self.slots = {n: s.astype(np.uint32) for n, s in plan.layers.items()}
        self.float: Any = kernels.FLOAT
        self.x: Array = np.zeros((0, 0), self.float)

    def knows(self, parts: list[str]) -> bool:
        """Whether all parts of a sweep are parts of the plan."""
        return all(p.rstrip("*") in self.plan.parts for p in parts)

    def sweep(self, p: Arrays, x: Arrays, s: Any, random: Any, parts: list[str], steps: int) -> None:
        """Run sweeps in place; the stream goes on as if every part had been drawn by itself."""
        kernels, chains = self.kernels, len(next(iter(x.values())))
        base, second, value = self._bound(p, s)
        lanes = self._lanes(chains, kernels.pieces(chains * self.plan.slots * steps))
        pieces = -(-chains // lanes)
        shape = (pieces, self.plan.slots * lanes)
        if self.x.shape != shape or not len(self.source):
            self.x = np.zeros(shape, self.float)
            self.source = (self.plan.source * lanes).astype(np.uint32)
        for name, slots in self.slots.items():
            kernels.into_lanes(self.x, np.ascontiguousarray(x[name].reshape(chains, -1)), slots, lanes)
        table = np.array([self._row(part, number) for number, part in enumerate(parts)], np.int64)
        first = (random.sweep + 1) & 0xFFFFFFFF
        kernels.sparse_sweeps(
            self.x, table, lanes, *map(np.uint32, random.key), random.chain, first, steps, base, second,
            self.rows, self.source, value, self.until if base.size and (base == base[0]).all() else self.until[:0],
        )  # fmt: skip
        random.sweep, random.block = (random.sweep + steps) & 0xFFFFFFFF, len(parts)
        for name in dict.fromkeys(self.plan.parts[part.rstrip("*")].layer for part in parts):
            kernels.out_of_lanes(self.x, x[name].reshape(chains, -1), self.slots[name], lanes)

    def _lanes(self, chains: int, threads: int) -> int:
        """Chains side by side: an even share for each thread, in whole vectors where that wastes little."""
        width = self.kernels.WIDTH
        share = min(_LANES, -(-chains // threads))
        return -(-share // width) * width if 2 * share > width else max(1, share)

    def _row(self, part: str, block: int) -> list[int]:
        found = self.plan.parts[part.rstrip("*")]
        layer = self.layers[found.layer]
        states = layer.energy_shape[-1] if layer.energy_shape != layer.shape else 1
        return [KINDS.index(layer.domain.name), found.first, found.count, states, part.endswith("*"), block]

    def _bound(self, p: Arrays, s: Any) -> tuple[Array, Array, Array]:
        """Static fields, second natural parameters and values of entries for given parameters and settings."""
        base, second = np.zeros(self.plan.slots), np.zeros(self.plan.slots)
        for out, group, number in ((base, self.plan.static, 0), (second, self.plan.second, 1)):
            for name, entries in group:
                np.add.at(out, self.plan.layers[name][entries.target], self._value(entries, p, s))
            for name, fields in s.external.items():
                if len(fields) > number:
                    layer = self.layers[name]
                    out[self.plan.layers[name]] += np.broadcast_to(fields[number], layer.energy_shape).ravel()
        values = [np.broadcast_to(self._value(e, p, s), len(e.target)) for _, e in self.plan.fields]
        value = np.concatenate(values)[self.plan.order] if values else np.zeros(0)
        return base.astype(self.float), second.astype(self.float), value.astype(self.float)

    @staticmethod
    def _value(entries: Entries, p: Arrays, s: Any) -> Any:
        total: Any = entries.coefficient * s.beta * s.weights[entries.label]
        for factor in entries.factors:
            array = np.asarray((p if factor.kind == "p" else s.consts)[factor.name])
            part = array if factor.at is None else array.reshape(-1)[factor.at]
            total = total * (part if factor.exponent == 1.0 else part**factor.exponent)
        return total
