from __future__ import annotations

import re
from typing import Any

import energydsl

project = "energydsl"
version = release = energydsl.__version__
copyright = "the authors of energydsl, MIT licence"
extensions = ["sphinx.ext.autodoc"]
html_theme = "alabaster"
html_theme_options = {"fixed_sidebar": True, "sidebar_width": "16em", "page_width": "64em"}
html_copy_source = False
# Docstrings are plain text with `code` between single quotation marks, as it is written in messages too.
default_role = "code"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_type_aliases = {n: n for n in ("Array", "Arrays", "Values", "Given", "Sources", "Progress", "Rows", "Schedule")}
python_maximum_signature_line_length = 80

# Signs that have a meaning in reStructuredText and none in a docstring: `x*`, |x|, b_i.
_SIGNS = re.compile(r"(`[^`]*`)|([*|])|(?<=\w)(_)(?!\w)")


def _plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Take a docstring by its words; examples, up to the next empty line, stay as they are."""
    example = False
    for number, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            lines[number] = _SIGNS.sub(_escaped, line)


def _escaped(found: re.Match[str]) -> str:
    return found[1] or "\\" + (found[2] or found[3])


def setup(app: Any) -> None:
    """Docstrings are read before Sphinx reads them."""
    app.connect("autodoc-process-docstring", _plain)
