"""Where parameters begin: an energy that is not a number at their initialisers (W0407)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from energydsl.diagnostics import Diagnostic, Note
from energydsl.energy.terms import At, Atom, Energy, Monomial, entries
from energydsl.functions import FUNCTIONS
from energydsl.model.records import Resolved


def check_starts(model: Resolved, energy: Energy) -> Iterator[Diagnostic]:
    """A factor of parameters that divides by 0, or has a logarithm of what is not positive, at their initial values."""
    said: set[str] = set()
    for term in energy.terms:
        for atom, exponent in term.monomial.factors:
            names = [a.name for a in entries(atom) if a.kind == "param" and a.name not in said]
            value = _power(_value(atom, model), exponent)
            if not names or value is None or not math.isnan(value):
                continue
            said.add(names[0])
            yield Diagnostic(
                "W0407",
                f"the energy is not a number where `{names[0]}` begins, at {model.params[names[0]].init.arguments['value']:g}",
                term.spans[0],
                f"begin elsewhere, as by {names[0]} = 1 where it is declared",
                (Note(f"`{names[0]}` is declared here", model.params[names[0]].span),),
            )


def _value(atom: Atom, model: Resolved) -> float | None:
    """A factor at the initial values; None where it depends on more than these, NaN where it is no number."""
    if isinstance(atom, At):
        if atom.kind == "const":
            return model.consts[atom.name].value
        init = model.params[atom.name].init if atom.kind == "param" else None
        return init.arguments["value"] if init is not None and init.kind == "number" else None
    function = FUNCTIONS[atom.function]
    values = [_product(m, model) for m in atom.argument]
    known = [v for v in values if v is not None]
    if len(known) < len(values) or not (atom.function == "" or function.positive_only):
        return None
    total = sum(known)
    return math.nan if function.positive_only and not total > 0 else function.value(total)


def _product(monomial: Monomial, model: Resolved) -> float | None:
    if monomial.loops or monomial.predicates:
        return None
    total = monomial.coefficient
    for atom, exponent in monomial.factors:
        value = _power(_value(atom, model), exponent)
        if value is None:
            return None
        total *= value
    return total


def _power(value: float | None, exponent: float) -> float | None:
    if value is None:
        return None
    undefined = (value == 0 and exponent < 0) or (value < 0 and not float(exponent).is_integer())
    return math.nan if undefined or math.isnan(value) else value**exponent
