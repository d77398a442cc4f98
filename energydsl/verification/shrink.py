"""A model with its sizes made small, so that all its states can be listed.

Sizes are the numbers of `dim`s and the literal numbers where sizes stand; equal numbers stay equal, sizes set from outside
stay as they are, and so do numbers that name a unit, as long as they can. Small values are tried until the model resolves, has few
enough states, and its canonical energy has the same terms: no two couplings have become one.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from energydsl.derive import check
from energydsl.derive.directed.split import without_initialiser
from energydsl.derive.free_energy import summable_sets
from energydsl.diagnostics import ModelError
from energydsl.domains import DOMAINS
from energydsl.energy import canonicalise
from energydsl.energy.terms import Energy
from energydsl.limits import SMALL_MODELS, VERIFIED_ENTRIES, VERIFIED_STATES, SmallModel
from energydsl.model.records import Resolved
from energydsl.model.resolve import ROLES, Overrides, resolve
from energydsl.syntax import tree

_TRIES = 4000
_ENOUGH = 40


def shrink(module: tree.Module, overrides: Overrides) -> tuple[Resolved, Overrides, bool]:
    """The resolved model at sizes at which its states can be listed, and what is then set from outside.

    The last is False where there are no such sizes: the model is then as large as it is.
    """
    module = _with_dims(module, overrides.dims)
    graphs = {n: g for n, g in overrides.graphs.items() if g.nodes <= 6}
    rest = Overrides({}, overrides.consts, graphs, overrides.folder)
    full = replace(rest, graphs=overrides.graphs)
    own = resolve(module, full)
    small = _fits(own, own, SMALL_MODELS[0])
    if small and sum(math.prod(p.shape) for p in own.params.values()) <= VERIFIED_ENTRIES:
        return own, full, True
    kept, named = {str(v) for v in overrides.dims.values()}, _subscripts(module)
    search = _Search(module, rest, tuple(dict.fromkeys(_atoms(module))), named, set(overrides.graphs) - set(graphs))
    for most in SMALL_MODELS:
        for fixed in dict.fromkeys((frozenset(kept | named), frozenset(kept))):
            found = search.best(fixed, partial(_fits, own=own, most=most))
            if found is not None:
                return found, rest, True
    return own, full, small


@dataclass(frozen=True)
class _Search:
    """The small models that a text may become.

    atoms: its numbers that may be sizes. named: those that name a unit. large: graphs to be replaced by complete ones.
    """

    module: tree.Module
    rest: Overrides
    atoms: tuple[str, ...]
    named: Set[str]
    large: set[str]

    def best(self, fixed: Set[str], fits: Callable[[Resolved], bool]) -> Resolved | None:
        """The best small model with some numbers kept, or None."""
        found: list[Resolved] = []
        for model in self.models(fixed):
            if fits(model):
                found.append(model)
            if found and (not _thin_axes(found[-1]) or len(found) == _ENOUGH):
                break
        return min(found, key=lambda m: (_thin_axes(m), -_states(m)), default=None)

    def models(self, fixed: Set[str]) -> Iterator[Resolved]:
        """What resolves, with some numbers kept, in the order in which sizes are tried."""
        free = [atom for atom in self.atoms if atom not in fixed]
        for chosen in itertools.islice(_assignments(len(free)), _TRIES):
            sizes = {**{atom: int(atom) for atom in fixed}, **dict(zip(free, chosen, strict=True))}
            if len({sizes.get(n, int(n)) for n in self.named}) < len(self.named):
                continue  # units that are named apart stay apart
            with contextlib.suppress(ModelError):
                yield resolve(_replaced(self.module, sizes, self.large), self.rest)


# A term of the energy as far as sizes do not touch it: its label, and its layers, each as often as units of it stand there.
Coupling = tuple[str, tuple[str, ...]]


def _couplings(energy: Energy) -> Counter[Coupling]:
    """How many terms of each kind an energy has."""
    return Counter(
        (t.label, tuple(sorted([u.name for u in t.monomial.distinct_units()] + sorted(t.monomial.joint_layers()))))
        for t in energy.terms
    )


def _fits(model: Resolved, own: Resolved, most: SmallModel) -> bool:
    """Whether a small model can be listed, is refused for nothing, and has all that the model has at its own sizes."""
    infinite = {n: a.size for n, a in model.random_layers().items() if not DOMAINS[a.domain.name].finite}
    if sum(infinite.values()) > most.infinite or _states(model) > VERIFIED_STATES:
        return False
    if not most.alone and any(a.size == 1 < own.layers[n].size for n, a in model.random_layers().items()):
        return False
    if model.directed:
        return sum(infinite.values()) <= most.integrated
    energy = _accepted(model)
    if energy is None or _couplings(energy) != _couplings(canonicalise(own)[0]):
        return False
    sets = summable_sets(model, energy, list(infinite))
    return max(sum(infinite[n] for n in chosen) for chosen in sets) <= most.integrated


def _accepted(model: Resolved) -> Energy | None:
    """The canonical energy of a model, or None where it is refused."""
    try:
        energy = canonicalise(model)[0]
        return None if any(d.severity == "error" for d in check(model, energy)) else energy
    except ModelError:
        return None


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
    arrays = [(a.axes, a.shape) for a in model.random_layers().values()]
    arrays += [(p.axes, p.shape) for p in model.params.values() if p.graph is None]
    return len({axis for axes, shape in arrays for axis, size in zip(axes, shape, strict=True) if size == 1})


def _states(model: Resolved) -> float:
    """The number of joint states, three for a unit of an infinite domain."""
    states = 1.0
    for layer in model.random_layers().values():
        count = 3.0
        if DOMAINS[layer.domain.name].finite:
            count = layer.field_shape[-1] if layer.field_shape != layer.shape else 2.0
        states *= count ** min(layer.size, 500)
    return states


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

    module = _map_entries(_map_sizes(module, small), "param", _without_file)
    for role in ROLES:
        module = _map_entries(module, role, _without_letters)
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


def _without_file(entry: tree.Entry) -> tree.Entry:
    """A parameter whose values are read from a file, without them: the file has those of the model's own sizes."""
    from_file = isinstance(entry.value, tree.Call) and entry.value.function.id == "file"
    return without_initialiser(entry) if from_file else entry


