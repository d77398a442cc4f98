"""Reports in a headless browser: they open without a word on its console, and ask nothing of the network."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import energydsl as ed
from energydsl.cli.again import again
from energydsl.learning import facts
from energydsl.report.run_page import run_page
from tests.html_reader import Page
from tests.report.test_pages import HOSTILE, RBM

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium")


def opened(file: Path) -> tuple[str, list[str]]:
    """The page after it was opened, and what was said on the console."""
    quiet = ("--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")
    words = [str(BROWSER), "--headless", "--no-sandbox", *quiet, f"--user-data-dir={file.parent / 'profile'}"]
    words += ["--enable-logging=stderr", "--virtual-time-budget=1000", "--dump-dom", file.as_uri()]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return found.stdout, re.findall(r"CONSOLE.*?\] (.*)", found.stderr)


@pytest.fixture(scope="module")
def text() -> str:
    run = ed.train(ed.loads(f"# {HOSTILE.replace(chr(0), '')}\n{RBM}").compile("numpy"), "bars-and-stripes:4", epochs=2)
    run.warnings = (HOSTILE,)
    proof = ed.loads(RBM).verify()
    return run_page(
        run.facts, facts.judged(run), facts.new_chains(run, 0), proof, again(run.config, run.program.model, RBM)
    )


def test_a_report_opens_in_silence(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text(text, "utf-8")
    page, console = opened(tmp_path / "r.html")
    assert console == []
    assert Page(text).text.split() == Page(page).text.split()
    assert "<title>rbm: a trained model</title>" in page


@pytest.mark.parametrize(
    "added", ['<img src="http://127.0.0.1:9/x.png" alt="">', "<script>document.title = 'owned'</script>"]
)
def test_what_would_load_or_run_is_refused_and_heard(text: str, added: str, tmp_path: Path) -> None:
    """The browser is told to; so that silence means that nothing was tried."""
    (tmp_path / "r.html").write_text(text.replace("</main>", f"{added}</main>"), "utf-8")
    page, console = opened(tmp_path / "r.html")
    assert any("Content Security Policy" in line for line in console)
    assert "<title>rbm: a trained model</title>" in page
