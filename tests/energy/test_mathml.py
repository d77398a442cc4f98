"""Formulas as MathML: a table from tree to what is written, and what mistakes of the printer break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args
from xml.etree.ElementTree import Element

import pytest

import energydsl as ed
from energydsl.energy import formula as f
from energydsl.energy.formula_mathml import MathmlPrinter, as_mathml
from energydsl.energy.formula_text import as_text
from energydsl.markup import html
from energydsl.model.indices import Index, Wrap
from energydsl.report import explain
from tests.conftest import ZOO
from tests.html_reader import Page

ROW, COLUMN = Index.of("i"), Index.of("j")
V, W = f.Symbol("v", (ROW,), "layer"), f.Symbol("W", (ROW, COLUMN), "param")
BEFORE = f.Condition("less", ((ROW,), (COLUMN,)))
BACK = Index(((Wrap(Index(ROW.terms, -1), 5), 1),))

TABLE: list[tuple[f.Formula, str]] = [
    (f.Number(-0.5), "[− 0.5]"),
    (f.Word("precision"), "precision"),
    (f.Symbol("sigma"), "σ"),
    (W, "msub(W [i j])"),
    (f.Symbol("s", (BACK, COLUMN)), "msub(s [(i − 1) mod 5 , j])"),
    (f.Symbol("v", (ROW, COLUMN), others=True), "msub(v [− i j])"),
    (f.Symbol("v", (ROW,), before=True), "msub(v [< i])"),
    (f.Place(ROW + Index(constant=1)), "i + 1"),
    (f.Power(V, 2.0), "msup(msub(v i) 2)"),
    (f.Product((V, W)), "[msub(v i) _ msub(W [i j])]"),
    (f.Product((V,), (W,)), "mfrac(msub(v i) msub(W [i j]))"),
    (f.Product((), (V, f.Number(2.0))), "mfrac(1 [msub(v i) _ 2])"),
    (f.Call("", (V,)), "[( msub(v i) )]"),
    (f.Call("softmax", (V,), state="i"), "[msub(softmax i) [( msub(v i) )]]"),
    (f.Call("Normal", (V, f.Number(1.0)), ("mean", "variance")), "[Normal [( [mean = msub(v i)] , [variance = 1] )]]"),
    (f.Summation(("i", "j"), (), W), "[munder(∑ [i j]) msub(W [i j])]"),
    (f.Summation(("k",), (BEFORE,), W), "[munder(∑ [k , [i < j]]) msub(W [i j])]"),
    (f.Summation((f.Edge(("i", "j"), "G"),), (), W), "[munder(∑ [(i,j) ∈ G]) msub(W [i j])]"),
    (f.Restricted(V, (f.Condition("differ", ((ROW, COLUMN), (COLUMN, ROW))),)), "[msub(v i) _ [[ [[( i , j )] ≠ [( j , i )]] ]]]"),
    (f.Sum(()), "0"),
    (f.Sum(((f.MINUS, V), (f.PLUS, W), (f.MINUS, V))), "[− msub(v i) + msub(W [i j]) − msub(v i)]"),
    (f.Probability("p", (V,), (f.Symbol("h1"),), "1"), "[p [( msub(v i) = 1 ∣ h1 )]]"),
    (f.Derivative(W), "mfrac([∂ E] [∂ msub(W [i j])])"),
    (f.Derivative(W, f.Probability("q", (f.Symbol("h"),), (f.Symbol("v"),))), "mfrac([∂ [( − log [q [( h ∣ v )]] )]] [∂ msub(W [i j])])"),
    (f.Mean(V, f.Word("core")), "msub([⟨ msub(v i) ⟩] core)"),
    (f.Equation(f.Probability("p", (V,)), V, "~", (0.0, float("inf"))), "[[p [( msub(v i) )]] ∝ msub(v i) \xa0on\xa0 [[ 0 , ∞ )]]"),
    (f.Equation(V, V, within=(-1.0, 1.0), where=(f.Word("precision"), f.Number(2.0))), "[msub(v i) = msub(v i) , _ precision = 2 \xa0on\xa0 [[ [− 1] , 1 ]]]"),
    (f.Listing(f.symbols(("v", "h"))), "[v , h]"),
    (f.Sentence(("log of ", V, " & more")), "[log\xa0of\xa0 msub(v i) \xa0&\xa0more]"),
]  # fmt: skip


def flat(node: Element) -> str:
    """An element as a call: `msub(v i)`; tokens as their text, rows without a name."""
    if not len(node):
        return node.text or "_"
    inside = " ".join(map(flat, node))
    return f"[{inside}]" if node.tag == "mrow" else f"{node.tag}({inside})"


@pytest.mark.parametrize(("formula", "wanted"), TABLE, ids=[w for _, w in TABLE])
def test_printer(formula: f.Formula, wanted: str) -> None:
    assert flat(MathmlPrinter().show(formula)) == wanted


def test_every_node_is_in_the_table() -> None:
    assert {type(formula) for formula, _ in TABLE} == set(get_args(f.Formula))


MISTAKES: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "signs lost": ("sum", lambda p, n: p.listing(f.Listing(tuple(t for _, t in n.terms)))),
    "what is below the line put above": ("product", lambda p, n: p.side_by_side((*n.above, *n.below))),
    "exponents lost": ("power", lambda p, n: p.show(n.base)),
    "conditions lost": ("restricted", lambda p, n: p.show(n.body)),
    "what is given lost": ("probability", lambda p, n: p.listing(f.Listing(n.targets))),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_of_the_printer_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, wrong = MISTAKES[name]
    monkeypatch.setattr(MathmlPrinter, method, wrong)
    assert any(flat(MathmlPrinter().show(formula)) != wanted for formula, wanted in TABLE)


@pytest.mark.parametrize("path", ZOO, ids=lambda p: p.stem)
def test_all_of_the_zoo_is_well_formed_and_reads_as_its_text(path: Any) -> None:
    model = ed.load(path)
    for formulas in explain.equations(model.compiled).values():
        for formula in formulas:
            (tag, attributes), *inside = Page(html(as_mathml(formula))).elements
            assert tag == "math"
            assert attributes["alttext"] == as_text(formula)
            assert {tag for tag, _ in inside} <= {
                *["mrow", "mi", "mn", "mo", "mtext", "mspace", "msub", "msup", "mfrac", "munder"]
            }


def test_a_name_is_text_whatever_it_holds() -> None:
    page = Page(html(as_mathml(f.Sentence((f.Symbol("<script>"), " & ", f.Word('</math>"'))))))
    assert page.tags() == {"math", "mrow", "mi", "mtext"}
    assert [text for _, text in page.texts] == ["<script>", "\xa0&\xa0", '</math>"']


def test_a_notebook_shows_the_formula_and_a_terminal_its_text() -> None:
    conditional = ed.zoo("rbm").conditionals["h"]
    assert conditional._repr_html_() == html(as_mathml(conditional.formula))
    assert repr(conditional) == f"<{conditional}>" == "<p(h_j = 1 | v) = sigmoid(c_j + sum_i v_i W_ij)>"