def _without_letters(entry: tree.Entry) -> tree.Entry:
    """A layer without the letters of its states: there are as many as at the model's own sizes."""
    return replace(entry, value=None)


def _with_dims(module: tree.Module, dims: Mapping[str, int]) -> tree.Module:
    """The text with dims that are set from outside written out."""
    written = {n: tree.Number(module.statements[0].span, str(v)) for n, v in dims.items()}
    return _map_entries(module, "dim", lambda e: replace(e, value=written.get(e.name.id, e.value)))


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
    statements: list[tree.Statement] = []
    for s in module.statements:
        if isinstance(s, tree.Declaration):
            statements.append(replace(s, entries=tuple(_map_entry(e, s.keyword, change) for e in s.entries)))
        elif isinstance(s, tree.Energy):
            statements.append(replace(s, value=_map_expression(s.value, change)))
        elif isinstance(s, tree.Augmented):
            before, after = _map_expression((s.before, s.after), change)
            statements.append(replace(s, before=before, after=after))
        else:
            statements.append(s)
    return replace(module, statements=tuple(statements))


def _map_entry(entry: tree.Entry, keyword: str, change: Callable[[tree.Expr], tree.Expr]) -> tree.Entry:
    """Apply `change` to the sizes of one name that a statement declares."""
    domain, value = entry.domain, entry.value
    if keyword == "dim" and value is not None:
        return replace(entry, value=change(value))
    if domain is not None and domain.name.id in DOMAINS and DOMAINS[domain.name.id].states:
        domain = replace(domain, arguments=(*domain.arguments[:-1], *map(change, domain.arguments[-1:])))
    if keyword == "graph" and isinstance(value, tree.Call):
        arguments = tuple((k, change(v) if k in ("", "nodes", "degree") else v) for k, v in value.arguments)
        value = replace(value, arguments=arguments)
    if keyword == "let" and value is not None:
        value = _map_expression(value, change)
    return replace(entry, axes=tuple(map(change, entry.axes)), domain=domain, value=value)


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
