"""Units of finite layers summed out one after the other: exact log Z, exact marginals, exact joint draws.

Variable elimination (Dechter 1999), which on a chain is the forward algorithm: the factors that hold a unit are added up, and the
unit is summed out of exp of them, which leaves a factor of the units it met. Backwards, each unit is drawn given those that were
eliminated after it: forward filtering, backward sampling (Carter & Kohn 1994). The work is that of the largest groups of units that
meet: small where they form a tree, a chain, or a narrow strip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.graph.elimination import Order, TooWide, elimination_order
from energydsl.graph.scopes import TooDense
from energydsl.program.engine import CoreEngine
from energydsl.program.factors import Table, Units, kept, tables


@dataclass(frozen=True)
class _Group:
    """A unit, those it meets when it is eliminated, and what is added up then.

    factors: number of the kind, row, and the axes of its units in the group. messages: number of the group that sent it, and the
    axes of its units. parent: the group that gets the message of this one, or -1.
    """

    unit: int
    others: tuple[int, ...]
    factors: tuple[tuple[int, int, tuple[int, ...]], ...]
    messages: tuple[tuple[int, tuple[int, ...]], ...]
    parent: int


@dataclass(frozen=True)
class Elimination:
    """Units of some layers in an order in which they can be eliminated."""

    units: Units
    order: Order

    def groups(self, found: Sequence[Table]) -> list[_Group]:
        """Which factors and messages each unit's group adds up."""
        turn = {unit: number for number, (unit, _) in enumerate(self.order.units)}
        axes = [{u: k for k, u in enumerate((unit, *others))} for unit, others in self.order.units]
        factors: list[list[tuple[int, int, tuple[int, ...]]]] = [[] for _ in turn]
        for kind, table in enumerate(found):
            for row, scope in enumerate(table.units.tolist()):
                group = min(turn[u] for u in scope)
                factors[group].append((kind, row, tuple(axes[group][u] for u in scope)))
        parents = [min((turn[o] for o in others), default=-1) for _, others in self.order.units]
        messages: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in turn]
        for number, (_, others) in enumerate(self.order.units):
            if parents[number] >= 0:
                messages[parents[number]].append((number, tuple(axes[parents[number]][o] for o in others)))
        return [
            _Group(unit, others, tuple(factors[k]), tuple(messages[k]), parents[k])
            for k, (unit, others) in enumerate(self.order.units)
        ]

    def forwards(
        self, engine: CoreEngine, found: Sequence[Table], out: Callable[[Any, Any, Any], Any] | None = None
    ) -> Sums:
        """All groups added up and summed out, for the factors of some chains; out: what takes a unit out, by default the sum."""
        out = out or _log_sum
        xp, states = engine.xp, self.units.states
        groups = self.groups(found)
        sums: list[Any] = []
        ups: list[Any] = []
        total: Any = xp.zeros(1)
        for group in groups:
            shape = tuple(states[u] for u in (group.unit, *group.others))
            added: Any = xp.zeros((1, *shape))
            for kind, row, axes in group.factors:
                added = added + _aligned(found[kind].log[:, row], axes, len(shape))
            for number, axes in group.messages:
                added = added + _aligned(ups[number], axes, len(shape))
            up = out(xp, added, 1)
            sums.append(added)
            ups.append(up)
            if group.parent < 0:
                total = total + up
        return Sums(groups, sums, ups, total)

    def draw(self, engine: CoreEngine, sums: Sums, uniform: Array) -> Array:
        """The numbers of the values of all units, (chains, units), drawn backwards by uniform numbers of that shape."""
        xp = engine.xp
        codes = xp.zeros(uniform.shape, int)
        rows = xp.arange(len(uniform))
        for group, added in zip(reversed(sums.groups), reversed(sums.sums), strict=True):
            wide = xp.broadcast_to(added, (len(uniform), *added.shape[1:]))
            at = (rows, slice(None), *(codes[:, o] for o in group.others))
            log = wide[at]
            weight = xp.exp(log - log.max(axis=1, keepdims=True))
            upto = weight.cumsum(axis=1)
            passed = upto[:, :-1] <= uniform[:, group.unit, None] * upto[:, -1:]
            codes[:, group.unit] = passed.sum(axis=1)
        return codes  # type: ignore[no-any-return]

    def likeliest(self, engine: CoreEngine, sums: Sums, chains: int) -> Array:
        """The numbers of the values of all units, (chains, units): each the largest given those after it, backwards."""
        xp = engine.xp
        codes = xp.zeros((chains, len(sums.groups)), int)
        rows = xp.arange(chains)
        for group, added in zip(reversed(sums.groups), reversed(sums.sums), strict=True):
            wide = xp.broadcast_to(added, (chains, *added.shape[1:]))
            at = (rows, slice(None), *(codes[:, o] for o in group.others))
            codes[:, group.unit] = wide[at].argmax(axis=1)
        return codes  # type: ignore[no-any-return]

    def marginals(self, engine: CoreEngine, sums: Sums) -> list[Array]:
        """The probability of each value of each unit, (chains or 1, values) in the order of the units."""
        xp, beliefs = engine.xp, list(sums.sums)
        found: list[Array] = [np.empty(0)] * len(sums.groups)
        for number in range(len(sums.groups) - 1, -1, -1):
            group, given = sums.groups[number], sums.sums[number] - sums.ups[number][:, None]
            if group.parent >= 0:
                axes = dict(sums.groups[group.parent].messages)[number]
                parent = beliefs[group.parent]
                away = tuple(k + 1 for k in range(parent.ndim - 1) if k not in axes)
                kept_axes = sorted(axes)
                left = _log_sum(xp, parent, away) if away else parent
                order = (0, *(kept_axes.index(a) + 1 for a in axes))
                given = given + left.transpose(order)[:, None]
            beliefs[number] = given
            rest = tuple(range(2, given.ndim))
            found[group.unit] = xp.exp(_log_sum(xp, given, rest) if rest else given)
        return found


