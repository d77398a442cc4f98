r"""Formulas as LaTeX, a line of `align*` each: `p(v_{i} = 1 \mid h) &= ...`."""

from __future__ import annotations

from energydsl.energy import formula as f
from energydsl.energy.formula_text import TextPrinter, as_text
from energydsl.functions import FUNCTIONS

GREEK = frozenset(
    ["alpha", "beta", "gamma", "delta", "epsilon", "lambda", "mu", "nu", "rho", "sigma", "tau", "theta", "phi", "psi"],
)
# Functions and words that are no elementary functions of the language.
_OPERATORS = {w: rf"\operatorname{{{w}}}" for w in ("logsumexp", "softmax", "Normal", "mean", "variance", "precision")}
_OPERATORS |= {"log 2cosh": r"\log 2\cosh"}


class LatexPrinter(TextPrinter):
    """What LaTeX writes otherwise than text."""

    bar = r" \mid "
    modulo = r"\bmod "
    relations = {"less": "<", "equal": "=", "differ": r"\ne "}

    def name(self, name: str) -> str:
        """A name as it is shown."""
        if name in GREEK:
            return f"\\{name}"
        return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"

    def subscripted(self, name: str, letters: str) -> str:
        """A name with letters below."""
        if not (letters.isascii() and letters.lstrip("-<").isalpha()):
            return super().subscripted(name, letters)
        return f"{self.name(name)}_{{{letters}}}"

    def indexed(self, name: str, indices: str) -> str:
        """A name with indices below."""
        return f"{self.name(name)}_{{{indices}}}"

    def word(self, node: f.Word) -> str:
        """A word that is no symbol."""
        return self.operator(node.text)

    def operator(self, name: str) -> str:
        """The name of a function as an operator."""
        known = FUNCTIONS.get(name)
        return (known.latex if known else _OPERATORS.get(name, "")) or name

    def sum_over(self, under: str, braces: bool) -> str:
        """The sign of a sum over indices; braces: where these are several letters."""
        return rf"\sum_{{{under}}}"

    def derivative(self, node: f.Derivative) -> str:
        """A derivative."""
        if node.of is None:
            return rf"\partial E/\partial {self.show(node.by)}"
        return f"d(-log {self.show(node.of)})/d{as_text(node.by)}"

    def equation(self, node: f.Equation) -> str:
        """An equation."""
        left, right = self.show(node.left), self.show(node.right)
        if node.relation == "~":
            return rf"{left} &\propto {right}{self.after(node)}"
        return f"{left} &= {right}{self.after(node)}"


def as_latex(formula: f.Formula) -> str:
    """A formula as LaTeX, with the mark that `align*` aligns it at."""
    return LatexPrinter().show(formula)
