"""Pages that are lists, made from what they list: `python -m tests.reference_pages` writes them.

`docs/language_reference.md` from the grammar and the tables of the language, `docs/commands.md` from the options of the commands,
`docs/results.md` from the committed output of benchmarks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import click
from click.testing import CliRunner

from energydsl.augment.table import RULES
from energydsl.cli.main import COMMANDS, cli
from energydsl.domains import DOMAINS, Domain
from energydsl.editor.words import (
    LATER,
    WORDS,
    about_function,
    about_generator,
    about_initialiser,
    examples,
)
from energydsl.functions import FUNCTIONS, WRITTEN
from energydsl.model.constants import KNOWN
from energydsl.model.records import CONST_CONSTRAINTS
from energydsl.syntax.parser import grammar_text
from tests.conftest import ROOT
from tests.errors_page import CODES

DOCS = ROOT / "docs"
RESULTS = ROOT / "benchmarks" / "results"
MADE = "`python -m tests.reference_pages` writes this page."
SIGNS = {2: "> 0", 1: ">= 0", 0: "any"}
# A measured row of benchmarks: what, milliseconds, and how much that is.
ROW = re.compile(r"  (\S.*?) {2,}([\d.]+) ms +(\S.*?) *")


def table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown; a bar in a cell is written so that it does not end the cell."""
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (head, *rows)]
    return "\n".join(f"| {line} |" for line in (lines[0], " | ".join("---" for _ in head), *lines[1:]))


def code(*words: str) -> str:
    """Words as code."""
    return ", ".join(f"`{w}`" for w in words)


def block(kind: str, text: str) -> str:
    """A block of code."""
    return f"```{kind}\n{text.strip(chr(10))}\n```"


def _domain(domain: Domain) -> tuple[str, ...]:
    brackets = {"size": "[K]", "whole": "[a, b]", "number": "[a, b]"}[domain.arguments[0]] if domain.arguments else ""
    families = [f"{f.name} ({', '.join('x' if p == 1 else f'x^{p}' for p in f.powers)})" for f in domain.families]
    functions = "all" if domain.finite else code(*(w for w in WRITTEN if w in domain.functions))
    return f"`{domain.name}{brackets}`", domain.support, ", ".join(families), functions


def _is_number(name: str, x: float) -> bool:
    try:
        FUNCTIONS[name].value(x)
    except (ValueError, OverflowError):
        return False
    return True


def _function(name: str) -> tuple[str, ...]:
    function = FUNCTIONS[name]
    derivative = about_function(name).partition("d/dx = ")[2]
    return (
        f"`{name}(x)`",
        f"`{derivative}`",
        SIGNS[function.sign],
        "every x" if _is_number(name, -1.0) else "x >= 0" if _is_number(name, 0.0) else "x > 0",
        "yes" if function.integrated is not None else "",
    )


