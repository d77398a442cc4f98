"""Formulas as text, the way lecture notes print them: `c_j + sum_i v_i W_ij`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from energydsl.energy import formula as f
from energydsl.model.indices import Index


class TextPrinter:
    """One small method a node; a printer of a markup language overrides what that writes otherwise."""

    bar = " | "
    modulo = "%"
    relations = {"less": "<", "equal": "=", "differ": "!="}

    def show(self, node: f.Formula) -> str:
        """The formula in the notation of this printer."""
        found: str = getattr(self, type(node).__name__.lower())(node)
        return found

    # --- names and numbers

    def number(self, node: f.Number) -> str:
        """A number."""
        return f"{node.value:.6g}"

    def word(self, node: f.Word) -> str:
        """A word that is no symbol."""
        return node.text

    def symbol(self, node: f.Symbol) -> str:
        """A symbol with its indices."""
        if not node.indices:
            return self.name(node.name)
        shown = [self.index(i) for i in node.indices]
        if node.others or node.before or all(len(s) == 1 for s in shown):
            which = "-" if node.others else "<" if node.before else ""
            return self.subscripted(node.name, f"{which}{''.join(shown)}")
        return self.indexed(node.name, ", ".join(shown))

    def name(self, name: str) -> str:
        """A name as it is shown."""
        return name

    def subscripted(self, name: str, letters: str) -> str:
        """A name with its indices, one letter each."""
        return f"{name}_{letters}"

    def indexed(self, name: str, indices: str) -> str:
        """A name with its indices, some of which are computed."""
        return f"{name}[{indices}]"

    def place(self, node: f.Place) -> str:
        """A place: indices of an array."""
        return self.index(node.index)

    def index(self, index: Index) -> str:
        """An index expression."""
        return index.show(modulo=self.modulo)

    # --- terms

    def power(self, node: f.Power) -> str:
        """A power."""
        return f"{self.show(node.base)}^{self.number(f.Number(node.exponent))}"

    def product(self, node: f.Product) -> str:
        """A product."""
        above = self.joined(node.above, " ") or "1"
        if not node.below:
            return above
        below = self.joined(node.below, " ")
        return f"{above} / {below}" if len(node.below) == 1 else f"{above} / ({below})"

    def call(self, node: f.Call) -> str:
        """A function of formulas."""
        names = node.names or ("",) * len(node.arguments)
        pairs = zip(names, node.arguments, strict=True)
        inside = ", ".join(f"{self.operator(n)} = {self.show(a)}" if n else self.show(a) for n, a in pairs)
        return f"{self.function(node.function, node.state)}({inside})"

    def function(self, name: str, state: str) -> str:
        """A function, with the state that it is of below."""
        return f"{name}_{state}" if state else self.operator(name)

    def operator(self, name: str) -> str:
        """The name of a function, of a distribution or of an argument of one."""
        return name

    def summation(self, node: f.Summation) -> str:
        """A sum over indices."""
        binders = [self.binder(b) for b in node.binders]
        if node.conditions or any(len(b) > 1 for b in binders):
            under = ", ".join([*binders, *map(self.condition, node.conditions)])
            return f"{self.sum_over(under, braces=True)} {self.show(node.body)}"
        return f"{self.sum_over(''.join(binders), braces=len(binders) > 1 and not node.bare)} {self.show(node.body)}"

    def sum_over(self, under: str, braces: bool) -> str:
        """The sign of a sum over indices; braces: where these are several letters."""
        return f"sum_{{{under}}}" if braces else f"sum_{under}"

    def binder(self, node: str | f.Edge) -> str:
        """What a sum runs over."""
        return node if isinstance(node, str) else f"{node.shown} in {node.graph}"

    def condition(self, node: f.Condition) -> str:
        """A condition on indices."""
        return f" {self.relations[node.relation]} ".join(map(self.side, node.sides))

    def side(self, indices: Sequence[Index]) -> str:
        """One side of a condition."""
        shown = ", ".join(map(self.index, indices))
        return f"({shown})" if len(indices) > 1 else shown

    def restricted(self, node: f.Restricted) -> str:
        """A formula under conditions."""
        return f"{self.show(node.body)} [{', '.join(map(self.condition, node.conditions))}]"

    def sum(self, node: f.Sum) -> str:
        """A sum of signed terms."""
        text = ""
        for sign, term in node.terms:
            shown = self.show(term)
            text += f" {sign} {shown}" if text else f"{'-' * (sign == f.MINUS)}{shown}"
        return text or "0"

    # --- what is derived

    def probability(self, node: f.Probability) -> str:
        """A probability, or what is proportional to it."""
        value = self.value(node.value) if node.value else ""
        given = f"{self.bar}{self.joined(node.given, ', ')}" if node.given else ""
        return f"{node.letter}({self.joined(node.targets, ', ')}{value}{given})"

    def value(self, value: str) -> str:
        """What a unit is, in its probability."""
        return f" = {value}"

    def derivative(self, node: f.Derivative) -> str:
        """A derivative."""
        of = f"(-log {self.show(node.of)})" if node.of else "E"
        return f"d{of}/d{self.show(node.by)}"

    def mean(self, node: f.Mean) -> str:
        """A mean under a distribution."""
        return f"<{self.show(node.inside)}>_{self.show(node.under)}"

    def equation(self, node: f.Equation) -> str:
        """An equation."""
        return f"{self.show(node.left)} {node.relation} {self.show(node.right)}{self.after(node)}"

    def after(self, node: f.Equation) -> str:
        """What follows an equation: a word in it that is explained, and the values of its unit."""
        where = f", {self.show(node.where[0])} = {self.show(node.where[1])}" if node.where else ""
        return f"{where}{self.within(*node.within) if node.within else ''}"

    def within(self, low: float, high: float) -> str:
        """An interval."""
        return f" on [{low:g}, {high:g}{')' if math.isinf(high) else ']'}"

    def listing(self, node: f.Listing) -> str:
        """Formulas with commas between them."""
        return self.joined(node.parts, ", ")

    def sentence(self, node: f.Sentence) -> str:
        """Words and formulas in a row."""
        return "".join(part if isinstance(part, str) else self.show(part) for part in node.parts)

    def joined(self, nodes: Iterable[f.Formula], between: str) -> str:
        """Formulas with a text between them."""
        return between.join(self.show(n) for n in nodes)


def as_text(formula: f.Formula) -> str:
    """A formula as text."""
    return TextPrinter().show(formula)
