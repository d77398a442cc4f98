"""Conditionals of units of real numbers, with bounds or without, that functions of several units hold: densities along a line.

    p(x_i | rest) ~ exp(sum_k eta_k T_k(x_i) - E(x_i)),
E the terms of functions of several units with the unit at x_i, their forms at u + (x_i - x) du/dx. It is integrated on panels, where
all that stands in E has bounds: values and derivatives on an interval of the unit, and far out either a lower bound or a slope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from energydsl.derive.differences import energy_at
from energydsl.derive.fields import exponential, field_of, layer_symbol, shown_bounds
from energydsl.derive.growth import growth
from energydsl.domains import DOMAINS, Family
from energydsl.energy.formula import MINUS, Call, Equation, Probability, Sum, Symbol
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters
from energydsl.energy.rules import Rules
from energydsl.energy.statistics import (
    Statistic,
    power_of,
    standard_of,
    standard_problems,
    statistics_of,
    without_closed_form,
)
from energydsl.energy.targets import UNIT
from energydsl.energy.terms import At, Atom, Energy, Monomial, entries, layers_in
from energydsl.functions import FUNCTIONS
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import Layer, Resolved


@dataclass(frozen=True)
class Line:
    """The density of a unit along a line; refused: why it cannot be integrated, or nothing.

    statistics: T_k of the terms that are no functions of several units, x and x^2 among them. plain, joint: terms by number.
    """

    layer: str
    refused: str = ""
    statistics: tuple[Statistic, ...] = ()
    distribution: Family | None = None
    plain: tuple[int, ...] = ()
    joint: tuple[int, ...] = ()
    formula: Equation | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return as_text(self.formula) if self.formula else self.refused


def lines(model: Resolved, energy: Energy, layers: Mapping[str, Layer]) -> dict[str, Line]:
    """Those of some layers without another conditional."""
    return {n: line(model, energy, layer) for n, layer in layers.items()}


def line(model: Resolved, energy: Energy, layer: Layer) -> Line:
    """That of a layer."""
    numbers = [n for n, t in enumerate(energy.terms) if layer.name in t.monomial.layers()]
    joint = tuple(n for n in numbers if layer.name in energy.terms[n].monomial.joint_layers())
    plain = tuple(n for n in numbers if n not in joint)
    touching = [energy.terms[n] for n in plain]
    for n in joint:
        if why := _unbounded(energy.terms[n].monomial, layer, model):
            return Line(layer.name, why)
    found = statistics_of(layer, touching)
    if any(standard_of(layer, found)) or standard_problems(layer, found):
        return Line(
            layer.name, f"a function of `{layer.name}` and of parameters stands beside functions of several units"
        )
    wanted = {((UNIT, power),) for power in (1.0, 2.0)} | {*found}
    statistics = sorted(wanted, key=lambda s: (power_of(s) is None, power_of(s) or 0, repr(s)))
    try:
        family = without_closed_form(layer, statistics, touching)
    except DiagnosticError as problem:
        return Line(layer.name, problem.diagnostic.message)
    formula = _formula(model, energy, layer, found, joint)
    return Line(layer.name, "", tuple(statistics), family, plain, joint, formula)


def _formula(model: Resolved, energy: Energy, layer: Layer, found: list[Statistic], joint: tuple[int, ...]) -> Equation:
    rules, letters = Rules(model), Letters(model)
    names = letters.target(layer.name)
    fields = tuple(field_of(energy, layer, n + 1, s, rules, letters) for n, s in enumerate(found))
    inside = layers_in(energy.terms[n].monomial for n in joint)
    outside = layers_in(p.monomial for f in fields for p in f.parts)
    given = [layer_symbol(layer, names[: len(layer.shape)], others=True)]
    given += [Symbol(n) for n in model.layers if n in inside | outside and n != layer.name]
    left = Probability("p", (layer_symbol(layer, names[: len(layer.shape)]),), tuple(given))
    exponent = exponential(layer, fields, found, letters, False).arguments[0]
    assert isinstance(exponent, Sum)
    right = Call("exp", (Sum((*exponent.terms, (MINUS, energy_at(layer, names)))),))
    bounds = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
    return Equation(left, right, "~", shown_bounds(*bounds))


def _unbounded(monomial: Monomial, layer: Layer, model: Resolved) -> str:
    """Why there are no bounds of a term along the line, or nothing."""
    for atom, exponent in monomial.factors:
        if why := _without_bounds(atom, layer.name):
            return why
        if isinstance(atom, At) and atom.name == layer.name and (exponent < 0 or exponent != int(exponent)):
            return f"a power of `{layer.name}` that is not natural stands beside a function of several units"
    falls = growth(monomial, model).down > 0.0
    if falls and not DOMAINS[layer.domain.name].bounded and not _sloped(monomial, layer.name):
        return "a function of several units falls faster than a line, so that nothing bounds how far the mass reaches"
    return ""


def _without_bounds(atom: Atom, layer: str) -> str:
    """Why the table knows no bounds of a factor, or nothing."""
    if isinstance(atom, At) or not any(a.kind == "layer" and a.name == layer for a in entries(atom)):
        return ""
    known = FUNCTIONS[atom.function]
    smooth = known.aggregate or known.outgrows or known.of_log is not None or atom.function == ""
    if known.absolute:
        return f"{known.name} of a sum has kinks where panels would have to begin"
    if not smooth and known.bounds is None:
        return f"the table has no bounds of the derivatives of {known.name}"
    inner = (why for m in atom.argument for a, _ in m.factors if (why := _without_bounds(a, layer)))
    return next(inner, "")


def _sloped(monomial: Monomial, layer: str) -> bool:
    """Whether a term has a slope along the line that is bounded everywhere."""
    moving = [(a, e) for a, e in monomial.factors if any(x.kind == "layer" and x.name == layer for x in entries(a))]
    if len(moving) != 1 or moving[0][1] != 1.0:
        return not moving
    atom = moving[0][0]
    if isinstance(atom, At):
        return True
    known = FUNCTIONS[atom.function]
    gentle = known.aggregate or atom.function == "" or known.bounds is not None
    return gentle and all(_sloped(m, layer) for m in atom.argument)
