"""Formatting: parse(print(x)) == x, twice changes nothing, no comment lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings

from energydsl.diagnostics import Source
from energydsl.syntax import parse, print_module
from energydsl.syntax.formatter import formatted
from tests.generators import modules


def roundtrip(text: str) -> str:
    module = parse(Source("t", text))
    printed = print_module(module)
    again = parse(Source("t", printed))
    assert again == module
    assert Counter(c.text for c in again.comments) == Counter(c.text for c in module.comments)
    assert print_module(again) == printed
    return printed


def test_zoo(zoo_path: Path) -> None:
    text = zoo_path.read_text()
    assert roundtrip(text) == text, "the zoo is formatted"


@settings(max_examples=150, deadline=None)
@given(modules())
def test_generated(text: str) -> None:
    roundtrip(text)


CASES = {
    "# only a comment\n": "# only a comment\n",
    "dim I=3,J=4#sizes\n": "dim I = 3, J = 4  # sizes\n",
    "dim I = 3 # a\n, J = 4 # b\n": "dim I = 3,  # a\n    J = 4  # b\n",
    "energy = a # one\n  + b # two\n - c": "energy = a  # one\n         + b  # two\n         - c\n",
    "visible v[3]:binary\nhidden hh[3]:binary\n": "visible v[3]  : binary\nhidden  hh[3] : binary\n",
    "dim I = 3\n\n\n\n# about J\ndim J = 4": "dim I = 3\n\n# about J\ndim J = 4\n",
    "energy = -(a)+(b*(c))": "energy = - a + b * (c)\n".replace("(c)", "c"),
    "energy = sum [ i,j ] v[ i ]*W[i,j]*h[j]": "energy = sum[i, j] v[i]*W[i, j]*h[j]\n",
    "layers a--b(W)--c": "layers a -- b (W) -- c\n",
    "schedule(a,b*),(c)": "schedule (a, b*), (c)\n",
    "energy = 2*(sum[i] a[i])*b": "energy = 2 * (sum[i] a[i]) * b\n",
    "": "",
}


@pytest.mark.parametrize("text", CASES)
def test_cases(text: str) -> None:
    assert roundtrip(text) == CASES[text]


def test_long_statements_are_broken_at_their_terms() -> None:
    text = "energy = " + " + ".join(f"some_long_name_{k} @ another_long_name_{k}" for k in range(6))
    lines = roundtrip(text).splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 100


def test_fmt_refuses_nothing_it_should_write() -> None:
    assert formatted(Source("t", "dim I=3")) == "dim I = 3\n"
