"""Fields and conditionals: eta_k = -dE/dT_k, family by domain, refusals where there is no proper conditional.

p(x_u | rest) = h(x_u) exp(sum_k eta_k T_k(x_u) - A(eta)): the energy is multilinear in the statistics of distinct
units, so the field of a unit is the sum of the terms it stands in with its own statistic taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from energydsl.derive.differences import by_difference, difference_formula, odds_formula
from energydsl.derive.families import family_of
from energydsl.derive.fields import exponential, field_of, layer_symbol, parts_formula, shown_bounds, statistic_formula
from energydsl.derive.joint import unbounded_pairs
from energydsl.derive.normalisable import normalisation_problems
from energydsl.derive.records import Conditional, Field
from energydsl.derive.several_units import unconfined, undefined_jointly, without_conditional
from energydsl.derive.signs import sign_of_factors, sign_of_sum
from energydsl.diagnostics import Diagnostic
from energydsl.domains import DOMAINS, Domain, Family
from energydsl.energy.expand import check_power, value_of
from energydsl.energy.forms import Forms
from energydsl.energy.formula import (
    Call,
    Equation,
    Probability,
    Product,
    Sum,
    Symbol,
    Word,
)
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters, filled, sum_formula
from energydsl.energy.rules import Rules
from energydsl.energy.statistics import (
    MOVED,
    Statistic,
    needs_positive,
    power_of,
    standard_of,
    standard_problems,
    statistics_of,
)
from energydsl.energy.targets import UNIT, Contribution, by_value, merge, output, statistic
from energydsl.energy.terms import BASE, Energy, Function, Monomial, Term, entries, layers_in
from energydsl.functions import POSITIVE
from energydsl.model.constants import DiagnosticError
from energydsl.model.indices import Index
from energydsl.model.records import Layer, Resolved


def check_conditionals(model: Resolved, energy: Energy) -> list[Diagnostic]:
    """Refusals and warnings: E0310 (no closed form), E0311 (not normalisable), W0404, W0405."""
    found: list[Diagnostic] = []
    for name, layer in model.random_layers().items():
        domain = DOMAINS[layer.domain.name]
        touching = [t for t in energy.terms if name in t.monomial.layers()]
        found += _statistics_problems(model, domain, layer, touching)
        if not found and without_conditional(layer, touching):
            found += unconfined(model, layer, touching)
        elif not found:
            try:
                found += normalisation_problems(model, family_of(model, layer, touching), layer, touching)
            except DiagnosticError as problem:
                found.append(problem.diagnostic)
        alone = bool(touching) and all(t.monomial.layers() == {name} for t in touching)
        if layer.role == "hidden" and alone and not any(name in (*d.given, *d.targets) for d in model.directed):
            found.append(Diagnostic("W0404", f"hidden layer `{name}` is coupled to nothing", layer.span))
    return found + list(unbounded_pairs(model, energy))


def _statistics_problems(model: Resolved, domain: Domain, layer: Layer, touching: list[Term]) -> Iterator[Diagnostic]:
    yield from _standard_problems(model, layer, touching)
    for term in touching:
        yield from undefined_jointly(model, term)
        for place, unit in term.monomial.units():
            if unit.name == layer.name:
                try:
                    check_power(domain, layer.name, term.monomial.factors[place][1], term.spans[0])
                except DiagnosticError as problem:
                    yield problem.diagnostic
        if domain.values and not domain.points:
            yield from _undefined(domain.values(layer.domain.arguments), layer, term, Rules(model))
        elif domain.integer_valued and domain.integrated:
            yield from _undefined(domain.bounds(layer.domain.arguments)[:1], layer, term, Rules(model))


def _standard_problems(model: Resolved, layer: Layer, touching: list[Term]) -> Iterator[Diagnostic]:
    """Functions of a unit and of parameters must be functions of (unit - location) / scale, the scale provably positive."""
    if DOMAINS[layer.domain.name].finite:
        return
    statistics = statistics_of(layer, touching)
    spans = {statistic(t.monomial, u): t.spans[0] for t in touching for u in t.monomial.distinct_units()}
    location, scale = standard_of(layer, statistics)
    of_parameters = [s for s in statistics if standard_of(layer, [s]) != ((), None)]
    span = spans[of_parameters[0]] if of_parameters else layer.span
    if wrong := standard_problems(layer, statistics):
        yield Diagnostic("E0310", f"no closed-form conditional: {wrong}", span, MOVED)
    elif scale is not None and sign_of_factors(scale, model) != POSITIVE:
        what = f"what multiplies `{layer.name}` inside this function is not provably positive"
        yield Diagnostic("E0310", what, span, "constrain the parameter `: positive`")
    elif needs_positive(layer, statistics) and sign_of_sum(_negated(location), model) != POSITIVE:
        what = f"what is added to `{layer.name}` inside this function is not provably positive"
        yield Diagnostic("E0310", what, span, "constrain the parameter `: positive`, and give it a positive sign")
    elif (location or scale is not None) and not _beside(model, layer, (*location, *([scale] if scale else []))):
        what = f"the parameters inside this function are not those of one unit of `{layer.name}` each"
        yield Diagnostic(
            "E0310", what, span, "give them the axes of the layer, and write it for all units: sum(abs(x - m))"
        )


def _negated(monomials: tuple[Monomial, ...]) -> tuple[Monomial, ...]:
    return tuple(m.scaled(-1.0) for m in monomials)


def _beside(model: Resolved, layer: Layer, monomials: tuple[Monomial, ...]) -> bool:
    """Whether every entry stands at the indices of the unit, along axes as long as those of the layer."""
    axes = {Index.of(output(k)): size for k, size in enumerate(layer.shape)}
    for monomial in monomials:
        own = {loop.name for loop in monomial.loops}
        for entry in (e for a, _ in monomial.factors for e in entries(a)):
            if entry.kind not in ("param", "const", "input") or entry.flat:
                return False
            shape = model.params[entry.name].shape if entry.kind == "param" else ()
            if entry.kind == "input":
                shape = model.layers[entry.name].energy_shape
            for index, size in zip(entry.indices, shape, strict=True):
                if index.plain not in own and index.terms and axes.get(index) != size:
                    return False
    return True


def _undefined(values: tuple[float, ...], layer: Layer, term: Term, rules: Rules) -> Iterator[Diagnostic]:
    """A function of a unit must be a number at each of its values, where no parameter stands in it."""
    try:
        for atom, exponent in term.monomial.factors:
            units = [a for a in entries(atom) if a.kind == "layer"]
            if units and units[0].name == layer.name and len(set(entries(atom))) == 1 and atom != units[0]:
                for value in values:
                    value_of(atom, exponent, units[0], value, rules, term.spans[0])
            elif units and atom == units[0] and units[0].name == layer.name and exponent < 0 and 0.0 in values:
                raise DiagnosticError(
                    "E0310", f"{layer.name} ^ {exponent:g} is not a number where the unit is 0", term.spans[0]
                )
    except DiagnosticError as problem:
        yield problem.diagnostic


def _has_function(term: Term, layer: str) -> bool:
    functions = [f for f, _ in term.monomial.factors if isinstance(f, Function) and not f.joint]
    return any(a.name == layer and a.kind == "layer" for f in functions for a in entries(f))


def conditional(model: Resolved, energy: Energy, layer: Layer, coupled_by: int | None) -> Conditional:
    """The conditional of a layer given all others."""
    rules, letters = Rules(model), Letters(model)
    terms = tuple(n for n, t in enumerate(energy.terms) if layer.name in t.monomial.layers())
    touching = [energy.terms[n] for n in terms]
    family = family_of(model, layer, touching)
    by_table = family.parameter_per_state and not family.one_hot
    statistics = statistics_of(layer, touching) if family.density else [_power(n) for n in family.powers]
    if by_table:
        fields: tuple[Field, ...] = (_table(energy, layer, rules, letters),)
    else:
        fields = tuple(field_of(energy, layer, n + 1, s, rules, letters) for n, s in enumerate(statistics))
        if family.density and family.density.standard:
            fields += _standard_fields(layer, statistics, terms[0], letters)
    joint = [n for n in terms if layer.name in energy.terms[n].monomial.joint_layers()]
    plain = fields[0].formula if fields else Sum(())
    if joint:
        fields = (_with_differences(fields[0], energy, joint, layer, rules, letters),)
    linear = not by_table or all(_linear_in(t, layer.name) for t in touching if t.label != BASE)
    linear &= not family.density and not joint
    beside = layers_in(energy.terms[n].monomial for n in joint)
    formula = _formula(model, layer, family, fields, statistics, letters, coupled_by is None, beside)
    odds = odds_formula(layer, letters.target(layer.name), plain) if joint else None
    formula = formula if odds is None else replace(formula, right=odds)
    sampler = _sampler(layer, statistics, letters) if family.density else ""
    return Conditional(layer.name, family, fields, coupled_by is None, linear, coupled_by, terms, formula, sampler)


def _power(power: int) -> Statistic:
    return ((UNIT, float(power)),)


def _sampler(layer: Layer, statistics: list[Statistic], letters: Letters) -> str:
    """How a density without a closed form is drawn, and what has none."""
    domain = DOMAINS[layer.domain.name]
    odd = [s for s in statistics if power_of(s) not in domain.powers]
    shown = ", ".join(as_text(statistic_formula(layer, s, letters)) for s in odd)
    why = f"no family of domain {domain.name} holds {shown}" if odd else "its precision is not provably positive"
    how = "by a table" if domain.integer_valued else "integrated on panels"
    return f"inversion of its distribution function, {how}: {why}"


def _linear_in(term: Term, layer: str) -> bool:
    plain = [term.monomial.factors[n][1] for n, u in term.monomial.units() if u.name == layer]
    return not _has_function(term, layer) and set(plain) == {1.0}


def _table(energy: Energy, layer: Layer, rules: Rules, letters: Letters) -> Field:
    parts: list[Contribution] = []
    for number, term in enumerate(energy.terms):
        for unit in term.monomial.distinct_units():
            if unit.name == layer.name and term.label != BASE:
                parts += by_value(term.label, term.monomial, unit, layer.field_shape, number, rules)
    merged = merge(parts, rules)
    return Field(layer.name, 1, merged, parts_formula(merged, layer, letters))


def _standard_fields(layer: Layer, statistics: list[Statistic], term: int, letters: Letters) -> tuple[Field, ...]:
    """Location and scale of the units, which beta leaves as they are."""
    location, scale = standard_of(layer, statistics)
    target = tuple(Index.of(output(k)) for k in range(len(layer.energy_shape)))
    found: list[Field] = []
    for monomials in (location, () if scale is None else (scale,)):
        if monomials:
            parts = tuple(Contribution("", m, target, False, True, term) for m in monomials)
            number = len(statistics) + len(found) + 1
            found.append(Field(layer.name, number, parts, parts_formula(parts, layer, letters), plain=True))
    return tuple(found)


def _with_differences(
    field: Field, energy: Energy, joint: list[int], layer: Layer, rules: Rules, letters: Letters
) -> Field:
    """A field with the differences of the terms of several units added."""
    forms = Forms(energy, rules)
    parts = [p for n in joint for p in by_difference(energy.terms[n], n, layer, forms, rules)]
    shown = difference_formula(layer, letters.target(layer.name))
    return replace(field, parts=(*field.parts, *parts), formula=Sum((*field.formula.terms, *shown)))


def _formula(
    model: Resolved,
    layer: Layer,
    family: Family,
    fields: tuple[Field, ...],
    statistics: list[Statistic],
    letters: Letters,
    factorises: bool,
    beside: set[str],
) -> Equation:
    """beside: the layers in functions of several units that hold the layer, which stand in the forms of its fields."""
    domain, names = DOMAINS[layer.domain.name], letters.target(layer.name)
    own = names[: len(layer.energy_shape)]
    others = beside | layers_in(p.monomial for f in fields for p in f.parts)
    given = [Symbol(n) for n in model.layers if n in others and n != layer.name]
    if not factorises:
        given.insert(0, layer_symbol(layer, names[: len(layer.shape)], others=True))
    left = Probability("p", (layer_symbol(layer, own),), tuple(given))
    bounds = domain.bounds(layer.domain.arguments)
    if family.density:
        right = exponential(layer, fields, statistics, letters, family.factorial_base)
        return Equation(left, right, "~", None if domain.integer_valued else shown_bounds(*bounds))
    within = bounds if family.truncated else None
    if family.formula is None:
        return _normal(left, layer, fields, letters, within)
    state = names[-1] if family.parameter_per_state else ""
    value = "" if domain.points is None else "+1" if domain.points[0] < 0 else "1"
    if state and not family.one_hot:
        value = state
    return Equation(replace(left, value=value), filled(family.formula, fields[0].formula, state), within=within)


def _normal(
    left: Probability, layer: Layer, fields: tuple[Field, ...], letters: Letters, within: tuple[float, float] | None
) -> Equation:
    """Mean and variance; a precision of one factor is divided into the mean, as it is in the textbook."""
    linear, square = fields
    single = square.parts[0].monomial if len(square.parts) == 1 and square.parts[0].solved else None
    if single is not None and not single.loops and not single.predicates:
        inverse = Monomial(-0.5 / single.coefficient, factors=tuple((a, -e) for a, e in single.factors))
        names = {output(k): n for k, n in enumerate(letters.target(layer.name))}
        mean = parts_formula(linear.parts, layer, letters, inverse)
        variance = sum_formula([(inverse, names)], letters, layer.name)
        return Equation(left, Call("Normal", (mean, variance), ("mean", "variance")), within=within)
    precision = Word("precision")
    mean_over = Product((Call("", (linear.formula,)),), (precision,))
    shown = Call("Normal", (mean_over, Product((), (precision,))), ("mean", "variance"))
    doubled = parts_formula(square.parts, layer, letters, Monomial(-2.0))
    return Equation(left, shown, within=within, where=(precision, doubled))
