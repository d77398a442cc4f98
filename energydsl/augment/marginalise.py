"""A hidden layer summed out: the energy of all others, by the table of rules read from right to left.

Where no two of its units meet,  -log sum_h exp(-E(x, h)) = E_0(x) - sum_u A(eta_u(x)),  E_0 being the terms without the layer and
eta_u the natural parameters of its units (`derive/free_energy.py`). The identity holds at beta = 1 and with all weights 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from energydsl.augment.known import Declared, letter
from energydsl.augment.table import RULES
from energydsl.augment.write import Signed, added, number_apart, product
from energydsl.augment.written import Unwritable, Writer
from energydsl.derive import check
from energydsl.derive.conditionals import conditional
from energydsl.diagnostics import Diagnostic, ModelError, Span, suggestion
from energydsl.domains import DOMAINS
from energydsl.energy import canonicalise
from energydsl.energy.targets import output
from energydsl.energy.terms import Energy
from energydsl.model.constants import DiagnosticError
from energydsl.model.layer_graph import LABEL
from energydsl.model.records import Layer, Resolved
from energydsl.model.resolve import Overrides, resolve
from energydsl.syntax import tree


def marginalised(module: tree.Module, name: tree.Name, overrides: Overrides) -> tree.Module:
    """A module without one of its hidden layers. Raises `ModelError`: its own problems, E0201, E0321."""
    model = resolve(module, overrides)
    layer = _hidden(model, name)
    statements = _plain(module, model, name.id)
    declared = Declared.of(statements)
    sums = [_Split.of(s, name.id, declared) for s in statements if isinstance(s, tree.Energy)]
    held = [s for s in sums if s.held]
    if not held:
        raise _refused(name, "no term of the energy holds it", "leave the layer out")
    declarations = tuple(s for s in statements if isinstance(s, tree.Declaration))
    parts = tuple(replace(s.energy, value=added(name.span, s.held)) for s in held)
    alone = replace(module, statements=(*declarations, *parts))
    terms = _summed_out(alone, layer, name, overrides, held[0].energy.span)
    one = len(held) == 1
    found: list[tree.Statement] = []
    for statement in statements:
        split = next((s for s in held if s.energy is statement), None)
        if split is None:
            found += _without(statement, name.id, declared)
            continue
        kept = [*split.kept, *terms] if one else split.kept
        if kept:
            found.append(replace(split.energy, value=added(split.energy.value.span, kept)))
        if split is held[-1] and not one:
            label = tree.Name(name.span, declared.fresh(f"free_{name.id}"))
            found.append(replace(split.energy, name=label, value=added(split.energy.value.span, terms)))
    return replace(module, statements=tuple(found))


def _refused(name: tree.Name, why: str, help: str = "") -> ModelError:
    return ModelError([Diagnostic("E0321", f"`{name.id}` cannot be summed out in closed form: {why}", name.span, help)])


def _hidden(model: Resolved, name: tree.Name) -> Layer:
    """The layer, where it is hidden and stands in no directed part."""
    layer = model.layers.get(name.id)
    if layer is None:
        help = suggestion(name.id, model.layers)
        raise ModelError([Diagnostic("E0201", f"there is no layer `{name.id}`", name.span, help)])
    if layer.role != "hidden":
        raise _refused(name, f"it is declared `{layer.role}`", "hidden layers are summed out")
    if len(model.random_layers()) == 1:
        raise _refused(name, "no other layer is random: that is the log partition function, a number")
    if any(name.id in (*d.targets, *d.given) for d in model.directed):
        raise _refused(name, "it stands in a directed part", "layers of undirected energies are summed out")
    return layer


def _plain(module: tree.Module, model: Resolved, name: str) -> list[tree.Statement]:
    """The statements, `layers` written out where the layer stands in one."""
    chains = [c for s in module.statements if isinstance(s, tree.Layers) for c in s.chains]
    if not any(name in (c.start.id, *(h.layer.id for h in c.hops)) for c in chains):
        return list(module.statements)
    written = [
        replace(s, name=None) if isinstance(s, tree.Energy) and s.name and s.name.id == LABEL else s
        for s in model.expanded
    ]
    found: list[tree.Statement] = []
    for statement in module.statements:
        if isinstance(statement, tree.Layers):
            found += written
            written = []
        else:
            found.append(statement)
    return found


@dataclass(frozen=True)
class _Split:
    """The additive terms of an energy: those that hold a layer, and the others."""

    energy: tree.Energy
    held: list[Signed]
    kept: list[Signed]

    @classmethod
    def of(cls, energy: tree.Energy, name: str, declared: Declared) -> _Split:
        value = energy.value
        parts: list[Signed] = [("+", value.head), *value.tail] if isinstance(value, tree.Sum) else [("+", value)]
        holds = [name in declared.layers(part) for _, part in parts]
        return cls(
            energy,
            [p for p, inside in zip(parts, holds, strict=True) if inside],
            [p for p, inside in zip(parts, holds, strict=True) if not inside],
        )


def _without(statement: tree.Statement, name: str, declared: Declared) -> Iterator[tree.Statement]:
    """A statement that does not name the layer, or what is left of it."""
    match statement:
        case tree.Declaration(entries=entries):
            kept = tuple(e for e in entries if e.name.id != name)
            kept = tuple(e for e in kept if statement.keyword != "let" or name not in declared.layers(e.name))
            if kept:
                yield replace(statement, entries=kept)
        case tree.Schedule(blocks=blocks):
            left = tuple(tuple(p for p in block if p[0].id != name) for block in blocks)
            if any(left):
                yield replace(statement, blocks=tuple(b for b in left if b))
        case tree.Augmented(layers=layers):
            if name not in {n.id for n, _ in layers} and name not in declared.layers(statement.after):
                yield statement
        case _:
            yield statement


def _summed_out(alone: tree.Module, layer: Layer, name: tree.Name, overrides: Overrides, at: Span) -> list[Signed]:
    """What is left of the terms that hold a layer."""
    model = resolve(alone, overrides)
    energy, _ = canonicalise(model)
    _refuse_couplings(model, energy, name)
    try:
        found = conditional(model, energy, model.layers[layer.name], None)
    except DiagnosticError as problem:
        raise _refused(name, problem.diagnostic.message) from None
    problems = [d for d in check(model, energy) if d.severity == "error" and f"`{name.id}`" in d.message]
    if problems:
        raise ModelError(problems)
    rule = next((r for r in RULES if r.family == found.family), None)
    if rule is None or DOMAINS[layer.domain.name].families[0].truncated:
        raise _refused(name, f"the log partition function of its family, {found.family}, is no formula of the language")
    if any(not part.solved for f in found.fields for part in f.parts):
        raise _refused(name, "its field is a sum over computed places", "subscript it by single indices")
    declared = Declared.of(alone.statements).with_free_letters()
    axes = declared.axes(tree.Name(at, layer.name))
    letters = {output(k): letter(axis, declared) for k, axis in enumerate(axes)}
    writer = Writer(model, declared, at)
    try:
        fields = [writer.polynomial((p.monomial for p in f.parts), letters) for f in found.fields]
        rest = writer.terms((t.monomial for t in energy.terms if name.id not in t.monomial.layers()), {})
    except Unwritable as problem:
        raise _refused(name, str(problem)) from None
    names = [tree.Name(at, letters[output(k)]) for k in range(len(axes))]
    over = _binder(names[-1], axes[-1], fields, declared) if len(axes) > len(layer.shape) else None
    unit = list(zip(names, axes, strict=True))[: len(layer.shape)]
    return rest + [(sign, _over_units(term, unit, declared, at)) for sign, term in rule.summed(at, fields, over)]


def _refuse_couplings(model: Resolved, energy: Energy, name: tree.Name) -> None:
    for term in energy.terms:
        where = term.spans[0].text
        if name.id in term.monomial.joint_layers():
            raise _refused(name, f"it stands inside a function of several units, {where}", "`augment` that term first")
        if sum(u.name == name.id for u in term.monomial.distinct_units()) > 1:
            raise _refused(name, f"{where} couples its units with one another")


def _binder(name: tree.Name, axis: tree.Expr, nodes: list[tree.Expr], declared: Declared) -> tree.Binder:
    """A binder over an axis; with its range where no subscript gives it."""
    known = declared.length(name.id, nodes) is not None
    return tree.Binder(name.span, (name,), bounds=() if known else (axis,))


def _over_units(term: tree.Expr, unit: list[tuple[tree.Name, tree.Expr]], declared: Declared, at: Span) -> tree.Expr:
    """A term once for each unit: summed over the indices that stand in it, times the length of the other axes."""
    used = {n.id for n in tree.names(term)}
    binders = tuple(_binder(n, axis, [term], declared) for n, axis in unit if n.id in used)
    scale, rest = number_apart(term)
    body = tree.Reduce(at, binders, rest) if binders else rest
    return product(at, [*(axis for n, axis in unit if n.id not in used), *scale, body])
