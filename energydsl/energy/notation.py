"""Terms as formulas: a letter for every loop, factors in the order in which they are read, conditions under their sums."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from energydsl.domains import Written
from energydsl.domains.scalar import Num, Op, Scalar, Var
from energydsl.energy import formula as f
from energydsl.energy.order import reduced
from energydsl.energy.terms import At, Atom, Factor, Function, Loop, Monomial, Predicate, atom_binders, entries
from energydsl.functions import FUNCTIONS
from energydsl.model import expressions as ex
from energydsl.model.indices import Atom as IndexAtom
from energydsl.model.indices import EdgeEnd, Index, Wrap
from energydsl.model.records import Resolved

_POOL = "ijklmnpqrstuvw"
# Of the units that an edge joins.
_ENDS = "iklmnpqrstuvw"


class Letters:
    """One letter for every axis of the model: that with which the user writes it, or that of its dim, else the next free."""

    def __init__(self, model: Resolved):
        self.model = model
        self.of_axis: dict[tuple[str, int], str] = {}
        written = _written(model)
        self.of_param = {place: letter for place, letter in written.items() if place[0] in model.params}
        by_name: dict[str, str] = {}
        for name, layer in model.layers.items():
            axes = list(layer.axes) + [f"states of {name}"] * (len(layer.field_shape) - len(layer.shape))
            for position, axis in enumerate(axes):
                letter = written.get((name, position)) or (by_name.get(axis) if not axis[0].isdigit() else None)
                by_name.setdefault(axis, letter or "")
                if letter is None:
                    wanted = axis.lower() if len(axis) == 1 and axis.isalpha() else ""
                    taken = {*self.of_axis.values(), *by_name.values(), *written.values()}
                    pool = [wanted, *("kabc" if axis.startswith("states") else ""), *_POOL]
                    letter = next((c for c in pool if c and c not in taken), "i")
                    by_name[axis] = letter
                self.of_axis[name, position] = letter

    def target(self, layer: str) -> list[str]:
        """The letters of a layer's axes, made distinct."""
        found: list[str] = []
        for position in range(len(self.model.layers[layer].field_shape)):
            found.append(_free(self.of_axis.get((layer, position), "i"), found))
        return found

    def name_loops(self, monomial: Monomial, taken: Mapping[str, str]) -> dict[str, str]:
        """Letters for the loops of a monomial, beside those already given."""
        names = dict(taken)
        for loop in monomial.loops:
            if loop.name not in names:
                names[loop.name] = _free(self._wanted(loop, monomial), names.values())
        return names

    def _wanted(self, loop: Loop, monomial: Monomial) -> str:
        if loop.graph:
            return "e"
        free = (a for f, _ in monomial.factors if loop.name in atom_binders(f) for a in entries(f))
        for atom in sorted(free, key=lambda a: a.kind == "param"):
            for position, index in enumerate(atom.indices):
                place = atom.name, position
                if index.plain == loop.name and not atom.flat and (place in self.of_axis or place in self.of_param):
                    return self.of_axis.get(place) or self.of_param[place]
        return "i"


def _written(model: Resolved) -> dict[tuple[str, int], str]:
    """The letter with which the user first writes each axis of a layer or parameter in an index sum."""
    found: dict[tuple[str, int], str] = {}
    todo: list[object] = [*(t.expression for t in model.energies), *(d.expression for d in model.directed)]
    while todo:
        node = todo.pop(0)
        if isinstance(node, ex.Element) and isinstance(node.base, ex.Reference) and not node.flat:
            for position, index in enumerate(node.indices):
                if index.plain is not None and len(index.plain) == 1:
                    found.setdefault((node.base.name, position), index.plain)
        todo[:0] = [part for part in vars(node).values() if isinstance(part, ex.Typed)]
    return found


def _free(wanted: str, taken: Iterable[str]) -> str:
    used = set(taken)
    if wanted not in used:
        return wanted
    later = _POOL[_POOL.index(wanted) :] if wanted in _POOL else _POOL
    return next((c for c in later + _POOL if c not in used), wanted + "'")


