"""Formulas as HTML: names in italics, indices below the line, exponents above it."""

from __future__ import annotations

from html import escape

from energydsl.energy import formula as f
from energydsl.energy.formula_latex import GREEK
from energydsl.energy.formula_text import TextPrinter


class HtmlPrinter(TextPrinter):
    """What HTML writes otherwise than text."""

    relations = {"less": "&lt;", "equal": "=", "differ": "&ne;"}
    modulo = "mod"

    def name(self, name: str) -> str:
        """A name as it is shown."""
        return f"&{name};" if name in GREEK else f"<i>{escape(name)}</i>"

    def subscripted(self, name: str, letters: str) -> str:
        """A name with letters below."""
        return f"{self.name(name)}<sub>{escape(letters)}</sub>"

    def indexed(self, name: str, indices: str) -> str:
        """A name with indices below."""
        return f"{self.name(name)}<sub>{escape(indices)}</sub>"

    def word(self, node: f.Word) -> str:
        """A word that is no symbol."""
        return escape(node.text)

    def power(self, node: f.Power) -> str:
        """A power."""
        return f"{self.show(node.base)}<sup>{self.number(f.Number(node.exponent))}</sup>"

    def function(self, name: str, state: str) -> str:
        """A function, with the state that it is of below."""
        return f"{escape(name)}<sub>{escape(state)}</sub>" if state else escape(name)

    def sum_over(self, under: str, braces: bool) -> str:
        """The sign of a sum over indices; braces: where these are several letters."""
        return f"&sum;<sub>{under}</sub>"

    def binder(self, node: str | f.Edge) -> str:
        """What a sum runs over."""
        return escape(super().binder(node))

    def derivative(self, node: f.Derivative) -> str:
        """A derivative."""
        of = f"(&minus;log {self.show(node.of)})" if node.of else "<i>E</i>"
        return f"&part;{of}/&part;{self.show(node.by)}"

    def mean(self, node: f.Mean) -> str:
        """A mean under a distribution."""
        return f"&lang;{self.show(node.inside)}&rang;<sub>{self.show(node.under)}</sub>"

    def equation(self, node: f.Equation) -> str:
        """An equation."""
        relation = "&prop;" if node.relation == "~" else node.relation
        return f"{self.show(node.left)} {relation} {self.show(node.right)}{self.after(node)}"

    def sentence(self, node: f.Sentence) -> str:
        """Words and formulas in a row."""
        return "".join(escape(part) if isinstance(part, str) else self.show(part) for part in node.parts)


def as_html(formula: f.Formula) -> str:
    """A formula as HTML."""
    return HtmlPrinter().show(formula)
