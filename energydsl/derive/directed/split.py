"""A model with directed parts, taken apart into ordinary models.

The undirected energies make one model, the core. A conditional energy p(a | b) is a model too: its given layers are
inputs, its targets visible. A recognition energy q(b | a) likewise. So whatever is derived for a model is derived for
each part, and no rule knows of arrows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from energydsl.model.layer_graph import LABEL
from energydsl.model.records import Directed, Resolved
from energydsl.syntax import tree


@dataclass(frozen=True)
class Split:
    """The core, and a module for each of `Resolved.directed`, in that order."""

    core: tree.Module
    directed: tuple[tree.Module, ...]


def take_apart(model: Resolved) -> Split:
    """The modules of all parts of a model."""
    parts = _Parts(model)
    return Split(parts.core(), tuple(map(parts.conditional, model.directed)))


def written(
    module: tree.Module,
    model: Resolved,
    roles: Mapping[str, str] | None = None,
    copies: Mapping[str, str] | None = None,
) -> tree.Module:
    """A module that stands alone: with all its declarations, their initialisers, and the sizes that are in force.

    roles: of its layers, by default as they are declared in it. copies: new layers like others.
    """
    parts = _Parts(model)
    energies = (s for s in module.statements if isinstance(s, tree.Energy))
    statements: list[tree.Statement] = [_unreserved(s) for s in energies]
    statements += [s for s in module.statements if isinstance(s, tree.Schedule)]
    if roles is None:
        declared = [s for s in module.statements if isinstance(s, tree.Declaration)]
        roles = {e.name.id: s.keyword for s in declared for e in s.entries if e.name.id in model.layers}
    return parts.with_twins(parts.module(statements, roles, alone=True), copies or {}, roles)


class _Parts:
    def __init__(self, model: Resolved):
        self.model = model
        statements = (*model.module.statements, *model.expanded)
        self.energies = [s for s in statements if isinstance(s, tree.Energy)]
        self.schedules = [s for s in statements if isinstance(s, tree.Schedule)]
        declared = (s for s in statements if isinstance(s, tree.Declaration))
        self.entries = {e.name.id: (s.keyword, e) for s in declared for e in s.entries}

    def core(self) -> tree.Module:
        """What is undirected; layers that are recognised are visible in it, as data are."""
        drawn = {n.id for s in self.energies if s.keyword == "energy" for n in s.targets}
        recognised = {n.id for s in self.energies if s.keyword == "recognition" for n in s.targets}
        roles = {
            n: "visible" if layer.role == "visible" or n in recognised else "hidden"
            for n, layer in self.model.random_layers().items()
            if n not in drawn
        }
        plain = [s for s in self.energies if not s.targets]
        if not plain:  # what has no energy is uniform
            span = self.model.directed[0].span
            plain = [tree.Energy(span, "energy", None, (), (), tree.Number(span, "0"))]
        return self.module([*plain, *self.schedules], roles)

    def conditional(self, part: Directed) -> tree.Module:
        """One conditional energy as a model of its targets, given inputs."""
        roles = dict.fromkeys(part.given, "input") | dict.fromkeys(part.targets, "visible")
        module = self.module([tree.Energy(part.span, "energy", None, (), (), part.value)], roles)
        return (
            self.with_twins(module, {part.copy: part.targets[0]}, {part.targets[0]: "input"}) if part.copy else module
        )

    def with_twins(self, module: tree.Module, copies: Mapping[str, str], roles: Mapping[str, str]) -> tree.Module:
        """A module with new layers like others, of a role each."""
        twins = [
            tree.Declaration(entry.span, roles[old], (replace(entry, name=replace(entry.name, id=new)),))
            for new, old in copies.items()
            for _, entry in (self.entries[old],)
        ]
        at = next(n for n, s in enumerate(module.statements) if isinstance(s, tree.Energy))
        return replace(module, statements=(*module.statements[:at], *twins, *module.statements[at:]))

    def module(
        self, statements: Iterable[tree.Statement], roles: Mapping[str, str], alone: bool = False
    ) -> tree.Module:
        """The module of some statements and layers; alone: one that keeps what it can of initialisers."""
        statements = tuple(statements)
        used = self._used({n for s in statements for n in names(s)} | set(roles))
        declarations = []
        for name, (keyword, entry) in self.entries.items():
            if name in self.model.layers:
                if name in roles or (keyword == "input" and name in used):
                    declarations.append(tree.Declaration(entry.span, roles.get(name, keyword), (entry,)))
            elif keyword == "param":
                if name in used:
                    kept = alone and name not in self.model.starts
                    kept &= not set(names(entry.value)) & set(self.model.layers) - set(roles)
                    declarations.append(
                        tree.Declaration(entry.span, keyword, (entry if kept else without_initialiser(entry),))
                    )
            elif alone and keyword == "dim":
                size = tree.Number(entry.span, str(self.model.dims[name]))
                declarations.append(tree.Declaration(entry.span, keyword, (replace(entry, value=size),)))
            elif keyword != "let" or name in used:
                declarations.append(tree.Declaration(entry.span, keyword, (entry,)))
        first = self.model.module.statements[0]
        title = (first,) if isinstance(first, tree.ModelName) else ()
        return tree.Module(self.model.module.source, (*title, *declarations, *statements), ())

    def _used(self, wanted: set[str]) -> set[str]:
        """All declared names that are needed for some."""
        found: set[str] = set()
        todo = [n for n in wanted if n in self.entries]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                keyword, entry = self.entries[name]
                if keyword == "let":
                    todo += [n for n in names(entry.value) if n in self.entries]
        return found


def _unreserved(energy: tree.Energy) -> tree.Energy:
    """The energy of `layers` statements has a name that cannot be written."""
    return replace(energy, name=None) if energy.name is not None and energy.name.id == LABEL else energy


def without_initialiser(entry: tree.Entry) -> tree.Entry:
    """A parameter without its initialiser: the whole model begins it, and the layer of a base rate may not be here."""
    positive = any(c.id == "positive" for c in entry.constraints)
    return replace(entry, value=tree.Number(entry.span, "1") if positive else None)


def inlined(node: Any, model: Resolved) -> Any:
    """A tree with the values of lets in place of their names."""
    lets = {n: e.value for n, (keyword, e) in _Parts(model).entries.items() if keyword == "let" and e.value is not None}
    return tree.inlined(node, lets)


def names(node: Any) -> Iterator[str]:
    """All names in a tree."""
    if isinstance(node, tree.Name):
        yield node.id
    elif isinstance(node, tuple):
        for part in node:
            yield from names(part)
    elif isinstance(node, tree.Node):
        for key, value in vars(node).items():
            if key != "span":
                yield from names(value)