def lettered(index: Index, names: Mapping[str, str]) -> Index:
    """An index in letters; a step back on a ring is shown as one: (i - 1) % 64, not (i + 63) % 64."""
    found = _in_letters(index, names)
    match found.terms:
        case ((Wrap(inner=inner, modulus=modulus), count),) if inner.constant > modulus // 2:
            back = Wrap(replace(inner, constant=inner.constant - modulus), modulus)
            return replace(found, terms=((back, count),))
    return found


def _in_letters(index: Index, names: Mapping[str, str]) -> Index:
    def letter(atom: IndexAtom) -> IndexAtom:
        match atom:
            case EdgeEnd(side=side, binder=binder):
                return names.get(f"{binder}.{side}", f"{_ENDS[side % len(_ENDS)]}({names.get(binder, binder)})")
            case Wrap(inner=inner, modulus=modulus):
                return Wrap(_in_letters(inner, names), modulus)
        return names.get(atom, atom)

    return Index(tuple((letter(atom), count) for atom, count in index.terms), index.constant)


def atom_formula(atom: Atom, names: Mapping[str, str], letters: Letters) -> f.Formula:
    """One entry or function."""
    if isinstance(atom, Function) and FUNCTIONS[atom.function].aggregate:
        atom = Function("log", tuple(map(_exponential, atom.argument)))
    if isinstance(atom, Function):
        inner = sum_formula([(m, _visible(names, m)) for m in atom.argument], letters)
        return f.Call(atom.function, (inner,))
    if atom.kind in ("support", "index"):
        return f.Place(lettered(atom.indices[0], names))
    indices = atom.indices
    graph = letters.model.params[atom.name].graph if atom.kind == "param" else None
    if graph is not None and not letters.model.graphs[graph].hyper and indices[0].plain is not None:
        ends = tuple(Index.of(EdgeEnd(graph, side, indices[0].plain)) for side in (0, 1))
        indices = (*ends, *indices[1:])
    return f.Symbol(atom.name, tuple(lettered(i, names) for i in indices), atom.kind)


def _exponential(listed: Monomial) -> Monomial:
    """exp of what an aggregate lists, numbers in front."""
    ((inner, _),) = listed.factors
    assert isinstance(inner, Function)
    number = sum(m.coefficient for m in inner.argument if not (m.factors or m.loops))
    rest = tuple(m for m in inner.argument if m.factors or m.loops)
    return replace(listed, coefficient=math.exp(number), factors=((Function("exp", rest), 1.0),) if rest else ())


def _visible(names: Mapping[str, str], monomial: Monomial) -> dict[str, str]:
    """Letters in use inside a function; those of loops that its own hide are taken all the same."""
    own = {loop.name for loop in monomial.loops}
    return {f"{name} outside" if name in own else name: letter for name, letter in names.items()}


def _factors(
    factors: Sequence[Factor], names: Mapping[str, str], letters: Letters, target: str
) -> tuple[list[f.Formula], list[f.Formula]]:
    """What stands above and below the line; units of layers declared before the target stand before the parameters."""
    place = {n: k for k, n in enumerate(letters.model.layers)}

    def rank(factor: Factor) -> tuple[int, int]:
        atom = factor[0]
        if isinstance(atom, At) and atom.kind in ("layer", "input"):
            before = place[atom.name] < place.get(target, -1)
            return (1 if before else 3), place[atom.name]
        constant = isinstance(atom, At) and atom.kind == "const"
        return (0 if constant else 2), 0

    above: list[f.Formula] = []
    below: list[f.Formula] = []
    for atom, exponent in sorted(factors, key=rank):
        base, size = atom_formula(atom, names, letters), abs(exponent)
        (below if exponent < 0 else above).append(base if size == 1 else f.Power(base, size))
    return above, below