@dataclass(frozen=True)
class Sums:
    """sums: what each group adds up, (chains or 1, *values); ups: with its unit summed out; log_z: (chains or 1,)."""

    groups: list[_Group]
    sums: list[Any]
    ups: list[Any]
    log_z: Any


def _aligned(log: Any, axes: tuple[int, ...], rank: int) -> Any:
    """A table, chains first, over the axes of a group."""
    order = sorted(range(len(axes)), key=lambda k: axes[k])
    turned = log.transpose((0, *(k + 1 for k in order)))
    sizes = iter(turned.shape[1:])
    return turned.reshape(len(turned), *(next(sizes) if k in axes else 1 for k in range(rank)))


def _log_sum(xp: Any, values: Any, axis: Any) -> Any:
    """log of the sum of exp over axes; -inf where all is."""
    top = values.max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return xp.log(xp.exp(values - top).sum(axis=axis)) + top.max(axis=axis)


def _largest(xp: Any, values: Any, axis: Any) -> Any:
    """The largest over an axis, in place of the sum."""
    return values.max(axis=axis)


def eliminable(derived: Derived, layers: Sequence[str]) -> bool:
    """Whether all of these layers are of finite domains."""
    return all(DOMAINS[derived.model.layers[n].domain.name].finite for n in layers)


@lru_cache(maxsize=64)
def _planned(key: _Key) -> Elimination | str:
    derived, layers = key.derived, key.layers
    units = Units(derived, layers)
    try:
        states = units.states
        order = elimination_order([s.units for _, s in units.scopes], states, limits.LOG2_CLIQUE)
    except TooDense:
        return "its units are coupled too densely to be listed"
    except TooWide:
        return f"no order of elimination keeps the units that meet below 2^{limits.LOG2_CLIQUE:.0f} joint states"
    return Elimination(units, order)


