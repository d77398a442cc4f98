"""A model with every size made small, so that all its states can be listed.

Sizes are the numbers of `dim`s and the literal numbers where sizes stand; equal numbers stay equal. Small values are
tried until the model resolves and has few enough states.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from energydsl.derive import check
from energydsl.derive.free_energy import summable_sets
from energydsl.diagnostics import ModelError, NotApplicable
from energydsl.domains import DOMAINS
from energydsl.energy import canonicalise
from energydsl.model.records import Resolved
from energydsl.model.resolve import Overrides, resolve
from energydsl.syntax import tree

MAX_STATES = 8192
# Continuous units: in all, and of layers that are summed out, where the oracle integrates over all of them at once.
MAX_REAL_UNITS = 4
MAX_INTEGRATED_UNITS = 2
_TRIES = 4000
_ENOUGH = 40


def shrink(module: tree.Module, overrides: Overrides) -> tuple[Resolved, Overrides]:
    """The resolved model with small sizes, and what is then set from outside. Raises `NotApplicable` where none are found."""
    fixed = {n: tree.Number(module.statements[0].span, str(v)) for n, v in overrides.dims.items()}
    module = _map_dims(module, lambda e: replace(e, value=fixed.get(e.name.id, e.value)))
    atoms = list(dict.fromkeys(_atoms(module)))
    graphs = {n: g for n, g in overrides.graphs.items() if g.nodes <= 6}
    found: list[Resolved] = []
    rest = Overrides({}, overrides.consts, graphs, overrides.folder)
    places = [n for n, atom in enumerate(atoms) if atom in _subscripts(module)]
    for sizes in itertools.islice(_assignments(len(atoms)), _TRIES):
        if len({sizes[n] for n in places}) < len(places):
            continue  # units that are named apart stay apart
        small = _replaced(module, dict(zip(atoms, sizes, strict=True)), set(overrides.graphs) - set(graphs))
        try:
            model = resolve(small, rest)
        except ModelError:
            continue
        if _states(model) <= MAX_STATES and _sound(model):
            found.append(model)
        if found and (not _thin_axes(found[-1]) or len(found) == _ENOUGH):
            break
    if found:
        return min(found, key=lambda m: (_thin_axes(m), -_states(m))), rest
    raise NotApplicable("no small sizes were found that keep the model consistent: give smaller ones with -D")


def _sound(model: Resolved) -> bool:
    """Whether nothing is refused that is not in the model at its own sizes, and few enough units are integrated."""
    continuous = {n: a.size for n, a in model.units().items() if not DOMAINS[a.domain.name].finite}
    if model.directed:
        return sum(continuous.values()) <= MAX_INTEGRATED_UNITS
    try:
        energy = canonicalise(model)[0]
        if any(d.severity == "error" for d in check(model, energy)):
            return False
    except ModelError:
        return False
    sets = summable_sets(model, energy, list(continuous))
    return max(sum(continuous[n] for n in chosen) for chosen in sets) <= MAX_INTEGRATED_UNITS


def _assignments(count: int) -> Iterator[tuple[int, ...]]:
    """Small values for the sizes: threes (odd rings!), then twos, then all combinations from small to large."""
    yield (3,) * count
    yield (2,) * count
    seen = {(3,) * count, (2,) * count}
    for largest in (3, 4, 6):
        for sizes in sorted(itertools.product(range(largest, 0, -1), repeat=min(count, 7)), key=lambda s: -sum(s)):
            padded = sizes + (2,) * (count - len(sizes))
            if padded not in seen and (largest == 3 or max(padded) > largest - 2):
                seen.add(padded)
                yield padded
            if len(seen) > _TRIES:
                return


def _thin_axes(model: Resolved) -> int:
    """Axes of length one, which would hide an index that is mixed up with another."""
    arrays = [(a.axes, a.shape) for a in model.units().values()]
    arrays += [(p.axes, p.shape) for p in model.params.values() if p.graph is None]
    return len({axis for axes, shape in arrays for axis, size in zip(axes, shape, strict=True) if size == 1})


def _states(model: Resolved) -> float:
    """The number of joint states, three for a continuous unit; infinite where too many are continuous."""
    states, continuous = 1.0, 0
    for layer in model.units().values():
        domain = DOMAINS[layer.domain.name]
        if not domain.finite:
            continuous += layer.size
            states *= 3.0**layer.size
        else:
            states *= (layer.field_shape[-1] if layer.field_shape != layer.shape else 2.0) ** min(layer.size, 500)
    return states if continuous <= MAX_REAL_UNITS else math.inf


def _is_size(node: tree.Expr) -> bool:
    return isinstance(node, tree.Number) and node.text.isdigit() and int(node.text) > 0


def _atoms(module: tree.Module) -> Iterator[str]:
    found: list[str] = []

    def note(node: tree.Expr) -> tree.Expr:
        if _is_size(node):
            assert isinstance(node, tree.Number)
            found.append(node.text)
        return node

    _map_sizes(module, note)
    yield from found


def _subscripts(module: tree.Module) -> set[str]:
    """Numbers that stand alone in a subscript."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, tree.Subscript):
            found.update(i.text for i in node.indices if isinstance(i, tree.Number))
        for part in node if isinstance(node, tuple) else vars(node).values() if isinstance(node, tree.Node) else ():
            visit(part)

    visit(module.statements)
    return found