def term_formula(
    monomial: Monomial, names: Mapping[str, str], letters: Letters, target: str = ""
) -> tuple[str, f.Formula]:
    """The sign and the unsigned formula of a monomial; `names` holds the letters already in use."""
    named = dict(letters.name_loops(monomial, names))
    for loop in monomial.loops:
        if loop.graph:
            for side in range(_ends(loop, letters)):
                letter = _ENDS[side % len(_ENDS)]
                key = f"{loop.name}.{side}"
                named.setdefault(key, _free(letter, named.values()))
    above, below = _factors(monomial.factors, named, letters, target)
    size = abs(monomial.coefficient)
    if size != 1 or not (above or below):
        above.insert(0, f.Number(size))
    product = above[0] if len(above) == 1 and not below else f.Product(tuple(above), tuple(below))
    running = (_binder(loop, named, letters) for loop in monomial.loops if loop.name not in names)
    binders = sorted(running, key=_by_letter)
    conditions = _chained(_condition(p, named) for p in reduced(monomial.predicates))
    if binders:
        product = f.Summation(tuple(b for b in binders if not _shown(b, conditions)), conditions, product)
    elif conditions:
        product = f.Restricted(product, conditions)
    return (f.MINUS if monomial.coefficient < 0 else f.PLUS), product


def _chained(conditions: Iterable[f.Condition]) -> tuple[f.Condition, ...]:
    """i < j and j < k as i < j < k."""
    found: list[f.Condition] = []
    for condition in conditions:
        first, *rest = condition.sides
        chains = [k for k, c in enumerate(found) if c.relation == condition.relation == "less"]
        before = next((k for k in chains if found[k].sides[-1] == first), None)
        after = next((k for k in chains if found[k].sides[0] == rest[-1]), None)
        if before is not None:
            found[before] = replace(found[before], sides=(*found[before].sides, *rest))
        elif after is not None:
            found[after] = replace(found[after], sides=(first, *rest[:-1], *found[after].sides))
        else:
            found.append(condition)
    return tuple(found)


def _shown(binder: str | f.Edge, conditions: Iterable[f.Condition]) -> bool:
    """Whether a condition shows a letter plainly: `i < j` says that both run."""
    sides = (side[0] for c in conditions for side in c.sides if len(side) == 1)
    return any((binder, 1) in index.terms for index in sides)


def _by_letter(binder: str | f.Edge) -> tuple[bool, str]:
    """Edges first, then letters in their order."""
    return isinstance(binder, str), binder if isinstance(binder, str) else binder.ends[0]


def _ends(loop: Loop, letters: Letters) -> int:
    """How many units an edge of a loop joins."""
    graph = letters.model.graphs[loop.graph]
    return len(graph.edges[loop.low]) if graph.hyper else 2


def _binder(loop: Loop, names: Mapping[str, str], letters: Letters) -> str | f.Edge:
    if not loop.graph:
        return names[loop.name]
    ends = tuple(names[f"{loop.name}.{side}"] for side in range(_ends(loop, letters)))
    return f.Edge(ends, loop.graph, names[loop.name] if letters.model.graphs[loop.graph].hyper else "")


def _condition(predicate: Predicate, names: Mapping[str, str]) -> f.Condition:
    sides = tuple(tuple(lettered(i, names) for i in side) for side in (predicate.left, predicate.right))
    return f.Condition(predicate.kind, sides)


def sum_formula(parts: Iterable[tuple[Monomial, Mapping[str, str]]], letters: Letters, target: str = "") -> f.Sum:
    """A sum of monomials, each with the letters in use around it."""
    return f.Sum(tuple(term_formula(monomial, names, letters, target) for monomial, names in parts))


def filled(written: Written, eta: f.Sum, state: str = "") -> f.Call:
    """What a family is shown as, with its natural parameter in place of eta1; `state` is the letter of its states."""
    arguments = tuple(_filled(a, eta) for a in written.arguments)
    return f.Call(written.function, arguments, written.names, state if written.by_state else "")


def _filled(node: Scalar, eta: f.Sum) -> f.Formula:
    match node:
        case Var():
            return eta
        case Num(value=value):
            return f.Number(value)
        case Op(name="negative", arguments=(Var(),)):
            return eta.negated
        case Op(name="multiply", arguments=(left, right)):
            return f.Product((_filled(left, eta), f.Call("", (_filled(right, eta),))))
        case Op(name=name, arguments=arguments):
            return f.Call(name, tuple(_filled(a, eta) for a in arguments))
    raise AssertionError(node)
