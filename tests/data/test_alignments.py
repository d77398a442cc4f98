"""Sequences as data: what formats say, what letters mean, and errors with their line, or row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.data import alignments
from energydsl.data.sources import from_arrays

LETTERS = "-ACDE"
MODEL = ed.loads(
    f'visible s[4] : categorical[5] = "{LETTERS}"\nparam g[4, 5]\nenergy = - sum[i, a] g[i, a]*s[i, a]'
).resolved
STATES = [[1, 2, 0, 3], [4, 4, 1, 0]]
SAME = {
    "plain.fasta": ">one two\nAC-D\n\n>b\nEE\nA-\n",
    "lower.fa": ">a\nac.d\n>b\nee a~\n",
    "inserted.a2m": ">a\nACwww-D\n>b\nEE...A-\n",
    "interleaved.sto": "# STOCKHOLM 1.0\n#=GF ID x\na AC\nb EE\n\n#=GR a SS HH\na .D\nb A-\n//\n",
    "reference.stk": "# STOCKHOLM 1.0\na ACw-D\nb EE.A-\n#=GC RF xx.xx\n//\n",
}


def states(path: Path, text: str, **options: object) -> list[list[int]]:
    path.write_text(text)
    return ed.load_data(MODEL, str(path), **options).arrays["s"].tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SAME)
def test_formats_give_the_same_states(tmp_path: Path, name: str) -> None:
    assert states(tmp_path / name, SAME[name]) == STATES


REFUSED = {
    "x.fasta": [
        ("AC-D\n", "line 1 of .*: a sequence begins with a line `>name`"),
        (">a\n>b\nAC-D\n", "line 1 of .*: the sequence `a` is empty"),
        (">a\nAC-D\n>b\nAC\n", "line 3 of .*: the sequence `b` has 2 columns, the first has 4"),
        (">a\nAC-DE\n", "5 columns, the layer has 4 units"),
        (">a\nAC-D\n>b\nACXD\n", "row 2, column 3 of `s` is 'X', none of its letters"),
        ("", "has no sequences"),
    ],
    "x.sto": [
        ("a AC-D\n//\n", "line 1 of .*: a Stockholm file begins with"),
        ("# STOCKHOLM 1.0\na AC-D\n", "is cut short"),
        ("# STOCKHOLM 1.0\na AC -D\n//\n", "line 2 of .*: expected a name and a sequence"),
        ("# STOCKHOLM 1.0\na AC-D\n//\n# STOCKHOLM 1.0\n", "line 4 of .*: there is something after the end"),
        ("# STOCKHOLM 1.0\na AC-D\n#=GC RF xxx\n//\n", "has 4 columns, `#=GC RF` has 3"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words"), [(n, *case) for n, cases in REFUSED.items() for case in cases])
def test_what_is_no_alignment_is_told_of(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(ed.DataError, match=words) as caught:
        states(tmp_path / name, text)
    assert caught.value.diagnostics[0].code == "E0401"


def test_a_file_that_is_no_text_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "x.fasta").write_bytes(b">a\n\xff\xfe\n")
    with pytest.raises(ed.DataError, match="not a text file of ASCII"):
        ed.load_data(MODEL, str(tmp_path / "x.fasta"))


def test_unknown_letters_become_gaps_where_that_is_asked_for(tmp_path: Path) -> None:
    assert states(tmp_path / "x.fasta", ">a\nACXD\n", unknown="gap") == [[1, 2, 0, 3]]
    without = ed.loads('visible s[2] : categorical[2] = "AC"\nenergy = sum(s)').resolved
    with pytest.raises(ed.ArgumentError, match="has no state `-`"):
        alignments.of_text(without.layers["s"], ["AC"], "gap")


def test_a_layer_without_letters_takes_no_sequences(tmp_path: Path) -> None:
    (tmp_path / "x.fasta").write_text(">a\nAC\n")
    with pytest.raises(ed.DataError, match="its states have none") as caught:
        ed.load_data(ed.loads("visible s[2] : categorical[2]\nenergy = sum(s)"), str(tmp_path / "x.fasta"))
    assert 's : categorical[2] = "..."' in caught.value.diagnostics[0].help


def test_letters_in_python_and_back() -> None:
    for given in (["AC-D", "EEA-"], np.array([list("AC-D"), list("EEA-")]), np.array([b"AC-D", b"EEA-"])):
        found = from_arrays(MODEL, {"s": given}, None).arrays["s"]
        assert found.tolist() == STATES
    assert alignments.as_texts(MODEL.layers["s"], found) == ["AC-D", "EEA-"]
    with pytest.raises(ed.DataError, match="row 1 of `s` has 4 letters, row 2 has 2"):
        from_arrays(MODEL, {"s": ["AC-D", "EE"]}, None)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.fasta"
    alignments.write_fasta(path, ["one", "two"], ["AC-D", "EEA-"])
    assert alignments.read(path).names == ("one", "two")
    assert ed.load_data(MODEL, str(path)).arrays["s"].tolist() == STATES
