"""A formula is a tree, written down by one printer each: a table from tree to text, LaTeX and HTML, and what mistakes break."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

import energydsl as ed
from energydsl.energy import formula as f
from energydsl.energy.formula_html import HtmlPrinter, as_html
from energydsl.energy.formula_latex import LatexPrinter, as_latex
from energydsl.energy.formula_text import TextPrinter, as_text
from energydsl.model.indices import Index, Wrap
from energydsl.report import explain

PACKAGE = Path(ed.__file__).parent
ROW, COLUMN = Index.of("i"), Index.of("j")
V, W, H = f.Symbol("v", (ROW,), "layer"), f.Symbol("W", (ROW, COLUMN), "param"), f.Symbol("h1", (COLUMN,), "layer")
FIELD = f.Sum(((f.PLUS, f.Symbol("b", (ROW,))), (f.MINUS, f.Summation(("j",), (), f.Product((W, H))))))
BEFORE = f.Condition("less", ((ROW,), (COLUMN,)))
BACK = Index(((Wrap(Index(ROW.terms, -1), 5), 1),))

TABLE: list[tuple[f.Formula, str, str, str]] = [
    (f.Number(0.5), "0.5", "0.5", "0.5"),
    (f.Word("precision"), "precision", r"\operatorname{precision}", "precision"),
    (f.Symbol("sigma"), "sigma", r"\sigma", "&sigma;"),
    (f.Symbol("b_v"), "b_v", r"\mathrm{b\_v}", "<i>b_v</i>"),
    (W, "W_ij", "W_{ij}", "<i>W</i><sub>ij</sub>"),
    (f.Symbol("s", (BACK, COLUMN)), "s[(i - 1) % 5, j]", r"s_{(i - 1) \bmod  5, j}", "<i>s</i><sub>(i - 1) mod 5, j</sub>"),
    (f.Symbol("v", (ROW, COLUMN), others=True), "v_-ij", "v_{-ij}", "<i>v</i><sub>-ij</sub>"),
    (f.Place(ROW + Index(constant=1)), "i + 1", "i + 1", "i + 1"),
    (f.Power(V, 2.0), "v_i^2", "v_{i}^2", "<i>v</i><sub>i</sub><sup>2</sup>"),
    (f.Product((V, W)), "v_i W_ij", "v_{i} W_{ij}", "<i>v</i><sub>i</sub> <i>W</i><sub>ij</sub>"),
    (f.Product((V,), (W,)), "v_i / W_ij", "v_{i} / W_{ij}", "<i>v</i><sub>i</sub> / <i>W</i><sub>ij</sub>"),
    (f.Product((), (V, f.Number(2.0))), "1 / (v_i 2)", "1 / (v_{i} 2)", "1 / (<i>v</i><sub>i</sub> 2)"),
    (f.Call("", (V,)), "(v_i)", "(v_{i})", "(<i>v</i><sub>i</sub>)"),
    (f.Call("sigmoid", (V,)), "sigmoid(v_i)", r"\operatorname{sigmoid}(v_{i})", "sigmoid(<i>v</i><sub>i</sub>)"),
    (f.Call("softmax", (V,), state="i"), "softmax_i(v_i)", "softmax_i(v_{i})", "softmax<sub>i</sub>(<i>v</i><sub>i</sub>)"),
    (f.Call("log 2cosh", (V,)), "log 2cosh(v_i)", r"\log 2\cosh(v_{i})", "log 2cosh(<i>v</i><sub>i</sub>)"),
    (
        f.Call("Normal", (V, f.Number(1.0)), ("mean", "variance")),
        "Normal(mean = v_i, variance = 1)",
        r"\operatorname{Normal}(\operatorname{mean} = v_{i}, \operatorname{variance} = 1)",
        "Normal(mean = <i>v</i><sub>i</sub>, variance = 1)",
    ),
    (f.Summation(("i",), (), V), "sum_i v_i", r"\sum_{i} v_{i}", "&sum;<sub>i</sub> <i>v</i><sub>i</sub>"),
    (f.Summation(("i", "j"), (), W), "sum_{ij} W_ij", r"\sum_{ij} W_{ij}", "&sum;<sub>ij</sub> <i>W</i><sub>ij</sub>"),
    (f.Summation(("i", "j"), (), W, bare=True), "sum_ij W_ij", r"\sum_{ij} W_{ij}", "&sum;<sub>ij</sub> <i>W</i><sub>ij</sub>"),
    (f.Summation((), (BEFORE,), W), "sum_{i < j} W_ij", r"\sum_{i < j} W_{ij}", "&sum;<sub>i &lt; j</sub> <i>W</i><sub>ij</sub>"),
    (
        f.Summation((f.Edge(("i", "j"), "G"),), (), W),
        "sum_{(i,j) in G} W_ij",
        r"\sum_{(i,j) in G} W_{ij}",
        "&sum;<sub>(i,j) in G</sub> <i>W</i><sub>ij</sub>",
    ),
    (
        f.Restricted(V, (f.Condition("differ", ((ROW, COLUMN), (COLUMN, ROW))),)),
        "v_i [(i, j) != (j, i)]",
        r"v_{i} [(i, j) \ne  (j, i)]",
        "<i>v</i><sub>i</sub> [(i, j) &ne; (j, i)]",
    ),
    (f.Sum(()), "0", "0", "0"),
    (
        FIELD,
        "b_i - sum_j W_ij h1_j",
        r"b_{i} - \sum_{j} W_{ij} \mathrm{h1}_{j}",
        "<i>b</i><sub>i</sub> - &sum;<sub>j</sub> <i>W</i><sub>ij</sub> <i>h1</i><sub>j</sub>",
    ),
    (f.Sum(((f.MINUS, V), (f.PLUS, W))), "-v_i + W_ij", "-v_{i} + W_{ij}", "-<i>v</i><sub>i</sub> + <i>W</i><sub>ij</sub>"),
    (f.Probability("p", (V,), (f.Symbol("h1"),)), "p(v_i | h1)", r"p(v_{i} \mid \mathrm{h1})", "p(<i>v</i><sub>i</sub> | <i>h1</i>)"),
    (f.Derivative(W), "dE/dW_ij", r"\partial E/\partial W_{ij}", "&part;<i>E</i>/&part;<i>W</i><sub>ij</sub>"),
    (
        f.Derivative(W, f.Probability("q", (f.Symbol("h"),), (f.Symbol("v"),))),
        "d(-log q(h | v))/dW_ij",
        r"d(-log q(h \mid v))/dW_ij",
        "&part;(&minus;log q(<i>h</i> | <i>v</i>))/&part;<i>W</i><sub>ij</sub>",
    ),
    (f.Mean(V, f.Word("core")), "<v_i>_core", "<v_{i}>_core", "&lang;<i>v</i><sub>i</sub>&rang;<sub>core</sub>"),
    (
        f.Equation(f.Probability("p", (V,), value="1"), f.Call("sigmoid", (V,))),
        "p(v_i = 1) = sigmoid(v_i)",
        r"p(v_{i} = 1) &= \operatorname{sigmoid}(v_{i})",
        "p(<i>v</i><sub>i</sub> = 1) = sigmoid(<i>v</i><sub>i</sub>)",
    ),
    (
        f.Equation(f.Probability("p", (V,)), f.Call("exp", (V,)), "~", (0.0, float("inf"))),
        "p(v_i) ~ exp(v_i) on [0, inf)",
        r"p(v_{i}) &\propto \exp(v_{i}) on [0, inf)",
        "p(<i>v</i><sub>i</sub>) &prop; exp(<i>v</i><sub>i</sub>) on [0, inf)",
    ),
    (
        f.Equation(V, f.Product((), (f.Word("precision"),)), where=(f.Word("precision"), f.Number(2.0))),
        "v_i = 1 / precision, precision = 2",
        r"v_{i} &= 1 / \operatorname{precision}, \operatorname{precision} = 2",
        "<i>v</i><sub>i</sub> = 1 / precision, precision = 2",
    ),
    (f.Listing(f.symbols(("v", "h"))), "v, h", "v, h", "<i>v</i>, <i>h</i>"),
    (f.Sentence(("log of ", V, " & more")), "log of v_i & more", "log of v_{i} & more", "log of <i>v</i><sub>i</sub> &amp; more"),
]  # fmt: skip


def printed_right(formula: f.Formula, text: str, latex: str, html: str) -> bool:
    return (as_text(formula), as_latex(formula), as_html(formula)) == (text, latex, html)


@pytest.mark.parametrize(("formula", "text", "latex", "html"), TABLE, ids=[t for _, t, _, _ in TABLE])
def test_printers(formula: f.Formula, text: str, latex: str, html: str) -> None:
    assert as_text(formula) == text
    assert as_latex(formula) == latex
    assert as_html(formula) == html
    assert printed_right(formula, text, latex, html)


def test_every_node_is_in_the_table_and_has_a_method_of_its_own() -> None:
    nodes = {type(formula) for formula, *_ in TABLE}
    for node in get_args(f.Formula):
        assert node in nodes, f"{node.__name__} is not printed in tests/energy/test_formula.py"
        assert callable(getattr(TextPrinter, node.__name__.lower(), None)), (
            f"TextPrinter has no method for {node.__name__}"
        )


MISTAKES: dict[str, tuple[type[TextPrinter], str, Callable[[Any], Any]]] = {
    "signs lost": (TextPrinter, "sum", lambda old: lambda self, n: " + ".join(self.show(t) for _, t in n.terms) or "0"),
    "what is below the line put above": (TextPrinter, "product", lambda old: lambda self, n: self.joined((*n.above, *n.below), " ")),
    "exponents lost": (TextPrinter, "power", lambda old: lambda self, n: self.show(n.base)),
    "conditions lost": (TextPrinter, "restricted", lambda old: lambda self, n: self.show(n.body)),
    "bounds left open": (TextPrinter, "within", lambda old: lambda self, low, high: f" on [{low:g}, {high:g})"),
    "braces lost": (LatexPrinter, "subscripted", lambda old: lambda self, name, letters: f"{name}_{letters}"),
    "underscores not masked": (LatexPrinter, "name", lambda old: lambda self, name: rf"\mathrm{{{name}}}"),
    "names not masked": (HtmlPrinter, "sentence", lambda old: TextPrinter.sentence),
    "a relation not masked": (HtmlPrinter, "condition", lambda old: lambda self, n: " < ".join(map(self.side, n.sides))),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_of_a_printer_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printer, method, change = MISTAKES[name]
    monkeypatch.setattr(printer, method, change(getattr(printer, method)))
    rows = [
        *TABLE,
        (
            f.Equation(V, V, within=(0.0, 1.0)),
            "v_i = v_i on [0, 1]",
            r"v_{i} &= v_{i} on [0, 1]",
            f"{as_html(V)} = {as_html(V)} on [0, 1]",
        ),
    ]
    assert not all(printed_right(*row) for row in rows)


def test_symbols_are_changed_wherever_they_stand() -> None:
    formula = f.Equation(f.Derivative(W), f.Call("exp", (FIELD,)), where=(f.Word("x"), f.Power(H, 2.0)))
    changed = f.mapped(formula, lambda s: f.Symbol(f"mu_{s.name}", s.indices, s.kind))
    assert as_text(changed) == "dE/dmu_W_ij = exp(mu_b_i - sum_j mu_W_ij mu_h1_j), x = mu_h1_j^2"


def test_latents_are_moments_in_mean_field_and_parameters_of_like_names_are_not() -> None:
    model = ed.loads("visible v[3] : binary\nhidden b[2] : binary\nhidden c[2] : binary\nlayers v -- b -- c")
    assert explain.mean_field(model)[0] == "mu_b_j = sigmoid(b_b_j + sum_k W_b_c_jk mu_c_k + sum_i v_i W_v_b_ij)"


def test_html_of_a_model() -> None:
    shown = explain.as_html(ed.loads("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- h"))
    assert "<p>p(<i>h</i><sub>j</sub> = 1 | <i>v</i>) = sigmoid(<i>b_h</i><sub>j</sub> + &sum;<sub>i</sub>" in shown
    assert shown.count("<p>") == shown.count("</p>") == 7


def test_no_regular_expression_takes_a_formula_apart() -> None:
    for path in [
        *(PACKAGE / "derive").rglob("*.py"),
        *(PACKAGE / "energy").rglob("*.py"),
        PACKAGE / "report" / "explain.py",
    ]:
        assert not re.search(r"^(import|from) re\b", path.read_text(), re.MULTILINE), (
            f"{path} reads formulas by regular expression"
        )


def test_records_of_formulas_are_frozen() -> None:
    for node in get_args(f.Formula):
        assert node.__dataclass_params__.frozen
        assert fields(node)
