"""Sparse sweeps on the device: a kernel a part, a thread a chain and up to four units, chains beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np

from energydsl.backends.interface import Arrays, CompiledModule, Part
from energydsl.backends.sparse_sweeps import SparseSweeps
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.sparse import SparsePlan


class CupyModule(CompiledModule, Protocol):
    """What sparse sweeps ask of a module of the CuPy backend."""

    @property
    def WORDS(self) -> int:
        """Uniform numbers in a counter of the stream."""

    def DEVICE(self, kernel: str, threads: int, /, *arguments: Any) -> None:
        """Launch a kernel."""

    def numbers_of(self, random: Any, /) -> tuple[Any, ...]:
        """Key and counters of a stream, as kernels take them."""


class CupySweeps(SparseSweeps):
    """One kernel after the other on the stream; the state turned to (slots, chains) and back round them."""

    def __init__(self, plan: SparsePlan, program: KernelProgram, kernels: CompiledModule):
        super().__init__(plan, program, kernels)
        self.module = cast(CupyModule, kernels)
        self.rows = self.xp.asarray(plan.rows.astype(np.int32))
        self.source = self.xp.asarray(plan.source.astype(np.int32))

    def sweep(self, p: Arrays, x: Arrays, s: Any, random: Any, parts: Sequence[Part], steps: int) -> None:
        """Run sweeps in place; the stream goes on as if every part had been drawn by itself."""
        kernels, chains = self.module, len(next(iter(x.values())))
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
        for name in dict.fromkeys(part.layer for part in parts):
            x[name][...] = turned[self.slots[name]].T.reshape(x[name].shape)

    def _launch(self, part: Part, chains: int) -> tuple[str, int, tuple[np.int32, ...]]:
        """The kernel of a part, how many threads have work, and its first slot, units and states."""
        found = self.plan.parts[part.layer, part.colour]
        layer = self.layers[found.layer]
        states = layer.states or 1
        scanned = part.kind == "scan"
        kernel = f"{'scan' if scanned else 'sweep'}_{layer.family.name}"
        threads = chains if scanned else chains * -(-found.count // self.module.WORDS)
        return kernel, threads, (np.int32(found.first), np.int32(found.count), np.int32(states))
