"""Files of quadratic functions that are damaged, or made to do harm: each is refused with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

import energydsl as ed
from energydsl.data import coo, qubo

LARGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'{{"qubo": [["a", "b", {LARGE}]]}}', "bias of entry 1"),
        (f'{{"offset": {LARGE}, "qubo": [["a", "b", 1]]}}', "offset is inf, which is no finite number"),
        ('{"qubo": [["a", "b", 1e308], ["b", "a", 1e308]]}', "no finite number"),
        ('{"qubo": [["a", "a", 1e308], ["a", "a", 1e308]]}', "no finite number"),
        ('{"qubo": [[NaN, "b", 1]]}', "nan is no label"),
        ('{"qubo": [["\\ud800", "b", 1]]}', "no label"),
        ('{{"qubo": [[{}1{}, "b", 1]]}}'.format("[" * 900, "]" * 900), "no label"),
    ],
)  # fmt: skip
def test_qubo(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.qubo").write_text(text)
    with pytest.raises(ed.EnergyError, match=words):
        qubo.read(tmp_path / "x.qubo")


def test_the_end_of_a_long_comment_is_no_coupling(tmp_path: Path) -> None:
    (tmp_path / "x.coo").write_text("# vartype=SPIN\n#" + "x" * 1023 + "5 6 7\n0 1 1\n")
    with pytest.raises(ed.EnergyError, match="line 2 of"):
        coo.read(tmp_path / "x.coo")


@pytest.mark.parametrize("length", range(8, 14))
def test_a_cut_bqm(tmp_path: Path, length: int) -> None:
    pytest.importorskip("dimod")
    from energydsl.data import bqm

    whole = tmp_path / "x.bqm"
    bqm.write(whole, qubo.of_qubo({("a", "b"): 1.0}))
    whole.write_bytes(whole.read_bytes()[:length])
    with pytest.raises(ed.EnergyError, match="damaged"):
        bqm.read(whole)
