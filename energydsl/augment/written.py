"""Canonical monomials as expressions of the tree, in letters of their own: sums that the language can write, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from energydsl.augment.known import Declared, letter
from energydsl.augment.write import Signed, added, call, number, power, product
from energydsl.diagnostics import Span
from energydsl.energy.terms import At, Atom, Function, Loop, Monomial, Predicate, entries
from energydsl.functions import FUNCTIONS, WRITTEN
from energydsl.model.indices import Atom as IndexAtom
from energydsl.model.indices import EdgeEnd, Index, Wrap
from energydsl.model.records import Resolved
from energydsl.syntax import tree

Letters = Mapping[str, str]


class Unwritable(ValueError):
    """Why a monomial has no text."""


@dataclass(frozen=True)
class Writer:
    """Writes the monomials of a model. at: the place that all of it is given."""

    model: Resolved
    declared: Declared
    at: Span

    def terms(self, monomials: Iterable[Monomial], letters: Letters) -> list[Signed]:
        """Signed terms; `letters` are those of free binders. Raises `Unwritable`."""
        return [term for m in monomials for part in _ordered(m) for term in self._monomial(part, letters)]

    def polynomial(self, monomials: Iterable[Monomial], letters: Letters) -> tree.Expr:
        """Their sum. Raises `Unwritable`."""
        return added(self.at, self.terms(monomials, letters))

    def _monomial(self, monomial: Monomial, letters: Letters) -> Iterator[Signed]:
        # letters are free again after each monomial, so that each begins with the first ones
        inner = replace(self, declared=Declared(self.declared.entries, {*self.declared.taken, *letters.values()}))
        letters = dict(letters)
        binders: list[tree.Binder] = []
        for loop in _in_order(monomial):
            binders.append(inner._binder(loop, monomial, letters))
        for predicate in monomial.predicates:
            binders = inner._joined(predicate, binders, letters)
        above = [power(inner._atom(a, letters), e) for a, e in monomial.factors if e > 0]
        below = [power(inner._atom(a, letters), -e) for a, e in monomial.factors if e < 0]
        body = product(self.at, [number(self.at, abs(monomial.coefficient)), *above], below)
        yield "-" if monomial.coefficient < 0 else "+", tree.Reduce(self.at, tuple(binders), body) if binders else body

    def _name(self, name: str) -> tree.Name:
        return tree.Name(self.at, name)

    def _binder(self, loop: Loop, monomial: Monomial, letters: dict[str, str]) -> tree.Binder:
        """The binder of a loop, its letters added to `letters`; with a range where its subscripts do not give it."""
        if loop.graph:
            names = [letter(tree.Number(self.at, "0"), self.declared) for _ in range(2)]
            letters |= {f"{loop.name}.{side}": name for side, name in enumerate(names)}
            return tree.Binder(self.at, tuple(map(self._name, names)), graph=self._name(loop.graph))
        axis = self._axis(loop, monomial)
        letters[loop.name] = letter(axis or tree.Number(self.at, "0"), self.declared)
        bounds = () if axis else (loop.high,) if loop.low == 0 else (loop.low, loop.high)
        return tree.Binder(
            self.at, (self._name(letters[loop.name]),), bounds=tuple(number(self.at, float(b)) for b in bounds)
        )

    def _axis(self, loop: Loop, monomial: Monomial) -> tree.Expr | None:
        """An axis that the loop runs over, all of it, as it is written; None where it has a range of its own."""
        for factor, _ in monomial.factors:
            for atom in _inside(factor):
                for place, index in enumerate(atom.indices):
                    if index.plain == loop.name and not atom.flat and loop.low == 0:
                        axes = self.declared.axes(self._name(atom.name))
                        if len(axes) == len(atom.indices) and self._shape(atom)[place] == loop.high:
                            return axes[place]
        return None

    def _shape(self, atom: At) -> tuple[int, ...]:
        if atom.kind in ("layer", "input"):
            return self.model.layers[atom.name].energy_shape
        return self.model.params[atom.name].shape

    def _joined(self, predicate: Predicate, binders: list[tree.Binder], letters: Letters) -> list[tree.Binder]:
        """Two binders of an order as one, `i < k`."""
        pair = [i.plain for i in (*predicate.left, *predicate.right)]
        names = [letters.get(p or "") for p in pair]
        held = [next((b for b in binders if [n.id for n in b.names] == [name]), None) for name in names]
        if predicate.kind != "less" or len(pair) != 2 or not all(b is not None and not b.bounds for b in held):
            raise Unwritable("a condition on its indices has no text")
        first, second = (self._name(str(n)) for n in names)
        rest = [b for b in binders if b not in held]
        return [*rest, tree.Binder(self.at, (first, second), ("<",))]

    def _atom(self, atom: Atom, letters: Letters) -> tree.Expr:
        if isinstance(atom, Function):
            return self._function(atom, letters)
        name = self._name(atom.name)
        if not atom.indices:
            return name
        param = self.model.params.get(atom.name)
        if param is not None and param.graph is not None:
            ends = [letters.get(f"{atom.indices[0].plain}.{side}") for side in range(2)]
            if None in ends:
                raise Unwritable("an edge without its two ends has no text")
            return tree.Subscript(self.at, name, tuple(self._name(str(e)) for e in ends))
        layer = self.model.layers.get(atom.name)
        ended = all(isinstance(a, EdgeEnd) for a, _ in atom.indices[0].terms)
        if atom.flat and layer is not None and len(layer.shape) > 1 and not ended:
            raise Unwritable("a unit by its number has no text")
        return tree.Subscript(self.at, name, tuple(self._index(i, letters) for i in atom.indices))

    def _function(self, function: Function, letters: Letters) -> tree.Expr:
        if FUNCTIONS[function.function].aggregate:
            return call("log", added(self.at, [("+", self._exp(m, letters)) for m in function.argument]))
        inner = self.polynomial(function.argument, letters)
        if function.function == "":
            return inner
        if function.function not in WRITTEN:
            raise Unwritable(f"`{function.function}` is no function of the language")
        return call(function.function, inner)

    def _exp(self, monomial: Monomial, letters: Letters) -> tree.Expr:
        """The sum over the loops of a monomial of exp of what stands under them."""
        kept = Function("exp", (replace(monomial, loops=(), predicates=()),))
        ((_, found),) = self.terms([Monomial(1.0, monomial.loops, monomial.predicates, ((kept, 1.0),))], letters)
        return found

    def _index(self, index: Index, letters: Letters) -> tree.Expr:
        parts: list[Signed] = []
        for atom, coefficient in index.terms:
            node = self._index_atom(atom, letters)
            if abs(coefficient) != 1:
                node = tree.Product(self.at, number(self.at, abs(coefficient)), (("*", node),))
            parts.append(("-" if coefficient < 0 else "+", node))
        if index.constant or not parts:
            parts.append(("-" if index.constant < 0 else "+", number(self.at, abs(index.constant))))
        return added(self.at, parts)

    def _index_atom(self, atom: IndexAtom, letters: Letters) -> tree.Expr:
        match atom:
            case Wrap(inner=inner, modulus=modulus):
                return tree.Modulo(self.at, self._index(inner, letters), number(self.at, modulus))
            case EdgeEnd(side=side, binder=binder):
                found = letters.get(f"{binder}.{side}")
            case _:
                found = letters.get(str(atom))
        if found is None:
            raise Unwritable("an index of it has no letter")
        return self._name(found)


def _in_order(monomial: Monomial) -> list[Loop]:
    """The loops, those that a predicate has below others first: so that letters ascend, `i < k`."""
    named = [b for p in monomial.predicates for b in p.binders()]
    return sorted(monomial.loops, key=lambda loop: named.index(loop.name) if loop.name in named else len(named))


def _ordered(monomial: Monomial) -> Sequence[Monomial]:
    """i != k as i < k and k < i, which have a text."""
    for place, predicate in enumerate(monomial.predicates):
        if predicate.kind == "differ" and len(predicate.left) == 1:
            rest = monomial.predicates[:place] + monomial.predicates[place + 1 :]
            pairs = ((predicate.left, predicate.right), (predicate.right, predicate.left))
            halves = (replace(monomial, predicates=(*rest, Predicate("less", *pair))) for pair in pairs)
            return [part for half in halves for part in _ordered(half)]
    return [monomial]


def _inside(atom: Atom) -> Iterator[At]:
    """The entries in an atom whose indices are in its scope."""
    return iter(list(entries(atom)))
