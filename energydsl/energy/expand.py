"""Typed expression -> monomials: matrix form to index form, powers and products multiplied out.

Rules: a product of sums is the sum of products; `sum` and `@` open loops; a function of one two-valued unit is linear in
that unit, f(x) = f(p0) + (f(p1) - f(p0)) (x - p0) / (p1 - p0); any other function of units stays whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from energydsl.diagnostics import Diagnostic, Span
from energydsl.domains import ANY, Domain
from energydsl.energy.rules import Rules, collect
from energydsl.energy.separate import MAX_MONOMIALS, separated
from energydsl.energy.terms import At, Atom, Function, Loop, Monomial, Predicate, atom_binders, entries, is_joint
from energydsl.functions import FUNCTIONS
from energydsl.model import expressions as ex
from energydsl.model.constants import DiagnosticError
from energydsl.model.indices import EdgeEnd, Index

# Beyond it a number written in an energy is refused: it may still be multiplied by what a derivation brings.
LARGEST = 1e300

Binding = Mapping[str, Index]
# Of a binder in one part of a sum: it is equal to the one it follows, above it (None), or runs over hyperedges low, high, size.
EQUAL = "equal"
Case = tuple[str, str | tuple[int, int, int] | None]


class Expander:
    """Expands expressions; loops get fresh names, so products never mix them up.

    warnings: where those of what stands inside functions of several units go. inside: how many functions stand around.
    whole_exponentials: whether exp is kept as it is, for a logarithm that stands around it. keep: whether powers of sums may stay such.
    """

    def __init__(self, rules: Rules, warnings: list[Diagnostic], keep: bool = True):
        self.rules, self.warnings, self.keep = rules, warnings, keep
        self.fresh = (f"l{n}" for n in itertools.count())
        self.ranges: dict[str, tuple[int, int]] = {}
        # Of loops over hyperedges of one size: that size.
        self.members: dict[str, int] = {}
        self.inside = 0
        self.whole_exponentials = False

    def _loop(self, low: int, high: int, graph: str = "") -> Loop:
        """A loop with a fresh name."""
        loop = Loop(next(self.fresh), low, high, graph)
        self.ranges[loop.name] = low, high
        return loop

    def expand(self, node: ex.Expression, at: tuple[Index, ...], bound: Binding) -> list[Monomial]:
        """Monomials of the entry `at` of `node`, with the binders in scope replaced as `bound` says."""
        self.rules.budget.spend(1)
        match node:
            case ex.Constant() | ex.Reference() | ex.Element() | ex.EdgeElement() | ex.IndexValue():
                return self._leaf(node, at, bound)
            case ex.Negated(operand=operand):
                return [m.scaled(-1.0) for m in self.expand(operand, at, bound)]
            case ex.Added(left=left, right=right):
                return self._part(left, at, bound) + self._part(right, at, bound)
            case ex.Multiplied(left=left, right=right):
                return self._product(self._part(left, at, bound), self._part(right, at, bound), node.span)
            case ex.Divided(left=left, right=right):
                inverse = self._power(right, at if right.shape else (), bound, -1.0, node.span)
                return self._product(self._part(left, at, bound), inverse, node.span)
            case ex.Contracted():
                return self._contracted(node, at, bound)
            case ex.Transposed(operand=operand):
                return self.expand(operand, at[::-1], bound)
            case ex.Raised(base=base, exponent=exponent):
                return self._power(base, at, bound, exponent, node.span)
            case ex.Applied():
                return self._function(node, at, bound)
            case ex.Totalled() | ex.Summed() | ex.ProductOver():
                return self._reduced(node, bound)
        raise AssertionError(node)

    def _leaf(
        self,
        node: ex.Constant | ex.Reference | ex.Element | ex.EdgeElement | ex.IndexValue,
        at: tuple[Index, ...],
        bound: Binding,
    ) -> list[Monomial]:
        """A number, or an entry of an array."""
        match node:
            case ex.Constant(value=value):
                return [Monomial(value)]
            case ex.Reference(kind=kind, name=name):
                return [_entry(At(kind, name, at))]
            case ex.Element():
                return self._element(node, bound)
            case ex.IndexValue(index=index):
                return index_values(index.replace(bound))
        end = bound[node.left].terms[0][0]
        assert isinstance(end, EdgeEnd)
        further = tuple(i.replace(bound) for i in node.indices)
        return [_entry(At("param", node.param, (Index.of(end.binder), *further)))]

    def _reduced(self, node: ex.Totalled | ex.Summed | ex.ProductOver, bound: Binding) -> list[Monomial]:
        """A sum of all entries, or a sum or product over binders."""
        match node:
            case ex.Totalled(operand=operand):
                return self._totalled(operand, bound)
            case ex.Summed():
                return self._summed(node, bound)
        return self._product_over(node, bound)

    def _totalled(self, operand: ex.Expression, bound: Binding) -> list[Monomial]:
        """The sum of all entries."""
        loops = tuple(self._loop(0, size) for size in operand.shape)
        inner = self.expand(operand, tuple(Index.of(loop.name) for loop in loops), bound)
        return [_looped(m, loops, ()) for m in inner]

    def _part(self, node: ex.Expression, at: tuple[Index, ...], bound: Binding) -> list[Monomial]:
        """An operand of an elementwise operator: a scalar serves every entry."""
        return self.expand(node, at if node.shape else (), bound)

    def _element(self, node: ex.Element, bound: Binding) -> list[Monomial]:
        indices = tuple(i.replace(bound) for i in node.indices)
        if isinstance(node.base, ex.Reference):
            return [_entry(At(node.base.kind, node.base.name, indices, node.flat))]
        return self.expand(node.base, indices, bound)

    def _product(self, left: list[Monomial], right: list[Monomial], span: Span) -> list[Monomial]:
        if len(left) * len(right) > MAX_MONOMIALS:
            raise DiagnosticError("E0310", f"this multiplies out to more than {MAX_MONOMIALS} terms", span)
        return [a.times(b) for a in left for b in right]

    def _contracted(self, node: ex.Contracted, at: tuple[Index, ...], bound: Binding) -> list[Monomial]:
        loop = self._loop(0, node.left.shape[-1])
        k = Index.of(loop.name)
        rows = len(node.left.shape) - 1
        left = self.expand(node.left, (*at[:rows], k), bound)
        right = self.expand(node.right, (k, *at[rows:]), bound)
        return [_looped(m, (loop,), ()) for m in self._product(left, right, node.span)]

    def _summed(self, node: ex.Summed, bound: Binding) -> list[Monomial]:
        """The sum over all binders: one over i <= k is that over i < k and that over i = k; hyperedges have one for each size."""
        cases: list[list[Case]] = [
            [(b.name, None), (b.name, EQUAL)] for b in node.binders if isinstance(b, ex.Range) and not b.strict
        ]
        cases += [
            [(b.name, group) for group in self.rules.model.graphs[b.graph].groups]
            for b in node.binders
            if isinstance(b, ex.Hyperedges)
        ]
        return [m for case in itertools.product(*cases) for m in self._summed_where(node, bound, dict(case))]

    def _product_over(self, node: ex.ProductOver, bound: Binding) -> list[Monomial]:
        """The product of the body at every value of the binders."""
        result = [Monomial(1.0)]
        for values in self._values(node.binders, bound):
            result = collect(self._product(result, self.expand(node.body, (), values), node.span), self.rules)
        self._check_powers(result, node.span)
        return result

    def _values(self, binders: tuple[ex.AnyBinder, ...], bound: Binding) -> Iterator[Binding]:
        """The values of binders that are listed one by one: ranges, and the units of a hyperedge."""
        if not binders:
            yield bound
            return
        first, *rest = binders
        if isinstance(first, ex.Members):
            loop = str(bound[first.of].plain)
            choices = [Index.of(EdgeEnd(first.graph, side, loop)) for side in range(self.members[loop])]
        else:
            assert isinstance(first, ex.Range)
            low = bound[first.above].constant + first.strict if first.above is not None else first.low
            choices = [Index(constant=value) for value in range(low, first.high)]
        for value in choices:
            yield from self._values(tuple(rest), {**bound, first.name: value})

    def _summed_where(self, node: ex.Summed, bound: Binding, case: Mapping[str, Any]) -> list[Monomial]:
        """The part of a sum where binders are equal to those they follow, or run over hyperedges of one size, as `case` says."""
        loops: list[Loop] = []
        predicates: list[Predicate] = []
        inner = dict(bound)
        for binder in node.binders:
            if isinstance(binder, ex.Members):
                continue
            if isinstance(binder, ex.Hyperedges):
                low, high, size = case[binder.name]
                loops.append(self._loop(low, high, binder.graph))
                name = loops[-1].name
                self.members[name] = size
                inner[binder.name] = Index.of(name)
                continue
            if isinstance(binder, ex.Edges):
                loops.append(self._loop(0, self.rules.edge_count(binder.graph), binder.graph))
                name = loops[-1].name
                inner[binder.left] = Index.of(EdgeEnd(binder.graph, 0, name))
                inner[binder.right] = Index.of(EdgeEnd(binder.graph, 1, name))
                continue
            if case.get(binder.name) == EQUAL and binder.above is not None:
                inner[binder.name] = inner[binder.above]
                continue
            loops.append(self._loop(binder.low, binder.high))
            name = loops[-1].name
            inner[binder.name] = Index.of(name)
            if binder.above is not None:
                predicates.append(Predicate("less", (inner[binder.above],), (Index.of(name),)))
        members = tuple(b for b in node.binders if isinstance(b, ex.Members))
        body = [m for values in self._values(members, inner) for m in self.expand(node.body, (), values)]
        return [_looped(m, tuple(loops), tuple(predicates)) for m in body]

    def _power(
        self, node: ex.Expression, at: tuple[Index, ...], bound: Binding, exponent: float, span: Span
    ) -> list[Monomial]:
        if isinstance(node, ex.Multiplied) and exponent == int(exponent) < 0:
            sides = [self._power(x, at if x.shape else (), bound, exponent, span) for x in (node.left, node.right)]
            return self._product(sides[0], sides[1], span)
        natural = exponent == int(exponent) and exponent >= 0
        base = self.expand(node, at, bound) if natural else self._argument(node, at, bound)
        if natural and self._kept_together(base, exponent):
            return self._applied("", base, exponent, span)
        if natural:
            result = [Monomial(1.0)]
            for n in range(int(exponent)):
                copy = base if n == 0 else self.expand(node, at, bound)
                result = collect(self._product(result, copy, span), self.rules)
            self._check_powers(result, span)
            return result
        single = base[0] if len(base) == 1 else None
        integral = exponent == int(exponent)
        plain = single is not None and not single.loops and not single.predicates and not single.layers()
        if plain and single is not None and single.coefficient != 0 and (integral or _bare(single)):
            factors = tuple((a, e * exponent) for a, e in single.factors)
            return [Monomial(single.coefficient**exponent, (), (), factors)]
        if single is not None and self._of_one_positive_unit(single):
            return [
                Monomial(
                    single.coefficient**exponent, (), (), ((single.factors[0][0], single.factors[0][1] * exponent),)
                )
            ]
        return self._applied("", base, exponent, span)

    def _of_one_positive_unit(self, monomial: Monomial) -> bool:
        """Whether a monomial is a positive number times a power of one unit whose domain takes any power."""
        (atom, _), *rest = monomial.factors or [(None, 0.0)]
        plain = monomial.coefficient > 0 and not (rest or monomial.loops or monomial.predicates)
        if not plain or not isinstance(atom, At) or atom.kind != "layer":
            return False
        return self.rules.domain(atom.name).any_power

    def _function(self, node: ex.Applied, at: tuple[Index, ...], bound: Binding) -> list[Monomial]:
        """A function of an expression; log of a sum of exp over units as one."""
        if node.function == "exp" and self.whole_exponentials:
            argument = self.expand(node.operand, at, bound)
            return [Monomial(1.0, factors=((Function("exp", tuple(argument)), 1.0),))]
        if node.function == "log" and (found := self._exponentials(node.operand, at, bound)):
            return [self._joint("logsumexp", found, 1.0, node.span)]
        return self._applied(node.function, self._argument(node.operand, at, bound), 1.0, node.span)

    def _argument(self, node: ex.Expression, at: tuple[Index, ...], bound: Binding) -> list[Monomial]:
        """What a function is applied to."""
        self.inside += 1
        try:
            return self.expand(node, at, bound)
        finally:
            self.inside -= 1

    def _kept_together(self, base: list[Monomial], exponent: float) -> bool:
        """Whether a power of a sum over units is a function of all of them, and not multiplied out.

        It is where it would be of a degree above 2 in the units, or stands inside a function; and a square where each unit of
        finitely many values would meet each other one, as its form costs less than their couplings.
        """
        if not self.keep and self.inside == 0:
            return False
        wide = any(map(_sums_units, base))
        degree = max((_degree(m) for m in base), default=0.0) * exponent
        return wide and exponent >= 2.0 and (degree > 2.0 or self.inside > 0 or all(map(self._meets_all, base)))

    def _meets_all(self, monomial: Monomial) -> bool:
        """Whether a part of a square makes no couplings that are worth more than its form: all its units are visible, of
        finitely many values, and run over their whole layers.
        """
        loops = {loop.name: loop for loop in monomial.loops}
        layers = self.rules.model.layers
        for unit in (u for a, _ in monomial.factors for u in entries(a) if u.kind == "layer"):
            layer = layers[unit.name]
            whole = not unit.flat and all(
                i.plain in loops and (loops[i.plain].low, loops[i.plain].high) == (0, n)
                for i, n in zip(unit.indices, layer.energy_shape, strict=True)
            )
            if not (whole and layer.role == "visible" and self.rules.domain(unit.name).finite):
                return False
        return True

    def _exponentials(self, node: ex.Expression, at: tuple[Index, ...], bound: Binding) -> list[Monomial] | None:
        """The exponents of what is nothing but a sum of exp over several units, each kept together; None for all else."""
        if self.whole_exponentials:
            return None
        self.whole_exponentials = True
        try:
            found = _exponents(self._argument(node, at, bound))
        except DiagnosticError:
            return None
        finally:
            self.whole_exponentials = False
        return found if found and is_joint(Function("logsumexp", tuple(found))) else None

    def _added(self, function: str, argument: list[Monomial], span: Span) -> list[Monomial] | None:
        """exp, sin and cos of a sum, by their addition theorems: one factor for each unit, and one for what holds none.

        A number stays with the unit in exp, which may be bounded by it: exp(-(x - 9)^2).
        """
        if function not in ("exp", "sin", "cos"):
            return None
        groups: dict[At | None, list[Monomial]] = {}
        for m in argument:
            own = {loop.name for loop in m.loops}
            units = m.distinct_units()
            if m.joint_layers() or len(units) > 1 or any(b in own for u in units for b in atom_binders(u)):
                return None
            groups.setdefault(units[0] if units else None, []).append(m)
        numbers = [m for m in groups.get(None, ()) if not (m.factors or m.loops or m.predicates)]
        if function == "exp" and numbers and len(groups) > 1:
            unit = next(u for u in groups if u is not None)
            groups[unit] += numbers
            groups[None] = [m for m in groups[None] if m not in numbers]
            groups = {u: found for u, found in groups.items() if found}
        if len(groups) < 2 or set(groups) == {None}:
            return None
        first, *rest = groups.values()
        later = [m for group in rest for m in group]

        def both(left: str, right: str, sign: float = 1.0) -> list[Monomial]:
            a, b = self._odd_or_even(left, first, span), self._odd_or_even(right, later, span)
            return [m.scaled(sign) for m in self._product(a, b, span)]

        if function == "exp":
            return both("exp", "exp")
        if function == "sin":
            return both("sin", "cos") + both("cos", "sin")
        return both("cos", "cos") + both("sin", "sin", -1.0)

    def _odd_or_even(self, function: str, argument: list[Monomial], span: Span) -> list[Monomial]:
        """A function of a sum whose first coefficient is made positive where the function is even or odd."""
        if function == "exp" or argument[0].coefficient > 0.0:
            return self._applied(function, argument, 1.0, span)
        found = self._applied(function, [m.scaled(-1.0) for m in argument], 1.0, span)
        return [m.scaled(-1.0) for m in found] if function == "sin" else found

    def _check_function(self, function: str, units: set[At], span: Span) -> None:
        for unit in units:
            domain = self.rules.domain(unit.name)
            if function not in domain.functions:
                what = f"{function} of" if function else "this power of"
                raise DiagnosticError(
                    "E0310",
                    f"no closed-form conditional: {what} a unit of `{unit.name}`, whose domain is {domain.name}",
                    span,
                    _taken(domain),
                )

    def _check_powers(self, monomials: list[Monomial], span: Span) -> None:
        for monomial in monomials:
            for place, unit in monomial.units():
                check_power(self.rules.domain(unit.name), unit.name, monomial.factors[place][1], span)

    def _applied(self, function: str, argument: list[Monomial], exponent: float, span: Span) -> list[Monomial]:
        argument = list(collect(argument, self.rules))
        if not all(is_number(m.coefficient) for m in argument):
            raise OverflowError
        if exponent == 1.0:
            apart = self._added(function, argument, span)
            if apart is not None:
                return apart
        if is_joint(Function(function, tuple(argument))):
            return [self._joint(function, argument, exponent, span)]
        units = {a for m in argument for f, _ in m.factors for a in entries(f) if a.kind == "layer"}
        points = self.rules.domain(next(iter(units)).name).points if units else None
        if points is None:
            self._check_function(function, units, span)
            return [_function(function, argument, exponent, span)]
        unit = next(iter(units))
        low, high = (_function(function, _at_value(argument, unit, p, self.rules), exponent, span) for p in points)
        slope, width = [high, low.scaled(-1.0)], points[1] - points[0]
        linear = [m.scaled(1.0 / width).times(_entry(unit)) for m in slope]
        return collect([low, *(m.scaled(-points[0] / width) for m in slope), *linear], self.rules)

    def _joint(self, function: str, argument: list[Monomial], exponent: float, span: Span) -> Monomial:
        """A function of several units: its argument is separated by itself."""
        apart: Iterable[Monomial] = argument
        if not FUNCTIONS[function].aggregate:
            apart = separated(argument, self.rules, span, self.warnings, self.ranges)
        found = Function(function, tuple(collect(apart, self.rules)))
        for name in sorted(found.layers):
            domain = self.rules.domain(name)
            if not (domain.finite or domain.continuous):
                raise DiagnosticError(
                    "E0310",
                    f"this function depends on several units, and those of `{name}` are of domain {domain.name}",
                    span,
                    "a function of several units takes units with finitely many values (an integer between bounds), and real numbers",
                )
        return Monomial(1.0, factors=((found, exponent),))


def _exponents(argument: list[Monomial]) -> list[Monomial] | None:
    """The exponents where an argument is nothing but a sum of exp, each kept together; else None."""
    found = []
    for m in argument:
        plain = m.coefficient == 1.0 and m.factors
        inner = [Monomial(math.log(m.coefficient))] if m.coefficient > 0.0 and not plain else []
        for atom, exponent in m.factors:
            if not isinstance(atom, Function) or atom.function != "exp":
                return None
            inner += [part.scaled(exponent) for part in atom.argument]
        if m.coefficient <= 0.0 or m.predicates:
            return None
        found.append(replace(m, coefficient=1.0, factors=((Function("", tuple(inner)), 1.0),)))
    return found


def _sums_units(monomial: Monomial) -> bool:
    """Whether its loops run over units."""
    own = {loop.name for loop in monomial.loops}
    holding = (a for a, _ in monomial.factors if any(x.kind == "layer" for x in entries(a)))
    return any(not own.isdisjoint(atom_binders(a)) for a in holding)


def _degree(monomial: Monomial) -> float:
    """The degree of a monomial in units; without bound where a function of several units stands in it."""
    if monomial.joint_layers():
        return math.inf
    return sum(e for a, e in monomial.factors if any(x.kind == "layer" for x in entries(a)))


def check_power(domain: Domain, layer: str, exponent: float, span: Span) -> None:
    """Raise `DiagnosticError` (E0310) where the domain has no statistic x^exponent."""
    natural = domain.integrated and (domain.any_power or (exponent > 0 and exponent == int(exponent)))
    if domain.points is None and domain.functions != ANY and exponent not in domain.powers and not natural:
        raise DiagnosticError(
            "E0310",
            f"no closed-form conditional: power {exponent:g} of a unit of `{layer}`, whose domain is {domain.name}",
            span,
            _taken(domain),
        )


def _taken(domain: Domain) -> str:
    """What units of a domain take."""
    if domain.integrated:
        return (
            f"units of domain {domain.name} take natural powers, and {', '.join(sorted(domain.functions))} of the unit"
        )
    return f"units of domain {domain.name} take the power 1"


def is_number(coefficient: float) -> bool:
    """Whether a coefficient is finite, with room to spare; no NaN is."""
    return abs(coefficient) < LARGEST


def index_values(index: Index) -> list[Monomial]:
    """An index as a polynomial of what it is made of: 2 i + 1 as 2 (i) + 1."""
    parts = [_entry(At("index", "", (Index.of(atom),))).scaled(float(count)) for atom, count in index.terms]
    return [*parts, *([Monomial(float(index.constant))] if index.constant or not parts else [])]


def _entry(atom: At) -> Monomial:
    return Monomial(1.0, factors=((atom, 1.0),))


def _looped(monomial: Monomial, loops: tuple[Loop, ...], predicates: tuple[Predicate, ...]) -> Monomial:
    return Monomial(monomial.coefficient, loops + monomial.loops, predicates + monomial.predicates, monomial.factors)


def _bare(monomial: Monomial) -> bool:
    """One atom alone, or a number: only these may be raised to any real power factor by factor."""
    if not monomial.factors:
        return monomial.coefficient > 0
    return monomial.coefficient == 1.0 and len(monomial.factors) == 1 and monomial.factors[0][1] == 1.0


def _function(function: str, argument: list[Monomial], exponent: float, span: Span) -> Monomial:
    """`function(argument) ^ exponent` as one monomial; a number where the argument is one."""
    if all(not m.factors and not m.loops for m in argument):
        value = sum(m.coefficient for m in argument)
        try:
            result = FUNCTIONS[function].value(value) ** exponent
            if isinstance(result, complex) or not math.isfinite(result):
                raise ValueError
        except (ValueError, ZeroDivisionError, OverflowError):
            what = f"{function}({value:g})" if function else f"({value:g}) ^ {exponent:g}"
            raise DiagnosticError("E0310", f"{what} is not a number, and this takes that value", span) from None
        return Monomial(result)
    return Monomial(1.0, factors=((Function(function, tuple(argument)), exponent),))


def value_of(atom: Atom, exponent: float, unit: At, value: float, rules: Rules, span: Span) -> Monomial:
    """A function of one unit at one of its values. Raises `DiagnosticError` (E0310) where it is no number."""
    assert isinstance(atom, Function)
    return _function(atom.function, _at_value(list(atom.argument), unit, value, rules), exponent, span)


def _at_value(argument: list[Monomial], unit: At, value: float, rules: Rules) -> list[Monomial]:
    """The polynomial with one unit set to a value."""
    found = []
    for m in argument:
        coefficient = m.coefficient
        kept = []
        for atom, exponent in m.factors:
            if atom == unit:
                coefficient *= value**exponent
            else:
                kept.append((atom, exponent))
        found.append(Monomial(coefficient, m.loops, m.predicates, tuple(kept)))
    return collect(found, rules)
