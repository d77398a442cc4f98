"""The tutorial with what its cells show: `python -m tests.tutorial` executes it, and keeps the outputs in the file."""

from __future__ import annotations

from typing import Any

import nbclient
import nbformat

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "tutorial.ipynb"


def executed() -> Any:
    """The notebook, its outputs made anew."""
    notebook = nbformat.read(PAGE, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", record_timing=False, coalesce_streams=True
    ).execute()
    return notebook


if __name__ == "__main__":
    notebook = executed()
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, PAGE)