def language() -> str:
    """The page of the language."""
    statements = "\n".join(examples()[word] for word in WORDS["statement"])
    rules, _, tokens = grammar_text().partition("\nMODEL:")
    constraints = [(code(c), "yes" if c in CONST_CONSTRAINTS else "", "yes") for c in WORDS["constraint"]]
    parts = [
        "# Reference of the language",
        f"Every word of the language, from its grammar and its tables; [the language](language.md) explains them. {MADE}",
        "## Statements",
        "How each is written; what follows a colon in this list says what it means. A statement goes on until the next word that begins one.",
        block("text", statements),
        "## Domains",
        table(("domain", "values", "families of conditionals (their statistics)", "functions of one unit in the energy"), map(_domain, DOMAINS.values())),
        "Where the statistics of a unit are those of no family, its conditional is integrated or tabulated, or the energy is refused "
        "([E0310](errors.md#e0310)): [domains](language.md#domains).",
        "## Functions",
        table(("function", "derivative", "sign", "defined for", "integrated in conditionals"), map(_function, WRITTEN)),
        f"`range(n)`, `range(a, b)` are ranges of an index. Constants: {code(*KNOWN)}.",
        "## Constraints of parameters and consts",
        table(("constraint", "of a const", "of a parameter"), constraints),
        "## Initial values of parameters",
        "A number, or one of these; what stands after `=` is the value where nothing is said.",
        block("text", "\n".join(about_initialiser(w) for w in WORDS["initialiser"])),
        "## Graphs",
        "Made by one of these, or given from Python: `graphs={...}`. An option with `=` is named.",
        block("text", "\n".join(about_generator(w) for w in WORDS["generator"])),
        "## Reserved words",
        f"{code(*WORDS['statement'])}, {code(*WORDS['keyword'])}, and for later {code(*LATER)}. Names of functions and `range` cannot be "
        "declared either ([E0102](errors.md#e0102)); all other words are names where they are declared.",
        "## Auxiliary units",
        "What `augment` writes as a sum over a unit z: [auxiliary units](auxiliary.md).",
        table(("energy of a form u", "domain of z", "energy with z"), [(code(r.energy), code(r.unit), code(r.joint)) for r in RULES]),
        "## Errors and warnings",
        table(("code", "rule"), ((f"[{c}](errors.md#{c.lower()})", rule) for c, (rule, _) in CODES.items())),
        "## Grammar",
        "In the notation of [Lark](https://lark-parser.readthedocs.io), with examples in comments. A file is cut at the words that begin statements, and each piece is read by itself.",
        block("text", f"{rules}\n\nMODEL:{tokens}"),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def commands() -> str:
    """The page of the commands, as `--help` prints each."""
    parts = [
        "# Commands",
        "What `energydsl COMMAND --help` prints, for every command; the [README](../README.md) says what each is for. Exit status: 0 done, 1 the "
        f"model or the data is at fault, 2 usage, 3 a fault of energydsl. {MADE}",
    ]
    for name in COMMANDS:
        said = CliRunner().invoke(cli, [name, "--help"], prog_name="energydsl", terminal_width=100)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        parts += [f"## {name}", f"{command.short_help}", block("text", said.stdout)]
    return "\n\n".join(parts) + "\n"


def _rows(lines: list[str]) -> str:
    found = [row for row in map(ROW.fullmatch, lines) if row]
    return table(("", "ms", ""), (row.groups() for row in found))


def output(text: str) -> list[str]:
    """Output of a benchmark: measured rows as tables, everything else word for word."""
    parts = []
    for measured, some in groupby(text.splitlines(), lambda line: bool(ROW.fullmatch(line))):
        lines = list(some)
        if measured:
            parts.append(_rows(lines))
        elif any(line.strip() for line in lines):
            parts.append(block("text", "\n".join(lines)))
    return parts


def _written(text: str) -> str:
    """A page of results, its heading a line, its links to files beside it as words."""
    heading, _, rest = text.partition("\n")
    return f"**{heading.removeprefix('# ')}**\n" + re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", rest).rstrip()


def results() -> str:
    """The page of the committed figures, the newest first."""
    parts = [
        "# Figures that were measured",
        "The output of benchmarks as it was committed, word for word, rows of times as tables: machine, libraries and versions are those that each "
        "names, and figures of different machines or days are not to be compared. What the scripts ask is in [benchmarks](../benchmarks/README.md), what follows for "
        f"a user in [performance](performance.md). {MADE}",
    ]
    for path in sorted(RESULTS.iterdir(), reverse=True):
        if path.suffix == ".txt":
            parts += [f"## {path.stem}", *output(path.read_text(encoding="utf-8"))]
        elif path.suffix == ".md":
            parts += [f"## {path.stem}", _written(path.read_text(encoding="utf-8"))]
    return "\n\n".join(parts) + "\n"


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "language_reference.md": language,
    DOCS / "commands.md": commands,
    DOCS / "results.md": results,
}

if __name__ == "__main__":
    for page, made in PAGES.items():
        page.write_text(made(), encoding="utf-8")
