"""Formulas as a tree: what is derived, in the notation of lecture notes, before it is text, LaTeX, HTML or MathML.

A formula is written in letters: the atoms of its indices are the letters that readers see (`Index` of "i", not of a loop).
One printer each writes it down: `formula_text`, `formula_latex`, `formula_html`, `formula_mathml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from energydsl.model.indices import Index

PLUS, MINUS = "+", "-"


@dataclass(frozen=True)
class Number:
    """A number, shown to six digits."""

    value: float


@dataclass(frozen=True)
class Word:
    """A quantity that the model does not declare: precision, E."""

    text: str


@dataclass(frozen=True)
class Symbol:
    """An entry of a layer, input or parameter (`kind`), or a whole one, without indices; a const has none.

    others: all units but the one that is named, s_-i. before: those before it, s_<i.
    """

    name: str
    indices: tuple[Index, ...] = ()
    kind: str = ""
    others: bool = False
    before: bool = False


@dataclass(frozen=True)
class Place:
    """An index that stands for its own value: the k of a unit in state k."""

    index: Index


@dataclass(frozen=True)
class Power:
    """base ^ exponent."""

    base: Formula
    exponent: float


@dataclass(frozen=True)
class Product:
    """The product of `above`, over that of `below`; 1 where there is nothing above."""

    above: tuple[Formula, ...]
    below: tuple[Formula, ...] = ()


@dataclass(frozen=True)
class Call:
    """function(arguments), some with a name: Normal(mean = 0, variance = 1). "" is nothing but brackets.

    state: the state of a unit whose probability a softmax gives.
    """

    function: str
    arguments: tuple[Formula, ...]
    names: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True)
class Condition:
    """Index tuples in a relation: `less` (a chain of two or more), `equal` or `differ` (two)."""

    relation: str
    sides: tuple[tuple[Index, ...], ...]


@dataclass(frozen=True)
class Edge:
    """Letters that run together over the edges of a graph; a hyperedge has a letter of its own."""

    ends: tuple[str, ...]
    graph: str
    name: str = ""

    @property
    def shown(self) -> str:
        """The letters in brackets: (i,k), e = (i,k,l)."""
        return f"{self.name} = ({','.join(self.ends)})" if self.name else f"({','.join(self.ends)})"


@dataclass(frozen=True)
class Summation:
    """The sum of a body over letters, where conditions hold; letters that a condition shows are left out of `binders`.

    bare: whether several letters stand without braces in text.
    """

    binders: tuple[str | Edge, ...]
    conditions: tuple[Condition, ...]
    body: Formula
    bare: bool = False


@dataclass(frozen=True)
class Restricted:
    """A body that counts only where conditions hold."""

    body: Formula
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Sum:
    """Terms with their signs; 0 where there are none."""

    terms: tuple[tuple[str, Formula], ...]

    @property
    def negated(self) -> Sum:
        """Minus the sum."""
        return Sum(tuple((PLUS if sign == MINUS else MINUS, term) for sign, term in self.terms))


@dataclass(frozen=True)
class Probability:
    """p(targets | given), or q; `value` is what the target is, where that is said."""

    letter: str
    targets: tuple[Formula, ...]
    given: tuple[Formula, ...] = ()
    value: str = ""


@dataclass(frozen=True)
class Derivative:
    """dE/dparam, or, of a conditional that is given, d(-log p)/dparam."""

    by: Symbol
    of: Probability | None = None


@dataclass(frozen=True)
class Mean:
    """The mean of a formula under a distribution."""

    inside: Formula
    under: Formula


@dataclass(frozen=True)
class Equation:
    """left = right, or left ~ right up to a factor; with the values of a truncated unit, and what a word in it stands for."""

    left: Formula
    right: Formula
    relation: str = "="
    within: tuple[float, float] | None = None
    where: tuple[Word, Formula] | None = None


@dataclass(frozen=True)
class Listing:
    """Formulas with commas between them."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Sentence:
    """Words with formulas among them, as they follow one another."""

    parts: tuple[str | Formula, ...]


Formula = (
    Number
    | Word
    | Symbol
    | Place
    | Power
    | Product
    | Call
    | Summation
    | Restricted
    | Sum
    | Probability
    | Derivative
    | Mean
    | Equation
    | Listing
    | Sentence
)


def symbols(names: Iterable[str]) -> tuple[Symbol, ...]:
    """Whole arrays by their names."""
    return tuple(map(Symbol, names))


def mapped(formula: Any, change: Callable[[Symbol], Symbol]) -> Any:
    """A formula with every symbol changed."""
    if isinstance(formula, tuple):
        return tuple(mapped(part, change) for part in formula)
    if isinstance(formula, Symbol):
        return change(formula)
    if not isinstance(formula, Formula):
        return formula
    return replace(formula, **{f.name: mapped(getattr(formula, f.name), change) for f in fields(formula)})
