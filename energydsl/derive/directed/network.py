"""Models with directed parts: what is derived for the core and for each conditional part, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from energydsl import derive as _derive
from energydsl.derive import Derived, gradients
from energydsl.derive.applicability import directed as directed_verdicts
from energydsl.derive.directed.split import take_apart
from energydsl.derive.free_energy import log_states
from energydsl.derive.records import BlockPart, FreeEnergy, Gradient, Schedule
from energydsl.diagnostics import Diagnostic
from energydsl.energy import canonicalise
from energydsl.energy.canonical import canonical_terms
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
    symbols,
)
from energydsl.energy.formula_text import as_text
from energydsl.energy.terms import Energy
from energydsl.graph.arrows import downwards
from energydsl.model import resolve
from energydsl.model.records import Directed, EnergyTerm, Param, Resolved
from energydsl.model.resolve import Overrides


@dataclass(frozen=True)
class Factor:
    """One part as a model of its own; p(targets | given), or q for recognition; the core has neither."""

    keyword: str
    targets: tuple[str, ...]
    given: tuple[str, ...]
    model: Resolved
    energy: Energy

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

    def derive(self) -> Derived:
        """What is derived from this part. Raises `ModelError`."""
        return _derive.derive(self.model, self.energy)


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
        problems = [*warnings, *_derive.check(sub, energy)]
        found.extend(d for d in problems if d.severity == "error" or d.code in ("W0402", "W0405", "W0406", "W0407"))
        if part is None:
            return Factor("energy", (), (), sub, energy)
        return Factor(part.keyword, part.targets, part.given, sub, energy)

    split = take_apart(model)
    core = factor(None, split.core)
    parts = [factor(d, m) for d, m in zip(model.directed, split.directed, strict=True)]
    generative = downwards([p for p in parts if p.keyword == "energy"], lambda p: (p.given, p.targets))
    recognition = downwards([p for p in parts if p.keyword == "recognition"], lambda p: (p.given, p.targets))
    return Factorisation(core, tuple(generative), tuple(recognition)), found


def joint_energy(model: Resolved) -> Energy:
    """The energies of the joint distribution: undirected ones, and conditional ones with the label of what they say."""
    conditional = (
        EnergyTerm(f"{', '.join(d.targets)} | {', '.join(d.given)}", d.expression, d.span)
        for d in model.directed
        if d.keyword == "energy"
    )
    return canonical_terms(model, (*model.energies, *conditional))[0]


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
        passes = tuple(tuple(BlockPart(n) for n in p.targets) for p in drawn)
        return (*self.core.schedule(clamped & set(self.core.model.layers)), *passes)

    @property
    def drawn(self) -> Mapping[str, Factor]:
        """The generative part that draws each directed layer."""
        return {n: p for p in self.factorisation.generative for n in p.targets}


def derivations(derived: Derived) -> list[tuple[str, Derived]]:
    """What is derived, part by part, with the name of each; one without a name where there are no directed parts."""
    if not isinstance(derived, Network):
        return [("", derived)]
    core, *rest = derived.factorisation
    return [(core.name, derived.core), *((p.name, p.derive()) for p in rest)]


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
        inside = gradients.gradient(model, factor.energy, param).formula.right
        assert isinstance(inside, Sum)
        if not inside.terms:
            continue
        terms += inside.terms
        if factor.probability:
            terms.append((MINUS, Mean(inside, factor.probability)))
        if factor.keyword == "recognition":
            left = replace(left, of=factor.probability)
    return replace(whole, formula=Equation(left, Sum(tuple(terms))))


def _log_likelihood(model: Resolved, parts: Factorisation, core: Derived) -> Sentence:
    """What log p of the data is a sum of."""
    visible, hidden = model.by_role("visible"), model.by_role("hidden")
    factors = [Probability("p", symbols(core.model.random_layers()))]
    factors += [p.probability for p in parts.generative if p.probability]
    bound = ": bounded by recognition" if parts.recognition else ""
    data = Call("p", symbols(visible))
    return Sentence(("log ", data, " sums ", Product(tuple(factors)), " over ", Listing(symbols(hidden)), bound))


def derive_network(model: Resolved, energy: Energy, parts: Factorisation) -> Network:
    """What is derived from a model with directed parts; `energy` holds all generative terms. Raises `ModelError`."""
    core = parts.core.derive()
    drawn = [p.derive() for p in parts.generative]
    conditionals, families, units = dict(core.conditionals), dict(core.families), dict(core.parts)
    for factor, derived in zip(parts.generative, drawn, strict=True):
        conditionals |= {n: derived.conditionals[n] for n in factor.targets}
        families |= {n: derived.families[n] for n in factor.targets}
        units |= {n: derived.parts[n] for n in factor.targets}
    named = {n: conditionals[n] for n in model.random_layers() if n in conditionals}
    hidden = model.by_role("hidden")
    states = log_states([model.layers[n] for n in hidden])
    couplings = core.couplings.union(*(d.couplings for d in drawn), *(p.derive().couplings for p in parts.recognition))
    every = Energy(energy.terms + tuple(t for p in parts.recognition for t in p.energy.terms))
    return Network(
        model=model,
        energy=energy,
        conditionals=MappingProxyType(named),
        families=MappingProxyType(families),
        parts=MappingProxyType({n: units[n] for n in named}),
        gradients=MappingProxyType({n: _gradient(model, parts, every, p) for n, p in model.params.items()}),
        slopes=core.slopes,
        free_energy=FreeEnergy((), _log_likelihood(model, parts, core)),
        log2_states=states,
        verdicts=directed_verdicts(model, _unrecognised(model, parts), states, core.log2_states),
        couplings=couplings,
        factorisation=parts,
        core=core,
    )
