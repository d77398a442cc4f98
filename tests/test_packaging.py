"""The grammar and the zoo are found from a wheel, an editable install (these tests), and a bare checkout."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import energydsl
from energydsl.backends.cupy.cuda import PIECES
from energydsl.backends.runtime_text import CUPY, NUMBA, NUMPY
from tests.conftest import ROOT, ZOO

CODE = "import energydsl as ed; print(ed.loads('visible v[2] : binary\\nenergy = sum(v)').conditionals['v']); print(ed.zoo('rbm', dims={'J': 3}))"


def test_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## (\d\S*) \(\d{4}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert {
        importlib.metadata.version("energydsl"),
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        json.loads((ROOT / "editors/vscode/package.json").read_text())["version"],
        newest[1],
    } == {energydsl.__version__}


def test_bare_checkout() -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{CODE}"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert "sigmoid(-1)" in found.stdout
    assert "<energydsl model rbm: v, h>" in found.stdout


def test_editable_install() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd="/")
    assert "<energydsl model rbm: v, h>" in found.stdout


def test_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "energydsl/grammar/energy.lark" in names
    assert "energydsl/data/digits.npz" in names
    assert {"energydsl/py.typed", "energydsl/report/page.css"} <= set(names)
    assert {f"energydsl/studio/studio.{kind}" for kind in ("html", "css", "js")} <= set(names)
    assert {f"energydsl/backends/{piece}" for piece in (*PIECES, *NUMPY, *NUMBA, *CUPY)} <= set(names)
    assert {Path(n).stem for n in names if n.startswith("energydsl/models/")} == {p.stem for p in ZOO}
    docs = {str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*") if p.is_file()}
    assert {n.removeprefix("energydsl/") for n in names if n.startswith("energydsl/docs/")} == docs
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{CODE}\nprint(ed.__file__)",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "sigmoid(-1)" in found.stdout
    assert "<energydsl model rbm: v, h>" in found.stdout
    assert str(tmp_path) in found.stdout
