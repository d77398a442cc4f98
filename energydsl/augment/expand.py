"""`augment` statements -> ordinary declarations and energies, as `energydsl augment` prints them.

Each piece of an energy term that a rule knows gives way to its energy with auxiliary units, a hidden layer of them declared
before it. Nothing later knows of them. What was done is kept beside it (`tree.Augmented`), for `verify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from energydsl.augment.known import Declared
from energydsl.augment.pieces import Piece, pieces, signed
from energydsl.augment.rule import Match
from energydsl.augment.table import RULES
from energydsl.augment.write import Signed, added, product, total
from energydsl.diagnostics import Diagnostic, ModelError, Span, suggestion
from energydsl.syntax import tree

Names = tuple[tree.Name, ...]


def augmented(module: tree.Module) -> tree.Module:
    """A module without its `augment` statements, their terms augmented. Raises `ModelError` (E0201, E0202, E0320)."""
    wanted = [pair for s in module.statements if isinstance(s, tree.Augment) for pair in s.terms]
    if not wanted:
        return module
    rest = [s for s in module.statements if not isinstance(s, tree.Augment)]
    declared = Declared.of(module.statements)
    _refuse(_problems(wanted, rest, declared))
    makers = {name.id: _Maker(declared, f"z_{name.id}", list(given), name.span) for name, given in wanted}
    found: list[tree.Statement] = []
    for statement in rest:
        maker = makers.get(statement.name.id) if isinstance(statement, tree.Energy) and statement.name else None
        found += maker.statements(statement) if maker and isinstance(statement, tree.Energy) else [statement]
    left = [(term, maker.given[0]) for term, maker in makers.items() if maker.given]
    _refuse(
        Diagnostic("E0320", f"`{term}` has fewer auxiliary layers than are named", name.span, f"leave out `{name.id}`")
        for term, name in left
    )
    return replace(module, statements=tuple(scheduled(found)))


def scheduled(statements: list[tree.Statement]) -> Iterator[tree.Statement]:
    """Statements with auxiliary layers in the schedule, where there is one: those that it does not name are drawn last."""
    made = [name for s in statements if isinstance(s, tree.Augmented) for name, _ in s.layers]
    for statement in statements:
        if isinstance(statement, tree.Schedule):
            listed = {n.id for block in statement.blocks for n, _ in block}
            block = tuple((n, False) for n in made if n.id not in listed)
            statement = replace(statement, blocks=(*statement.blocks, block)) if block else statement
        yield statement


def _refuse(problems: Iterable[Diagnostic]) -> None:
    if found := list(problems):
        raise ModelError(found)


def _problems(
    wanted: Iterable[tuple[tree.Name, Names]], statements: Iterable[tree.Statement], declared: Declared
) -> Iterator[Diagnostic]:
    """What is wrong with the terms that are to be augmented."""
    terms: dict[str, list[tree.Energy]] = {}
    for statement in statements:
        if isinstance(statement, tree.Energy) and statement.name:
            terms.setdefault(statement.name.id, []).append(statement)
    seen: set[str] = set()
    for name, _ in wanted:
        held = terms.get(name.id, [])
        guilty = [p for s in held for p in _unmatched(s.value, declared)]
        if not held:
            help = suggestion(name.id, terms) or "give the term a name: energy NAME = ..."
            yield Diagnostic("E0201", f"there is no energy term `{name.id}`", name.span, help)
        elif name.id in seen:
            yield Diagnostic("E0202", f"`{name.id}` is augmented twice", name.span)
        elif guilty:
            yield from map(_without_rule, guilty)
        elif not any(_matches(s.value, declared) for s in held):
            yield _nothing(name.span, f"nothing in `{name.id}` has an auxiliary unit")
        seen.add(name.id)


def augment_terms(module: tree.Module, wanted: Iterable[tree.Name] = ()) -> tree.Module:
    """A module with some energy terms augmented, by name; with all that a rule knows where none is named.

    Raises `ModelError`: E0201 for a name that no term has, E0320 where no rule fits.
    """
    asked = tuple((name, ()) for name in wanted)
    if asked:
        return augmented(replace(module, statements=(*module.statements, tree.Augment(asked[0][0].span, asked))))
    module = augmented(module)
    declared = Declared.of(module.statements)
    terms = list(fitting_terms(module))
    if not terms:
        span = next((s.span for s in module.statements if isinstance(s, tree.Energy)), module.statements[0].span)
        raise ModelError([_nothing(span, "nothing in this energy has an auxiliary unit")])
    found: list[tree.Statement] = []
    for statement in module.statements:
        if isinstance(statement, tree.Energy) and statement in terms:
            name = f"z_{statement.name.id}" if statement.name else "z"
            found += _Maker(declared, name, [], statement.span).statements(statement)
        else:
            found.append(statement)
    return replace(module, statements=tuple(scheduled(found)))


def fitting_terms(module: tree.Module) -> Iterator[tree.Energy]:
    """The energy terms in which a rule fits."""
    declared = Declared.of(module.statements)
    for statement in module.statements:
        if isinstance(statement, tree.Energy) and not statement.targets and _matches(statement.value, declared):
            yield statement


def _nothing(span: Span, message: str) -> Diagnostic:
    known = "; ".join(f"{r.energy} ({r.unit})" for r in RULES)
    return Diagnostic(
        "E0320", message, span, f"of several units together these have one: {known}. Signs are proved from constraints"
    )


def _without_rule(piece: Piece) -> Diagnostic:
    return _nothing(piece.span, "no auxiliary unit is known for this function of several units")


def _matches(value: tree.Expr, declared: Declared) -> bool:
    return any(_match(p, declared) for p in pieces(value, declared))


def _unmatched(value: tree.Expr, declared: Declared) -> list[Piece]:
    """The pieces that hold a function of several units and fit no rule."""
    return [p for p in pieces(value, declared) if declared.function_of_several(p.body()) and not _match(p, declared)]


@dataclass(frozen=True)
class _Place:
    """Where auxiliary units of a piece stand: the axes of their layer, and the subscripts that name one of them."""

    axes: tuple[tree.Expr, ...]
    indices: tuple[tree.Expr, ...]


def _match(piece: Piece, declared: Declared) -> tuple[Match, _Place] | None:
    """The first rule that fits a piece whose units can be numbered."""
    for rule in RULES:
        match = rule.match(piece, declared)
        place = _place(piece, match, declared) if match else None
        if match and place:
            return match, place
    return None


def _place(piece: Piece, match: Match, declared: Declared) -> _Place | None:
    if piece.total:
        return _Place(declared.axes(piece.body()), ())
    axes: list[tree.Expr] = []
    indices: list[tree.Expr] = []
    binders = (*piece.binders, *((match.over,) if match.over else ()))
    for binder in binders:
        name = binder.names[0]
        if binder.orders or binder.graph:
            return None
        if not binder.bounds:
            size = declared.length(name.id, piece.factors)
        elif len(binder.bounds) == 1:
            size = binder.bounds[0]
        else:
            low, high = binder.bounds
            size, name = tree.Sum(binder.span, high, (("-", low),)), tree.Sum(name.span, name, (("-", low),))
        if size is None:
            return None
        axes.append(size)
        indices.append(name)
    return _Place(tuple(axes[: len(piece.binders)]), tuple(indices))


@dataclass
class _Maker:
    """The statements that an energy term becomes, layers named by `given` first, then after `prefix`."""

    declared: Declared
    prefix: str
    given: list[tree.Name]
    at: Span

    def statements(self, energy: tree.Energy) -> list[tree.Statement]:
        """Layers of auxiliary units, what was done, and the energy with them."""
        value = energy.value
        parts: list[Signed] = [("+", value.head), *value.tail] if isinstance(value, tree.Sum) else [("+", value)]
        layers: list[tree.Entry] = []
        constants: list[float] = []
        terms: list[Signed] = []
        for sign, part in parts:
            found = [replace(p, sign=signed(sign, p.sign)) for p in pieces(part, self.declared)]
            matched = [_match(p, self.declared) for p in found]
            if not any(matched):
                terms.append((sign, part))
                continue
            for piece, match in zip(found, matched, strict=True):
                if match is None:
                    terms.append((piece.sign, piece.added_up(piece.body())))
                    continue
                layer = self._layer(*match, energy.span)
                layers.append(layer)
                constants.append(match[0].constant)
                terms += _terms(piece, *match, layer.name, self.declared)
        if not layers:
            return [energy]
        start = Span(energy.span.source, energy.span.start, energy.span.start)
        after = added(value.span, terms)
        named = tuple((layer.name, constant) for layer, constant in zip(layers, constants, strict=True))
        return [
            tree.Declaration(start, "hidden", tuple(layers)),
            replace(energy, value=after),
            tree.Augmented(start, named, value, after),
        ]

    def _layer(self, match: Match, place: _Place, span: Span) -> tree.Entry:
        if self.given:
            name = self.given.pop(0)
        else:
            name = tree.Name(self.at, self.declared.fresh(self.prefix))
        domain = tree.Domain(span, tree.Name(span, match.domain), (match.states,) if match.states else ())
        return tree.Entry(name.span, name, place.axes, domain)


def _terms(piece: Piece, match: Match, place: _Place, name: tree.Name, declared: Declared) -> list[Signed]:
    """The signed terms of a piece with its auxiliary units, sums around them."""
    name = replace(name, span=piece.span)
    unit: tree.Expr = tree.Subscript(piece.span, name, place.indices) if place.indices else name
    found: list[Signed] = []
    if match.over is not None:
        piece = replace(piece, binders=(*piece.binders, match.over))
    for sign, term in match.terms(unit):
        alone = match.states is not None and match.over is None
        found.append((sign, piece.added_up(total(term) if alone else term)))
    return found + [(sign, _repeated(piece, term, place, declared)) for sign, term in match.alone]


def _repeated(piece: Piece, term: tree.Expr, place: _Place, declared: Declared) -> tree.Expr:
    """What has no unit in it, once for each unit: summed over the indices that it has, times the length of all others."""
    if piece.total:
        return total(term) if declared.axes(term) else product(piece.span, [*place.axes, term])
    used = {n.id for n in tree.names(term)}
    pairs = list(zip(piece.binders, place.axes, strict=True))
    kept = tuple(b for b, _ in pairs if b.names[0].id in used)
    others = [axis for b, axis in pairs if b.names[0].id not in used]
    body = tree.Reduce(piece.span, kept, term) if kept else term
    return product(piece.span, [*others, body])
