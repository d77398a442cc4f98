"""What functions of several units are refused for: values that are no numbers at some state, and no density.

A layer of infinitely many values that they hold has no conditional that could be drawn from: samplers that follow slopes move it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from energydsl.derive.families import family_of
from energydsl.derive.growth import growth
from energydsl.derive.normalisable import normalisation_problems
from energydsl.derive.signs import sign_of_sum
from energydsl.diagnostics import Diagnostic
from energydsl.domains import DOMAINS, Family
from energydsl.energy.terms import Factor, Function, Term
from energydsl.functions import FUNCTIONS, NONNEGATIVE, POSITIVE, ElementaryFunction
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import Layer, Resolved


def undefined_jointly(model: Resolved, term: Term) -> Iterator[Diagnostic]:
    """E0310: a logarithm, a root or a division of a sum over units that is not provably positive."""
    for function, least in risky(term.monomial.factors, lambda function: function.joint):
        if sign_of_sum(function.argument, model) < least:
            what = f"{function.function} of" if function.function else "a division by, or a root of,"
            yield Diagnostic(
                "E0310",
                f"{what} a sum over units that is not provably positive",
                term.spans[0],
                "add a positive number to a square or to what is never negative, or constrain parameters `: nonnegative`",
            )


def without_conditional(layer: Layer, touching: Iterable[Term]) -> bool:
    """Whether functions of several units hold a layer whose values cannot be tried one by one."""
    return not DOMAINS[layer.domain.name].finite and any(layer.name in t.monomial.joint_layers() for t in touching)


def reference(layer: Layer) -> Family:
    """The family of independent units of a mean and a variance, where starts and annealing begin."""
    return next(f for f in DOMAINS[layer.domain.name].families if f.powers == (1, 2))


def unconfined(model: Resolved, layer: Layer, touching: list[Term]) -> Iterator[Diagnostic]:
    """E0311: units that what stands outside functions of several units does not hold, or hold less than these let go."""
    plain = [t for t in touching if layer.name not in t.monomial.joint_layers()]
    try:
        family = family_of(model, layer, plain)
        yield from normalisation_problems(model, family, layer, plain)
    except DiagnosticError as problem:
        yield problem.diagnostic
        return
    if DOMAINS[layer.domain.name].bounded:
        return
    for term in touching:
        falls = growth(term.monomial, model).down if layer.name in term.monomial.joint_layers() else 0.0
        if falls > 0.0 and falls >= family.confining_power:
            yield Diagnostic(
                "E0311",
                f"not provably normalisable: this function of several units may fall as fast as what holds `{layer.name}` rises",
                term.spans[0],
                "give it the sign with which it is bounded below, or hold the units by a higher power",
            )


def risky(factors: tuple[Factor, ...], concerned: Callable[[Function], bool]) -> Iterator[tuple[Function, int]]:
    """Functions concerned that do not take every argument, wherever they stand, with the sign that they ask for."""
    for atom, exponent in factors:
        if isinstance(atom, Function) and concerned(atom):
            natural = exponent >= 0 and float(exponent).is_integer()
            function = FUNCTIONS[atom.function]
            if function.positive_only or not natural:
                yield atom, POSITIVE
            elif not _takes_negative(function):
                yield atom, NONNEGATIVE
            for monomial in atom.argument:
                yield from risky(monomial.factors, concerned)


def _takes_negative(function: ElementaryFunction) -> bool:
    try:
        function.value(-1.0)
    except ValueError:
        return False
    return True
