"""`Resolved` -> `Energy`: expanded, folded by domain, separated into distinct units, merged, sorted.

The energy comes out multilinear in the statistics of distinct units and in functions of several units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from energydsl.diagnostics import Diagnostic, ModelError, Note, Span
from energydsl.energy.expand import Expander, is_number
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters, term_formula
from energydsl.energy.rules import Rules, TooMuch, order
from energydsl.energy.separate import separated
from energydsl.energy.terms import BASE, Energy, Function, Monomial, Term
from energydsl.model import expressions as ex
from energydsl.model.constants import DiagnosticError
from energydsl.model.layer_graph import LABEL
from energydsl.model.records import EnergyTerm, Resolved


def canonicalise(model: Resolved) -> tuple[Energy, tuple[Diagnostic, ...]]:
    """The canonical energy and its warnings (W0402). Raises `ModelError` (E0310)."""
    return canonical_terms(model, model.energies)


def multiplied_out(model: Resolved) -> Energy:
    """The canonical energy, but for powers of sums over units, which are a polynomial. Raises `ModelError` where that has too many terms."""
    return canonical_terms(model, model.energies, keep=False)[0]


def canonical_terms(
    model: Resolved, energies: tuple[EnergyTerm, ...], keep: bool = True
) -> tuple[Energy, tuple[Diagnostic, ...]]:
    """`canonicalise` for given energy terms; keep: whether powers of sums over units may stay such."""
    rules = Rules(model)
    warnings: list[Diagnostic] = []
    problems: list[Diagnostic] = []
    found: dict[tuple[str, Monomial], tuple[float, list[Span]]] = {}
    for energy in energies:
        for sign, part in additive(energy.expression, 1.0):
            try:
                monomials = Expander(rules, warnings, keep).expand(part, (), {})
                apart = list(separated(monomials, rules, part.span, warnings, {}))
            except DiagnosticError as problem:
                problems.append(problem.diagnostic)
                continue
            except TooMuch:
                problems.append(Diagnostic("E0310", "this multiplies out to more terms than can be handled", part.span))
                break
            except OverflowError:
                problems.append(_too_large(part.span))
                continue
            for monomial in apart:
                key = energy.name, replace(monomial, coefficient=1.0)
                total, spans = found.get(key, (0.0, []))
                found[key] = total + sign * monomial.coefficient, [*spans, part.span]
    problems += [_too_large(spans[0]) for total, spans in found.values() if not is_number(total)]
    if problems:
        raise ModelError(problems)
    warnings += _repeated(found, Letters(model))
    labels = {label: n for n, label in enumerate(model.labels)}
    terms: list[Term] = []
    weighed: set[str] = set()
    for (label, m), (c, spans) in found.items():
        if c != 0.0:
            layer = _weighs(m, c, rules)
            label = BASE if layer and layer not in weighed else label
            weighed |= {layer}
            terms.append(Term(label, replace(m, coefficient=c), tuple(dict.fromkeys(spans))))
    terms.sort(key=lambda t: (labels.get(t.label, 0), order(t.monomial)))
    return Energy(tuple(terms)), tuple(warnings)


def _repeated(found: Mapping[tuple[str, Monomial], tuple[float, list[Span]]], letters: Letters) -> list[Diagnostic]:
    """W0406: an energy that adds a term once more which `layers` adds of its own."""
    own = {m: spans for (label, m), (_, spans) in found.items() if label == LABEL}
    warnings = []
    for (label, m), (_, spans) in found.items():
        if label != LABEL and m in own:
            note = Note("this `layers` adds it already", own[m][0])
            message = f"this adds {as_text(term_formula(m, {}, letters)[1])} to the same term of `layers`"
            help = "`explain` prints what `layers` stands for; leave one of the two out, or allow it"
            warnings.append(Diagnostic("W0406", message, spans[0], help, (note,)))
    return warnings


def _too_large(span: Span) -> Diagnostic:
    return Diagnostic("E0212", "a number in this term is too large, multiplied out", span)


def _weighs(monomial: Monomial, coefficient: float, rules: Rules) -> str:
    """The layer whose base measure a term is: the sum of lgamma(x + 1) over all its units; or nothing."""
    units = monomial.distinct_units()
    if coefficient != 1.0 or len(monomial.factors) != 1 or len(units) != 1 or monomial.predicates or units[0].flat:
        return ""
    (atom, exponent), unit = monomial.factors[0], units[0]
    layer = rules.model.layers[unit.name]
    shift = (Monomial(1.0), Monomial(1.0, factors=((unit, 1.0),)))
    loops = {loop.name: loop for loop in monomial.loops}
    whole = all(
        i.plain in loops and (loops[i.plain].low, loops[i.plain].high) == (0, n)
        for i, n in zip(unit.indices, layer.energy_shape, strict=True)
    )
    plain = whole and len({i.plain for i in unit.indices}) == len(unit.indices) == len(loops)
    lgamma = isinstance(atom, Function) and atom.function == "lgamma" and set(atom.argument) == set(shift)
    domain = rules.domain(unit.name)
    counted = "lgamma" in domain.functions and not domain.finite
    return unit.name if plain and lgamma and exponent == 1.0 and counted else ""


def additive(node: ex.Expression, sign: float) -> Iterator[tuple[float, ex.Expression]]:
    """The additive terms as they were written, each with its own span."""
    match node:
        case ex.Added(left=left, right=right):
            yield from additive(left, sign)
            yield from additive(right, sign)
        case ex.Negated(operand=operand):
            yield from additive(operand, -sign)
        case _:
            yield sign, node
