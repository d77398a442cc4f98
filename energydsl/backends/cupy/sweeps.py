"""Sparse sweeps on the device: a kernel a part, a thread a chain and up to four units, chains beside each other."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from energydsl.backends.sparse_sweeps import Arrays, SparseSweeps
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.sparse import SparsePlan


class CupySweeps(SparseSweeps):
    """One kernel after the other on the stream; the state turned to (slots, chains) and back round them."""

    def __init__(self, plan: SparsePlan, program: KernelProgram, kernels: ModuleType):
        super().__init__(plan, program, kernels)
        self.rows = self.xp.asarray(plan.rows.astype(np.int32))
        self.source = self.xp.asarray(plan.source.astype(np.int32))

    def sweep(self, p: Arrays, x: Arrays, s: Any, random: Any, parts: list[str], steps: int) -> None:
        kernels, chains = self.kernels, len(next(iter(x.values())))
        base, second, value = self._bound(p, s)
        turned = self.xp.zeros((self.plan.slots, chains), self.float)
        for name, slots in self.slots.items():
            turned[slots] = x[name].reshape(chains, -1).T
        shared = (base, second, self.rows, self.source, value)
        for _ in range(steps):
            random.next()
            for part in parts:
                kernel, threads, sizes = self._launch(part, chains)
                kernels.DEVICE(kernel, threads, turned, np.int32(chains), *sizes, *shared, *kernels.numbers_of(random))
                random.block += 1
        for name in dict.fromkeys(self.plan.parts[part.rstrip("*")].layer for part in parts):
            x[name][...] = turned[self.slots[name]].T.reshape(x[name].shape)

    def _launch(self, part: str, chains: int) -> tuple[str, int, tuple[np.int32, ...]]:
        """The kernel of a part, how many threads have work, and its first slot, units and states."""
        found = self.plan.parts[part.rstrip("*")]
        layer = self.layers[found.layer]
        states = layer.states or 1
        scanned = part.endswith("*")
        kernel = f"{'scan' if scanned else 'sweep'}_{layer.family.name}"
        threads = chains if scanned else chains * -(-found.count // self.kernels.WORDS)
        return kernel, threads, (np.int32(found.first), np.int32(found.count), np.int32(states))
