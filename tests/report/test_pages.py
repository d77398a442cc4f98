"""Pages: everything of a model, a path or a data file is text in them, they load nothing, and they say what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.learning import facts
from energydsl.markup import element, html
from energydsl.report import figures
from energydsl.report.comparison_page import comparison_page
from energydsl.report.model_page import model_page
from energydsl.report.run_page import Sampled, run_page
from tests.html_reader import Page

HOSTILE = (
    """</pre></style><script>document.title = 'owned'</script><img src=x onerror="alert(1)">&amp;"'\u202e\x00$\\bad$"""
)
RBM = "model rbm\ndim I = 16, J = 4\nvisible v[I] : binary\nhidden h[J] : binary\nlayers v -- h\n"
# Elements that pages are made of.
KNOWN = {
    *[
        "html",
        "head",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "header",
        "h1",
        "p",
        "nav",
        "ol",
        "ul",
        "li",
        "a",
        "main",
        "section",
        "h2",
        "h3",
        "div",
        "strong",
        "footer",
    ]
}
KNOWN |= {*["table", "thead", "tbody", "tr", "th", "td", "pre", "figure", "figcaption", "img"]}
KNOWN |= {*["math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msub", "msup", "mfrac", "munder"]}


def is_safe(text: str) -> Page:
    page = Page(text)
    assert page.tags() <= KNOWN
    assert not page.loads()
    assert all(attributes["alt"] for tag, attributes in page.elements if tag == "img")
    anchors = {a["id"] for tag, a in page.elements if tag == "section"}
    assert {f"#{name}" for name in anchors} == {a["href"] for tag, a in page.elements if tag == "a"}
    return page


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "it's a <run>"
    run = ed.train(ed.loads(RBM).compile("numpy"), "bars-and-stripes:4", epochs=3, out=folder)
    assert run.finished
    result = CliRunner().invoke(cli, ["eval", str(folder), "--data", "bars-and-stripes:4"])
    assert result.exit_code == 0, result.output
    return folder


