"""What functions of several units are refused for: values that are no numbers at some state of the units."""

from __future__ import annotations

from collections.abc import Iterator

from energydsl.derive.signs import sign_of_sum
from energydsl.diagnostics import Diagnostic
from energydsl.energy.terms import Factor, Function, Term
from energydsl.functions import FUNCTIONS, NONNEGATIVE, POSITIVE, ElementaryFunction
from energydsl.model.records import Resolved


def undefined_jointly(model: Resolved, term: Term) -> Iterator[Diagnostic]:
    """E0310: a logarithm, a root or a division of a sum over units that is not provably positive."""
    for function, least in _risky(term.monomial.factors):
        if sign_of_sum(function.argument, model) < least:
            what = f"{function.function} of" if function.function else "a division by, or a root of,"
            yield Diagnostic(
                "E0310",
                f"{what} a sum over units that is not provably positive",
                term.spans[0],
                "add a positive number to a square or to what is never negative, or constrain parameters `: nonnegative`",
            )


def _risky(factors: tuple[Factor, ...]) -> Iterator[tuple[Function, int]]:
    """Functions of several units that do not take every argument, wherever they stand, with the sign that they ask for."""
    for atom, exponent in factors:
        if isinstance(atom, Function) and atom.joint:
            natural = exponent >= 0 and float(exponent).is_integer()
            function = FUNCTIONS[atom.function]
            if function.positive_only or not natural:
                yield atom, POSITIVE
            elif not _takes_negative(function):
                yield atom, NONNEGATIVE
            for monomial in atom.argument:
                yield from _risky(monomial.factors)


def _takes_negative(function: ElementaryFunction) -> bool:
    try:
        function.value(-1.0)
    except ValueError:
        return False
    return True
