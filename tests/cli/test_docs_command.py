"""The documentation as a site: built once, every page in it, every link leading somewhere, and nothing asked of the network."""

from __future__ import annotations

import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner

from energydsl.cli import site
from energydsl.cli.main import cli
from tests.conftest import ROOT


class Parts(HTMLParser):
    """What a page loads, where it leads, and the places in it."""

    def __init__(self, path: Path):
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.leads.append(found["href"])
        elif tag != "a":
            self.loads += [found[name] for name in ("src", "href", "srcset", "data", "poster") if name in found]


def test_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is built once, here for all that is asked of it."""
    for name in site.NEEDED:
        pytest.importorskip(name)
    built = by_the_command(tmp_path / "cache")
    every_page_is_in_the_site_and_its_contents(built)
    nothing_is_loaded_from_elsewhere(built)
    every_link_leads_somewhere(built)
    energies_are_coloured(built)
    it_is_not_built_again(built, monkeypatch)


def by_the_command(cache: Path) -> Path:
    """The folder of the site, built anew in place of older ones."""
    cache.mkdir(mode=0o700)
    for old in ("site-0123", "site-4567"):
        (cache / old).mkdir()
    said = CliRunner().invoke(cli, ["docs", "--no-browser"], env={"ENERGYDSL_CACHE": str(cache)})
    assert said.exit_code == 0, said.output
    assert "building the pages" in said.stderr
    (folder,) = cache.glob("site-*")
    assert said.stdout.strip() == (folder / "index.html").as_uri()
    return folder


def parts(built: Path) -> dict[Path, Parts]:
    return {path: Parts(path) for path in built.rglob("*.html")}


def every_page_is_in_the_site_and_its_contents(built: Path) -> None:
    addresses = set(site.pages().values())
    assert {p.stem for p in (ROOT / "docs").glob("*.md")} | {"tutorial", "python"} == set(site.pages())
    assert {a for a in addresses if (built / a).is_file()} == addresses
    listed = set(Parts(built / "index.html").leads)
    assert addresses - listed - {"index.html"} == set()


def nothing_is_loaded_from_elsewhere(built: Path) -> None:
    for path, found in parts(built).items():
        away = [
            address for address in found.loads if urlsplit(address).scheme not in ("", "data") or "//" in address[:8]
        ]
        assert not away, f"{path.name} loads {away}"
    for path in built.rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//|@import", path.read_text(encoding="utf-8")), path


def every_link_leads_somewhere(built: Path) -> None:
    pages = parts(built)
    for path, found in pages.items():
        for address in {*found.leads, *found.loads}:
            link = urlsplit(address)
            if link.scheme or not address.strip("#"):
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            assert target.exists(), f"{path.name}: {address}"
            assert not link.fragment or target.suffix != ".html" or unquote(link.fragment) in pages[target].places, (
                address
            )


def energies_are_coloured(built: Path) -> None:
    page = (built / "language.html").read_text(encoding="utf-8")
    assert 'class="highlight-energy' in page
    assert '<span class="kt">binary</span>' in page


def it_is_not_built_again(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setenv("ENERGYDSL_CACHE", str(built.parent))
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)) or address.endswith("e0310"))
    said = CliRunner().invoke(cli, ["docs", "E0310"])
    assert said.stdout.strip() == (built / "errors.html").as_uri() + "#e0310"
    assert said.stderr == ""
    assert opened == [said.stdout.strip()]
    assert "open this address yourself" in CliRunner().invoke(cli, ["docs"]).stderr
    found = json.loads(CliRunner().invoke(cli, ["docs", "language", "--no-browser", "--json"]).stdout)
    assert (found["ok"], found["built"], found["opened"]) == (True, False, False)
    assert len(opened) == 2


def test_pages_that_there_are_not() -> None:
    said = CliRunner().invoke(cli, ["docs", "langage", "--no-browser"])
    assert said.exit_code == 1
    assert "did you mean `language`?" in said.stderr
    assert "there are architecture" in CliRunner().invoke(cli, ["docs", "E9999", "--no-browser"]).stderr


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path / "new"))
    monkeypatch.setitem(sys.modules, "furo", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "furo" else name)
    said = CliRunner().invoke(cli, ["docs", "--no-browser"])
    assert said.exit_code == 1
    assert 'pip install "energydsl[docs]"' in said.stderr
    assert str(ROOT / "docs") in said.stderr


def test_a_site_that_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("furo")
    shutil.copytree(ROOT / "docs" / "style", tmp_path / "docs" / "style")
    (tmp_path / "docs" / "conf.py").write_text("extensions = ['nosuch']")
    (tmp_path / "docs" / "index.md").write_text("# Nothing")
    monkeypatch.setattr(site, "folder", lambda name: tmp_path / name)
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path / "cache"))
    said = CliRunner().invoke(cli, ["docs", "--no-browser"])
    assert said.exit_code == 1
    assert "Sphinx could not build the site" in said.stderr
    assert not list((tmp_path / "cache").glob("*site*"))


def test_a_cache_that_others_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path))
    said = CliRunner().invoke(cli, ["docs", "--no-browser"])
    assert said.exit_code == 1
    assert "set ENERGYDSL_CACHE" in said.stderr
