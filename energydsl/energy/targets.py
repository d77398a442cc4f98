"""Derivatives of monomials with respect to one entry: by a unit's statistic, or by a parameter.

The result is a `Contribution`: a monomial aimed at the entry it contributes to. Where the aim can be solved for loops, those
loops are renamed o0, o1, ... and the part is a plain function of the output index; else it is scattered.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from energydsl.energy.rules import Rules, collect
from energydsl.energy.terms import At, Atom, Factor, Function, Loop, Monomial, Predicate, entries, is_joint, with_entry
from energydsl.functions import FUNCTIONS
from energydsl.model.indices import Index, Wrap, wrapped

# The loop over the values of a unit.
VALUE = "value"
# The unit of a statistic, whichever it is.
UNIT = At("unit", "")


@dataclass(frozen=True)
class Contribution:
    """A monomial aimed at entry `target` of an array; solved: target is (o0, o1, ...), each over its whole axis."""

    label: str
    monomial: Monomial
    target: tuple[Index, ...]
    flat: bool
    solved: bool
    term: int


def output(position: int) -> str:
    """The binder of an axis of an output."""
    return f"o{position}"


def statistic(monomial: Monomial, unit: At) -> tuple[Factor, ...]:
    """T of one term for one of its units: the factors that hold it, with `UNIT` in its place, and o0, o1, ... for its indices."""
    places = {index: Index.of(output(k)) for k, index in enumerate(unit.indices)} if not unit.flat else {}
    return tuple(
        (_placed(with_entry(a, unit, UNIT), places) if isinstance(a, Function) else UNIT, e)
        for a, e in monomial.factors
        if _holds(a, unit)
    )


def _placed(atom: Atom, places: Mapping[Index, Index]) -> Atom:
    """An atom with other indices."""
    if isinstance(atom, At):
        return replace(atom, indices=tuple(places.get(i, i) for i in atom.indices))
    inner = (
        replace(m, factors=tuple((_placed(a, places), e) for a, e in m.factors), loops=m.loops) for m in atom.argument
    )
    return Function(atom.function, tuple(inner))


def others(monomial: Monomial, unit: At) -> Monomial:
    """dE/dT of one term: the factors that do not hold the unit."""
    return replace(monomial, factors=tuple((a, e) for a, e in monomial.factors if not _holds(a, unit)))


def _holds(atom: Atom, unit: At) -> bool:
    """Whether an atom is a statistic of the unit; functions of several units are none."""
    return not is_joint(atom) and unit in entries(atom)


def by_unit(
    label: str, monomial: Monomial, unit: At, shape: tuple[int, ...], term: int, rules: Rules
) -> list[Contribution]:
    """-dE/dT of one term by the statistic of a unit; `shape` is that of the layer in the energy."""
    return [aim(label, others(monomial, unit).scaled(-1.0), unit.indices, unit.flat, shape, term, rules)]


def by_value(
    label: str, monomial: Monomial, unit: At, shape: tuple[int, ...], term: int, rules: Rules
) -> list[Contribution]:
    """-E of one term at each value of a unit, over a last axis of values; `shape` has that axis."""
    loop = Loop(VALUE, 0, shape[-1])
    support = At("support", unit.name, (Index.of(loop.name),))
    factors = tuple((with_entry(a, unit, support), e) for a, e in monomial.factors)
    rest = Monomial(-monomial.coefficient, (*monomial.loops, loop), monomial.predicates, factors)
    return [aim(label, rest, (*unit.indices, Index.of(loop.name)), unit.flat, shape, term, rules)]


def by_param(
    label: str, monomial: Monomial, param: str, shape: tuple[int, ...], term: int, rules: Rules
) -> list[Contribution]:
    """dE/dparam of one term, chain rule inside functions included."""
    return _by_entry(label, monomial, ("param", param), shape, term, rules)


def by_layer(
    label: str, monomial: Monomial, layer: str, shape: tuple[int, ...], term: int, rules: Rules
) -> list[Contribution]:
    """dE/dx of one term by the entries of a layer, as if they were real numbers; chain rule inside functions included.

    `shape` is that of the layer in the energy.
    """
    return _by_entry(label, monomial, ("layer", layer), shape, term, rules)


def _by_entry(
    label: str, monomial: Monomial, entry: tuple[str, str], shape: tuple[int, ...], term: int, rules: Rules
) -> list[Contribution]:
    return [
        aim(label, m, at.indices, at.flat, shape, term, rules)
        for m, at in _derivatives(monomial, entry, itertools.count(len(monomial.loops)))
    ]


def _derivatives(monomial: Monomial, entry: tuple[str, str], fresh: Iterator[int]) -> Iterable[tuple[Monomial, At]]:
    """Each place where an entry of a kind and name stands: the derivative of the monomial by it, and the entry there."""
    for place, (atom, exponent) in enumerate(monomial.factors):
        others = monomial.factors[:place] + monomial.factors[place + 1 :]
        lowered: tuple[Factor, ...] = ((atom, exponent - 1.0),) if exponent != 1.0 else ()
        outer = replace(monomial, coefficient=monomial.coefficient * exponent, factors=others + lowered)
        if isinstance(atom, At):
            if (atom.kind, atom.name) == entry:
                yield outer, atom
            continue
        for inner in atom.argument:
            own = {loop.name: f"d{next(fresh)}" for loop in inner.loops}
            renamed = replace(
                inner.replace_binders({a: Index.of(b) for a, b in own.items()}),
                loops=tuple(replace(loop, name=own[loop.name]) for loop in inner.loops),
            )
            for derivative, target in _derivatives(renamed, entry, fresh):
                for factor, slope in _slopes(atom, renamed):
                    chained = outer.times(derivative).scaled(factor)
                    yield replace(chained, factors=chained.factors + slope), target


def _slopes(atom: Function, part: Monomial) -> list[tuple[float, tuple[Factor, ...]]]:
    """f'(argument) as a sum of (coefficient, factors), by the part of the argument that changes."""
    if FUNCTIONS[atom.function].aggregate:
        share = (Monomial(1.0, factors=part.factors), Monomial(-1.0, factors=((atom, 1.0),)))
        return [(1.0, ((Function("exp", share), 1.0),))]
    derivative = FUNCTIONS[atom.function].derivative
    assert derivative is not None, f"the table of functions has no derivative of {atom.function}"
    return [(c, tuple((Function(name, atom.argument), e) for name, e in product)) for c, product in derivative]


