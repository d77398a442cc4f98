"""`Derived` -> `KernelProgram`: each part becomes a chain of pairwise contractions in the cheapest order found."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from energydsl.derive import Derived
from energydsl.derive.differences import NEW, changes, over_forms
from energydsl.derive.numbers import has_loops
from energydsl.derive.records import Field
from energydsl.domains import DOMAINS
from energydsl.domains.scalar import Num, Scalar, Var, substitute
from energydsl.energy.forms import Form, Forms
from energydsl.energy.held import Held, among, held
from energydsl.energy.rules import Rules, without_idle_loops
from energydsl.energy.targets import Contribution, joined, output
from energydsl.energy.terms import (
    At,
    Atom,
    Function,
    Loop,
    Monomial,
    Predicate,
    Term,
    atom_binders,
    entries,
    of_indices,
)
from energydsl.functions import FUNCTIONS
from energydsl.graph.edges import edges_of
from energydsl.kernels.plan import entries_in, plan, read_letters
from energydsl.kernels.program import (
    BATCH,
    Access,
    Block,
    BlockForm,
    BlockTerm,
    Contract,
    Define,
    Draw,
    FormScan,
    Kernel,
    KernelProgram,
    LayerKernels,
    Moments,
    Scan,
    Section,
    Standing,
)
from energydsl.kernels.running import form_scan
from energydsl.model.indices import Index
from energydsl.model.records import Layer, Resolved

Sizes = dict[str, tuple[int, int]]
# Where entries are read, and which of them vary with the chains.
_SOURCES = {
    **{"layer": "x", "input": "x", "form": "x", "new": "new"},
    **{"param": "p", "const": "c", "support": "support"},
}
_BATCHED = ("layer", "input", "form", "new")
# Whether products of sums that hold a layer twice are kept as they are.
_FORMULAS = ("log_partition", "entropy", "mean", "variance", "mode")
CHEAPER, ALWAYS, NEVER = "cheaper", "always", "never"


def lower(derived: Derived, factored: str = CHEAPER) -> KernelProgram:
    """The kernels of a derived model; factored: whether products of sums stay such, "cheaper" where that pays."""
    model = derived.model
    lowering = _Lowering(model, derived, factored)
    layers = {n: lowering.units(model.layers[n]) for n in derived.families}
    forms = lowering.forms.all if any(x.holds_forms for x in layers.values()) else ()
    visible = frozenset(model.by_role("visible"))
    return KernelProgram(
        name=model.name,
        labels=model.labels,
        layers=MappingProxyType(layers),
        energy=lowering.energy(),
        gradients=MappingProxyType({n: lowering.gradient(n) for n in model.params}),
        forms=MappingProxyType({form.name: lowering.form(form) for form in forms}),
        slopes=MappingProxyType({n: lowering.slope(model.layers[n]) for n in derived.slopes}),
        shapes=MappingProxyType(
            {n: p.shape for n, p in model.params.items()}
            | {n: x.energy_shape for n, x in model.layers.items()}
            | {form.name: form.shape for form in forms}
        ),
        consts=MappingProxyType({n: c.value for n, c in model.consts.items()}),
        edges=MappingProxyType({n: edges_of(g) for n, g in model.graphs.items()}),
        colours=MappingProxyType(
            {n: c.colours.reshape(model.layers[n].shape) for n, c in derived.parts.items() if c.colours is not None}
        ),
        schedules=MappingProxyType(
            {"free": derived.schedule(frozenset()), "clamped": derived.schedule(visible)},
        ),
    )


class _Lowering:
    def __init__(self, model: Resolved, derived: Derived, factored: str):
        self.model = model
        self.derived = derived
        self.factored = factored
        self.forms = Forms(derived.energy, Rules(model))

    def units(self, layer: Layer) -> LayerKernels:
        """All that is done with the units of a layer; nothing but the formulas of independent units where it has no conditional."""
        conditional = self.derived.conditionals.get(layer.name)
        family = self.derived.families[layer.name]
        low, high = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
        numbers = {"low": Num(low), "high": Num(high), "density": Var(f"DENSITY__{layer.name}")}

        def bounded(what: str) -> Scalar:
            """A formula of the family with the bounds of the layer as numbers."""
            return substitute(getattr(family, what), numbers)

        given = conditional.fields if conditional else ()
        fields = tuple(self._field(layer, _without_forms(f), ()) for f in given)
        etas = tuple(k.name for k in fields) if conditional else tuple(f"eta{n + 1}" for n in range(len(family.powers)))
        site = tuple(output(k) for k in range(len(layer.shape)))
        scan = None
        if conditional and self.derived.parts[layer.name].kind == "scan":
            units = tuple(self._field(layer, f, site) for f in given)
            moved, running = self._changes(layer, site), self._running(layer, fields)
            scan = Scan(layer.name, layer.shape, units, site, bounded("sample"), moved, running)
        overwritten = frozenset({"u", *(kernel.name for kernel in fields if kernel.held)})
        return LayerKernels(
            layer=layer.name,
            family=family,
            low=low,
            high=high,
            shape=layer.shape,
            energy_shape=layer.energy_shape,
            field_shape=layer.field_shape,
            fields=fields,
            draw=Draw(layer.name, etas, bounded("sample"), overwritten),
            moments=Moments(
                layer.name, etas, bounded("mean"), bounded("variance") if family.powers == (1, 2) else None
            ),
            scan=scan,
            block=self._block(layer, fields) if conditional and scan is None else None,
            coloured=conditional is not None and self.derived.parts[layer.name].colours is not None,
            formulas=MappingProxyType({what: bounded(what) for what in _FORMULAS}),
            equation=conditional.text if conditional else f"`{layer.name}` has no conditional: independent units alone",
            origin=self._origin(self.derived.energy.terms[n] for n in conditional.terms) if conditional else "",
        )

    def _field(self, layer: Layer, field: Field, fixed: tuple[str, ...]) -> Kernel:
        shape = layer.field_shape
        letters = tuple(output(k) for k in range(len(shape)))
        sections = [s for p in field.parts for s in self._aimed(p, shape, fixed, row=False)]
        sections.sort(key=lambda s: (not s.batched, not _one_product(s)))
        batched = any(s.batched for s in sections)
        held = not fixed and (field.number == 1 or batched)
        return Kernel(f"eta{field.number}", field.text, letters, shape, tuple(sections), held, plain=field.plain)

    def form(self, form: Form) -> Kernel:
        """The values of an inner form."""
        letters = tuple(loop.name for loop in form.axes)
        sections = []
        for monomial in form.polynomial:
            sizes = _loop_sizes((*form.axes, *monomial.loops))
            sections.append(self._section("", monomial, (BATCH, *letters), sizes, row=False))
        return Kernel(form.name, "", letters, form.shape, tuple(sections))

    def _changes(self, layer: Layer, site: tuple[str, ...]) -> tuple[Kernel, ...]:
        """What each form changes by as the unit at `site` takes the value "new"."""
        found = []
        sizes = {o: (0, n) for o, n in zip(site, layer.shape, strict=True)}
        for form in self.forms.all:
            letters = tuple(loop.name for loop in form.axes)
            moved = [c for m in form.polynomial for c in changes(m, layer, NEW, Rules(self.model))]
            sections = [
                self._section(
                    "", m, (BATCH, *letters), {**sizes, **_loop_sizes((*form.axes, *m.loops))}, False, fixed=site
                )
                for m in moved
            ]
            if sections:
                found.append(Kernel(form.name, "", letters, form.shape, tuple(sections)))
        return tuple(found)

    def _joint_terms(self, layer: Layer) -> list[Term]:
        return [t for t in self.derived.energy.terms if layer.name in t.monomial.joint_layers()]

    def _block(self, layer: Layer, fields: tuple[Kernel, ...]) -> Block | None:
        """A colour of a layer drawn at once, where functions of several units hold it; `fields` are those without forms."""
        domain, terms = DOMAINS[layer.domain.name], self._joint_terms(layer)
        if not terms:
            return None
        holding = [form for form in self.forms.all if any(layer.name in m.layers() for m in form.polynomial)]
        read = {a.name for form in holding for m in form.polynomial for f, _ in m.factors for a in entries(f)}
        values = domain.points or (domain.values(layer.domain.arguments) if domain.values else ())
        return Block(
            points=() if domain.one_hot else values,
            reads=tuple(n for n in self.model.layers if n in read),
            terms=tuple(self._block_term(layer, term, n) for n, term in enumerate(terms)),
            forms=MappingProxyType({form.name: self._block_form(layer, form) for form in holding}),
            running=self._running(layer, fields),
        )

    def _block_term(self, layer: Layer, term: Term, number: int) -> BlockTerm:
        """A term over those of its loops that the units of a layer in it depend on, the others summed."""
        monomial, inside = term.monomial, held(term.monomial, layer.name)
        named = {b for entry in inside for b in self._binders(entry)}
        axes = {loop.name: (loop.low, loop.high) for loop in monomial.loops if loop.name in named}
        whole = replace(over_forms(monomial, layer, self.forms, Rules(self.model)), loops=())
        section = self._section(term.label, whole, (BATCH, *axes), _loop_sizes(monomial.loops), row=False)
        kernel = Kernel(f"term {number}", "", tuple(axes), _extent(axes), (section,))
        return BlockTerm(kernel, tuple(self._standing(entry, axes, monomial.predicates) for entry in inside))

    def _block_form(self, layer: Layer, form: Form) -> BlockForm:
        """A form, and where the units of a layer stand in it."""
        inside = []
        for monomial in form.polynomial:
            for entry in held(monomial, layer.name):
                if not _alone(monomial, entry.at):
                    return BlockForm((), ())
                loops, predicates = monomial.loops + entry.loops, monomial.predicates + entry.predicates
                inside.append(Held(entry.at, loops, predicates))
        named = {b for entry in inside for b in self._binders(entry)}
        axes = {loop.name: (0, loop.high if loop.name in named else 1) for loop in form.axes}
        return BlockForm(_extent(axes), tuple(self._standing(entry, axes, ()) for entry in inside))

    def _binders(self, entry: Held) -> set[str]:
        """What the unit of an entry, and whether it stands there, depends on."""
        indices = entry.at.indices[: Rules(self.model).sites(entry.at)]
        return {b for i in indices for b in i.binders()} | {b for p in entry.predicates for b in p.binders()}

    def _standing(self, entry: Held, axes: Sizes, predicates: tuple[Predicate, ...]) -> Standing:
        """An entry at the places of some axes, and of the loops inside that it depends on."""
        sizes = axes | {n: size for n, size in _loop_sizes(entry.loops).items() if n in self._binders(entry)}
        indices = entry.at.indices[: Rules(self.model).sites(entry.at)]
        return Standing(sizes, indices, entry.at.flat, among((*predicates, *entry.predicates), sizes))

    def _running(self, layer: Layer, fields: tuple[Kernel, ...]) -> FormScan | None:
        """The scan of a layer by running forms, where it has one; `fields` are those without forms."""
        domain, terms = DOMAINS[layer.domain.name], self._joint_terms(layer)
        read = {a.name for kernel in fields for s in kernel.sections for a in _read(s)}
        if not terms or not domain.two_valued or domain.points is None or layer.name in read:
            return None

        def lowered(monomial: Monomial, axes: tuple[str, ...], sizes: Mapping[str, tuple[int, int]]) -> Section:
            return self._section("", monomial, axes, dict(sizes), row=False)

        return form_scan(layer, domain.points, terms, self.forms, Rules(self.model), lowered)

    def gradient(self, param: str) -> Kernel:
        gradient = self.derived.gradients[param]
        shape = self.model.params[param].shape
        sections = tuple(s for p in gradient.parts for s in self._aimed(p, shape, (), row=True))
        return Kernel(param, gradient.text, tuple(output(k) for k in range(len(shape))), shape, sections)

    def slope(self, layer: Layer) -> Kernel:
        slope, shape = self.derived.slopes[layer.name], layer.energy_shape
        sections = tuple(s for p in slope.parts for s in self._aimed(p, shape, (), row=False))
        return Kernel(layer.name, slope.text, tuple(output(k) for k in range(len(shape))), shape, sections)

    def energy(self) -> Kernel:
        sections: list[Section] = []
        terms = self.derived.energy.terms
        for label in dict.fromkeys(t.label for t in terms):
            own = {t.monomial.factors: t for t in terms if t.label == label}
            for monomial in joined([t.monomial for t in terms if t.label == label], Rules(self.model)):
                layers = tuple(n for n in self.model.layers if n in monomial.layers())
                origin = self._origin([own[monomial.factors]])
                found = self._sections(label, monomial, (BATCH,), _loop_sizes(monomial.loops), row=False)
                sections += [replace(s, layers=layers, origin=origin) for s in found]
        return Kernel("energy", self.derived.free_energy.text, (), (), tuple(sections))

    def _origin(self, terms: Iterable[Term]) -> str:
        places = dict.fromkeys(str(t.spans[0]) for t in terms if t.spans)
        return ", ".join(places)

    def _aimed(self, part: Contribution, shape: tuple[int, ...], fixed: tuple[str, ...], row: bool) -> list[Section]:
        sizes = _loop_sizes(part.monomial.loops)
        origin = self._origin([self.derived.energy.terms[part.term]])
        if part.solved:
            outputs = [output(k) for k in range(len(shape))]
            sizes |= {o: (0, n) for o, n in zip(outputs, shape, strict=True)}
            keep = tuple(o for o in outputs if o not in fixed)
            found = self._sections(part.label, part.monomial, keep if row else (BATCH, *keep), sizes, row, fixed)
            return [replace(s, origin=origin) for s in found]
        aimed = tuple(dict.fromkeys(b for i in part.target for b in i.binders()))
        found = self._sections(part.label, part.monomial, aimed if row else (BATCH, *aimed), sizes, row)
        return [replace(s, target=part.target, flat=part.flat, origin=origin) for s in found]

    def _sections(
        self,
        label: str,
        monomial: Monomial,
        keep: tuple[str, ...],
        sizes: Sizes,
        row: bool,
        fixed: tuple[str, ...] = (),
    ) -> list[Section]:
        """A monomial as one section or, where `i != k` keeps a product of sums from being one, as all less `i = k`."""
        plain = self._section(label, monomial, keep, sizes, row, fixed)
        halves = _all_less_equal(monomial, sizes) if self.factored != NEVER else None
        if halves is None:
            return [plain]
        found = []
        for half in halves:
            gone = {loop.name for loop in monomial.loops} - {loop.name for loop in half.loops}
            left = {name: size for name, size in sizes.items() if name not in gone}
            found += self._sections(label, half, keep, left, row, fixed)
        cheaper = 2 * sum(map(_work, found)) < _work(plain)
        return found if cheaper or self.factored == ALWAYS else [plain]

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
            if atom_binders(atom) and of_indices(atom) and not has_loops(atom):
                accesses.append(_numbers(atom, exponent, monomial.predicates, sizes, fixed))
                continue
            if isinstance(atom, At):
                accesses.append(self._access(atom, exponent, sizes, fixed))
                continue
            define = self._define(atom, next(names), sizes, fixed)
            steps.append(define)
            accesses.append(Access("local", define.out, define.letters, exponent=exponent))
        for predicate in monomial.predicates:
            letters = tuple(dict.fromkeys(b for b in predicate.binders() if b not in fixed))
            accesses.append(Access("mask", "", letters, predicate=predicate))
        if row:
            accesses.append(Access("row", "row", (BATCH,)))
        result, contractions = plan(accesses, keep, sizes, names)
        kept = {k: v for k, v in sizes.items() if k not in fixed}
        return Section(
            label, monomial.coefficient, (*steps, *contractions), result, MappingProxyType(kept), None, False, (), ""
        )

    def _define(self, atom: Function, name: str, sizes: Sizes, fixed: tuple[str, ...]) -> Define:
        letters = tuple(b for b in atom_binders(atom) if b not in fixed)
        batched = any(_reads_batch(f) for m in atom.argument for f, _ in m.factors)
        axes = ((BATCH,) if batched else ()) + letters
        sections = []
        for n, m in enumerate(_apart(m, {*letters, *fixed}) for m in atom.argument):
            inner = {**sizes, **_loop_sizes(m.loops)}
            kept = (*axes, *(loop.name for loop in m.loops)) if FUNCTIONS[atom.function].aggregate else axes
            sections.append(self._section("", m, kept, inner, False, fixed, prefix=f"{name}_{n}_"))
        return Define(name, atom.function, tuple(sections), axes)

    def _access(self, atom: At, exponent: float, sizes: Sizes, fixed: tuple[str, ...]) -> Access:
        batched = atom.kind in _BATCHED
        source = _SOURCES[atom.kind]
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
        if atom.kind == "form":
            return next(form.shape for form in self.forms.all if form.name == atom.name)
        if atom.kind == "support":
            return self.model.layers[atom.name].field_shape[-1:]
        if atom.kind == "const":
            return ()
        layer = self.model.layers[atom.name]
        return layer.energy_shape[len(layer.shape) :] if atom.kind == "new" else layer.energy_shape


def _extent(axes: Sizes) -> tuple[int, ...]:
    return tuple(high - low for low, high in axes.values())


def _alone(monomial: Monomial, unit: At) -> bool:
    """Whether nothing but one unit varies with the chains in a product, in the factors that hold the unit either."""
    return all(a == unit or a.kind in ("param", "const", "index") for f, _ in monomial.factors for a in entries(f))


def _read(section: Section) -> Iterator[Access]:
    """All arrays that a section reads."""
    for step in section.steps:
        if isinstance(step, Define):
            for inner in step.sections:
                yield from _read(inner)
        elif isinstance(step, Contract):
            yield from (a for a in (step.left, step.right) if a is not None)
    if section.result is not None:
        yield section.result


def _apart(monomial: Monomial, taken: Set[str]) -> Monomial:
    """A part of an argument whose loops do not have the names of axes that other parts bring."""
    clashing = {loop.name: f"{loop.name}_" for loop in monomial.loops if loop.name in taken}
    if not clashing:
        return monomial
    renamed = monomial.replace_binders({a: Index.of(b) for a, b in clashing.items()})
    return replace(renamed, loops=tuple(replace(x, name=clashing.get(x.name, x.name)) for x in monomial.loops))


def _without_forms(field: Field) -> Field:
    """A field without the parts that inner forms have in it."""
    kept = tuple(p for p in field.parts if not any(a.kind == "form" for f, _ in p.monomial.factors for a in entries(f)))
    return field if len(kept) == len(field.parts) else replace(field, parts=kept)


def _all_less_equal(monomial: Monomial, sizes: Sizes) -> tuple[Monomial, Monomial] | None:
    """A sum over `i != k` as the sum over all i, k less that over i = k; None where no loop can take that value."""
    names = {loop.name for loop in monomial.loops if not loop.graph}
    for predicate in monomial.predicates:
        for left, right in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
            values = {b.plain: a for a, b in zip(left, right, strict=True) if b.plain in names}
            alike = len(values) == len(right) and all(
                a.plain is not None and sizes.get(a.plain) == sizes[str(name)] for name, a in values.items()
            )
            if predicate.kind != "differ" or not alike or any(a.plain in values for a in left):
                continue
            if any(
                of_indices(atom) and set(predicate.binders()) <= set(atom_binders(atom)) for atom, _ in monomial.factors
            ):
                continue  # 1 / (i - k) is no number where they are equal
            whole = replace(monomial, predicates=tuple(p for p in monomial.predicates if p != predicate))
            equal = whole.scaled(-1.0).replace_binders({str(name): a for name, a in values.items()})
            loops = tuple(loop for loop in monomial.loops if loop.name not in values)
            return without_idle_loops(whole), without_idle_loops(replace(equal, loops=loops))
    return None


def _numbers(
    atom: Atom, exponent: float, predicates: Iterable[Predicate], sizes: Sizes, fixed: tuple[str, ...]
) -> Access:
    """A factor that is known beforehand as a table, at the places where the conditions on its indices hold."""
    letters = tuple(dict.fromkeys(atom_binders(atom)))
    within = tuple(p for p in predicates if set(p.binders()) <= set(letters))
    table = Monomial(1.0, tuple(Loop(x, *sizes[x]) for x in letters), within, ((atom, exponent),))
    return Access("numbers", "numbers", tuple(x for x in letters if x not in fixed), numbers=table)


def _work(section: Section) -> float:
    """Multiplications of a section for a typical number of chains."""
    return sum(entries_in(read_letters(s), section.sizes) for s in section.steps if isinstance(s, Contract))


def _loop_sizes(loops: Iterable[Loop]) -> Sizes:
    return {loop.name: (loop.low, loop.high) for loop in loops}


def _reads_batch(atom: Atom) -> bool:
    if isinstance(atom, At):
        return atom.kind in _BATCHED
    return any(_reads_batch(f) for m in atom.argument for f, _ in m.factors)


def _one_product(section: Section) -> bool:
    return len(section.steps) == 1 and section.coefficient == 1.0 and section.target is None