def _replaced(module: tree.Module, sizes: Mapping[str, int], without_generator: set[str]) -> tree.Module:
    def small(node: tree.Expr) -> tree.Expr:
        if _is_size(node):
            assert isinstance(node, tree.Number)
            return replace(node, text=str(sizes[node.text]))
        return node

    module = _map_sizes(module, small)
    return _with_complete_graphs(module, without_generator)


def _with_complete_graphs(module: tree.Module, names: set[str]) -> tree.Module:
    """A large graph that was given from outside, or is read from a file, becomes a small complete one."""

    def change(entry: tree.Entry) -> tree.Entry:
        from_file = isinstance(entry.value, tree.Call) and entry.value.function.id == "edges"
        if (entry.name.id in names or from_file or entry.value is None) and entry.axes:
            call = tree.Call(entry.span, tree.Name(entry.span, "complete"), (("", entry.axes[0]),))
            return replace(entry, value=call)
        return entry

    return _map_entries(module, "graph", change)


def _map_dims(module: tree.Module, change: Callable[[tree.Entry], tree.Entry]) -> tree.Module:
    return _map_entries(module, "dim", change)


def _map_entries(module: tree.Module, keyword: str, change: Callable[[tree.Entry], tree.Entry]) -> tree.Module:
    statements = tuple(
        replace(s, entries=tuple(map(change, s.entries)))
        if isinstance(s, tree.Declaration) and s.keyword == keyword
        else s
        for s in module.statements
    )
    return replace(module, statements=statements)


def _map_sizes(module: tree.Module, change: Callable[[tree.Expr], tree.Expr]) -> tree.Module:
    """Apply `change` wherever a size may stand: dims, axes, states, graph sizes, moduli, bounds, whole subscripts."""

    def entry(e: tree.Entry, keyword: str) -> tree.Entry:
        if keyword == "dim" and e.value is not None:
            return replace(e, value=change(e.value))
        axes = tuple(map(change, e.axes))
        domain = e.domain
        if domain is not None and domain.name.id in ("categorical", "integer"):
            domain = replace(domain, arguments=(*domain.arguments[:-1], *map(change, domain.arguments[-1:])))
        value = e.value
        if keyword == "graph" and isinstance(value, tree.Call):
            arguments = tuple((k, change(v) if k in ("", "nodes", "degree") else v) for k, v in value.arguments)
            value = replace(value, arguments=arguments)
        if keyword == "let" and value is not None:
            value = _map_expression(value, change)
        return replace(e, axes=axes, domain=domain, value=value)

    statements: list[tree.Statement] = []
    for s in module.statements:
        if isinstance(s, tree.Declaration):
            statements.append(replace(s, entries=tuple(entry(e, s.keyword) for e in s.entries)))
        elif isinstance(s, tree.Energy):
            statements.append(replace(s, value=_map_expression(s.value, change)))
        else:
            statements.append(s)
    return replace(module, statements=tuple(statements))


def _map_expression(node: Any, change: Callable[[tree.Expr], tree.Expr]) -> Any:
    if isinstance(node, tuple):
        return tuple(_map_expression(n, change) for n in node)
    if not isinstance(node, tree.Node):
        return node
    parts = {
        k: _map_expression(v, change) for k, v in vars(node).items() if k != "span" and isinstance(v, tree.Node | tuple)
    }
    node = replace(node, **parts)
    if isinstance(node, tree.Modulo):
        return replace(node, modulus=change(node.modulus))
    if isinstance(node, tree.Binder) and node.bounds:
        return replace(node, bounds=tuple(map(change, node.bounds)))
    if isinstance(node, tree.Subscript):
        return replace(node, indices=tuple(change(i) for i in node.indices))
    return node