def aim(
    label: str,
    monomial: Monomial,
    target: tuple[Index, ...],
    flat: bool,
    shape: tuple[int, ...],
    term: int,
    rules: Rules,
) -> Contribution:
    """The part that adds `monomial` at `target`, solved for the output index where possible."""
    solution = None if flat else _solution(monomial, target, shape, rules)
    if solution is None:
        return Contribution(label, monomial, target, flat, False, term)
    solved = monomial.replace_binders(solution)
    solved = replace(solved, loops=tuple(loop for loop in monomial.loops if loop.name not in solution))
    outputs = tuple(Index.of(output(k)) for k in range(len(target)))
    return Contribution(label, _unwrapped(solved, shape), outputs, flat, True, term)


def _unwrapped(monomial: Monomial, shape: tuple[int, ...]) -> Monomial:
    """A monomial in which `i % n` is i wherever i runs over 0, ..., n - 1."""
    sizes = {output(k): n for k, n in enumerate(shape)}
    sizes |= {loop.name: loop.high for loop in monomial.loops if loop.low == 0 and not loop.graph}

    def plain(index: Index) -> Index:
        found = Index(constant=index.constant)
        for atom, count in index.terms:
            whole = isinstance(atom, Wrap) and sizes.get(atom.inner.plain or "") == atom.modulus
            found = found + (atom.inner if isinstance(atom, Wrap) and whole else Index.of(atom)) * count
        return found

    factors = tuple(
        (replace(a, indices=tuple(map(plain, a.indices))) if isinstance(a, At) else a, e) for a, e in monomial.factors
    )
    return replace(monomial, factors=factors)