def report(*words: str) -> str:
    result = CliRunner().invoke(cli, ["report", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_of_a_run(trained: Path, tmp_path: Path) -> None:
    assert report(str(trained), "-o", str(tmp_path / "r.html")) == f"written: {tmp_path / 'r.html'}\n"
    page = is_safe((tmp_path / "r.html").read_text("utf-8"))
    found = json.loads((trained / "evaluation.json").read_text())[0]
    for wanted in (
        f"{found['log_likelihood']:.3f}",
        "it's a <run>",
        "100 chains, 50 draws of each",
        "a projection of `v`",
        "all identities hold",
        "energydsl train - -D I=16 -D J=4 --data bars-and-stripes:4",
        "visible v[I] : binary",
    ):
        assert wanted in page.text
    pictures = [a["alt"] for tag, a in page.elements if tag == "img"]
    assert len(pictures) == (4 if figures.available() else 0)


def test_the_same_run_gives_the_same_page(trained: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        report(str(trained), "-o", str(tmp_path / name), "--no-samples")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_of_a_model_whose_comment_and_file_name_are_hostile(tmp_path: Path) -> None:
    file = tmp_path / """<img src=x onerror=alert(1)>"'&.energy"""
    comment = HOSTILE.replace("\x00", "")
    file.write_text(f"# {comment}\n{RBM}", "utf-8")
    report(str(file), "-o", str(tmp_path / "m.html"))
    page = is_safe((tmp_path / "m.html").read_text("utf-8"))
    shown = comment.replace("\u202e", "\ufffd")
    assert ("pre", f"# {shown}\n{RBM}") in page.texts
    assert file.name in page.text


def test_of_a_run_all_of_whose_names_are_hostile(trained: Path) -> None:
    """Whatever a folder holds: each text of it is one text of the page."""
    run = ed.open_run(trained)
    model = replace(run.facts.model, resolved=replace(run.facts.model.resolved, name="<script>owned()</script>"))
    config = {**run.config, "model": HOSTILE, "data": {**run.config["data"], "name": HOSTILE}}
    told = replace(run.facts, model=model, place=HOSTILE, config=config, warnings=(HOSTILE,))
    evaluation = {"date": HOSTILE, "data": {"name": HOSTILE, "rows": 3}, "method": HOSTILE, "log_likelihood": -1.0}
    evaluation |= {"log_z": HOSTILE, "effective": HOSTILE, "agree": False, "doubts": [HOSTILE], "exactness": HOSTILE}
    judged = replace(facts.judged(run), evaluations=[evaluation])
    certificate = replace(ed.loads(RBM).verify(), model=HOSTILE, sizes=HOSTILE)
    page = is_safe(run_page(told, judged, Sampled(HOSTILE, {}, HOSTILE), certificate, [element("p", HOSTILE)]))
    shown = HOSTILE.replace("\u202e", "\ufffd").replace("\x00", "\ufffd")
    assert sum(shown in text for _, text in page.texts) >= 12


def test_a_notebook_is_safe_too() -> None:
    model = ed.loads(f"# {HOSTILE.replace(chr(0), '')}\n{RBM}", name=HOSTILE)
    run = ed.train(model.compile("numpy"), "bars-and-stripes:4", epochs=1)
    run.warnings = (HOSTILE,)
    for shown in (model, model.compile("numpy"), run, ed.sample(run, n=4, steps=1), model.verify()):
        page = Page(shown._repr_html_())
        assert page.tags() <= KNOWN | {"details", "summary"}
        assert not page.loads()


def test_of_a_comparison(tmp_path: Path) -> None:
    file = tmp_path / "a$b$<i>.energy"
    file.write_text(RBM)
    words = [
        "compare",
        str(file),
        "--data",
        "bars-and-stripes:4",
        "-D",
        "J=2,3",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "c"),
    ]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    report(str(tmp_path / "c"), "-o", str(tmp_path / "c.html"))
    page = is_safe((tmp_path / "c.html").read_text("utf-8"))
    assert page.text.count("a$b$<i> J=2") == 1
    assert page.text.count("a$b$<i> J=3") == 1
    assert sum("visible v[I] : binary" in text for _, text in page.texts) == 2
    assert ("img" in page.tags()) == figures.available()


def test_a_comparison_with_hostile_cells() -> None:
    page = is_safe(
        comparison_page(HOSTILE, [{"name": HOSTILE, "low": "1e9", "agree": HOSTILE}], b"", {HOSTILE: HOSTILE})
    )
    assert "1e+09" in page.text


def test_a_model_that_is_not_proved_says_so() -> None:
    model = ed.loads(RBM)
    wrong = model.verify()
    wrong = replace(wrong, checks=(replace(wrong.checks[0], error=1.0), *wrong.checks[1:]))
    assert "THE DERIVATION IS WRONG" in Page(model_page(model.compiled, wrong)).text


def test_what_cannot_be_reported(tmp_path: Path) -> None:
    (tmp_path / "comparison.csv").write_text("name,low\n,1\n")
    for words, message in (
        ([str(tmp_path / "no")], "cannot read"),
        ([str(tmp_path)], "is damaged"),
        ([str(tmp_path.parent)], "is not a run folder"),
        ([str(tmp_path), "-o", str(tmp_path / "none" / "r.html")], "there is no folder"),
    ):
        result = CliRunner().invoke(cli, ["report", *words])
        assert result.exit_code == 1
        assert message in result.output
    result = CliRunner().invoke(cli, ["report", str(tmp_path), "-D", "J=3"])
    assert result.exit_code == 2


def test_without_matplotlib_it_says_what_is_missing(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "available", lambda: False)
    run = ed.open_run(trained)
    text = run_page(run.facts, facts.judged(run), Sampled("none", {}), ed.loads(RBM).verify(), [])
    page = is_safe(text)
    assert "img" not in page.tags()
    assert 'pip install "energydsl[plots]"' in page.text


def test_elements_escape() -> None:
    made = element("p", "<b>", element("i", "&"), "</p>", title='"><script>')
    page = Page(html(made))
    assert page.elements == [("p", {"title": '"><script>'}), ("i", {})]
    assert page.texts == [("p", "<b>"), ("i", "&"), ("p", "</p>")]


@pytest.mark.parametrize("name", ["conditional_rbm", "dbn", "xy"])
def test_of_models_with_inputs_arrows_and_scans(name: str) -> None:
    model = ed.zoo(name)
    page = Page(model._repr_html_())
    assert page.tags() <= KNOWN
    assert all(layer in page.text for layer in model.layers)
