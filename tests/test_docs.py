"""The README's Python and every energy block of the docs run; the README's commands name what exists."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import COMMANDS, cli
from energydsl.learning.methods import METHODS
from energydsl.options import ESTIMATORS
from tests import errors_page, reference_pages
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Files that a reader would write, and names of which only the part stands in a sentence.
EXAMPLES = {
    "kernels.py",
    "energydsl/augment/NAME.py",
    "energydsl/domains/NAME.py",
    "energydsl/functions/NAME.py",
    "learning/objective/NAME.py",
    "learning/optimizer/NAME.py",
}
BLOCKS = [
    (p.name, kind, text) for p in PAGES for kind, text in re.findall(r"```(\w+)\n(.*?)```", p.read_text(), re.DOTALL)
]


@pytest.mark.parametrize("block", [b for b in BLOCKS if b[1] == "energy"], ids=lambda b: b[0])
def test_energy_blocks_compile(block: tuple[str, str, str]) -> None:
    assert ed.loads(block[2]).verify().ok


@pytest.mark.parametrize("block", [b for b in BLOCKS if b[1] == "python"], ids=lambda b: b[0])
def test_python_blocks_run(block: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"epochs=\d+", "epochs=1", block[2])
    exec(compile(text, block[0], "exec"), {})


def test_readme_quotes_explain_word_for_word() -> None:
    text = next(t for n, k, t in BLOCKS if k == "text" and n == "README.md")
    found = CliRunner().invoke(cli, ["explain", str(ROOT / "models/rbm.energy")]).stdout
    for line in text.splitlines():
        assert line in found


def test_guides_quote_explain_word_for_word() -> None:
    """Every block of text quotes what `explain` prints of the energy above it."""
    energy, quoted = "", 0
    for name, kind, text in BLOCKS:
        if name == "guides.md" and kind == "energy":
            energy = text
        if name == "guides.md" and kind == "text":
            found = ed.loads(energy).explain()
            assert all(line in found for line in text.splitlines()), text
            quoted += 1
    assert quoted >= 5


def test_readme_first_command_trains_and_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = (t for n, k, t in BLOCKS if k == "sh" and n == "README.md" and "--data digits" in t)
    words = shlex.split(command.split("&&")[-1])[1:]
    words[words.index("--epochs") + 1] = "2"
    words[words.index("--out") + 1] = str(tmp_path / "first")
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert "log-likelihood of 500 test rows" in result.output
    assert (tmp_path / "first" / "samples.png").exists()


def test_the_page_of_errors_is_up_to_date() -> None:
    assert errors_page.PAGE.read_text() == errors_page.page(), "python -m tests.errors_page writes it anew"


@pytest.mark.parametrize("page", reference_pages.PAGES, ids=lambda p: p.stem)
def test_lists_are_up_to_date(page: Path) -> None:
    assert page.read_text() == reference_pages.PAGES[page](), "python -m tests.reference_pages writes it anew"


def test_rows_of_times_are_tables() -> None:
    shown = reference_pages.output(
        "two cores\n\n  floor     2.5 ms     1.000 x floor\n  ours | theirs  3.0 ms    1.2 x floor\n\nend"
    )
    assert shown[0] == "```text\ntwo cores\n```"
    assert shown[1].splitlines()[2:] == ["| floor | 2.5 | 1.000 x floor |", "| ours \\| theirs | 3.0 | 1.2 x floor |"]
    assert shown[2] == "```text\nend\n```"


def test_the_page_of_errors_has_every_code() -> None:
    sources = "".join(p.read_text() for p in (ROOT / "energydsl").rglob("*.py"))
    assert set(re.findall(r"[EW]0\d{3}", sources)) - {"E0000"} == set(errors_page.CODES)


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs/api/index.rst").read_text()
    assert set(ed.__all__) <= set(re.findall(r"auto\w+:: energydsl\.(\w+)$", text, re.MULTILINE))


def test_files_that_the_docs_name_exist() -> None:
    """A path in code or in a link is a file of the package, or of the repository."""
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        text = page.read_text()
        named = re.findall(r"`([\w./]+\.(?:py|cu|lark|md|sh|energy))`", text)
        linked = re.findall(r"\]\(([\w./-]+)[)#]", text)
        for name in named:
            folders = (ROOT, ROOT / "energydsl", page.parent)
            found = any((folder / name).exists() for folder in folders)
            assert found or name in EXAMPLES, f"{page.name} names {name}"
        for name in linked:
            assert (page.parent / name).exists(), f"{page.name} links to {name}"


def test_the_gallery_is_that_of_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equations are those of the files; every picture is shown, and all of them together are small."""
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    gallery = importlib.import_module("gallery")
    page, files = (ROOT / "docs" / "gallery.md").read_text(), sorted((ROOT / "docs" / "gallery").iterdir())
    assert page == gallery.page(), "python benchmarks/gallery.py NAME writes it anew, and draws NAME"
    assert [f.name for f in files] == sorted(f"{name}.png" for name in gallery.PICTURES)
    assert sum(f.stat().st_size for f in files) < 1_500_000


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_to_headings() -> None:
    anchors = {p: {slug(h) for h in re.findall(r"^#+ (.*)$", p.read_text(), re.MULTILINE)} for p in PAGES}
    for page in PAGES:
        for name, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text()):
            target = (page.parent / name).resolve() if name else page
            assert anchor in anchors[target], f"{page.name} links to {name}#{anchor}"


def test_every_objective_and_estimator_has_its_section_and_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure is one that a script draws, is shown in words too, and all of them together are small."""
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    pictures = importlib.import_module("figures").PICTURES
    sections, shown = {}, []
    for name in ("objectives", "estimators", "notebook"):
        text = (ROOT / "docs" / f"{name}.md").read_text()
        sections[name] = re.findall(r"^## .*?: `([\w-]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        shown += re.findall(r"!\[[^]]{20,}\]\(figures/([\w-]+)\.png\)", text)
    for name, wanted in (("objectives", METHODS), ("estimators", set(ESTIMATORS) - {"auto"})):
        drawn = {who for who, text in sections[name] if "![" in text}
        assert set(wanted) <= drawn, f"docs/{name}.md has no section with a figure of {set(wanted) - drawn}"
    files = list((ROOT / "docs" / "figures").iterdir())
    assert sorted(shown) == sorted(f.stem for f in files) == sorted([*pictures, "nats", "report"])
    assert sum(f.stat().st_size for f in files) < 1_500_000


def test_every_extra_is_explained() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (ROOT / "docs" / "howto.md").read_text().partition("| extra |")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(extras)


def test_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    assert all(f"energydsl {name}" in text for name in COMMANDS)
