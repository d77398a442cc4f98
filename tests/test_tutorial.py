"""The tutorial, executed: what its text says of the outputs is so, and the outputs in the file are of this version."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.html_reader import Page

KEPT = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text())


def executed() -> list[Any]:
    """The cells of code, with what they show now."""
    for name in ("nbclient", "nbformat", "ipykernel", "matplotlib"):
        pytest.importorskip(name)
    from tests import tutorial

    return [cell for cell in tutorial.executed().cells if cell.cell_type == "code"]


def said(cell: Any) -> str:
    """The texts that a cell showed."""
    texts = [o.get("text") or o.get("data", {}).get("text/plain") or "\n".join(o["traceback"]) for o in cell["outputs"]]
    return "\n".join(text if isinstance(text, str) else "".join(text) for text in texts)


def without_numbers(text: str) -> str:
    """Other machines round otherwise."""
    return re.sub(r"-?\d[\d.e+-]*| +", "#", text)


def test_it_has_fifteen_cells_of_code_and_is_small() -> None:
    assert sum(cell["cell_type"] == "code" for cell in KEPT["cells"]) == 15
    assert (ROOT / "docs" / "tutorial.ipynb").stat().st_size < 400_000


@pytest.mark.filterwarnings("default")
def test_it_runs_and_shows_what_it_says() -> None:
    cells = executed()
    outputs_are_of_this_version(cells)
    what_the_text_says_is_so(cells)


def outputs_are_of_this_version(cells: list[Any]) -> None:
    kept = [cell for cell in KEPT["cells"] if cell["cell_type"] == "code"]
    for old, new in zip(kept, cells, strict=True):
        assert without_numbers(said(old)) == without_numbers(said(new)), "python -m tests.tutorial writes it anew"


def what_the_text_says_is_so(cells: list[Any]) -> None:
    shown = [said(cell) for cell in cells]
    errors = [n for n, cell in enumerate(cells) for o in cell["outputs"] if o["output_type"] == "error"]
    (refused,) = errors
    assert "E0311" in shown[refused]
    assert re.search(r"- 0.5 \* x @ J @ x - f @ x\n +\| {11}\^{17}$", shown[refused], re.MULTILINE), shown[refused]
    assert "all identities hold" in shown[4]
    assert "after recall: [0 0 0 0 0]" in shown[5]
    assert any("image/png" in o.get("data", {}) for o in cells[6]["outputs"])
    assert {"math", "table", "img"} <= Page(cells[9]["outputs"][0]["data"]["text/html"]).tags()
    assert "all 40 chains" in cells[11]["outputs"][0]["data"]["text/html"]
    exact, both = re.findall(r"rows: (\S+) nats a row \((.*?)\)", shown[12])
    assert exact[1] == "exact"
    low, high = map(float, re.findall(r"-\d+\.\d+", both[1]))
    assert low - 0.02 < float(exact[0]) < high + 0.02
    assert "both sides agree" in both[1]
    assert "proved: True" in shown[14]
    assert "both sides agree" in shown[14]
    (better,) = re.findall(r"between (-\S+) and", shown[14])
    assert float(better) > float(exact[0])
