"""The page in a headless browser: a fault is typed and mended, a sampler runs, a slider is moved, a file is saved."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio import browser
from tests.studio.browser import Browser

pytest.importorskip("starlette")
pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="there is no chromium")
TEXT = "# <script>document.title = 'owned'</script>\nconst B = 0\nvisible s[6, 6] : spin\nenergy field = - B * sum(s)\n"
PICTURE = "document.querySelector('#picture').toDataURL()"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a studio that Ctrl-C ends without a word."""
    (tmp_path / "m.energy").write_text(TEXT)
    words = [sys.executable, "-m", "energydsl", "studio", str(tmp_path / "m.energy"), "--no-browser", "--json"]
    studio = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert studio.stdout is not None
    yield json.loads(studio.stdout.readline())["address"]
    studio.send_signal(signal.SIGINT)
    said, faults = studio.communicate(timeout=20)
    assert (studio.returncode, said, faults) == (0, "", "")


@pytest.fixture
def page(address: str, tmp_path: Path) -> Iterator[Browser]:
    found = Browser(tmp_path / "profile")
    found.size(1280, 800)
    found.call("Page.navigate", url=address)
    yield found
    found.close()


def put(line: str) -> str:
    """Put the cursor behind a line of the text."""
    return f"(() => {{ const t = document.querySelector('#text'); const at = t.value.indexOf({json.dumps(line)}) + {len(line)}; t.focus(); t.setSelectionRange(at, at); }})()"


def test_an_energy_is_written(page: Browser, address: str, tmp_path: Path) -> None:
    page.until("document.querySelector('#counted')?.textContent")
    assert page.value("document.querySelector('#following math') !== null")
    assert page.value("document.querySelector('#following img').src.startsWith('data:image/svg')")
    assert page.value("[...document.querySelectorAll('#coloured .kd')].map((s) => s.textContent).join(' ')") == (
        "const visible energy"
    )
    assert page.value("document.querySelector('#coloured').textContent.trimEnd()") == TEXT.rstrip()

    page.value(put("energy field = - B"))
    page.type("B")
    page.until("document.querySelector('#problems').textContent.includes('E0201')")
    assert page.value("document.querySelector('#lines b').textContent.trim()") == "4"
    assert page.value("document.querySelector('#following').classList.contains('old')")
    page.value("document.querySelector('#problems button').click()")
    assert (
        page.value(
            "(() => { const t = document.querySelector('#text'); return t.value.slice(t.selectionStart, t.selectionEnd); })()"
        )
        == "BB"
    )
    page.type("B")
    page.until("document.querySelector('#problems').childElementCount === 0")
    page.until("!document.querySelector('#following').classList.contains('old')")

    before = page.value(PICTURE)
    page.until(f"{PICTURE} !== {json.dumps(before)}")
    page.value(
        "(() => { const s = document.querySelector('.slider[title=B] input'); s.value = s.max; s.dispatchEvent(new Event('input')); })()"
    )
    page.until("Math.abs(Number(document.querySelector('#energy').textContent) + 36 * 3 * Math.tanh(3)) < 4")
    page.value("document.querySelector('#run').click()")
    assert page.value("document.querySelector('#run').textContent") == "Start"

    page.value(put(TEXT))
    page.type("# more\n")
    page.until("document.querySelector('#saved').textContent === 'not saved'")
    page.key("s", "KeyS", 83, modifiers=2)
    page.until("document.querySelector('#saved').textContent === 'saved'")
    assert (tmp_path / "m.energy").read_text() == f"{TEXT}# more\n"
    (tmp_path / "m.energy").write_text(f"{TEXT}# theirs\n")
    page.type("# mine\n")
    page.value("document.querySelector('#save').click()")
    page.until("!document.querySelector('#conflict').hidden")
    assert (tmp_path / "m.energy").read_text() == f"{TEXT}# theirs\n"
    page.value("document.querySelector('#reload').click()")
    page.until("document.querySelector('#text').value.endsWith('# theirs\\n')")

    assert page.value("document.title") == "m.energy - energydsl studio"
    assert page.console == []
    assert {u for u in page.requests if not re.match(r"data:|about:", u) and not u.startswith(address)} == set()
