"""Functions of given layers, which may be any, but must be numbers at every value that these layers take.

A unit of a continuous domain is 0 with probability 0, so that the logarithm of a sum of positive ones is a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

from energydsl.derive.several_units import risky
from energydsl.derive.signs import sign_of_sum
from energydsl.diagnostics import Diagnostic
from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, Atom, Factor, Function, Monomial, Term, entries
from energydsl.functions import NONNEGATIVE, POSITIVE
from energydsl.model.records import Resolved


def undefined_given(model: Resolved, term: Term, given: Set[str]) -> Iterator[Diagnostic]:
    """E0310: a logarithm, a root or a division of given units that is not provably a number; given: random layers of the whole."""

    def concerned(atom: Atom) -> bool:
        return any(e.kind == "input" and e.name in given for e in entries(atom))

    found = [*risky(term.monomial.factors, concerned), *_powers(term.monomial.factors, given)]
    for function, least in found:
        argument = tuple(_almost_surely(m, model, given) for m in function.argument)
        if sign_of_sum(argument, model) < least:
            what = f"{function.function} of" if function.function else "a division by, or a root of,"
            yield Diagnostic(
                "E0310",
                f"{what} given units that are not provably {'positive' if least == POSITIVE else 'never negative'}",
                term.spans[0],
                "add a positive number to what is never negative, or constrain parameters `: positive`",
            )


def _powers(factors: tuple[Factor, ...], given: Set[str]) -> Iterator[tuple[Function, int]]:
    """Given units that are divided by, or whose root is taken, wherever they stand."""
    for atom, exponent in factors:
        if isinstance(atom, Function):
            for monomial in atom.argument:
                yield from _powers(monomial.factors, given)
        elif atom.name in given and not (exponent > 0 and float(exponent).is_integer()):
            yield Function("", (Monomial(1.0, factors=((atom, 1.0),)),)), POSITIVE if exponent < 0 else NONNEGATIVE


def _almost_surely(monomial: Monomial, model: Resolved, given: Set[str]) -> Monomial:
    """A monomial without the given units that are positive with probability 1: its sign is the same without them."""

    def positive(atom: Atom) -> bool:
        if not isinstance(atom, At) or atom.name not in given:
            return False
        spec = model.layers[atom.name].domain
        domain = DOMAINS[spec.name]
        return not (domain.finite or domain.integer_valued) and domain.interval(spec.arguments)[0] >= 0.0

    return replace(monomial, factors=tuple((a, e) for a, e in monomial.factors if not positive(a)))
