"""Constant expressions: dims (exact integers) and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType

from energydsl.diagnostics import Diagnostic, Note, Span, suggestion
from energydsl.functions import FUNCTIONS, WRITTEN
from energydsl.syntax import tree

# Names that stand for a number wherever a file declares nothing of that name.
KNOWN: Mapping[str, float] = MappingProxyType({"pi": math.pi, "e": math.e})
LARGEST = 2**31 - 1
# Names of a cycle that a message shows.
MAX_SHOWN = 6


class DiagnosticError(Exception):
    """One diagnostic on its way to the report."""

    def __init__(self, code: str, message: str, span: Span | None, help: str = "", notes: tuple[Note, ...] = ()):
        self.diagnostic = Diagnostic(code, message, span, help, notes)


Real = Fraction | float
Lookup = Callable[[tree.Name], Real]


def evaluate(node: tree.Expr, lookup: Lookup) -> Real:
    """The value of an expression of numbers and names; exact as long as it is rational."""
    match node:
        case tree.Number(text=text):
            return Fraction(text) if abs(float(text)) < 1e30 and len(text) < 40 else float(text)
        case tree.Name():
            return lookup(node)
        case tree.Negate(operand=operand):
            return -evaluate(operand, lookup)
        case tree.Sum(head=head, tail=tail):
            total = evaluate(head, lookup)
            for sign, operand in tail:
                value = evaluate(operand, lookup)
                total = total + value if sign == "+" else total - value
            return _finite(total, node.span)
        case tree.Product(head=head, tail=tail):
            total = evaluate(head, lookup)
            for sign, operand in tail:
                total = _finite(_times(sign, total, evaluate(operand, lookup), operand.span), node.span)
            return total
        case tree.Power(base=base, exponent=exponent):
            return _power(evaluate(base, lookup), evaluate(exponent, lookup), node.span)
        case tree.Call(function=function, arguments=(("", argument),)) if function.id in WRITTEN:
            return _applied(function.id, evaluate(argument, lookup), node.span)
    raise DiagnosticError("E0212", "a constant is made of numbers, dims, functions and + - * / ^", node.span)


def _applied(function: str, value: Real, span: Span) -> float:
    try:
        return float(_finite(FUNCTIONS[function].value(float(value)), span))
    except (ValueError, OverflowError):
        raise DiagnosticError("E0212", f"{function}({float(value):g}) is not a number", span) from None


def _times(sign: str, left: Fraction | float, right: Fraction | float, span: Span) -> Fraction | float:
    if sign == "@":
        raise DiagnosticError("E0209", "`@` contracts arrays; a constant is a number", span, "use `*`")
    if sign == "*":
        return left * right
    if right == 0:
        raise DiagnosticError("E0212", "division by zero", span)
    return left / right


def _power(base: Fraction | float, exponent: Fraction | float, span: Span) -> Fraction | float:
    if abs(float(exponent)) > 64:
        raise DiagnosticError("E0212", "an exponent lies between -64 and 64", span)
    if base == 0 and exponent < 0:
        raise DiagnosticError("E0212", "division by zero", span)
    if base < 0 and Fraction(exponent).denominator != 1:
        raise DiagnosticError("E0212", "a fractional power of a negative number is not real", span)
    exact = isinstance(base, Fraction) and Fraction(exponent).denominator == 1
    return _finite(base ** int(exponent) if exact else float(base) ** float(exponent), span)


def _finite(value: Fraction | float, span: Span) -> Fraction | float:
    try:
        size = abs(float(value))
    except OverflowError:
        size = math.inf
    if not size < 1e300:
        raise DiagnosticError("E0212", "this number is too large", span)
    if isinstance(value, Fraction) and value.denominator > 10**60:
        return float(value)
    return value


def dependency_order(
    entries: Mapping[str, tree.Entry],
) -> tuple[list[str], list[tuple[list[str], tree.Name]]]:
    """Names so that each follows those its value mentions; and every cycle with the mention that closes it.

    A loop, not a recursion: a chain may be as long as a file.
    """
    order: list[str] = []
    cycles: list[tuple[list[str], tree.Name]] = []
    seen: set[str] = set()
    for start in entries:
        if start in seen:
            continue
        path = {start: _mentioned(entries[start], entries)}
        while path:
            name = next(reversed(path))
            mention = next((m for m in path[name] if m.id not in seen), None)
            if mention is None:
                del path[name]
                seen.add(name)
                order.append(name)
            elif mention.id in path:
                open_names = list(path)
                cycles.append((open_names[open_names.index(mention.id) :], mention))
            else:
                path[mention.id] = _mentioned(entries[mention.id], entries)
    return order, cycles


def _mentioned(entry: tree.Entry, entries: Mapping[str, tree.Entry]) -> Iterator[tree.Name]:
    return (n for n in tree.names(entry.value) if n.id in entries) if entry.value is not None else iter(())


def cycle_problem(what: str, names: list[str], at: Span) -> DiagnosticError:
    """E0203, the way around shown as far as it can be taken in."""
    shown = (
        names if len(names) <= MAX_SHOWN else [*names[: MAX_SHOWN - 1], f"({len(names) - MAX_SHOWN} more)", names[-1]]
    )
    path = " -> ".join([*shown, names[0]])
    return DiagnosticError("E0203", f"the {what} {path} depend on one another", at, "give one of them a number")


class Numbers:
    """Declared numbers of one kind, each evaluated once, those it mentions first; `problems` has one for each at fault."""

    def __init__(self, what: str, entries: Mapping[str, tree.Entry], given: Mapping[str, Real], outside: Lookup):
        self.entries = entries
        self.values: dict[str, Real] = {}
        self.problems: dict[str, DiagnosticError] = {}
        self._outside = outside
        order, cycles = dependency_order({n: e for n, e in entries.items() if n not in given})
        for names, mention in cycles:
            problem = cycle_problem(what, names, mention.span)
            self.problems |= {n: problem for n in names if n not in self.problems}
        for name in [*(n for n in given if n in entries), *(n for n in order if n not in self.problems)]:
            try:
                self.values[name] = self._value(name, given.get(name))
            except DiagnosticError as problem:
                self.problems[name] = problem
        self.values = {n: self.values[n] for n in entries if n in self.values}

    def _value(self, name: str, given: Real | None) -> Real:
        entry = self.entries[name]
        if given is not None:
            return self.checked(name, given, entry.name.span)
        if entry.value is None:
            help = f"set it: `-D {name}=100`; or, where the file is used, in parentheses: `({name} = 100)`"
            raise DiagnosticError("E0507", f"dim `{name}` has no value", entry.name.span, help)
        return self.checked(name, evaluate(entry.value, self.lookup), entry.value.span)

    def checked(self, name: str, value: Real, span: Span) -> Real:
        """The value as it is kept. Raises `DiagnosticError` where it may not be."""
        return value

    def lookup(self, name: tree.Name) -> Real:
        """The value of a name. Raises `DiagnosticError` where it has none."""
        if name.id in self.problems:
            raise self.problems[name.id]
        return self.values[name.id] if name.id in self.values else self._outside(name)


class Dims(Numbers):
    """The dims of a file; overrides replace what is written. known: other names that stand for numbers."""

    def __init__(
        self, entries: Mapping[str, tree.Entry], overrides: Mapping[str, int], known: Mapping[str, float] = KNOWN
    ):
        self.known = known
        given = {n: Fraction(v) for n, v in overrides.items()}
        super().__init__("dims", entries, given, self._unknown)

    def _unknown(self, name: tree.Name) -> Real:
        if name.id in self.known:
            return self.known[name.id]
        raise DiagnosticError("E0201", f"unknown dim `{name.id}`", name.span, suggestion(name.id, self.entries))

    def checked(self, name: str, value: Real, span: Span) -> Real:
        """The value, within its constraint. Raises `DiagnosticError`."""
        return Fraction(positive_integer(value, span, f"dim `{name}`"))

    def size(self, node: tree.Expr, what: str) -> int:
        """A positive integer written as a constant expression of dims."""
        return positive_integer(evaluate(node, self.lookup), node.span, what)

    def integer(self, node: tree.Expr, what: str) -> int:
        """An integer written as a constant expression of dims."""
        value = evaluate(node, self.lookup)
        if Fraction(value).denominator != 1 or abs(float(value)) > LARGEST:
            raise DiagnosticError("E0211", f"{what} is {_shown(value)}, not an integer", node.span)
        return int(value)


def positive_integer(value: Fraction | float, span: Span, what: str) -> int:
    """A whole number above 0. Raises `DiagnosticError` with what it was to be."""
    if Fraction(value).denominator != 1 or value < 1:
        raise DiagnosticError("E0211", f"{what} is {_shown(value)}, not a positive integer", span)
    if value > LARGEST:
        raise DiagnosticError("E0211", f"{what} is larger than {LARGEST}", span)
    return int(value)


def _shown(value: Fraction | float) -> str:
    return f"{float(value):g}"
