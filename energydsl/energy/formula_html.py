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
        return f"&{name};" if name in GREEK else f"<i>{escape(name)}</i>"

    def subscripted(self, name: str, letters: str) -> str:
        return f"{self.name(name)}<sub>{escape(letters)}</sub>"

    def indexed(self, name: str, indices: str) -> str:
        return f"{self.name(name)}<sub>{escape(indices)}</sub>"

    def word(self, node: f.Word) -> str:
        return escape(node.text)

    def power(self, node: f.Power) -> str:
        return f"{self.show(node.base)}<sup>{self.number(f.Number(node.exponent))}</sup>"

    def function(self, name: str, state: str) -> str:
        return f"{escape(name)}<sub>{escape(state)}</sub>" if state else escape(name)

    def sum_over(self, under: str, braces: bool) -> str:
        return f"&sum;<sub>{under}</sub>"

    def binder(self, node: str | f.Edge) -> str:
        return escape(super().binder(node))

    def derivative(self, node: f.Derivative) -> str:
        of = f"(&minus;log {self.show(node.of)})" if node.of else "<i>E</i>"
        return f"&part;{of}/&part;{self.show(node.by)}"

    def mean(self, node: f.Mean) -> str:
        return f"&lang;{self.show(node.inside)}&rang;<sub>{self.show(node.under)}</sub>"

    def equation(self, node: f.Equation) -> str:
        relation = "&prop;" if node.relation == "~" else node.relation
        return f"{self.show(node.left)} {relation} {self.show(node.right)}{self.after(node)}"

    def sentence(self, node: f.Sentence) -> str:
        return "".join(escape(part) if isinstance(part, str) else self.show(part) for part in node.parts)


def as_html(formula: f.Formula) -> str:
    """A formula as HTML."""
    return HtmlPrinter().show(formula)
