"""What other highlighters read is made from the tables of the language, and colours what it should."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path
from types import ModuleType

import pytest
from pygments.lexers import find_lexer_class_for_filename
from pygments.token import Error, Keyword, Name, Number

from energydsl.diagnostics import Source
from energydsl.editor.lexer import EnergyLexer
from energydsl.editor.words import RULES
from energydsl.syntax import tree
from energydsl.syntax.parser import read
from tests.conftest import ROOT, ZOO

EDITORS = ROOT / "editors"
MODEL = "param count[2] : positive & frozen = normal(sd = 1e-3), h1\nvisible v[2] : count\nenergy = sum(exp(v)) * normal  # in"


def make() -> ModuleType:
    """The script that makes the files of editors."""
    spec = importlib.util.spec_from_file_location("make", EDITORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pixels(png: bytes) -> bytes:
    """What a PNG of one chunk of data shows, however it was compressed."""
    start = png.index(b"IDAT") + 4
    return png[16:24] + zlib.decompress(png[start:])


def test_what_is_committed_is_what_is_made() -> None:
    script = make()
    for name, text in script.files().items():
        assert (EDITORS / name).read_text(encoding="utf-8") == text, "python editors/make.py writes it anew"
    assert pixels((EDITORS / "vscode" / "icon.png").read_bytes()) == pixels(script.icon())


# --- Pygments


def coloured(text: str) -> dict[str, object]:
    """The last token of each word."""
    return {word: kind for kind, word in EnergyLexer().get_tokens(text) if word.strip()}


def test_pygments_colours_words_where_they_stand() -> None:
    found = coloured(MODEL)
    assert found["visible"] is Keyword.Declaration
    assert found["count"] is Keyword.Type
    assert found["frozen"] is Name.Decorator
    assert found["exp"] is Name.Function
    assert found["normal"] is Name
    assert found["1e-3"] is Number
    assert found["h1"] is Name
    assert coloured("param p = normal(sd = 1)")["normal"] is Name.Builtin


@pytest.mark.parametrize("path", ZOO, ids=lambda p: p.stem)
def test_pygments_reads_the_zoo(path: Path) -> None:
    tokens = list(EnergyLexer().get_tokens(path.read_text()))
    assert not [word for kind, word in tokens if kind in Error]
    assert "".join(word for _, word in tokens).strip() == path.read_text().strip()


def test_pygments_finds_the_lexer_by_its_entry_point() -> None:
    names = {e.name: e.value for e in importlib.metadata.entry_points(group="pygments.lexers")}
    if "energy" not in names:
        pytest.skip("the package was installed before it had a lexer")
    assert find_lexer_class_for_filename("a.energy") is EnergyLexer


# --- TextMate


def textmate(text: str) -> dict[str, str]:
    """The scope of each word, by the rules of a TextMate grammar: of the matches that begin first, that of the first rule."""
    rules = json.loads((EDITORS / "vscode/syntaxes/energy.tmLanguage.json").read_text())["patterns"]
    found: dict[str, str] = {}
    for line in text.split("\n"):
        place = 0
        while matches := [
            (m.start(), n, m) for n, r in enumerate(rules) if (m := re.compile(r["match"]).search(line, place))
        ]:
            _, number, match = min(matches, key=lambda t: t[:2])
            rule = rules[number]
            scopes = rule.get("captures", {})
            found[match[int(next(iter(scopes)))] if scopes else match[0]] = (
                rule.get("name") or next(iter(scopes.values()))["name"]
            )
            place = max(match.end(), place + 1)
    return found


def test_textmate_colours_words_where_they_stand() -> None:
    found = textmate(MODEL)
    assert found["visible"].startswith("keyword.control")
    assert found["count"].startswith("support.type")
    assert found["frozen"].startswith("storage.modifier")
    assert found["exp"].startswith("support.function")
    assert found["1e-3"].startswith("constant.numeric")
    assert found["h1"].startswith("variable.other")
    assert found["# in"].startswith("comment")
    assert "in" not in found


@pytest.mark.parametrize("path", ZOO, ids=lambda p: p.stem)
def test_textmate_and_the_parser_agree_on_names(path: Path) -> None:
    """No declared name of the zoo is taken for a word, and no word for a name."""
    module, _ = read(Source(path.name, path.read_text()))
    names = {e.name.id for s in module.statements if isinstance(s, tree.Declaration) for e in s.entries}
    found = textmate(path.read_text())
    assert all(found[name].startswith("variable.other") for name in names)
    reserved = {w for rule in RULES if not (rule.after or rule.before) for w in rule.words}
    assert not [w for w, scope in found.items() if w in reserved and scope.startswith("variable")]


# --- Vim


def vim(text: str, tmp_path: Path, *commands: str) -> str:
    """What Vim writes after commands in a buffer of a text."""
    if shutil.which("vim") is None:
        pytest.skip("there is no vim")
    file, out = tmp_path / "m.energy", tmp_path / "out"
    file.write_text(text)
    first = [
        "--cmd",
        f"set nocompatible runtimepath^={EDITORS / 'vim'}",
        "--cmd",
        "filetype plugin indent on | syntax on",
    ]
    rest = [x for c in commands for x in ("-c", c)]
    subprocess.run(
        ["vim", "-N", "-u", "NONE", "-es", *first, str(file), *rest, "-c", f"call writefile(split(string(g:found), '\\n'), '{out}')", "-c", "qa!"],
        timeout=30, check=False, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    return out.read_text().strip() if out.exists() else "nothing was written"


def test_vim_colours_words_where_they_stand(tmp_path: Path) -> None:
    places = {"param": (1, 1), "count": (2, 17), "frozen": (1, 29), "exp": (3, 14), "1e-3": (1, 51), "h1": (1, 58)}
    asked = ", ".join(f"synIDattr(synID({line}, {column}, 1), 'name')" for line, column in places.values())
    if vim("", tmp_path, "let g:found = has('syntax') && has('eval')") != "1":
        pytest.skip("this vim knows no syntax files")
    found = vim(MODEL, tmp_path, f"let g:found = [&filetype, {asked}]")
    wanted = ["energy", "energyStatement", "energyDomain", "energyConstraint", "energyFunction", "energyNumber", ""]
    assert found == str(wanted)


def test_vim_indents(tmp_path: Path) -> None:
    if vim("", tmp_path, "let g:found = has('syntax') && has('eval')") != "1":
        pytest.skip("this vim knows no syntax files")
    text = "visible v[2] : spin,\nx[3] : real\nenergy = sum(v)\n+ sum(x^2)\n    # c\nschedule (v)"
    found = vim(text, tmp_path, "normal! gg=G", "let g:found = getline(1, '$')")
    indented = "visible v[2] : spin,|  x[3] : real|energy = sum(v)|  + sum(x^2)|# c|schedule (v)"
    assert found == str(indented.split("|"))


# --- VS Code


def npm(folder: Path, *words: str) -> None:
    """Runs npm; the test is skipped where there is none, or where it reaches no registry."""
    program = shutil.which("npm")
    if program is None:
        pytest.skip("there is no npm")
    found = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, timeout=400, check=False)
    unreachable = re.search(r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|403|404)|network", found.stderr)
    if found.returncode and unreachable:
        pytest.skip(f"npm reaches no registry: {unreachable[0]}")
    assert found.returncode == 0, found.stderr


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension with what it needs, in a folder of its own."""
    folder = tmp_path_factory.mktemp("extension") / "vscode"
    shutil.copytree(EDITORS / "vscode", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    npm(folder, "install", "--no-audit", "--no-fund", "--loglevel=error")
    return folder


def test_the_extension_is_built(extension: Path) -> None:
    npm(extension, "run", "build")
    built = extension / "dist" / "extension.js"
    assert subprocess.run(["node", "--check", built], check=False).returncode == 0
    assert "lsp" in built.read_text()


@pytest.mark.slow
def test_the_extension_is_packaged(extension: Path) -> None:
    npm(extension, "run", "package")
    with zipfile.ZipFile(extension / "energydsl.vsix") as archive:
        names = set(archive.namelist())
        manifest = json.loads(archive.read("extension/package.json"))
    assert "extension.vsixmanifest" in names
    for named in (
        manifest["main"],
        manifest["icon"],
        manifest["contributes"]["grammars"][0]["path"],
        manifest["contributes"]["languages"][0]["configuration"],
    ):
        assert f"extension/{named.removeprefix('./')}" in names
    assert not [n for n in names if "node_modules" in n]
