"""Fields with few neighbours a unit, as lists of entries: edges of a graph, lattices, convolutions.

Where every section of a field is   coefficient * (parameters at indices) * (at most one unit at an index)   and its loops
visit few places, the field is a sparse matrix applied to the state:

    eta[slot] = sum over entries e of slot:  value[e] * state[source[e]]

with value[e] a product of parameters. The pattern follows from the index expressions alone; it is found once, by
evaluating them on the grid of their loops. A slot is a unit, or one state of a one-hot unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.energy.numbers import number_of
from energydsl.kernels.program import BATCH, Access, Contract, Kernel, KernelProgram, Section
from energydsl.model.indices import Index

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

# A dense product beats a list of entries from about so many entries a unit, and so many fit in memory at ease.
MAX_ENTRIES_A_UNIT = 64
MAX_ENTRIES = 1 << 25
# Rows of tables cost as much as so many vectors of entries of all states.
_ONE_HOT_PAYS = 4


@dataclass(frozen=True)
class Factor:
    """A parameter or const of each entry: flat indices into it (None for a scalar), raised to a power."""

    kind: str
    name: str
    at: Integers | None
    exponent: float


@dataclass(frozen=True)
class Entries:
    """One section as entries: target slots, source slots in `layer` ("" for none), and what their values are made of.

    numbers: what is known beforehand of each value; None where nothing is.
    """

    label: str
    coefficient: float
    target: Integers
    layer: str
    source: Integers | None
    factors: tuple[Factor, ...]
    numbers: Numbers | None = None


def entries_of(
    kernel: Kernel, scanned: bool, shapes: Mapping[str, tuple[int, ...]], edges: Mapping[str, Integers]
) -> tuple[Entries, ...] | None:
    """The sections of a field as entries; None where one is not of that kind, or where a dense product does it better.

    scanned: the units are drawn one by one, so that no product is of use. shapes: of parameters, and of layers as they
    stand in the energy.
    """
    if not (_pays(kernel) or (scanned and _places(kernel) <= MAX_ENTRIES)):
        return None
    found = []
    for section in kernel.sections:
        entries = _section(section, kernel, shapes, edges)
        if entries is None:
            return None
        found.append(entries)
    return tuple(found)


def _places(kernel: Kernel) -> int:
    return sum(math.prod(high - low for low, high in s.sizes.values()) for s in kernel.sections if s.batched)


def _pays(kernel: Kernel) -> bool:
    """Whether units are read or written at computed places, few of them a unit or moved filters: then no product fits."""
    reads = [a for s in kernel.sections for a in _leaves(s) or () if a.source == "x"]
    computed = [*(a.indices for a in reads if a.indices), *(s.target for s in kernel.sections if s.target)]
    if not computed and any(s.batched for s in kernel.sections):
        return False
    moved = any(i.plain is None for indices in computed for i in indices)
    places = _places(kernel)
    return places <= MAX_ENTRIES and (moved or places <= MAX_ENTRIES_A_UNIT * math.prod(kernel.shape))


def _leaves(section: Section) -> list[Access] | None:
    """The arrays whose product a section is; None where a function stands among them."""
    made: dict[str, list[Access]] = {}

    def expand(access: Access) -> list[Access] | None:
        if access.source != "local":
            return [access]
        return made.get(access.name) if access.exponent == 1.0 and access.indices is None else None

    for step in section.steps:
        if not isinstance(step, Contract):
            return None
        parts = [expand(a) for a in (step.left, step.right) if a is not None]
        if any(p is None for p in parts):
            return None
        made[step.out] = [a for p in parts for a in p or ()]
    return [] if section.result is None else expand(section.result)


def _section(
    section: Section, kernel: Kernel, shapes: Mapping[str, tuple[int, ...]], edges: Mapping[str, Integers]
) -> Entries | None:
    leaves = _leaves(section)
    if leaves is None:
        return None
    reads = [a for a in leaves if a.source == "x"]
    if len(reads) > 1 or any(a.exponent != 1.0 for a in reads) or any(a.source == "row" for a in leaves):
        return None
    letters = list(section.sizes)
    extent = tuple(high - low for low, high in section.sizes.values())
    grids = {x: np.arange(*section.sizes[x]).reshape([-1 if y == x else 1 for y in letters]) for x in letters}

    def edge(graph: str, side: int, number: Any) -> Any:
        return edges[graph][number, side]

    def flat(indices: tuple[Index, ...], shape: tuple[int, ...], joined: bool) -> Integers:
        """The flat place in an array; `joined`: the first index is already flat over the axes of the units."""
        if joined:
            shape = (math.prod(shape),) if len(indices) == 1 else (math.prod(shape[:-1]), shape[-1])
        place: Any = 0
        for index, size in zip(indices, shape, strict=True):
            place = place * size + index.value(grids, edge)
        return np.broadcast_to(np.asarray(place, np.int64), extent).ravel()

    def at(access: Access) -> Integers:
        indices = access.indices
        if indices is None:
            indices = tuple(Index.of(x) for x in access.letters if x != BATCH)
        return flat(indices, shapes[access.name], access.flat)

    target = section.target or tuple(Index.of(x) for x in kernel.letters)
    slots = flat(target, kernel.shape, section.flat)
    keep = np.ones(len(slots), bool)
    for access in leaves:
        if access.predicate is not None:
            keep &= np.broadcast_to(access.predicate.holds(lambda i: i.value(grids, edge)), extent).ravel()
    factors = tuple(
        Factor(a.source, a.name, None if not shapes.get(a.name) else at(a)[keep], a.exponent)
        for a in leaves
        if a.source in ("p", "c")
    )
    numbers: Numbers | None = None
    for atom, exponent in (f for a in leaves if a.numbers is not None for f in a.numbers.factors):
        known = np.broadcast_to(number_of(atom, exponent, lambda i: i.value(grids, edge)), extent).ravel()[keep]
        numbers = known if numbers is None else numbers * known
    source = at(reads[0])[keep] if reads else None
    layer = reads[0].name if reads else ""
    return Entries(section.label, section.coefficient, slots[keep], layer, source, factors, numbers)


@dataclass(frozen=True)
class SparsePart:
    """Some units of a layer in the order in which they are stored and numbered: a colour, or the whole layer."""

    layer: str
    first: int
    count: int
    order: Integers


@dataclass(frozen=True)
class SparsePlan:
    """A whole model as one sparse matrix. Slots of a part are contiguous.

    parts: by layer and colour, 0 where there are no colours; `first` counts slots. layers: the slot of every entry of a layer.
    rows: (slots + 1) where the entries of each slot start; source: slots. order: entries as they come from `fields`,
    sorted by slot, and by source where that is a state of a one-hot unit; static: the entries without a source, and their slots; second: those of the second natural
    parameter, all of them static. until: where the run of a slot ends, in which each slot has the entries of the one
    before it moved on by one: a stencil.
    """

    slots: int
    parts: Mapping[tuple[str, int], SparsePart]
    layers: Mapping[str, Integers]
    fields: tuple[tuple[str, Entries], ...]
    rows: Integers
    source: Integers
    order: Integers
    static: tuple[tuple[str, Entries], ...]
    second: tuple[tuple[str, Entries], ...]
    until: Integers

    @property
    def run(self) -> float:
        """The mean length of a run, weighted by its slots."""
        return float(np.mean(self.until - np.arange(self.slots))) if self.slots else 0.0


def sparse_plan(program: KernelProgram) -> SparsePlan | None:
    """The model as a sparse matrix, from the program as it was lowered; None where a layer's field is not sparse.

    Nor where units are drawn in turn that read one another from an input: inputs are held while a sweep runs.
    """
    if program.forms or not program.layers or not all(layer.fields for layer in program.layers.values()):
        return None
    shapes = program.shapes
    fields: list[tuple[str, Entries]] = []
    second: list[tuple[str, Entries]] = []
    for name, layer in program.layers.items():
        if not layer.family.local:
            return None
        for number, kernel in enumerate(layer.fields):
            entries = entries_of(kernel, layer.scan is not None, shapes, program.edges)
            if entries is None or (number == 1 and any(e.layer for e in entries)):
                return None
            (second if number else fields).extend((name, e) for e in entries)
        if layer.scan is not None and not any(n == e.layer == name for n, e in fields):
            return None
    parts: dict[tuple[str, int], SparsePart] = {}
    layers: dict[str, Integers] = {}
    top = 0
    for name in shapes:
        if name not in program.layers and not any(e.layer == name for _, e in fields):
            continue
        shape = shapes[name]
        units = math.prod(program.layers[name].shape) if name in program.layers else math.prod(shape)
        states = math.prod(shape) // max(units, 1)
        slot = np.empty((units, states), np.int64)
        for colour, order in enumerate(_orders(units, program.colours.get(name))):
            parts[name, colour] = SparsePart(name, top, len(order), order)
            slot[order] = top + np.arange(len(order) * states).reshape(-1, states)
            top += len(order) * states
        layers[name] = slot.ravel()
    moving = tuple((n, e) for n, e in fields if e.layer)
    target = _joined(layers[n][e.target] for n, e in moving)
    source = _joined(layers[e.layer][e.source] for _, e in moving)
    one_hot = _joined(layers[n] for n in layers if n in program.layers and program.layers[n].family.one_hot)
    order = np.lexsort((np.where(np.isin(target, one_hot), source, 0), target))
    rows = np.searchsorted(target[order], np.arange(top + 1))
    static = tuple((n, e) for n, e in fields if not e.layer)
    until = _runs(rows, source[order], _kinds(moving)[order])
    return SparsePlan(top, parts, layers, moving, rows, source[order], order, static, tuple(second), until)


def _kinds(fields: tuple[tuple[str, Entries], ...]) -> Integers:
    """Numbers of entries, equal where their values are made of the same things."""
    found: list[Integers] = []
    top = 0
    for _, entries in fields:
        columns = [f.at for f in entries.factors if f.at is not None]
        if entries.numbers is not None:
            columns.append(np.unique(entries.numbers, return_inverse=True)[1])
        kind = np.zeros(len(entries.target), np.int64)
        for column in columns:
            kind = np.unique(kind * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1].astype(np.int64)
        found.append(kind + top)
        top += int(kind.max(initial=0)) + 1
    return _joined(iter(found))


def _runs(rows: Integers, source: Integers, kinds: Integers) -> Integers:
    slots = len(rows) - 1
    counts = np.diff(rows)
    alike = np.zeros(slots, bool)
    alike[1:] = counts[1:] == counts[:-1]
    for k in range(int(counts.max(initial=0))):
        here = np.flatnonzero(alike & (counts > k))
        e, before = rows[here] + k, rows[here - 1] + k
        alike[here] = (kinds[e] == kinds[before]) & (source[e] == source[before] + 1)
    starts = np.flatnonzero(~alike)
    ends = np.append(starts[1:], slots)
    return np.repeat(ends, np.diff(np.append(starts, slots)))


def _orders(units: int, colours: Integers | None) -> Iterator[Integers]:
    """The units of each colour, in order."""
    if colours is None:
        yield np.arange(units)
        return
    flat = colours.ravel()
    for colour in range(int(flat.max()) + 1):
        yield np.flatnonzero(flat == colour)


def _joined(arrays: Iterator[Integers]) -> Integers:
    found = list(arrays)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


@dataclass(frozen=True)
class OneHotTables:
    """Fields of one-hot units that meet nothing but one-hot units, as tables of which one row a unit counts: that of its state.

    groups: the states of the units that a layer meets, by layer. units: first slot and number of states of all these units.
    starts: by slot, where the table of the unit that begins there begins. places: of every entry of the plan in the tables, -1 for
    those of other layers. size: of all tables. Rows have a whole number of vectors.
    """

    groups: Mapping[str, int]
    units: Integers
    starts: Integers
    places: Integers
    size: int


def one_hot_tables(plan: SparsePlan, program: KernelProgram, width: int) -> OneHotTables:
    """The tables of all layers for which they pay; width: numbers in a vector."""
    states = np.zeros(plan.slots, np.int64)
    for name, layer in program.layers.items():
        if layer.family.one_hot:
            states[plan.layers[name].reshape(-1, layer.states)[:, 0]] = layer.states
    starts, places = np.zeros(plan.slots, np.int64), np.full(len(plan.source), -1)
    groups: dict[str, int] = {}
    met, top = [np.zeros(0, np.int64)], 0
    for name, layer in program.layers.items():
        own = layer.states if layer.family.one_hot else 0
        group = _one_hot_group(plan, name, own, states) if own else 0
        if group * own < _ONE_HOT_PAYS * width:
            continue
        groups[name] = group
        slots = plan.layers[name].reshape(-1, own)
        length = -(-own // width) * width
        counts = np.diff(plan.rows)[slots[:, 0]] * length
        starts[slots[:, 0]] = top + np.cumsum(counts) - counts
        for state in range(own):
            entries, within = _entries_at(plan, slots[:, state])
            places[entries] = np.repeat(starts[slots[:, 0]], counts // length) + within * length + state
        top += int(counts.sum())
        met.append(plan.source[_entries_at(plan, slots[:, 0])[0]][::group])
    first = np.unique(np.concatenate(met))
    return OneHotTables(groups, np.stack([first, states[first]], axis=1), starts, places, top)


def _one_hot_group(plan: SparsePlan, name: str, own: int, states: Integers) -> int:
    """How many states the units have that a layer meets, where all its entries are all states of such; else 0.

    states: of the one-hot unit that begins at a slot, 0 at others.
    """
    slots = plan.layers[name].reshape(-1, own)
    counts = np.diff(plan.rows)[slots]
    source = plan.source[_entries_at(plan, slots[:, 0])[0]]
    group = int(states[source[0]]) if len(source) else 0
    if not group or (counts != counts[:, :1]).any() or (counts % group).any():
        return 0
    units = source.reshape(-1, group)
    whole = (states[units[:, 0]] == group).all() and (units == units[:, :1] + np.arange(group)).all()
    alike = (np.array_equal(source, plan.source[_entries_at(plan, slots[:, k])[0]]) for k in range(1, own))
    return group if whole and all(alike) else 0


def _entries_at(plan: SparsePlan, slots: Integers) -> tuple[Integers, Integers]:
    """All entries of some slots, one slot after the other, and the number of each within its slot."""
    counts = np.diff(plan.rows)[slots]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(plan.rows[slots], counts) + within, within
