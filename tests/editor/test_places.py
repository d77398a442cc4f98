"""Columns are counted in the units that client and server agreed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pygls")

from lsprotocol import types as lsp

from energydsl.editor.places import Places

ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
UNITS = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
TEXTS = st.text(st.sampled_from("ab\n\rαβ𝒙🙂\u2028\x0c#"), max_size=30)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXTS)
def test_positions_are_those_of_the_encoded_lines(encoding: str, text: str) -> None:
    places = Places(text, encoding)
    lines = text.replace("\r\n", "\n\n").replace("\r", "\n")
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] == "\r\n":
            continue
        start = lines.rfind("\n", 0, offset) + 1
        line = text[:start].replace("\r\n", "\n").replace("\r", "\n").count("\n")
        column = len(text[start:offset].encode(ENCODINGS[encoding])) // UNITS[encoding]
        assert places.position(offset) == lsp.Position(line, column)
        assert places.offset(places.position(offset)) == offset


def test_a_position_past_the_end_is_the_end() -> None:
    places = Places("ab\r\ncd")
    assert places.offset(lsp.Position(0, 99)) == 2
    assert places.offset(lsp.Position(1, 99)) == 6
    assert places.offset(lsp.Position(9, 0)) == 6


def test_a_position_inside_a_character_is_after_it() -> None:
    assert Places("🙂a").offset(lsp.Position(0, 1)) == 1
