"""Gibbs sweeps of a model that is one sparse matrix: its arrays in the form in which kernels take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from energydsl.backends.interface import Array, Arrays, CompiledModule, Part
from energydsl.domains import FAMILIES
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.sparse import Entries, SparsePlan

KINDS = tuple(name for name, family in FAMILIES.items() if family.local)


class SparseSweeps:
    """The plan of a model, its arrays on the backend, and what its values are for given parameters."""

    def __init__(self, plan: SparsePlan, program: KernelProgram, kernels: CompiledModule):
        self.plan, self.kernels, self.layers = plan, kernels, program.layers
        self.xp, self.float = kernels.xp, kernels.DTYPE
        self.order = self.xp.asarray(plan.order)
        self.places = {id(f): self.xp.asarray(f.at) for e in self._entries() for f in e.factors if f.at is not None}
        self.scatter = {id(e): kernels.Scatter(plan.layers[n][e.target], plan.slots) for n, e in self._fixed()}
        known = ((id(e), e.numbers) for e in self._entries() if e.numbers is not None)
        self.numbers = {number: self.xp.asarray(values, self.float) for number, values in known}
        self.slots = {n: self.xp.asarray(s) for n, s in plan.layers.items()}

    def _fixed(self) -> tuple[tuple[str, Entries], ...]:
        return (*self.plan.static, *self.plan.second)

    def _entries(self) -> list[Entries]:
        return [e for _, e in (*self._fixed(), *self.plan.fields)]

    def knows(self, parts: Sequence[Part]) -> bool:
        """Whether all parts of a sweep are parts of the plan."""
        return all((p.layer, p.colour) in self.plan.parts for p in parts)

    def sweep(self, p: Arrays, x: Arrays, s: Any, random: Any, parts: Sequence[Part], steps: int) -> None:
        """Run sweeps in place; the stream goes on as if every part had been drawn by itself."""
        raise NotImplementedError

    def _row(self, part: Part, block: int) -> list[int]:
        found = self.plan.parts[part.layer, part.colour]
        layer = self.layers[found.layer]
        states = layer.states or 1
        return [KINDS.index(layer.family.name), found.first, found.count, states, part.kind == "scan", block]

    def _bound(self, p: Arrays, s: Any) -> tuple[Array, Array, Array]:
        """Static fields, second natural parameters and values of entries for given parameters and settings."""
        xp, found = self.xp, []
        for group, number in ((self.plan.static, 0), (self.plan.second, 1)):
            out = xp.zeros((1, self.plan.slots), self.float)
            for _, entries in group:
                value = xp.empty((1, len(entries.target)), self.float)
                value[...] = self._value(entries, p, s)
                self.scatter[id(entries)](out, value)
            for name, fields in s.external.items():
                if len(fields) > number:
                    wide = xp.broadcast_to(xp.asarray(fields[number]), self.layers[name].field_shape)
                    out[0, self.slots[name]] += wide.ravel().astype(self.float)
            found.append(out[0])
        value, start = xp.empty(len(self.plan.order), self.float), 0
        for _, entries in self.plan.fields:
            value[start : start + len(entries.target)] = self._value(entries, p, s)
            start += len(entries.target)
        return found[0], found[1], value[self.order]

    def _value(self, entries: Entries, p: Arrays, s: Any) -> Any:
        total: Any = entries.coefficient * s.beta * s.weights[entries.label]
        if entries.numbers is not None:
            total = total * self.numbers[id(entries)]
        for factor in entries.factors:
            array = (p if factor.kind == "p" else s.consts)[factor.name]
            part = array if factor.at is None else array.reshape(-1)[self.places[id(factor)]]
            total = total * (part if factor.exponent == 1.0 else part**factor.exponent)
        return total
