"""Each feature as a function of a document: what stands at |, and what is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pygls")

from lsprotocol import types as lsp

from energydsl.diagnostics import EnergyError
from energydsl.editor import axes, completion, hover, navigation, outline, problems, tokens
from energydsl.editor.document import Document, analyse
from energydsl.editor.words import RULES, WORDS, examples
from energydsl.syntax.parser import RESERVED, STATEMENTS
from tests.conftest import ZOO

RBM = """dim I = 4, J = 2
visible v[I] : binary
hidden h[J] : binary
param W[I, J] = normal(sd = 0.01), b[I], c[J]
energy = - b @ v - c @ h - v @ W @ h
"""
EVERYTHING = lsp.Range(lsp.Position(0, 0), lsp.Position(999, 0))


def marked(text: str) -> tuple[Document, lsp.Position]:
    """The document of a text without its mark, and where that was."""
    place = text.index("|>")
    document = analyse("file:///m.energy", "m.energy", text.replace("|>", ""))
    return document, document.places.position(place)


def edited(document: Document, edits: list[lsp.TextEdit]) -> str:
    """The text of a document after some edits."""
    text = document.source.text
    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        start, end = document.places.offset(edit.range.start), document.places.offset(edit.range.end)
        text = text[:start] + edit.new_text + text[end:]
    return text


# --- hover


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RBM.replace("v[I]", "|>v[I]"), ["visible v[I] : binary", "4 units", "p(v_i = 1 | h) = sigmoid(b_i + sum_j W_ij h_j)"]),
        (RBM.replace("@ W", "@ |>W"), ["4 x 2", "dE/dW_ij = -v_i h_j"]),
        (RBM.replace("energy", "|>energy"), ["- sum_{ij} W_ij v_i h_j", "F(v) = ", "nothing clamped: (v), then (h)"]),
        (RBM + "|>schedule (v), (h)", ["data clamped:    (h)"]),
        (RBM.replace("v @ W", "v |>@ W"), ["v @ W  [J]"]),
        (RBM.replace("dim I", "dim |>I"), ["= 4"]),
        ("visible v[2] : |>spin\nenergy = sum(v)", ["{-1, +1}"]),
        ("visible v[2] : real\nenergy = sum(v^2 + |>tanh(v))", ["d/dx = 1 - tanh(x)^2"]),
        ("const K = 2\nvisible v[2] : spin\nenergy = |>K * sum(v)", ["= 2"]),
        ("graph G = |>grid(2, 2)", ["periodic ="]),
        ("graph |>G = grid(2, 2)\nvisible s[4] : spin\nenergy = sum[(i, k) in G] s[i]*s[k]", ["4 units, 4 edges"]),
        ("visible v[3] : spin\nenergy = sum[|>i] v[i]", ["i = 0, ..., 2"]),
        ("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- |>h", ["p(h_j = 1 | v)"]),
        ("visible v[3] : binary\nhidden h[2] : binary\n|>layers v -- h", ["W_v_h[3, 2] = normal(sd = 0.01)"]),
        ("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- h\nenergy = sum(|>b_v)", ["param b_v[3]", "dE/db_v"]),
        (RBM.replace("W @", "|>W @ WW @"), ["param W[I, J]"]),
    ],
)  # fmt: skip
def test_hover(text: str, said: list[str]) -> None:
    found = hover.hover(*marked(text))
    assert found is not None
    assert isinstance(found.contents, lsp.MarkupContent)
    for line in said:
        assert line in found.contents.value


IMPORTED = """dim I, J = 5
const t = 0.5
visible v[I] : binary
hidden h[J] : binary
param W[I, J] = normal(sd = 0.01)
energy pairs = - v @ W @ h / t
"""


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("import", ["dim J = 5", "const t = 0.5", "visible v[I] : binary", "param W[I, J] = normal(sd = 0.01)", "term pairs"]),
        ('import "part.energy" as part', ["hidden h[J] : binary"]),
        ("use", ["# I = 4", "# v is x", "# h is g", "param low_W  # W of part.energy", "const low_t", "# energy terms: low, low_pairs"]),
        ("use part(I = 4) as low", ["# v is x", "# energy terms: low"]),
    ],
)  # fmt: skip
def test_hover_over_what_is_imported(mark: str, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "part.energy").write_text(IMPORTED)
    text = 'import "part.energy" as part\nvisible x[4] : binary\nhidden g[5] : binary\nuse part(I = 4) as low on x, g\n'
    word = mark.split()[-1]
    at = text.index(mark) + len(mark) - len(word) + 1
    document = analyse("file:///m.energy", "m.energy", text, tmp_path)
    found = hover.hover(document, document.places.between(at, at).start)
    assert found is not None
    assert isinstance(found.contents, lsp.MarkupContent)
    for line in said:
        assert line in found.contents.value


def test_nothing_is_said_of_nothing() -> None:
    assert hover.hover(*marked(RBM + "\n\n|>")) is None


def test_what_a_model_says_is_never_markdown() -> None:
    text = 'visible v[2] : spin\nparam w[2] = file("``` [x](command:y)")\nenergy = sum(|>w * v)'
    found = hover.hover(*marked(text))
    assert found is not None
    assert isinstance(found.contents, lsp.MarkupContent)
    fences = [n for n, line in enumerate(found.contents.value.split("\n")) if "```" in line]
    assert len(fences) % 2 == 0
    assert all(line.startswith("```") for line in found.contents.value.split("\n") if "```" in line)


# --- names


def used(text: str) -> list[str]:
    """The lines and columns of what is found at a mark."""
    found = navigation.references(*marked(text), True)
    return [f"{r.range.start.line}:{r.range.start.character}" for r in found]


def test_references_and_definition() -> None:
    text = RBM.replace("@ W", "@ |>W")
    assert used(text) == ["3:6", "4:31"]
    found = navigation.definition(*marked(text))
    assert found is not None
    assert found.range.start == lsp.Position(3, 6)


def test_an_index_is_known_in_its_sum_alone() -> None:
    text = "visible v[3] : spin\nenergy = sum[i] v[|>i] + sum[i] v[i]"
    assert used(text) == ["1:13", "1:18"]


def test_the_innermost_sum_binds() -> None:
    assert used("visible v[3] : spin\nenergy = sum[i] v[i] * (sum[j] v[j]*v[|>i])") == ["1:13", "1:18", "1:38"]
    assert used("visible v[3] : spin\nenergy = sum[i] v[i] * (sum[i] v[|>i])") == ["1:28", "1:33"]


def test_a_parameter_of_layers_is_found_where_it_is_brought() -> None:
    found = navigation.definition(
        *marked("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- h\nenergy = sum(|>W_v_h)")
    )
    assert found is not None
    assert found.range.start.line == 2


@pytest.mark.parametrize(
    ("text", "name", "after"),
    [
        (RBM.replace("@ W", "@ |>W"), "U", RBM.replace("W", "U")),
        ("visible v[3] : spin\nenergy t = sum[i] v[|>i]\nenergy s = sum[i] v[i]", "k",
         "visible v[3] : spin\nenergy t = sum[k] v[k]\nenergy s = sum[i] v[i]"),
        ("visible v[2] : real\nenergy |>t = sum(softplus(v)) + sum(v^2)\naugment t", "experts",
         "visible v[2] : real\nenergy experts = sum(softplus(v)) + sum(v^2)\naugment experts"),
        ("visible 𝒙𝒚[2] : spin\nenergy = sum(|>𝒙𝒚) # 🙂 𝒙𝒚", "z", "visible z[2] : spin\nenergy = sum(z) # 🙂 𝒙𝒚"),
    ],
)  # fmt: skip
def test_rename(text: str, name: str, after: str) -> None:
    document, position = marked(text)
    edit = navigation.rename(document, position, name)
    assert edit.changes is not None
    assert edited(document, list(edit.changes[document.uri])) == after


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (RBM.replace("@ W", "@ |>W"), "b"),
        (RBM.replace("@ W", "@ |>W"), "energy"),
        (RBM.replace("@ W", "@ |>W"), "exp"),
        (RBM.replace("@ W", "@ |>W"), "2a"),
        (RBM.replace("@ W", "@ |>W"), "a b"),
        ("visible v[3] : spin\nenergy = sum[i, j] v[|>i]*v[j]", "j"),
        ("dim I = 3\nvisible v[3] : spin\nenergy = sum[i] v[|>i]", "I"),
        ("visible |>v[3] : binary\nhidden h[2] : binary\nlayers v -- h\nenergy = sum(b_v * v)", "x"),
        ("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- h\nenergy = sum(|>b_v * v)", "x"),
        ("visible v[3] : |>binary\nenergy = sum(v)", "x"),
        ("visible v[3] : spin\nenergy |>t = sum(v)\nenergy s = sum(v)", "s"),
    ],
)
def test_what_would_make_another_model_is_not_renamed(text: str, name: str) -> None:
    with pytest.raises(EnergyError):
        navigation.rename(*marked(text), name)


# --- completion


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("", ["visible", "energy ...", "schedule"], ["v", "sum"]),
        ("vis", ["visible"], ["v"]),
        ("visible x[", ["I", "J"], ["v", "exp", "sum"]),
        ("visible x : ", ["spin", "categorical"], ["symmetric", "I"]),
        ("param U[I, I] : symmetric & ", ["zero_diagonal"], ["spin"]),
        ("const k : ", ["positive"], ["symmetric"]),
        ("param U[I] = ", ["normal", "base_rate"], ["grid", "exp"]),
        ("param U[I] = normal(", ["mean", "sd"], ["low"]),
        ("param U[I] = base_rate(", ["v"], ["h"]),
        ("graph G = ", ["grid", "edges"], ["normal"]),
        ("graph G = grid(3, ", ["periodic", "I"], ["degree"]),
        ("graph G = grid(3, periodic = ", ["true", "false"], ["grid"]),
        ("energy = - b @ ", ["v", "W", "exp", "sum", "pi"], ["spin", "normal", "true"]),
        ("energy = sum[k] v[", ["k", "I"], ["W", "exp"]),
        ("energy = sum[k in ", ["range"], ["v", "W"]),
        ("energy = sum[k", [], ["visible"]),
        ("energy v | ", ["h"], ["W"]),
        ("layers v -- ", ["h"], ["W", "I"]),
        ("schedule (v), (", ["h"], ["W"]),
        ("marginalise ", ["h"], ["v"]),
        ("# vis", [], ["visible"]),
        ("let u = ", ["v", "tanh"], []),
    ],
)
def test_completion(line: str, offered: list[str], not_offered: list[str]) -> None:
    labels = {item.label for item in completion.completion(*marked(f"{line}|>\n{RBM}")).items}
    assert set(offered) <= labels
    assert not set(not_offered) & labels


def test_what_is_completed_takes_the_place_of_what_is_typed() -> None:
    document, position = marked("visible x : sp|>\n" + RBM)
    (item,) = (i for i in completion.completion(document, position).items if i.label == "spin")
    assert isinstance(item.text_edit, lsp.TextEdit)
    assert edited(document, [item.text_edit]).startswith("visible x : spin\n")


def test_an_empty_file_may_become_a_model_of_the_zoo() -> None:
    items = {i.label: i for i in completion.completion(*marked("|>")).items}
    assert {f"{p.stem}.energy" for p in ZOO} <= set(items)


def test_every_snippet_begins_a_statement() -> None:
    assert set(completion.SNIPPETS) <= set(STATEMENTS)
    assert all(text.startswith(word) for word, text in completion.SNIPPETS.items())


# --- diagnostics and quick fixes


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (RBM.replace("@ W", "@ WW"), RBM),
        (RBM.replace(": binary\nhidden", ": binry\nhidden"), RBM),
        (RBM.replace("sd =", "sdd ="), RBM),
        (RBM.replace("energy = -", "energy = = -"), RBM.replace("energy = -", "energy =  -")),
        (RBM.replace("c[J]\n", "c[J];\n"), RBM),
        ("visible v[2] : real\nenergy = sum(v**2)", "visible v[2] : real\nenergy = sum(v^2)"),
        ("visible v[3] : spin\nparam W[2, 3]\nenergy = sum(v @ W)", "visible v[3] : spin\nparam W[2, 3]\nenergy = sum(v @ W')"),
        ("visible v[3] : spin\nparam W[3, 2]\nenergy = sum(v * W)", "visible v[3] : spin\nparam W[3, 2]\nenergy = sum(v @ W)"),
        ("visible v[3] : spin\nenergy = sum[i] v[i]*v[i + 1]", "visible v[3] : spin\nenergy = sum[i] v[i]*v[(i + 1) % 3]"),
        ("visible v[2] : real\nparam s : positive\nenergy = s * sum(v^2)", "visible v[2] : real\nparam s : positive = 1\nenergy = s * sum(v^2)"),
        (RBM + "param u[I]\n", RBM + "param u[I]  # allow: W0401\n"),
        (RBM + "param u[I] # allow: W0402\n", RBM + "param u[I] # allow: W0402, W0401\n"),
    ],
)  # fmt: skip
def test_quick_fixes_repair(text: str, after: str) -> None:
    document = analyse("file:///m.energy", "m.energy", text)
    assert document.diagnostics
    (action,) = problems.actions(document, EVERYTHING)
    assert action.edit is not None
    assert action.edit.changes is not None
    repaired = edited(document, list(action.edit.changes[document.uri]))
    assert repaired == after
    assert not analyse("file:///m.energy", "m.energy", repaired).diagnostics


def test_auxiliary_units_are_a_quick_fix() -> None:
    text = "visible n[3] : count\nparam W[3, 2]\nenergy own = sum(lgamma(n + 1))\nenergy experts = - sum(softplus(n @ W))\n"
    document = analyse("file:///m.energy", "m.energy", text)
    (action,) = problems.actions(document, EVERYTHING)
    assert action.edit is not None
    assert action.edit.changes is not None
    repaired = edited(document, list(action.edit.changes[document.uri]))
    assert repaired == text + "augment experts\n"
    assert not analyse("file:///m.energy", "m.energy", repaired).diagnostics


def test_notes_are_places_of_their_own() -> None:
    document = analyse("file:///m.energy", "m.energy", RBM + "param b[2]")
    (found,) = problems.diagnostics(document)
    assert found.code == "E0202"
    assert found.related_information is not None
    assert found.related_information[0].location.range.start == lsp.Position(3, 35)


def test_what_is_not_used_is_shown_as_such() -> None:
    (found,) = problems.diagnostics(analyse("file:///m.energy", "m.energy", RBM + "param u[I]"))
    assert found.severity == lsp.DiagnosticSeverity.Warning
    assert found.tags == [lsp.DiagnosticTag.Unnecessary]


# --- the file


def test_hints() -> None:
    text = "dim I = 4, J = 2\nvisible v[I] : spin\nparam W[I, J]\nlet u = v @ W\nenergy = sum[j] u[j] + sum[i in range(1, 4)] v[i]*v[i - 1] + sum((v + 1)^2)"
    document = analyse("", "", text)
    found = [
        (document.source.text[: document.places.offset(h.position)][-6:], h.label)
        for h in axes.hints(document, EVERYTHING)
    ]
    assert found == [
        ("\nlet u", "[J]"), ("= v @ W"[-6:], "[J]"), (" sum[j", ": J"), (" sum[i", ": 1..3"), (" + 1)^2"[-6:], "[I]"),
    ]  # fmt: skip


def test_the_axis_of_states_is_named() -> None:
    text = "dim K = 3, J = 2\nvisible y[4] : categorical[K]\nparam U[J, 4, K]\nhidden h[J] : spin\nenergy = sum[j, n, a] h[j]*U[j, n, a]*y[n, a]"
    assert [h.label for h in axes.hints(analyse("", "", text), EVERYTHING)] == [": J", ": 4", ": K"]


def test_outline_and_folds() -> None:
    text = "# one\n# two\nmodel m\nvisible v[2] : spin,\n        x : real\nenergy t = sum(v)\n  + x^2"
    document = analyse("", "", text)
    assert [(s.name, s.detail) for s in outline.outline(document)] == [
        ("m", None), ("v", "visible v[2] : spin"), ("x", "visible x : real"), ("energy t", None),
    ]  # fmt: skip
    assert [(f.start_line, f.end_line) for f in outline.folds(document)] == [(3, 4), (5, 6), (0, 1)]


def test_formatting() -> None:
    document = analyse("", "", "visible v[2]:spin\nenergy=sum(v)  # 🙂")
    edits = outline.formatting(document)
    assert edits is not None
    assert edited(document, edits) == "visible v[2] : spin\nenergy = sum(v)  # 🙂\n"
    assert outline.formatting(analyse("", "", "visible v[2")) is None


def test_tokens_are_where_their_words_are() -> None:
    document = analyse("", "", "dim I = 2 # 🙂\nvisible 𝒙[I] : spin # 🙂\nenergy = sum(exp(𝒙))")
    line = column = 0
    found = []
    data = list(tokens.tokens(document).data)
    for n in range(0, len(data), 5):
        down, right, length, kind, modifiers = data[n : n + 5]
        line, column = line + down, right + column * (not down)
        place = lsp.Range(lsp.Position(line, column), lsp.Position(line, column + length))
        text = document.source.text[document.places.offset(place.start) : document.places.offset(place.end)]
        found.append((text, tokens.LEGEND.token_types[kind], modifiers))
    assert found == [
        ("dim", "keyword", 0), ("I", "enumMember", 3), ("=", "operator", 0), ("2", "number", 0), ("# 🙂", "comment", 0),
        ("visible", "keyword", 0), ("𝒙", "variable", 1), ("I", "enumMember", 2), ("spin", "type", 0), ("# 🙂", "comment", 0),
        ("energy", "keyword", 0), ("=", "operator", 0), ("sum", "keyword", 0), ("exp", "function", 0), ("𝒙", "variable", 0),
    ]  # fmt: skip


# --- models of several files

STACK = """import "rbm.energy" as rbm
visible v[4] : binary
hidden h[2] : binary
use rbm as low on v, h
energy = sum(low_b * v)
"""


def stacked(text: str, folder: Path, file: str = RBM) -> tuple[Document, lsp.Position]:
    """The document of a text without its mark, beside the file of a block; and where the mark was."""
    (folder / "rbm.energy").write_text(file)
    place = text.index("|>")
    document = analyse((folder / "m.energy").as_uri(), str(folder / "m.energy"), text.replace("|>", ""), folder)
    return document, document.places.position(place)


def test_names_of_another_file(tmp_path: Path) -> None:
    document, place = stacked(STACK.replace("(low_b", "(|>low_b"), tmp_path)
    assert not problems.diagnostics(document)
    found = hover.hover(document, place)
    assert found is not None
    assert isinstance(found.contents, lsp.MarkupContent)
    assert "dE/dlow_b_i" in found.contents.value
    there = navigation.definition(document, place)
    assert there is not None
    assert there.uri == (tmp_path / "rbm.energy").as_uri()
    assert there.range.start == lsp.Position(3, RBM.splitlines()[3].index("b[I]"))
    with pytest.raises(EnergyError, match="no declared name here"):
        navigation.rename(document, place, "a")
    document, place = stacked(STACK.replace("use rbm", "use |>rbm"), tmp_path)
    here = navigation.definition(document, place)
    assert here is not None
    assert here.uri == document.uri
    assert here.range.start == lsp.Position(0, STACK.splitlines()[0].rindex("rbm"))
    for text, offered in (("use |>", "rbm"), ("use rbm |>", "on"), ("use rbm as low on |>", "v")):
        document, place = stacked(STACK.partition("use")[0] + text, tmp_path)
        assert offered in [item.label for item in completion.completion(document, place).items]


def test_what_is_wrong_in_another_file_is_shown_where_it_is_used(tmp_path: Path) -> None:
    document, _ = stacked("|>" + STACK, tmp_path, RBM.replace("b @ v", "b @ V"))
    (found,) = (d for d in problems.diagnostics(document) if d.severity == lsp.DiagnosticSeverity.Error)
    assert found.range.start.line in (0, 3)
    assert found.related_information is not None
    assert found.related_information[0].location.uri == (tmp_path / "rbm.energy").as_uri()
    assert found.related_information[0].location.range.start.line == 4
    assert not problems.actions(document, EVERYTHING)


# --- words


def test_every_word_of_the_language_is_in_the_tables() -> None:
    assert {*WORDS["statement"], *WORDS["keyword"], *WORDS["later"]} == RESERVED
    assert set(examples()) == set(STATEMENTS)
    assert {r.kind for r in RULES} == set(WORDS) - {"constant"}