@dataclass(frozen=True, eq=False)
class _Key:
    """What a plan depends on: a derivation as it is, by its identity."""

    derived: Derived
    layers: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((id(self.derived), self.layers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.derived is other.derived and self.layers == other.layers


def planned(derived: Derived, layers: Sequence[str]) -> Elimination | str:
    """How units of layers are eliminated, all others held; or why they are not. Found once for each."""
    if not eliminable(derived, layers):
        return "a layer is of an infinite domain"
    if sum(derived.model.layers[n].size for n in layers) > limits.ELIMINATED_UNITS:
        return f"there are more than {limits.ELIMINATED_UNITS:,} units"
    return _planned(_Key(derived, tuple(layers)))


def sums_of(
    engine: CoreEngine,
    plan: Elimination,
    p: Arrays,
    x: Mapping[str, Array],
    s: Settings,
    keep: Arrays | None = None,
) -> tuple[Sums, Array]:
    """The groups of some chains, and the constant of each. keep: entries of the units themselves that are held."""
    held = {n: a for n, a in x.items() if n not in plan.units.layers}
    found, constant = tables(plan.units, engine, p, held, s)
    if keep:
        found += list(kept(plan.units, engine, x, {n: a for n, a in keep.items() if n in plan.units.layers}))
    return plan.forwards(engine, found), constant


def at_once(plan: Elimination) -> int:
    """How many chains are worked on together."""
    return max(1, int(limits.STATES_AT_ONCE * 512 / 2.0**plan.order.log2_work))


def log_sums(engine: CoreEngine, plan: Elimination, p: Arrays, x: Mapping[str, Array], s: Settings) -> Array:
    """log of the sum over the units of exp(-beta E + external fields), of each row of the other layers."""
    if not x:
        sums, constant = sums_of(engine, plan, p, {}, s)
        return engine.host(sums.log_z + constant)
    count, step, parts = len(next(iter(x.values()))), at_once(plan), []
    for start in range(0, count, step):
        here = {n: a[start : start + step] for n, a in x.items()}
        sums, constant = sums_of(engine, plan, p, here, s)
        rows = len(next(iter(here.values())))
        parts.append(np.broadcast_to(engine.host(sums.log_z + constant), (rows,)))
    return np.concatenate(parts)


def draw(
    engine: CoreEngine, plan: Elimination, p: Arrays, x: Arrays, s: Settings, random: Random, keep: Arrays | None
) -> None:
    """Units drawn jointly given all other layers, in place."""
    xp = engine.xp
    uniform = engine.kernels.fill(random, xp.empty((len(next(iter(x.values()))), len(plan.units.states)), engine.dtype))
    step = at_once(plan)
    for start in range(0, len(uniform), step):
        rows = slice(start, start + step)
        here = {n: a[rows] for n, a in x.items()}
        held = {n: a[rows] for n, a in keep.items()} if keep else None
        sums, _ = sums_of(engine, plan, p, here, s, held)
        plan.units.put(plan.draw(engine, sums, uniform[rows].astype(np.float64)), here, xp)


def likeliest(engine: CoreEngine, plan: Elimination, p: Arrays, x: Mapping[str, Array], s: Settings) -> Array:
    """The numbers of the values of all units in the state of least energy, (chains, units); x: all other layers.

    Max-product elimination (Dechter 1999), on a chain the algorithm of Viterbi (1967).
    """
    found, _ = tables(plan.units, engine, p, x, s)
    chains = len(next(iter(x.values()))) if x else 1
    return plan.likeliest(engine, plan.forwards(engine, found, _largest), chains)


def log2_states(plan: Elimination) -> float:
    """log2 of the joint states of the units."""
    return sum(math.log2(k) for k in plan.units.states)


def marginals(engine: CoreEngine, plan: Elimination, p: Arrays, x: Mapping[str, Array], s: Settings) -> Arrays:
    """The probability of each value of each unit, by layer, (rows of the other layers, *layer, values)."""
    sums, _ = sums_of(engine, plan, p, x, s)
    each, rows = plan.marginals(engine, sums), len(next(iter(x.values()))) if x else 1
    found = {}
    for layer in plan.units.records:
        start, states = plan.units.first[layer.name], len(plan.units.values[layer.name])
        wide = [engine.xp.broadcast_to(m, (rows, states)) for m in each[start : start + layer.size]]
        found[layer.name] = engine.xp.stack(wide, axis=1).reshape(rows, *layer.shape, states)
    return found
