"""An objective in shards: equal pieces of a batch and of the chains, each with buffers of its own, whose gradients are added up.

The gradient of a whole is the mean of those of its pieces, since it is a mean over rows and one over chains. A shard draws the
numbers of its own rows and chains (`Rng.chain`), as they would be drawn in one piece; sums are added along the tree of `Shards`,
so that the result hangs on the number of shards, not on that of ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import ArgumentError, NotApplicable
from energydsl.learning.objective.record import NO_BASE, NO_FLOORS, Base, Objective
from energydsl.program import Engine
from energydsl.random import Rng
from energydsl.ranks import Shards, each_shard


@dataclass
class ShardStates:
    """own: the state of each shard of this rank. rows: of a shard. buffers: for sums of (n,) numbers, by n."""

    engine: Engine
    own: list[Any]
    rows: int
    random: Rng
    buffers: dict[int, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sharded(Objective[ShardStates]):
    """inner: what is followed in each shard."""

    inner: Objective[Any]
    shards: Shards

    @property
    def weight(self) -> float:  # type: ignore[override]
        """That of the whole."""
        return self.inner.weight

    @property
    def likelihood(self) -> bool:  # type: ignore[override]
        """As the whole is."""
        return self.inner.likelihood

    @property
    def repeatable(self) -> bool:
        """No: other ranks are waited for, and counters of the stream go back."""
        return False

    def init(
        self, engine: Engine, batch: int, random: Rng, floors: Mapping[str, Array] = NO_FLOORS, base: Base = NO_BASE
    ) -> ShardStates:
        """Buffers for each shard of this rank. Raises `ArgumentError` for unequal shards, `NotApplicable` for what cannot be cut."""
        count = self.shards.count
        if batch % count:
            near = batch - batch % count or count
            raise ArgumentError(
                f"a batch of {batch} rows cannot be cut into {count} equal shards: take a batch of {near} or {near + count} "
                "rows, or another number of shards"
            )
        inner, state = self.inner.divided(count), ShardStates(engine, [], batch // count, random)
        for _ in self._each(state):
            state.own.append(inner.init(engine, state.rows, random, floors, base))
            if why := inner.indivisible(state.own[-1]):
                raise NotApplicable(
                    f"this training cannot be cut into shards: {why}. Train it in one process, without shards"
                )
        return state

    def _each(self, state: ShardStates) -> Iterator[slice]:
        return each_shard(self.shards, state.random, self.shards.count * state.rows)

    def load(self, state: ShardStates, data: Arrays, weights: Array | None = None) -> None:
        """Copy this rank's part of a batch, (rows of all its shards, *layer), to its shards."""
        for place, _ in enumerate(self._each(state)):
            own, rows = state.own[place], slice(place * state.rows, (place + 1) * state.rows)
            self.inner.load(own, {n: a[rows] for n, a in data.items()}, None if weights is None else weights[rows])

    def step(self, state: ShardStates, params: Arrays) -> None:
        """That of each shard."""
        for own, _ in zip(state.own, self._each(state), strict=True):
            self.inner.step(own, params)

    def _mean(self, state: ShardStates, size: int, fills: list[Callable[[Any], None]], xp: Any, dtype: Any) -> Array:
        """The mean over all shards of what is filled in for each of this rank's, (size,)."""
        if size not in state.buffers:
            state.buffers[size] = [xp.empty(size, dtype) for _ in range(self.shards.depth)]
        total = self.shards.add(fills, state.buffers[size])
        total *= 1.0 / self.shards.count
        return total

    def gradient(self, state: ShardStates, params: Arrays, names: list[str]) -> Arrays:
        """The mean over shards, of all parameters in one sum."""
        shapes = {n: state.engine.model.params[n].shape for n in names}
        sizes = {n: int(np.prod(shape, dtype=np.int64)) for n, shape in shapes.items()}
        ends = dict(zip(names, np.cumsum(list(sizes.values())).tolist(), strict=True))

        def filled(own: Any) -> Callable[[Any], None]:
            def fill(buffer: Any) -> None:
                found = self.inner.gradient(own, params, names)
                for name, end in ends.items():
                    buffer[end - sizes[name] : end] = found[name].reshape(-1)

            return fill

        total = self._mean(
            state, sum(sizes.values()), [filled(own) for own in state.own], state.engine.xp, state.engine.dtype
        )
        return {n: total[end - sizes[n] : end].reshape(shapes[n]) for n, end in ends.items()}

    def add_gradient(self, state: ShardStates, params: Arrays, name: str, factor: Any) -> None:
        """Never asked for: nothing is `direct`."""
        raise NotImplementedError

    def direct(self, state: ShardStates) -> set[str]:
        """None: gradients of shards are added up before a step."""
        return set()

    def middle(self, state: ShardStates, layer: str) -> Array:
        """The mean of those of the shards."""
        shape = state.engine.model.layers[layer].energy_shape

        def filled(own: Any) -> Callable[[Any], None]:
            def fill(buffer: Any) -> None:
                buffer[...] = self.inner.middle(own, layer).reshape(-1)

            return fill

        size, engine = int(np.prod(shape, dtype=np.int64)), state.engine
        return self._mean(state, size, [filled(own) for own in state.own], engine.xp, engine.dtype).reshape(shape)

    def follow(self, state: ShardStates, gradients: Arrays, rate: Any) -> None:
        """That of each shard: what goes down the whole gradient is the same in all."""
        for own in state.own:
            self.inner.follow(own, gradients, rate)

    def figures(self, state: ShardStates, params: Arrays) -> dict[str, float]:
        """Their means over the shards."""
        found = [self.inner.figures(own, params) for own in state.own]
        fills = [lambda buffer, f=f: buffer.__setitem__(slice(None), list(f.values())) for f in found]
        if not found[0]:
            return {}
        buffers = [np.empty(len(found[0])) for _ in range(self.shards.depth)]
        means = self.shards.add(fills, buffers) / self.shards.count
        return dict(zip(found[0], means.tolist(), strict=True))

    def _joined(self, state: ShardStates, parts: list[Arrays]) -> Arrays:
        """Rows of all shards, given those of each of this rank's."""
        host = state.engine.host
        own = {n: np.concatenate([host(part[n]) for part in parts]) for n in parts[0]}
        rows = len(next(iter(own.values()))) * self.shards.team.size if own else 0
        return self.shards.joined(own, rows)

    def chain_states(self, state: ShardStates) -> Arrays:
        """Those of all shards, one after the other, on every rank."""
        found = self._joined(state, [self.inner.chain_states(own) for own in state.own])
        return {n: state.engine.device(a) for n, a in found.items()}

    def lasting(self, state: ShardStates, most: int | None = None) -> Arrays:
        """Those of all shards; where only some are asked for, the first of each, so that they are the same for any number of ranks."""
        each = slice(None if most is None else -(-most // self.shards.count))
        parts = [{n: a[each] for n, a in self.inner.lasting(own).items()} for own in state.own]
        return {n: state.engine.device(a) for n, a in self._joined(state, parts).items()}

    def take(self, state: ShardStates, chains: Arrays) -> None:
        """Go on from the chains of another run: each shard where it begins in them."""
        for number, own in zip(self.shards.local, state.own, strict=True):
            mine = {n: len(a) for n, a in self.inner.chain_states(own).items()}
            part = {
                n: a[(number * mine[n] + np.arange(mine[n])) % len(a)]
                for n, a in chains.items()
                if n in mine and len(a)
            }
            self.inner.take(own, part)

    def arrays(self, state: ShardStates) -> Arrays:
        """As those of the whole are: rows one after the other, and what is the same in all shards once."""
        parts = [self.inner.arrays(own) for own in state.own]
        by_row = {n for n in parts[0] if self.inner.by_row(n)}
        found = dict(parts[0])
        for name in sorted(by_row):  # one at a time: they may be of different numbers of rows
            found |= self._joined(state, [{name: part[name]} for part in parts])
        return found

    def restore(self, state: ShardStates, saved: Arrays) -> None:
        """Go on from what `arrays` gave, whatever the number of ranks was."""
        for number, own in zip(self.shards.local, state.own, strict=True):
            part = {n: a[self.shards.part(number, len(a))] if self.inner.by_row(n) else a for n, a in saved.items()}
            self.inner.restore(own, part)
