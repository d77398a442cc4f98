"""Scans over running forms: a layer of units with two values whose terms are sums over the entries of inner forms.

With m the form without the unit and d what the form gains by 1 of the unit, u = m + x d, and the natural parameter is
    -(E(upper) - E(lower)) / (upper - lower) = -sum_entries weight * (g(m + upper d) - g(m + lower d)) / (upper - lower),
so one pass over the forms draws a unit, and a chain needs nothing but its forms: a scan over N units and P entries evaluates g
some N P times, where the matrix product of that size multiplies and adds as often.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from energydsl import limits
from energydsl.derive.differences import gains
from energydsl.domains.scalar import Num, Op, Scalar, Var, apply, substitute
from energydsl.energy.forms import Form, Forms, affine
from energydsl.energy.rules import Rules
from energydsl.energy.targets import others, output
from energydsl.energy.terms import At, Factor, Function, Loop, Monomial, Term, entries
from energydsl.functions import FUNCTIONS
from energydsl.kernels.program import FormScan, FormTerm, Section, Window
from energydsl.model.records import Layer

# A section of parameters: (monomial, axes, loops) to steps.
Lowered = Callable[[Monomial, tuple[str, ...], Mapping[str, tuple[int, int]]], Section]


class Unfit(Exception):
    """A layer or a term that is not of this kind; the plain scan takes it."""


def form_scan(
    layer: Layer, points: tuple[float, float], terms: list[Term], forms: Forms, rules: Rules, lowered: Lowered
) -> FormScan | None:
    """The scan of a layer; None where one of its terms is no sum over entries of forms that it changes by numbers."""
    try:
        found = tuple(_term(term, points, forms, lowered) for term in terms)
        named = [form for form in forms.all if any(form.name in term.forms for term in found)]
        slopes = {form.name: _slopes(form, layer, rules, lowered) for form in named}
        if None not in slopes.values():
            return FormScan(points, found, {n: s for n, s in slopes.items() if s is not None}, {})
        return FormScan(points, found, {}, {form.name: _windows(form, layer, lowered) for form in named})
    except Unfit:
        return None


def _term(term: Term, points: tuple[float, float], forms: Forms, lowered: Lowered) -> FormTerm:
    monomial = term.monomial
    loops = {loop.name: loop for loop in monomial.loops}
    if monomial.predicates or any(loop.low for loop in monomial.loops):
        raise Unfit
    reader = _Reader(forms, loops)
    function = reader.product(replace(monomial, coefficient=1.0, loops=()))
    axes = reader.axes
    if axes is None or set(axes) != set(loops):
        raise Unfit
    sizes = {n: (loops[n].low, loops[n].high) for n in axes}
    arrays = tuple(lowered(m, axes, sizes) for m in reader.arrays)
    low, high = points
    number, change = without_number(products(change_of(function, low, high)))
    return FormTerm(term.label, number * monomial.coefficient / (high - low), change, tuple(reader.forms), arrays)


class _Reader:
    """Reads a product of functions as a formula in forms u0, u1, ... and arrays a0, a1, ..., all over the same loops."""

    def __init__(self, forms: Forms, loops: Mapping[str, Loop]):
        self.names, self.loops = forms, loops
        self.forms: list[str] = []
        self.arrays: list[Monomial] = []
        self.axes: tuple[str, ...] | None = None

    def product(self, monomial: Monomial) -> Scalar:
        """A product without loops of its own."""
        if monomial.loops or monomial.predicates:
            raise Unfit
        plain = tuple(f for f in monomial.factors if not _holds_units(f))
        joint = [f for f in monomial.factors if _holds_units(f)]
        parts = [self._power(self._function(a), e) for a, e in joint]
        if plain:
            parts.insert(0, self._array(Monomial(1.0, factors=plain)))
        found: Scalar | None = None if monomial.coefficient == 1.0 and parts else Num(monomial.coefficient)
        for part in parts:
            found = part if found is None else found * part
        assert found is not None
        return found

    def _function(self, atom: At | Function) -> Scalar:
        if isinstance(atom, At) or FUNCTIONS[atom.function].aggregate:
            raise Unfit
        form, rest = affine(atom)
        total: Scalar | None = self._form(form) if form else None
        for monomial in rest:
            part = self.product(monomial)
            total = part if total is None else total + part
        assert total is not None
        return apply(atom.function, total) if atom.function else total

    def _form(self, form: tuple[Monomial, ...]) -> Scalar:
        entry = self.names.entry(form, self.loops)
        axes = tuple(i.plain or "" for i in entry.indices)
        if len(set(axes)) != len(axes) or not set(axes) <= set(self.loops) or self.axes not in (None, axes):
            raise Unfit
        self.axes = axes
        if entry.name not in self.forms:
            self.forms.append(entry.name)
        return Var(f"u{self.forms.index(entry.name)}")

    def _array(self, monomial: Monomial) -> Scalar:
        if any(a.kind not in ("param", "const", "index") for f, _ in monomial.factors for a in entries(f)):
            raise Unfit
        if monomial not in self.arrays:
            self.arrays.append(monomial)
        return Var(f"a{self.arrays.index(monomial)}")

    @staticmethod
    def _power(base: Scalar, exponent: float) -> Scalar:
        return base if exponent == 1.0 else base**exponent


def _holds_units(factor: Factor) -> bool:
    return any(a.kind in ("layer", "input") for a in entries(factor[0]))


def _slopes(form: Form, layer: Layer, rules: Rules, lowered: Lowered) -> tuple[Section, ...] | None:
    """What every entry of a form gains by 1 of each unit, over the axes of the layer and then those of the form.

    None where units of the form are at computed places, so that most entries would be 0.
    """
    site = tuple(output(k) for k in range(len(layer.shape)))
    axes = (*site, *(loop.name for loop in form.axes))
    found = []
    for monomial in form.polynomial:
        for gain in gains(monomial, layer, 1.0, rules):
            _check_numbers(gain)
            if len(gain.predicates) > len(monomial.predicates):
                return None
            sizes = {o: (0, n) for o, n in zip(site, layer.shape, strict=True)}
            sizes |= {loop.name: (loop.low, loop.high) for loop in (*form.axes, *gain.loops)}
            found.append(lowered(gain, axes, sizes))
    return tuple(found)


def _windows(form: Form, layer: Layer, lowered: Lowered) -> tuple[Window, ...]:
    """What entries of a form gain by 1 of the units that stand in them, at all places of its loops."""
    found = []
    for monomial in form.polynomial:
        for unit in monomial.distinct_units():
            if unit.name != layer.name:
                continue
            rest = others(monomial, unit)
            _check_numbers(rest)
            loops = (*form.axes, *monomial.loops)
            if math.prod(loop.high - loop.low for loop in loops) > limits.PLACES_OF_A_TERM:
                raise Unfit
            sizes = {loop.name: (loop.low, loop.high) for loop in loops}
            section = lowered(replace(rest, loops=(), predicates=()), tuple(sizes), sizes)
            found.append(Window(section, unit.indices, unit.flat, rest.predicates))
    return tuple(found)


def _check_numbers(gain: Monomial) -> None:
    """Raises `Unfit` where what a form gains hangs on units or inputs."""
    if any(a.kind not in ("param", "const", "index") for f, _ in gain.factors for a in entries(f)):
        raise Unfit


def change_of(function: Scalar, low: float, high: float) -> Scalar:
    """function at u = m + high d less that at u = m + low d; a natural power is expanded, so that nothing large cancels."""
    match function:
        case Op(name="multiply", arguments=(left, right)) if not _forms_in(left):
            return left * change_of(right, low, high)
        case Op(name="power", arguments=(Var(name=name), Num(value=exponent))) if (
            name.startswith("u") and float(exponent).is_integer() and 2 <= exponent <= 8
        ):
            return _binomial(Var(f"m{name[1:]}"), Var(f"d{name[1:]}"), int(exponent), low, high)
    names = _forms_in(function)
    ends = []
    for value in (high, low):
        moved = {n: _moved(Var(f"m{n[1:]}"), Var(f"d{n[1:]}"), value) for n in names}
        ends.append(substitute(function, moved))
    return ends[0] - ends[1]


def _moved(m: Var, d: Var, value: float) -> Scalar:
    if value == 0.0:
        return m
    return m + d if value == 1.0 else m - d if value == -1.0 else m + Num(value) * d


def _forms_in(function: Scalar) -> set[str]:
    match function:
        case Var(name=name):
            return {name} if name.startswith("u") else set()
        case Op(arguments=arguments):
            return {n for a in arguments for n in _forms_in(a)}
    return set()


def _binomial(m: Var, d: Var, exponent: int, low: float, high: float) -> Scalar:
    """(m + high d)^n - (m + low d)^n as d^a m^b times a polynomial in m and d, by Horner's scheme."""
    weights = {k: math.comb(exponent, k) * (high**k - low**k) for k in range(1, exponent + 1)}
    kept = [k for k, weight in weights.items() if weight]
    first, last = kept[0], kept[-1]
    total: Scalar = Num(1.0)
    for before, k in itertools.pairwise(kept):
        number, power = weights[k] / weights[first], _natural(d, k - first)
        higher = _natural(m, k - before) if total == Num(1.0) else total * _natural(m, k - before)
        total = higher + (power if number == 1.0 else Num(number) * power)
    result = _natural(d, first) if total == Num(1.0) else total * _natural(d, first)
    return Num(weights[first]) * (result * _natural(m, exponent - last) if last < exponent else result)


def without_number(function: Scalar) -> tuple[float, Scalar]:
    """A formula as a number, which a sum over entries is multiplied by at its end, and the rest."""
    match function:
        case Op(name="multiply", arguments=(Num(value=value), rest)):
            inner, left = without_number(rest)
            return value * inner, left
        case Op(name="multiply", arguments=(left, right)):
            (a, first), (b, second) = without_number(left), without_number(right)
            return a * b, first * second
    return 1.0, function


def products(function: Scalar) -> Scalar:
    """The formula with natural powers as products."""
    match function:
        case Op(name="power", arguments=(base, Num(value=exponent))) if exponent in range(1, 17):
            return _natural(products(base), int(exponent))
        case Op(name=name, arguments=arguments):
            return Op(name, tuple(map(products, arguments)))
    return function


def _natural(base: Scalar, exponent: int) -> Scalar:
    """A natural power as products."""
    half = _natural(base, exponent // 2) if exponent > 1 else base
    if exponent == 1:
        return base
    return half * half if exponent % 2 == 0 else half * half * base
