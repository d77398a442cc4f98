"""Models with directed parts: what is derived for the core and for each conditional part, put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from energydsl import derive as _derive
from energydsl.derive import Derived, gradients
from energydsl.derive.applicability import directed as directed_verdicts
from energydsl.derive.directed.problems import part_problems
from energydsl.derive.directed.split import take_apart
from energydsl.derive.free_energy import log_states
from energydsl.derive.records import BlockPart, Conditional, FreeEnergy, Gradient, Schedule
from energydsl.diagnostics import Diagnostic
from energydsl.energy import canonicalise
from energydsl.energy.formula import (
    MINUS,
    Call,
    Derivative,
    Equation,
    Formula,
    Listing,
    Mean,
    Probability,
    Product,
    Sentence,
    Sum,
    Symbol,
    mapped,
    symbols,
)
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters
from energydsl.energy.rules import Rules, canonical, order
from energydsl.energy.terms import At, Energy, Term, with_entries
from energydsl.graph.arrows import downwards
from energydsl.graph.colouring import UnitColouring
from energydsl.model import resolve
from energydsl.model.indices import Index
from energydsl.model.records import Directed, Param, Resolved
from energydsl.model.resolve import Overrides


@dataclass(frozen=True)
class Factor:
    """One part as a model of its own; p(targets | given), or q for recognition; the core has neither.

    label: what stands before its energy. copy: the input of the model from which a target that is given itself, in order, reads
    its units before each.
    """

    keyword: str
    targets: tuple[str, ...]
    given: tuple[str, ...]
    model: Resolved
    energy: Energy
    label: str = ""
    copy: str = ""

    @property
    def name(self) -> str:
        """`p(v | h1)`, `q(h1 | v)`, or `core`."""
        return as_text(self.probability) if self.probability else "core"

    @property
    def probability(self) -> Probability | None:
        """The distribution of its targets; None for the core."""
        if not self.targets:
            return None
        letter = "p" if self.keyword == "energy" else "q"
        return Probability(letter, symbols(self.targets), symbols(self.given))

    @property
    def unit_probability(self) -> Probability | None:
        """What the energy of the part normalises to: that of its targets, or of each unit given those before it."""
        if not self.copy or not self.probability:
            return self.probability
        (name,) = self.targets
        letters = Letters(self.model).target(name)[: len(self.model.layers[name].shape)]
        unit = Symbol(name, tuple(map(Index.of, letters)), "layer")
        return replace(self.probability, targets=(unit,), given=(replace(unit, before=True), *self.probability.given))

    @property
    def copies(self) -> Mapping[str, str]:
        """The layers that inputs of the model are copies of."""
        return {self.copy: self.targets[0]} if self.copy else {}

    def derive(self) -> Derived:
        """What is derived from this part; units that are drawn in order are visited one by one. Raises `ModelError`."""
        derived = _derive.derive(self.model, self.energy)
        if not self.copy:
            return derived
        (name,) = self.targets
        in_order = UnitColouring("scan", why="in the order of its units, each given those before it")
        return replace(derived, parts=MappingProxyType({name: in_order}))

    def written(self, formula: Any) -> Any:
        """A formula of the part in the names of the whole model."""
        unit = self.unit_probability
        if not self.copy or unit is None:
            return formula

        def symbol(found: Symbol) -> Symbol:
            if found.name != self.copy:
                return found
            entry = Symbol(self.targets[0], found.indices, "layer")
            before = unit.given[0]
            assert isinstance(before, Symbol)
            return entry if found.indices or not before.indices else before

        return mapped(formula, symbol)

    def conditional(self, derived: Derived, layer: str) -> Conditional:
        """The conditional of a target in the names of the whole model."""
        found = derived.conditionals[layer]
        fields = tuple(replace(f, formula=self.written(f.formula)) for f in found.fields)
        return replace(found, formula=self.written(found.formula), fields=fields)

    def joint(self, model: Resolved) -> Iterator[Term]:
        """Its terms as those of the joint distribution, in which what is given is random too."""
        random, rules = model.random_layers(), Rules(model)

        def entry(found: At) -> At:
            name = self.copies.get(found.name, found.name)
            return replace(found, kind="layer", name=name) if found.kind == "input" and name in random else found

        for term in self.energy.terms:
            factors = tuple((with_entries(a, entry), e) for a, e in term.monomial.factors)
            monomial = canonical(replace(term.monomial, factors=factors), rules)
            if monomial is not None:
                yield replace(term, label=(term.label and self.label) or term.label, monomial=monomial)


@dataclass(frozen=True)
class Factorisation:
    """The core; generative parts, those drawn first first; recognition parts, those nearest to the data first."""

    core: Factor
    generative: tuple[Factor, ...]
    recognition: tuple[Factor, ...]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.core, *self.generative, *self.recognition))


def factorise(model: Resolved, overrides: Overrides) -> tuple[Factorisation, list[Diagnostic]]:
    """The parts of a model, and what they are refused or warned for."""
    found: list[Diagnostic] = []

    def factor(part: Directed | None, module: object) -> Factor:
        sub = resolve(module, overrides)  # type: ignore[arg-type]
        energy, warnings = canonicalise(sub)
        coupled = part_problems(part, sub, energy, model) if part else []
        problems = coupled or [*warnings, *_derive.check(sub, energy)]
        found.extend(d for d in problems if d.severity == "error" or d.code in ("W0402", "W0405", "W0406", "W0407"))
        if part is None:
            return Factor("energy", (), (), sub, energy)
        return Factor(part.keyword, part.targets, part.given, sub, energy, part.label, part.copy)

    split = take_apart(model)
    core = factor(None, split.core)
    parts = [factor(d, m) for d, m in zip(model.directed, split.directed, strict=True)]
    generative = downwards([p for p in parts if p.keyword == "energy"], lambda p: (p.given, p.targets))
    recognition = downwards([p for p in parts if p.keyword == "recognition"], lambda p: (p.given, p.targets))
    return Factorisation(core, tuple(generative), tuple(recognition)), found


def joint_energy(model: Resolved, parts: Factorisation) -> Energy:
    """The energies of the joint distribution: undirected ones, and conditional ones with the label of what they say."""
    terms = [t for p in (parts.core, *parts.generative) for t in p.joint(model)]
    labels = {label: n for n, label in enumerate(model.labels)}
    return Energy(tuple(sorted(terms, key=lambda t: (labels.get(t.label, 0), order(t.monomial)))))


@dataclass(frozen=True)
class Network(Derived):
    """All that is derived from a model with directed parts; conditionals are those of the part that draws a layer."""

    factorisation: Factorisation = field(kw_only=True)
    core: Derived = field(kw_only=True)

    def schedule(self, clamped: frozenset[str]) -> Schedule:
        """Gibbs blocks of the core, then the directed layers from their parents downwards: the ancestral pass.

        Below a layer that is held nothing changes, and what hangs above one has no closed-form conditional: neither is listed.
        """
        held = set(clamped)
        for factor in reversed(self.factorisation.generative):
            held |= set(factor.given) if held & set(factor.targets) else set()
        drawn = [p for p in self.factorisation.generative if not held & set(p.targets)]
        passes = tuple(tuple(BlockPart(n, self.parts[n].kind) for n in p.targets) for p in drawn)
        return (*self.core.schedule(clamped & set(self.core.model.layers)), *passes)

    @property
    def drawn(self) -> Mapping[str, Factor]:
        """The generative part that draws each directed layer."""
        return {n: p for p in self.factorisation.generative for n in p.targets}


def derivations(derived: Derived) -> list[tuple[str, Derived]]:
    """What is derived, part by part, with the name of each; one without a name where there are no directed parts.

    A core without layers is left out.
    """
    if not isinstance(derived, Network):
        return [("", derived)]
    core, *rest = derived.factorisation
    parts = [(p.name, p.derive()) for p in rest]
    return [(core.name, derived.core), *parts] if core.model.layers else parts


def _unrecognised(model: Resolved, parts: Factorisation) -> str:
    """Why the latents are not all recognised from the data; empty where they are."""
    known = {*model.by_role("visible"), *model.by_role("input")}
    for factor in parts.recognition:
        missing = [g for g in factor.given if g not in known]
        if missing:
            return f"{factor.name} needs `{missing[0]}`, which is not recognised from the data"
        known |= set(factor.targets)
    needed = [n for p in parts.generative for n in (*p.targets, *p.given) if n not in known]
    return f"no recognition part draws `{needed[0]}` from the data" if needed else ""


def _gradient(model: Resolved, parts: Factorisation, every: Energy, param: Param) -> Gradient:
    """dE/dparam; in a part, less its mean under p(targets | given), whose normaliser holds the parameter too."""
    whole = gradients.gradient(model, every, param)
    left = whole.formula.left
    terms: list[tuple[str, Formula]] = []
    assert isinstance(left, Derivative)
    for factor in parts:
        inside = gradients.gradient(model, Energy(tuple(factor.joint(model))), param).formula.right
        assert isinstance(inside, Sum)
        if not inside.terms:
            continue
        terms += inside.terms
        if factor.unit_probability:
            terms.append((MINUS, Mean(inside, factor.unit_probability)))
        if factor.keyword == "recognition":
            left = replace(left, of=factor.probability)
    return replace(whole, formula=Equation(left, Sum(tuple(terms))))


def _log_likelihood(model: Resolved, parts: Factorisation, core: Derived) -> Sentence:
    """What log p of the data is a sum of; of units that are drawn in order, a product."""
    visible, hidden = model.by_role("visible"), model.by_role("hidden")
    factors = [Probability("p", symbols(core.model.random_layers()))] if core.model.random_layers() else []
    factors += [p.probability for p in parts.generative if p.probability]
    bound = ": bounded by recognition" if parts.recognition else ""
    start = ("log ", Call("p", symbols(visible)))
    over: tuple[str | Formula, ...] = (" sums ", Product(tuple(factors)), " over ", Listing(symbols(hidden)))
    if not hidden:
        over = (" = log ", Product(tuple(factors))) if len(factors) > 1 or core.model.random_layers() else ()
    ordered: list[str | Formula] = []
    for part in parts.generative:
        if part.copy and part.probability and part.unit_probability:
            ordered += [", where ", part.probability, " is the product of all ", part.unit_probability]
    return Sentence((*start, *over, bound, *ordered))


def derive_network(model: Resolved, energy: Energy, parts: Factorisation) -> Network:
    """What is derived from a model with directed parts; `energy` holds all generative terms. Raises `ModelError`."""
    core = parts.core.derive()
    drawn = [p.derive() for p in parts.generative]
    conditionals, families, units = dict(core.conditionals), dict(core.families), dict(core.parts)
    for factor, derived in zip(parts.generative, drawn, strict=True):
        conditionals |= {n: factor.conditional(derived, n) for n in factor.targets}
        families |= {n: derived.families[n] for n in factor.targets}
        units |= {n: derived.parts[n] for n in factor.targets}
    named = {n: conditionals[n] for n in model.random_layers() if n in conditionals}
    hidden = model.by_role("hidden")
    states = log_states([model.layers[n] for n in hidden])
    couplings = core.couplings.union(*(d.couplings for d in drawn), *(p.derive().couplings for p in parts.recognition))
    every = Energy(energy.terms + tuple(t for p in parts.recognition for t in p.joint(model)))
    return Network(
        model=model,
        energy=energy,
        conditionals=MappingProxyType(named),
        lines=core.lines,
        families=MappingProxyType(families),
        parts=MappingProxyType({n: units[n] for n in named}),
        gradients=MappingProxyType({n: _gradient(model, parts, every, p) for n, p in model.params.items()}),
        slopes=core.slopes,
        free_energy=FreeEnergy((), _log_likelihood(model, parts, core)),
        log2_states=states,
        side=core.side,
        verdicts=directed_verdicts(
            model, _unrecognised(model, parts), states, core.side.log2_states, not core.model.random_layers()
        ),
        couplings=couplings,
        factorisation=parts,
        core=core,
    )
