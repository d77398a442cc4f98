"""Notebooks, executed: the page docs/notebook.md as it stands, cells that are models, and errors as on a terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import energydsl as ed
from energydsl.notebook import CellError, cell_model
from tests.conftest import ROOT
from tests.html_reader import Page

PAGE = (ROOT / "docs" / "notebook.md").read_text()
CELLS = re.findall(r"```ipython\n(.*?)\n```", PAGE, re.DOTALL)
MODEL = next(cell.partition("\n")[2] for cell in CELLS if cell.startswith("%%energy"))


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    """The cells of the page and what they showed; after them a model with a fault, and one that is warned for."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    more = [
        f"%%energy rbm\n{MODEL.replace('- v @', '- u @')}",
        "%%energy\nvisible v",
        "%%energy 1x\nvisible v",
        "rbm.name",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (*CELLS, *more)])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True).execute()
    return list(notebook.cells)


def test_a_cell_imports_files_beside_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.energy").write_text("visible v[2] : binary\nenergy = - sum(v)\n")
    monkeypatch.chdir(tmp_path)
    name, model = cell_model("m", 'import "c.energy" as c\nvisible v[2] : binary\nuse c on v\n')
    assert (name, list(model.layers)) == ("m", ["v"])


def shown(cells: list[Any], begins: str, kind: str) -> list[str]:
    cell = next(c for c in cells if c.source.startswith(begins))
    return [o["data"][kind] for o in cell.outputs if kind in o.get("data", {})]


@pytest.mark.filterwarnings("default")
def test_the_page_runs_and_shows_what_it_says(cells: list[Any]) -> None:
    assert not [o for cell in cells[: len(CELLS)] for o in cell.outputs if o["output_type"] in ("error", "stream")]
    model = shown(cells, "rbm", "text/html")[0]
    assert {"math", "table", "img"} <= Page(model).tags()
    assert "p(h_j = 1 | v)" in shown(cells, "rbm.cond", "text/plain")[0]
    assert "<math" in shown(cells, "rbm.cond", "text/html")[0]
    assert "all identities hold" in shown(cells, "rbm.verify", "text/html")[0]
    bars = [html for html in shown(cells, "import", "text/html") if "<progress" in html]
    assert ['value="20" max="20"' in bars[0], 'value="1" max="1"' in bars[1]] == [True, True]
    assert "epoch 20/20" in bars[0]
    assert shown(cells, "run.plot", "image/png")
    assert shown(cells, "samples", "image/png")


@pytest.mark.filterwarnings("default")
def test_errors_are_those_of_a_terminal(cells: list[Any]) -> None:
    wrong, nameless, odd, kept = (cell.outputs for cell in cells[len(CELLS) :])
    assert "\n".join(wrong[0]["traceback"]) in PAGE
    assert wrong[0]["traceback"][-1] == "   |            ^"
    assert "%%energy NAME" in nameless[0]["traceback"][0]
    assert "cannot be the name" in odd[0]["traceback"][0]
    assert kept[0]["data"]["text/plain"] == "'rbm'"


def test_a_cell_is_a_model() -> None:
    name, model = cell_model("m -D J=3 -c t=0.5", "dim J = 2\nconst t = 1\nvisible v[J] : binary\nenergy = t * sum(v)")
    assert (name, model.layers["v"].shape, model.resolved.consts["t"].value) == ("m", (3,), 0.5)


@pytest.mark.parametrize("line", ["", "a b", "m -D J", "m -D J=x", "m -c", "m 'x", "-D J=3", "m --out"])
def test_a_line_that_cannot_be_read(line: str) -> None:
    with pytest.raises(ed.ArgumentError):
        cell_model(line, "visible v : binary\nenergy = v")


def test_a_cell_error_is_a_model_error() -> None:
    with pytest.raises(CellError) as caught:
        cell_model("m", "visible v : binary\nenergy = u")
    assert caught.value.diagnostics[0].code == "E0201"
    assert caught.value._render_traceback_()[1].strip() == "--> m:2:10"
