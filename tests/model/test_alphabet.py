"""The letters of states: what is checked, and that they stay with the text."""

from __future__ import annotations

import pytest

import energydsl as ed
from energydsl.syntax import parse, print_module

TEXT = 'dim K = 3\nvisible x[2] : categorical[K] = "-AC", y : categorical[2] = "NY"\nenergy = sum(x) + sum(y)'


def test_letters_are_declared_printed_and_explained() -> None:
    model = ed.loads(TEXT)
    assert (model.layers["x"].letters, model.layers["y"].letters) == ("-AC", "NY")
    assert 'x[2] : categorical[3] = "-AC"' in model.explain()
    assert model.explain(format="json")["layers"]["x"]["letters"] == "-AC"
    module = parse(model.source)
    assert 'categorical[K] = "-AC"' in print_module(module)
    assert model.verify().ok


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ('categorical[3] = "AC"', "2 letters for 3 states"),
        ('categorical[2] = "AA"', "the letter `A` names two states"),
        ('categorical[2] = "A>"', "cannot be the letter of a state"),
        ('categorical[2] = "A\u00e9"', "cannot be the letter of a state"),
        ('categorical[2] = "A "', "cannot be the letter of a state"),
        ('binary = "01"', "letters name the states of a `categorical` layer"),
    ],
)
def test_what_is_no_alphabet_is_refused(declared: str, words: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(f"visible x[2] : {declared}\nenergy = sum(x)")
    (found,) = caught.value.diagnostics
    assert found.code == "E0212"
    assert words in found.message


def test_another_number_of_states_has_no_letters() -> None:
    assert ed.loads(TEXT, dims={"K": 4}).layers["x"].letters == ""
    with pytest.raises(ed.ModelError, match="2 letters for 3 states"):
        ed.loads(TEXT.replace("-AC", "-A").replace("x[2]", "x[L]").replace("dim K", "dim L = 2, K"), dims={"L": 3})
