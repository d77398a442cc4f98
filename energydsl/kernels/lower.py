"""`Derived` -> `KernelProgram`: each part becomes a chain of pairwise contractions in the cheapest order found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from energydsl.derive import Derived
from energydsl.derive.records import Conditional, Field
from energydsl.domains import DOMAINS
from energydsl.energy.targets import Part, output
from energydsl.energy.terms import At, Atom, Function, Loop, Monomial, Term, atom_binders
from energydsl.kernels.program import BATCH, Access, Contract, Define, Kernel, KernelProgram, LayerKernels, Section
from energydsl.model.indices import Index
from energydsl.model.records import Layer, Resolved

# For choosing an order of contractions only; any batch gives right results.
_TYPICAL_BATCH = 128

Sizes = dict[str, tuple[int, int]]


def lower(derived: Derived) -> KernelProgram:
    """The kernels of a derived model."""
    lowering = _Lowering(derived.model, derived)
    return KernelProgram(
        name=derived.model.name,
        labels=derived.model.labels,
        layers=MappingProxyType(
            {n: lowering.layer(derived.model.layers[n], c) for n, c in derived.conditionals.items()}
        ),
        energy=lowering.energy(),
        gradients=MappingProxyType({n: lowering.gradient(n) for n in derived.model.params}),
    )


class _Lowering:
    def __init__(self, model: Resolved, derived: Derived):
        self.model = model
        self.derived = derived

    def layer(self, layer: Layer, conditional: Conditional) -> LayerKernels:
        scanned = self.derived.parts[layer.name].kind == "scan"
        fixed = tuple(output(k) for k in range(len(layer.shape)))
        origin = self._origin(self.derived.energy.terms[n] for n in conditional.terms)
        return LayerKernels(
            layer.name,
            conditional.distribution,
            *DOMAINS[layer.domain.name].bounds(layer.domain.arguments),
            layer.shape,
            layer.energy_shape,
            layer.field_shape,
            tuple(self._field(layer, f, ()) for f in conditional.fields),
            tuple(self._field(layer, f, fixed) for f in conditional.fields) if scanned else (),
            conditional.text,
            origin,
        )

    def _field(self, layer: Layer, field: Field, fixed: tuple[str, ...]) -> Kernel:
        shape = layer.field_shape
        letters = tuple(output(k) for k in range(len(shape)))
        sections = [self._aimed(p, shape, fixed, row=False) for p in field.parts]
        sections.sort(key=lambda s: (not s.batched, not _one_product(s)))
        return Kernel(f"eta{field.number}", field.text, letters, shape, tuple(sections))

    def gradient(self, param: str) -> Kernel:
        gradient = self.derived.gradients[param]
        shape = self.model.params[param].shape
        sections = tuple(self._aimed(p, shape, (), row=True) for p in gradient.parts)
        return Kernel(param, gradient.text, tuple(output(k) for k in range(len(shape))), shape, sections)

    def energy(self) -> Kernel:
        sections = []
        for term in self.derived.energy.terms:
            sizes = _loop_sizes(term.monomial.loops)
            layers = tuple(n for n in self.model.layers if n in term.monomial.layers())
            section = self._section(term.label, term.monomial, (BATCH,), sizes, row=False)
            sections.append(replace(section, layers=layers, origin=self._origin([term])))
        return Kernel("energy", self.derived.free_energy.text, (), (), tuple(sections))

    def _origin(self, terms: Iterable[Term]) -> str:
        places = dict.fromkeys(str(t.spans[0]) for t in terms if t.spans)
        return ", ".join(places)

    def _aimed(self, part: Part, shape: tuple[int, ...], fixed: tuple[str, ...], row: bool) -> Section:
        sizes = _loop_sizes(part.monomial.loops)
        origin = self._origin([self.derived.energy.terms[part.term]])
        if part.solved:
            outputs = [output(k) for k in range(len(shape))]
            sizes |= {o: (0, n) for o, n in zip(outputs, shape, strict=True)}
            keep = tuple(o for o in outputs if o not in fixed)
            section = self._section(part.label, part.monomial, keep if row else (BATCH, *keep), sizes, row, fixed)
            return replace(section, origin=origin)
        aimed = tuple(dict.fromkeys(b for i in part.target for b in i.binders()))
        section = self._section(part.label, part.monomial, aimed if row else (BATCH, *aimed), sizes, row)
        return replace(section, target=part.target, flat=part.flat, origin=origin)

    def _section(
        self,
        label: str,
        monomial: Monomial,
        keep: tuple[str, ...],
        sizes: Sizes,
        row: bool,
        fixed: tuple[str, ...] = (),
        prefix: str = "t",
    ) -> Section:
        names = (f"{prefix}{n}" for n in itertools.count())
        steps: list[Define | Contract] = []
        accesses: list[Access] = []
        for atom, exponent in monomial.factors:
            if isinstance(atom, At):
                accesses.append(self._access(atom, exponent, sizes, fixed))
                continue
            define = self._define(atom, next(names), sizes)
            steps.append(define)
            accesses.append(_local(define, exponent, fixed))
        for predicate in monomial.predicates:
            letters = tuple(dict.fromkeys(b for b in predicate.binders() if b not in fixed))
            accesses.append(Access("mask", "", letters, predicate=predicate))
        if row:
            accesses.append(Access("row", "row", (BATCH,)))
        result, contractions = _plan(accesses, keep, sizes, names)
        kept = {k: v for k, v in sizes.items() if k not in fixed}
        return Section(
            label, monomial.coefficient, (*steps, *contractions), result, MappingProxyType(kept), None, False, (), ""
        )

    def _define(self, atom: Function, name: str, sizes: Sizes) -> Define:
        letters = tuple(atom_binders(atom))
        batched = any(_reads_batch(f) for m in atom.argument for f, _ in m.factors)
        axes = ((BATCH,) if batched else ()) + letters
        sections = []
        for n, m in enumerate(atom.argument):
            inner = {**sizes, **_loop_sizes(m.loops)}
            sections.append(self._section("", m, axes, inner, False, prefix=f"{name}_{n}_"))
        return Define(name, atom.function, tuple(sections), axes)

    def _access(self, atom: At, exponent: float, sizes: Sizes, fixed: tuple[str, ...]) -> Access:
        batched = atom.kind in ("layer", "input")
        source = {"layer": "x", "input": "x", "param": "p", "const": "c", "support": "support"}[atom.kind]
        lead = (BATCH,) if batched else ()
        plain = [i.plain for i in atom.indices]
        whole = not atom.flat and len(set(plain)) == len(plain)
        whole = whole and all(
            p is not None and sizes[p] == (0, n) for p, n in zip(plain, self._shape(atom), strict=True)
        )
        if whole and not any(p in fixed for p in plain):
            letters = (*lead, *(p for p in plain if p is not None))
            return Access(source, atom.name, letters, None, False, exponent)
        free = tuple(dict.fromkeys(b for i in atom.indices for b in i.binders() if b not in fixed))
        return Access(source, atom.name, (*lead, *free), atom.indices, atom.flat, exponent)

    def _shape(self, atom: At) -> tuple[int, ...]:
        if atom.kind == "param":
            return self.model.params[atom.name].shape
        if atom.kind == "support":
            return self.model.layers[atom.name].field_shape[-1:]
        return self.model.layers[atom.name].energy_shape if atom.kind != "const" else ()


def _local(define: Define, exponent: float, fixed: tuple[str, ...]) -> Access:
    """A defined value, indexed where some of its axes are held fixed."""
    letters = tuple(x for x in define.letters if x not in fixed)
    if letters == define.letters:
        return Access("local", define.out, letters, exponent=exponent)
    indices = tuple(Index.of(x) for x in define.letters if x != BATCH)
    return Access("local", define.out, letters, indices, exponent=exponent)


def _loop_sizes(loops: Iterable[Loop]) -> Sizes:
    return {loop.name: (loop.low, loop.high) for loop in loops}


def _reads_batch(atom: Atom) -> bool:
    if isinstance(atom, At):
        return atom.kind in ("layer", "input")
    return any(_reads_batch(f) for m in atom.argument for f, _ in m.factors)


def _one_product(section: Section) -> bool:
    return len(section.steps) == 1 and section.coefficient == 1.0 and section.target is None


def _plan(
    accesses: list[Access], keep: tuple[str, ...], sizes: Mapping[str, tuple[int, int]], names: Iterable[str]
) -> tuple[Access | None, list[Contract]]:
    """Contract pairs, the cheapest first; axes are summed as soon as nothing later needs them."""
    numbered = iter(names)
    left = list(accesses)
    steps: list[Contract] = []
    while len(left) > 1:
        a, b = min(itertools.combinations(range(len(left)), 2), key=lambda ab: _cost(left, ab, keep, sizes))
        others = [x for n, x in enumerate(left) if n not in (a, b)]
        letters = _needed(left[a].letters + left[b].letters, others, keep)
        out = next(numbered)
        steps.append(Contract(out, left[a], left[b], letters))
        left = [*others, Access("local", out, letters)]
    if not left:
        return None, steps
    letters = _needed(left[0].letters, [], keep)
    if letters != left[0].letters:
        out = next(numbered)
        steps.append(Contract(out, left[0], None, letters))
        return Access("local", out, letters), steps
    return left[0], steps


def _needed(letters: tuple[str, ...], others: list[Access], keep: tuple[str, ...]) -> tuple[str, ...]:
    wanted = set(keep) | {x for o in others for x in o.letters}
    unique = dict.fromkeys(x for x in letters if x in wanted)
    return tuple(sorted(unique, key=lambda x: (x != BATCH, keep.index(x) if x in keep else -1)))


def _cost(
    left: list[Access], pair: tuple[int, int], keep: tuple[str, ...], sizes: Mapping[str, tuple[int, int]]
) -> tuple[float, float]:
    a, b = (left[n] for n in pair)
    union = set(a.letters) | set(b.letters)
    others = [x for n, x in enumerate(left) if n not in pair]
    result = _needed(a.letters + b.letters, others, keep)

    def size(letters: Iterable[str]) -> float:
        return math.prod(_TYPICAL_BATCH if x == BATCH else sizes[x][1] - sizes[x][0] for x in letters)

    return size(union), size(result)
