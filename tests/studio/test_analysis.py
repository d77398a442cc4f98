"""What the page shows of a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from energydsl.api import zoo_names, zoo_text
from energydsl.editor.lexer import coloured
from energydsl.model.resolve import Overrides
from energydsl.studio.analysis import analysed
from tests.conftest import ROOT
from tests.html_reader import Page
from tests.report.test_pages import HOSTILE

MODELS = Overrides({}, {}, {}, ROOT / "models")


@pytest.mark.parametrize("name", zoo_names())
def test_every_model_of_the_zoo_is_shown(name: str) -> None:
    found = analysed(zoo_text(name), f"{name}.energy", MODELS)
    json.dumps(found, allow_nan=False)
    assert found["ok"]
    assert [s["title"] for s in found["sections"]][-1] == "Cost"
    for section in found["sections"]:
        page = Page(section["html"])
        assert "script" not in page.tags()
        assert all("style" not in names and not any(n.startswith("on") for n in names) for _, names in page.elements)
    assert found["layers"]
    assert found["weights"] or "energy " in zoo_text(name) or "layers" in zoo_text(name)


def test_an_erroneous_text_gives_its_diagnostics() -> None:
    found = analysed("visible v[4] : bin\nenergy = sum(u)\n", "m.energy", MODELS)
    assert not found["ok"]
    assert [(d["code"], d["at"]) for d in found["diagnostics"]] == [
        ("E0212", [[1, 16], [1, 19]]),
        ("E0201", [[2, 14], [2, 15]]),
    ]
    assert "did you mean `binary`?" in found["diagnostics"][0]["help"]
    assert [d["code"] for d in analysed("visible v[", "m.energy", MODELS)["diagnostics"]] == ["E0101"]


def test_warnings_stand_beside_what_follows() -> None:
    found = analysed("visible v[4] : binary\nparam u[3]\nenergy = - sum(v)\n", "m.energy", MODELS)
    assert found["ok"]
    assert [(d["code"], d["severity"]) for d in found["diagnostics"]] == [("W0401", "warning")]


def test_a_fault_of_a_file_that_is_used_is_found_from_its_use(tmp_path: Path) -> None:
    (tmp_path / "part.energy").write_text("dim I = 3\nvisible v[I] : binary\nenergy = - sum(w)\n")
    text = 'import "part.energy" as part\nvisible v[3] : binary\nuse part as one on v\n'
    found = analysed(text, str(tmp_path / "m.energy"), Overrides({}, {}, {}, tmp_path))
    (fault,) = found["diagnostics"]
    assert (fault["code"], fault["line"], Path(fault["file"]).name) == ("E0201", 3, "part.energy")
    assert fault["at"][0][0] in (1, 3)
    assert text.split("\n")[fault["at"][0][0] - 1][fault["at"][0][1] - 1 :].startswith(('"part', "part", "use"))


def test_sliders_reach_round_their_values_within_constraints() -> None:
    text = "const a = 0.5, b : positive = 2, c : nonnegative = 1, d = 0\nvisible s[3] : spin\nenergy field = - a * b * c * d * sum(s)\n"
    found = analysed(text, "m.energy", MODELS)
    rows = {s["name"]: (s["value"], s["low"], s["high"]) for s in found["consts"]}
    assert rows["a"] == (0.5, -1.5, 1.5)
    assert rows["b"][0] == 2
    assert 0 < rows["b"][1] < 0.1
    assert rows["c"][1:] == (0.0, 3.0)
    assert rows["d"] == (0.0, -3.0, 3.0)
    assert [(s["name"], s["value"], s["low"]) for s in found["weights"]] == [("field", 1.0, 0.0)]


def test_a_hostile_text_is_text() -> None:
    text = f"# {HOSTILE}\nmodel m\nvisible v[16] : binary\nparam b[16]\nenergy = - b @ v\n"
    found = analysed(text.replace("\x00", ""), "<img src=x onerror=alert(1)>.energy", MODELS)
    assert found["ok"], found
    for section in found["sections"]:
        assert {"script", "style"}.isdisjoint(Page(section["html"]).tags())
        assert "<img src=x" not in section["html"]


@pytest.mark.parametrize(
    "text", ["", "\n\n visible v[3] : binary\n", f"# {HOSTILE}\nenergy = \U0001d54f @ ?", "a\r\n\tb"]
)
def test_coloured_pieces_make_up_the_text(text: str) -> None:
    assert "".join(piece for _, piece in coloured(text)) == text


def test_colours_say_what_words_are() -> None:
    kinds = {piece: kind for kind, piece in coloured("visible v[3] : binary # note\nparam W = normal(sd = 0.1)")}
    assert (kinds["visible"], kinds["binary"], kinds["# note"]) == ("kd", "kt", "c1")
    assert kinds["normal"] == "nb"
    assert kinds["0.1"] == "m"