def site_of(monomial: Monomial, unit: At, shape: tuple[int, ...], rules: Rules, keep: bool = True) -> Monomial:
    """A monomial where one of its units is that at the output indices, along the axes of `shape`; without it unless `keep`."""
    outputs = [Index.of(output(k)) for k in range(len(shape))]
    found = monomial if keep else others(monomial, unit)
    if unit.flat:
        own = rules.model.layers[unit.name].shape
        flat = Index()
        for place, size in zip(outputs, own, strict=False):
            flat = flat * size + place
        outputs, shape = [flat, *outputs[len(own) :]], (math.prod(own), *shape[len(own) :])
    indices = unit.indices[: len(outputs)]
    for position in range(len(outputs)):
        loops = {loop.name: loop for loop in found.loops}
        solved = _solved_axis(indices[position], shape[position], outputs[position], loops)
        if solved is None:
            equal = Predicate("equal", (outputs[position],), (indices[position],)).replace({})
            found = replace(found, predicates=(*found.predicates, equal))
            continue
        name, value = solved
        found = found.replace_binders({name: value})
        found = replace(found, loops=tuple(loop for loop in found.loops if loop.name != name))
        indices = tuple(i.replace({name: value}) for i in indices)
    return found


def _solution(
    monomial: Monomial, target: tuple[Index, ...], shape: tuple[int, ...], rules: Rules
) -> dict[str, Index] | None:
    loops = {loop.name: loop for loop in monomial.loops}
    found: dict[str, Index] = {}
    for position, (index, size) in enumerate(zip(target, shape, strict=True)):
        solved = _solved_axis(index, size, Index.of(output(position)), loops)
        if solved is None or solved[0] in found:
            return None
        found[solved[0]] = solved[1]
    return found


def _solved_axis(index: Index, size: int, out: Index, loops: dict[str, Loop]) -> tuple[str, Index] | None:
    """The loop that runs over this axis, as a function of the output index."""
    name, shift = index.plain, 0
    if name is None and len(index.terms) == 1 and isinstance(index.terms[0][0], Wrap) and index.constant == 0:
        inner = index.terms[0][0].inner
        name, shift = Index(inner.terms).plain, inner.constant
    loop = loops.get(name or "")
    if loop is None or (loop.low, loop.high) != (0, size):
        return None
    if loop.graph:
        return None if shift else (loop.name, out)
    return loop.name, wrapped(out - Index(constant=shift), size) if shift else out


def merge(parts: Iterable[Contribution], rules: Rules) -> tuple[Contribution, ...]:
    """Equal parts added up; `o < i` and `i < o` joined to `i != o`, and that dropped on a zero diagonal."""
    found: dict[tuple[str, bool, bool, tuple[Index, ...]], list[Contribution]] = {}
    kept: list[Contribution] = []
    for part in parts:
        if part.solved:
            found.setdefault((part.label, part.flat, part.solved, part.target), []).append(part)
        else:
            kept.append(part)
    for group in found.values():
        origin = {m: p.term for p in group for m in map(_keyed, collect([p.monomial], rules))}
        for monomial in joined(collect([p.monomial for p in group], rules), rules):
            term = origin.get(_keyed(monomial), group[0].term)
            kept.append(replace(group[0], monomial=monomial, term=term))
    return tuple(sorted(kept, key=lambda p: (len(p.monomial.factors), p.term)))


def _keyed(monomial: Monomial) -> tuple[Factor, ...]:
    return monomial.factors


def joined(monomials: list[Monomial], rules: Rules) -> list[Monomial]:
    """Twins that differ in `i < k` and `k < i` as one with `i != k`, and that dropped on a zero diagonal."""
    todo = list(monomials)
    done: list[Monomial] = []
    while todo:
        monomial = todo.pop(0)
        for n, predicate in enumerate(monomial.predicates):
            if predicate.kind != "less":
                continue
            others = monomial.predicates[:n] + monomial.predicates[n + 1 :]
            mirrored = Predicate("less", predicate.right, predicate.left)
            twin = replace(monomial, predicates=tuple(sorted((*others, mirrored), key=repr)))
            if twin in todo:
                todo.remove(twin)
                differ = Predicate("differ", predicate.left, predicate.right).replace({})
                monomial = replace(monomial, predicates=tuple(sorted((*others, differ), key=repr)))
                break
        done.append(_without_idle_predicates(monomial, rules))
    return done


def _without_idle_predicates(monomial: Monomial, rules: Rules) -> Monomial:
    """`i != k` says nothing where a factor has a zero diagonal over (i, k)."""
    zero = [
        {*atom.indices}
        for atom, exponent in monomial.factors
        if isinstance(atom, At) and atom.kind == "param" and exponent > 0 and rules.has(atom.name, "zero_diagonal")
    ]
    kept = tuple(
        p for p in monomial.predicates if p.kind != "differ" or len(p.left) != 1 or {*p.left, *p.right} not in zero
    )
    return replace(monomial, predicates=kept)
