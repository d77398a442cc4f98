"""`docs/errors.md`, made from the bad programs of the tests: `python -m tests.errors_page` writes it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import energydsl as ed
from energydsl.data import load_data
from energydsl.diagnostics import Diagnostic
from tests.conftest import ROOT
from tests.data.test_sources import CSV
from tests.model.test_diagnostics import TABLE, diagnose
from tests.modules.test_refused import TABLE as FILES_TABLE
from tests.modules.test_refused import diagnosed as diagnose_files

PAGE = ROOT / "docs" / "errors.md"
EXAMPLES = 3

# Code -> the rule, and the way out.
CODES = {
    "E0101": (
        "Syntax: what was found, and what could stand there.",
        "Write one of what is expected. Products are written out, strings closed; what is nested too deep is taken apart.",
    ),
    "E0102": (
        "A reserved word, the name of a function, or `range`, where a name is declared.",
        "Choose another name; names of domains, constraints and initialisers are free.",
    ),
    "E0201": ("A name that is not declared.", "Declare it, or correct it: the nearest known name is suggested."),
    "E0202": ("A name declared twice, or a second schedule.", "Rename or remove one of the two; the note shows the first."),
    "E0203": ("Dims, consts or abbreviations that depend on one another in a circle.", "Give one of them a number."),
    "E0204": (
        "An index over axes of unequal length, or over none.",
        "Use two indices, or make the axes equal; an index that subscripts no axis by itself is given `in range(n)`.",
    ),
    "E0205": ("An index that no sum binds.", "Bind it, `sum[i] ...`: there is no implicit summation."),
    "E0206": ("An index that is bound and not used, bound twice, or hides a name.", "Leave it out, or take another letter."),
    "E0207": ("A subscript that can leave its axis.", "Bound the index, `i in range(n - 1)`, or wrap it, `(i + 1) % n`."),
    "E0208": (
        "Too many or too few subscripts, or a subscript that is not an integer combination of indices.",
        "Subscript every axis once, with `i`, `i + 1`, `(i + 1) % n`, `i + p` or a number.",
    ),
    "E0209": (
        "Shapes that do not match.",
        "`+ - * /` want equal shapes or a scalar; `@` contracts as NumPy does; anything else is an index sum.",
    ),
    "E0210": ("An energy that is an array.", "Add its entries up, `sum(...)`, or contract with `@`."),
    "E0211": (
        "A size that is not a positive integer, or an array that is too large or has too many axes.",
        "Set the dim with `-D`, or write a whole number.",
    ),
    "E0212": (
        "A domain, constraint, function, generator or argument that does not exist, or a value that is not a number.",
        "Take one of those listed; for a number, look for a division by zero or an overflow.",
    ),
    "E0213": ("A constraint that does not fit the shape or the value.", "Declare a square matrix, or a value within the constraint."),
    "E0214": ("A graph and an axis of unequal size.", "Make the number of units of both the same."),
    "E0301": ("A block of the schedule whose units depend on one another.", "Put them into two blocks, or visit the layer by parts: `x*`."),
    "E0302": ("A schedule that misses or repeats a layer, or names one that is never sampled.", "List every sampled layer once."),
    "E0303": (
        "A directed part whose targets are coupled with one another, arrows in a circle, or a layer that is given itself without an order.",
        "Remove the coupling among the targets, use `--`, or bind the units of the layer in order: `sum[j < i]`.",
    ),
    "E0310": (
        "A conditional that has no closed form and cannot be integrated either: the innermost factor is shown.",
        "Use the statistics that the domain takes (`docs/language.md`), or another domain.",
    ),
    "E0311": (
        "A density that cannot be normalised for all admissible parameters.",
        "Constrain the parameters, which keeps the model and gives it fewer values; another sign or a new term is another model.",
    ),
    "E0320": (
        "A term to be augmented that holds nothing an auxiliary unit is known for, or something that has none.",
        "Write it as one of the energies listed, with constraints that prove its signs, or give what has none a name of its own.",
    ),
    "E0321": (
        "A layer to be summed out that has no closed form: visible, coupled with itself, inside a function, or of another family.",
        "Keep it as a layer: chains, mean field and annealing do not need its sum.",
    ),
    "E0401": ("Data that do not fit the layer.", "Correct the row and column named, change the size with `-D`, or the domain."),
    "E0402": (
        "A graph that was not supplied, or a file of edges or of initial values that cannot be read.",
        'Give the graph: `ed.load(..., graphs={"G": graph})`, or `edges("file.csv")`; a file has its path relative to the model\'s.',
    ),
    "E0403": (
        "A parameter, the file of its initial values, or a file of a run, that does not fit the model.",
        "Use the parameters or the run of this model; give a file of the declared shape.",
    ),
    "E0501": ("A file to import that is not there or cannot be read.", "Correct the path, which is relative to the file that imports it."),
    "E0502": (
        "A path out of the folder of the model, or to what is no `.energy` file; or a text that has no folder.",
        "Put a copy into the folder, and write the path relative to the file that names it; for a string, `ed.loads(text, folder=...)`.",
    ),
    "E0503": ("Files that import one another in a circle, which is named.", "Take what both need into a file of its own."),
    "E0504": (
        "More than a model may be: 64 files, 8 of them one inside the other, 1 MiB each, and 1 MiB with all that is used written out.",
        "Import fewer files, or put what they say into one.",
    ),
    "E0505": ("A `use` that binds what the file does not have.", "Bind one of those listed: dims and consts in parentheses, layers behind `on`."),
    "E0506": ("A dim, a const or a layer bound twice, or a layer that two are bound to.", "Leave one out; declare a layer for each."),
    "E0507": (
        "A dim without a value, or a visible layer or an input of a used file that is bound to nothing.",
        "Bind it; of a file that stands alone, set the dim with `-D`.",
    ),
    "E0508": ("A layer of another shape than the one it is bound to.", "Bind the dims of the file in parentheses: the help has them."),
    "E0509": ("A layer of another domain than the one it is bound to.", "Declare the same domain."),
    "E0510": ("A name that comes with a `use` and stands for something else already.", "Give the use another name: `use rbm as upper`."),
    "E0511": (
        "A layer bound to one of another role: an input to one that is none, or a layer that its file sums out.",
        "Bind inputs to inputs; visible and hidden layers may stand for one another.",
    ),
    "W0401": ("A parameter that stands in no energy.", "Remove it; it would never be learned."),
    "W0402": ("A full square of a symmetric parameter counts each pair twice.", "Write the factor 0.5, or `sum[i < k]`."),
    "W0403": ("A layer that stands in no energy.", "Remove it, or couple it."),
    "W0404": ("A hidden layer that is coupled to nothing.", "Couple it, or remove it."),
    "W0405": (
        "Every conditional is proper, but the joint density may not be normalisable for all parameters.",
        "Nothing need be done while the couplings are small; the density is checked when the model is evaluated.",
    ),
    "W0406": (
        "An energy adds a term that `layers` has added already.",
        "Leave one of the two out: `explain` prints what `layers` stands for.",
    ),
    "W0407": (
        "An energy that is not a number at the initial parameters: it divides by one that is 0 there, or takes its logarithm.",
        "Choose another initial value: `param T = 1`.",
    ),
    "W0408": ("A file that is imported and not used.", "Use it, or leave the `import` out."),
}  # fmt: skip


def _bad_data() -> None:
    text = next(t for t, message in CSV.items() if "is 2, outside" in message)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "d.csv").write_text(text)
        load_data(ed.loads("visible v[4] : binary\nenergy = sum(v)").resolved, [f"{folder}/d.csv"])


def _absent_graph() -> None:
    ed.loads("graph G[4]\nvisible s[4] : spin\nenergy = - sum[(i, k) in G] s[i]*s[k]").compile()


def _wrong_shape() -> None:
    program = ed.loads("visible v[4] : binary\nparam b[4]\nenergy = - b @ v").compile("numpy")
    program.energy({"b": np.zeros(3)}, {"v": np.zeros((1, 4))})


# What no text alone shows.
ELSEWHERE: dict[str, tuple[str, Callable[[], None]]] = {
    "E0401": ("data 0,1,0,1 and 0,1,0,2 for visible v[4] : binary", _bad_data),
    "E0402": ("graph G[4] in the file, no graphs={...} when it is compiled", _absent_graph),
    "E0403": ("b of shape (3,) for param b[4]", _wrong_shape),
}


def _elsewhere(code: str) -> str:
    what, fails = ELSEWHERE[code]
    try:
        fails()
    except ed.ModelError as error:
        (found,) = [d for d in error.diagnostics if d.code == code]
        return f"{what}\n\n{found.render()}"
    raise AssertionError(f"{what}: {code} was expected")


def _of_files(code: str) -> list[str]:
    """Diagnostics of models of several files."""
    found: dict[str, Diagnostic] = {}
    for table_code, message, text, files in FILES_TABLE:
        short = all(len(t) < 10_000 for t in files.values())
        if table_code == code and short:
            with tempfile.TemporaryDirectory() as folder:
                for d in diagnose_files(Path(folder), text, files):
                    if d.code == code and message in d.message:
                        found.setdefault(re.sub(r"`[^`]*`|\d+|\(.*?\)", "", d.message)[:24], d)
    return [d.render() for d in found.values()][:EXAMPLES]


def _examples(code: str) -> list[str]:
    """Diagnostics of bad programs, each with a message of its own kind; they quote the line that is at fault."""
    found: dict[str, Diagnostic] = {}
    for table_code, marked in TABLE:
        short = len(marked) < 200 and marked.count("\n") < 7
        for d in diagnose(marked.replace("«", "")) if table_code == code and short else ():
            kind = re.sub(r"`[^`]*`|\d+|\(.*?\)", "", d.message)[:24]
            if d.code == code and (kind not in found or (d.help and not found[kind].help)):
                found[kind] = d
    best = sorted(found.values(), key=lambda d: not d.help)[:EXAMPLES]
    return [d.render() for d in best]


def page() -> str:
    """The text of the page."""
    parts = [
        "# Errors and warnings",
        "Every message has a code, the place, the rule and, where there is one, the way out. A code with `E` is an error; one with `W` "
        "is a warning, and `# allow: W0402` at the end of a line silences it there. With `--json` messages are data. The "
        "examples are those of the tests: `python -m tests.errors_page` writes this page.",
    ]
    for code, (rule, way) in CODES.items():
        shown = [_elsewhere(code)] if code in ELSEWHERE else _examples(code) or _of_files(code)
        assert shown, f"{code} has no example"
        parts += [f"## {code}", rule, f"**Way out.** {way}", *(f"```console\n{s}\n```" for s in shown)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
