"""The site: every page of this folder, and the reference from docstrings. Nothing of it asks the network for anything."""

from __future__ import annotations

import json
import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import energydsl
from energydsl.editor.lexer import EnergyLexer

project = "energydsl"
version = release = energydsl.__version__
copyright = "the authors of energydsl, MIT licence"
extensions = ["sphinx.ext.autodoc", "myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown", ".ipynb": "markdown"}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # as a page of code hosting makes them, so that links work there and here

html_theme = "furo"
html_math_renderer = "mathml"
html_title = f"energydsl {version}"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

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
_LINK = re.compile(r"(?<!!)\[([^]]*)\]\(\.\./([^)#]*)\)")
_RESULT = re.compile(r"benchmarks/results/([\w-]+)\.(?:txt|md)")
# A link whose words are a path, which a reader of the files wants; here it has the title of the page.
_PATH = re.compile(r"\[(?:docs/)?(\w+\.md)\]\(\1\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def _plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Take a docstring by its words; examples, up to the next empty line, stay as they are."""
    example = False
    for number, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            lines[number] = _SIGNS.sub(_escaped, line)


def _escaped(found: re.Match[str]) -> str:
    return found[1] or "\\" + (found[2] or found[3])


def _read(app: Any, name: str, source: list[str]) -> None:
    """A page as MyST reads it: a notebook as text, links that stay in the site, chapters of the first page."""
    path = str(app.env.doc2path(name))
    if path.endswith(".rst"):
        return
    text = notebook(source[0]) if path.endswith(".ipynb") else source[0]
    parts = _FENCED.split(text)
    parts[::2] = [_PATH.sub(r"[](\1)", _LINK.sub(_inside, part)) for part in parts[::2]]
    source[0] = "".join(parts)
    if name == app.config.root_doc:
        source[0] += _chapters(text)


def _inside(found: re.Match[str]) -> str:
    """A link out of this folder: figures that were measured have a page here; other files travel with the repository alone."""
    if result := _RESULT.fullmatch(found[2]):
        return f"[{found[1]}](results.md#{result[1]})"
    return f"[{found[1]}](results.md)" if found[2] == "benchmarks/results" else found[1]


def _chapters(text: str) -> str:
    """The table of contents, from the lists of links under the headings of the first page."""
    found = []
    for heading, body in re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE):
        pages = re.findall(r"^- \[.*?\]\(([\w./]+)\)", body, re.MULTILINE)
        names = "\n".join(re.sub(r"\.\w+$", "", page) for page in pages)
        found.append(f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{names}\n```\n")
    return "".join(found)


def notebook(text: str) -> str:
    """The cells of a notebook and what they showed, as Markdown."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```{'energy' if source.startswith('%%energy') else 'ipython3'}\n{source}\n```")
        parts += [_shown(output) for output in cell["outputs"]]
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    """What a cell showed: a picture, else what it is as HTML, else text."""
    data = output.get("data", {})
    if "image/png" in data:
        return f'```{{raw}} html\n<img class="shown" alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">\n```'
    if "text/html" in data:
        return f'````{{raw}} html\n<div class="shown">{"".join(data["text/html"])}</div>\n````'
    said = "".join(output.get("text") or data.get("text/plain", [])) or "\n".join(output["traceback"])
    return f"```text\n{said.rstrip()}\n```"


def _formula(writer: Any, node: Any) -> None:
    """A formula as MathML, which browsers set themselves."""
    block = isinstance(node, nodes.math_block)
    writer.body.append(str(tex2mathml(node.astext(), as_block=block)))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Docstrings and pages are read before Sphinx reads them; formulas are set by the browser."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))
    app.add_lexer("energy", EnergyLexer)
    app.connect("autodoc-process-docstring", _plain)
    app.connect("source-read", _read)
