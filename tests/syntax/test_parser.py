"""What is written is what is read: trees as flat text, comments, and the grammar itself."""

from __future__ import annotations

import lark
import pytest

from energydsl.diagnostics import ModelError, Source
from energydsl.syntax import parse, tree
from energydsl.syntax.parser import decode, grammar_text
from energydsl.syntax.printer import print_expr


def value_of(text: str) -> tree.Expr:
    (statement,) = parse(Source("t", f"energy = {text}")).statements
    assert isinstance(statement, tree.Energy)
    return statement.value


def flat(node: object) -> str:
    """A tree with every grouping shown."""
    match node:
        case tree.Number(text=text):
            return text
        case tree.Name(id=id):
            return id
        case tree.Sum(head=head, tail=tail) | tree.Product(head=head, tail=tail):
            return f"({flat(head)}{''.join(f' {s} {flat(x)}' for s, x in tail)})"
        case tree.Negate(operand=operand):
            return f"-{flat(operand)}"
        case tree.Power(base=base, exponent=exponent):
            return f"({flat(base)}^{flat(exponent)})"
        case tree.Transpose(operand=operand):
            return f"{flat(operand)}'"
        case tree.Modulo(left=left, modulus=modulus):
            return f"({flat(left)} % {flat(modulus)})"
        case tree.Subscript(base=base, indices=indices):
            return f"{flat(base)}[{', '.join(map(flat, indices))}]"
        case tree.Call(function=function, arguments=arguments):
            return f"{function.id}({', '.join(k + flat(a) for k, a in arguments)})"
        case tree.Reduce(binders=binders, body=body):
            return f"sum[{len(binders)}]{{{flat(body)}}}"
    raise AssertionError(node)


PRECEDENCE = [
    ("-x^2", "-(x^2)"),
    ("2 * -x", "(2 * -x)"),
    ("a - b - c", "(a - b - c)"),
    ("a / b * c @ d", "(a / b * c @ d)"),
    ("a + b * c", "(a + (b * c))"),
    ("a^b^c", "(a^(b^c))"),
    ("a^-b", "(a^-b)"),
    ("M'[i]'", "M'[i]'"),
    ("--x", "--x"),
    ("- a @ b", "(-a @ b)"),
    ("sum[i] a[i]*v[i] + 1", "(sum[1]{(a[i] * v[i])} + 1)"),
    ("- sum[i] a[i] * b", "-sum[1]{(a[i] * b)}"),
    ("2 * sum[i] a[i] * b", "(2 * sum[1]{(a[i] * b)})"),
    ("2 * - sum[i] a[i]", "(2 * -sum[1]{a[i]})"),
    ("sum[i] sum[j] a[i, j] - 1", "(sum[1]{sum[1]{a[i, j]}} - 1)"),
    ("sum(x)^2", "(sum(x)^2)"),
    ("s[(i + 1) % L, i % 3]", "s[((i + 1) % L), (i % 3)]"),
    (".5 * 1e-3", "(.5 * 1e-3)"),
    ("(a)", "a"),
    ("((a + b)) * c", "((a + b) * c)"),
]


@pytest.mark.parametrize(("text", "shape"), PRECEDENCE)
def test_precedence(text: str, shape: str) -> None:
    assert flat(value_of(text)) == shape
    assert value_of(print_expr(value_of(text))) == value_of(text)


def test_the_grammar_is_lalr_and_strict() -> None:
    lark.Lark(grammar_text(), parser="lalr", lexer="basic", start="statement", strict=True)


def test_identifiers_are_normalised() -> None:
    (statement,) = parse(Source("t", "dim \u212b = 3")).statements
    assert isinstance(statement, tree.Declaration)
    assert statement.entries[0].name.id == "\u00c5"
    assert parse(Source("t", "const σ = 1")).statements


def test_spans_point_at_the_text() -> None:
    (statement,) = parse(Source("t", "energy = a @ b  + sum(c)\n")).statements
    assert isinstance(statement, tree.Energy)
    assert statement.span.text == "energy = a @ b  + sum(c)"
    assert isinstance(statement.value, tree.Sum)
    assert statement.value.tail[0][1].span.text == "sum(c)"


def test_what_is_no_utf8_is_an_error_with_a_place() -> None:
    with pytest.raises(ModelError) as caught:
        decode(b"dim I = 3\n\xff\xfe", "t")
    assert caught.value.diagnostics[0].span is not None
    assert caught.value.diagnostics[0].span.line == 2


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode(b"\xef\xbb\xbfdim I = 3", "t").text == "dim I = 3"


def test_declarations_of_every_kind() -> None:
    text = """
    model m  dim I = 3, J = I / 3  const t : positive = 1
    visible v[I] : interval[-1, 1]  input x : real
    param W[I, J] : symmetric & frozen = normal(mean = 0, sd = 1), b
    graph G = grid(2, 2, periodic = true), H[4]  let u = v
    energy part = 1  energy v | x = 2  recognition x | v = 3
    schedule (v, h*), (x)  layers v -- h (W) <- k, a -> b
    """
    kinds = [type(s).__name__ for s in parse(Source("t", text)).statements]
    assert kinds.count("Declaration") == 7
    assert kinds.count("Energy") == 3
    assert kinds[-2:] == ["Schedule", "Layers"]


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\u3000", "\u2028", "\x0b", "\x85"])
def test_any_white_space_separates(blank: str) -> None:
    text = "visible v[3] : binary\nenergy = - sum(v)"
    assert parse(Source("a", text)) == parse(Source("a", text.replace(" ", blank)))
