"""Formulas as presentation MathML, which browsers set themselves: a tree of elements, so that every name in it is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import unescape
from xml.etree.ElementTree import Element

from energydsl.energy import formula as f
from energydsl.energy.formula_latex import GREEK
from energydsl.energy.formula_text import as_text
from energydsl.markup import Child, element, html
from energydsl.model.indices import Index

_RELATIONS = {"less": "<", "equal": "=", "differ": "≠"}


class MathmlPrinter:
    """One small method a node."""

    def show(self, node: f.Formula) -> Element:
        """The formula as an element."""
        found: Element = getattr(self, type(node).__name__.lower())(node)
        return found

    # --- names and numbers

    def number(self, node: f.Number) -> Element:
        """A number."""
        return _number(node.value)

    def word(self, node: f.Word) -> Element:
        """A word that is no symbol."""
        return element("mi", node.text)

    def symbol(self, node: f.Symbol) -> Element:
        """A symbol with its indices."""
        name = element("mi", unescape(f"&{node.name};") if node.name in GREEK else node.name)
        if not node.indices:
            return name
        shown = [self.index(i) for i in node.indices]
        letters = node.others or node.before or all(i.tag == "mi" for i in shown)
        which = [_sign("−")] * node.others + [_sign("<")] * node.before
        return element("msub", name, _row(*which, *(shown if letters else _listed(shown))))

    def place(self, node: f.Place) -> Element:
        """A place: an index that stands for its value."""
        return self.index(node.index)

    def index(self, index: Index) -> Element:
        """An index expression: a letter, or a sum of letters and numbers."""
        text = index.show(modulo="mod").replace("-", "−")
        return element("mi" if len(text) == 1 else "mtext", text)

    # --- terms

    def power(self, node: f.Power) -> Element:
        """A power."""
        return element("msup", self.show(node.base), _number(node.exponent))

    def product(self, node: f.Product) -> Element:
        """A product, over another one."""
        above = self.side_by_side(node.above) if node.above else _number(1)
        return element("mfrac", above, self.side_by_side(node.below)) if node.below else above

    def side_by_side(self, factors: Sequence[f.Formula]) -> Element:
        """Factors with thin spaces between them."""
        return _row(*_between(map(self.show, factors), lambda: element("mspace", width="0.17em")))

    def call(self, node: f.Call) -> Element:
        """A function of formulas."""
        names = node.names or ("",) * len(node.arguments)
        given = [
            _row(element("mi", name), _sign("="), self.show(argument)) if name else self.show(argument)
            for name, argument in zip(names, node.arguments, strict=True)
        ]
        inside = _fenced("(", _listed(given), ")")
        if not node.function:
            return inside
        function = element("mi", node.function, mathvariant="normal")
        if node.state:
            function = element("msub", function, element("mi", node.state))
        return _row(function, inside)

    def summation(self, node: f.Summation) -> Element:
        """A sum over indices."""
        binders, conditions = [self.binder(b) for b in node.binders], [self.condition(c) for c in node.conditions]
        letters = not conditions and all(isinstance(b, str) and len(b) == 1 for b in node.binders)
        under = binders if letters else _listed([*binders, *conditions])
        return _row(element("munder", _sign("∑"), _row(*under)), self.show(node.body))

    def binder(self, node: str | f.Edge) -> Element:
        """What a sum runs over."""
        if isinstance(node, str):
            return element("mi", node)
        return _row(element("mi", node.shown), _sign("∈"), element("mi", node.graph))

    def condition(self, node: f.Condition) -> Element:
        """A condition on indices."""
        return _row(*_between(map(self.side, node.sides), lambda: _sign(_RELATIONS[node.relation])))

    def side(self, indices: Sequence[Index]) -> Element:
        """One side of a condition."""
        shown = _listed(map(self.index, indices))
        return _fenced("(", shown, ")") if len(indices) > 1 else _row(*shown)

    def restricted(self, node: f.Restricted) -> Element:
        """A formula under conditions."""
        return _row(self.show(node.body), _space(), _fenced("[", _listed(map(self.condition, node.conditions)), "]"))

    def sum(self, node: f.Sum) -> Element:
        """A sum of signed terms."""
        parts: list[Element] = []
        for sign, term in node.terms:
            if parts or sign == f.MINUS:
                parts.append(_sign("−" if sign == f.MINUS else "+"))
            parts.append(self.show(term))
        return _row(*parts) if parts else _number(0)

    # --- what is derived

    def probability(self, node: f.Probability) -> Element:
        """A probability."""
        value = [_sign("="), element("mi", node.value)] if node.value else []
        given = [_sign("∣"), *_listed(map(self.show, node.given))] if node.given else []
        return _row(
            element("mi", node.letter), _fenced("(", [*_listed(map(self.show, node.targets)), *value, *given], ")")
        )

    def derivative(self, node: f.Derivative) -> Element:
        """A derivative."""
        of = element("mi", "E")
        if node.of:
            of = _fenced("(", [_sign("−"), element("mi", "log"), self.show(node.of)], ")")
        return element("mfrac", _row(_sign("∂"), of), _row(_sign("∂"), self.show(node.by)))

    def mean(self, node: f.Mean) -> Element:
        """A mean under a distribution."""
        return element("msub", _fenced("⟨", [self.show(node.inside)], "⟩"), self.show(node.under))

    def equation(self, node: f.Equation) -> Element:
        """An equation, what a word in it stands for, and the values of its unit."""
        parts = [self.show(node.left), _sign("∝" if node.relation == "~" else node.relation), self.show(node.right)]
        if node.where:
            word, meaning = node.where
            parts += [_sign(","), _space(), self.show(word), _sign("="), self.show(meaning)]
        if node.within:
            low, high = node.within
            ends = _listed([_number(low), _number(high)])
            parts += [_words(" on "), _fenced("[", ends, ")" if math.isinf(high) else "]")]
        return _row(*parts)

    def listing(self, node: f.Listing) -> Element:
        """Formulas with commas between them."""
        return _row(*_listed(map(self.show, node.parts)))

    def sentence(self, node: f.Sentence) -> Element:
        """Words and formulas in a row."""
        return _row(*(_words(part) if isinstance(part, str) else self.show(part) for part in node.parts))


def _number(value: float) -> Element:
    text = "∞" if math.isinf(value) else f"{abs(value):.6g}"
    found = element("mn", text)
    return _row(_sign("−"), found) if value < 0 else found


def _sign(text: str) -> Element:
    return element("mo", text)


def _words(text: str) -> Element:
    """Words; the spaces at their ends stay."""
    return element("mtext", text.replace(" ", "\N{NO-BREAK SPACE}"))


def _space() -> Element:
    return element("mspace", width="0.5em")


def _row(*parts: Child) -> Element:
    """Parts in a row; one alone as it is."""
    if len(parts) == 1 and isinstance(parts[0], Element):
        return parts[0]
    return element("mrow", *parts)


def _between(parts: Iterable[Element], separator: Callable[[], Element]) -> list[Element]:
    """Parts with a separator between them, a new one each: an element stands in one place."""
    found: list[Element] = []
    for part in parts:
        found += [separator(), part] if found else [part]
    return found


def _listed(parts: Iterable[Element]) -> list[Element]:
    return _between(parts, lambda: _sign(","))


def _fenced(left: str, inside: Iterable[Element], right: str) -> Element:
    return _row(_sign(left), *inside, _sign(right))


def as_mathml(formula: f.Formula) -> Element:
    """A formula as an element `math`, which reads as its text where it is not shown."""
    return element("math", MathmlPrinter().show(formula), display="block", alttext=as_text(formula))


class Shown:
    """A record that is shown as its formula: set in a notebook, as text on a terminal."""

    formula: f.Formula

    def _repr_html_(self) -> str:
        return html(as_mathml(self.formula))

    def __repr__(self) -> str:
        return f"<{as_text(self.formula)}>"
