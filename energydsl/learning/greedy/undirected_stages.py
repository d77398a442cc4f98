"""The stages of an undirected model: pairs of layers along a tree of layers.

A layer in the middle gets input from both sides, of which a stage has but one: so the stage has the missing side as a copy of
the one it has, with the same weights, or where both layers lack one, weights that are halved (Salakhutdinov & Hinton 2009).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from energydsl.derive import Derived
from energydsl.derive.directed.split import inlined, names, written
from energydsl.diagnostics import NotApplicable
from energydsl.learning.greedy.stage import Stage, additive
from energydsl.model.records import Resolved
from energydsl.syntax import tree
from energydsl.syntax.printer import print_module


def undirected_stages(derived: Derived) -> Iterator[Stage]:
    """Pairs of layers along a tree of layers, from the first visible layer upwards. Raises `NotApplicable` where there is none."""
    model = derived.model
    energies = [s for s in (*model.module.statements, *model.expanded) if isinstance(s, tree.Energy)]
    terms = [term for s in energies for term in additive(inlined(s.value, model), "+")]
    layers = [(set(names(t)) & set(model.layers), sign, t) for sign, t in terms]
    near: dict[str, set[str]] = {n: set() for n in model.random_layers()}
    for met, _, _ in layers:
        for name in met:
            near[name] |= met - {name}
    hidden = model.by_role("hidden")
    simple = all(len(met) <= 2 for met, _, _ in layers) and not model.by_role("input")
    if not hidden or not simple or sum(map(len, near.values())) != 2 * (len(near) - 1):
        raise NotApplicable("greedy training is for layers that form a tree, coupled in pairs")
    below, done = model.by_role("visible")[0], set()
    queue = [below]
    while queue:
        lower = queue.pop(0)
        done.add(lower)
        for upper in [n for n in model.random_layers() if n in near[lower] and n in hidden and n not in done]:
            queue.append(upper)
            beside = {n for n in near[upper] if n not in hidden and n != lower}
            yield _link(model, layers, lower, upper, beside, near)


def _link(
    model: Resolved,
    terms: list[tuple[set[str], str, tree.Expr]],
    lower: str,
    upper: str,
    beside: set[str],
    near: Mapping[str, set[str]],
) -> Stage:
    """The stage of two layers, with the visible layers that hang on the upper one."""
    up = bool(near[upper] - {lower} - beside)
    down = bool(near[lower] - {upper})
    inside = {lower, upper, *beside}
    own = [(sign, t, met) for met, sign, t in terms if met <= inside]
    copied = {lower, *beside} if up and not down else {upper} if down and not up else set()
    tail = [(sign, t) for sign, t, _ in own]
    for name in sorted(copied):
        tail += [(sign, _renamed(t, name, f"{name}_copy")) for sign, t, met in own if name in met]
    span = tail[0][1].span
    (sign, head), *rest = tail
    value = tree.Sum(span, tree.Negate(span, head) if sign == "-" else head, tuple(rest))
    roles = {n: "hidden" if n == upper else "visible" for n in inside}
    energy = tree.Energy(span, "energy", None, (), (), value)
    copies = {f"{n}_copy": n for n in copied}
    text = print_module(written(tree.Module(model.module.source, (energy,), ()), model, roles, copies))
    factors: dict[str, float] = {}
    for _, term, met in own:
        for name in set(names(term)) & set(model.params):
            factors[name] = max(factors.get(name, 0.0), 0.5 if up and down and len(met) == 2 else 1.0)
    gives = tuple((n, n, f) for n, f in factors.items())
    return Stage(text, gives, (upper,), {f"{n}_copy": n for n in copied if n != upper})


def _renamed(node: Any, old: str, new: str) -> Any:
    """A tree with one name replaced."""
    if isinstance(node, tree.Name):
        return replace(node, id=new) if node.id == old else node
    if isinstance(node, tuple):
        return tuple(_renamed(n, old, new) for n in node)
    if not isinstance(node, tree.Node):
        return node
    return replace(node, **{k: _renamed(v, old, new) for k, v in vars(node).items() if k != "span"})
