"""The shape of a file: its outline, what can be folded, and its text as the formatter has it."""

from __future__ import annotations

from itertools import pairwise

from lsprotocol import types as lsp

from energydsl.diagnostics import EnergyError
from energydsl.editor.document import Document
from energydsl.editor.names import LAYERS, Symbol
from energydsl.syntax import tree
from energydsl.syntax.formatter import formatted

KINDS = {
    "model": lsp.SymbolKind.Module,
    "dim": lsp.SymbolKind.Number,
    "const": lsp.SymbolKind.Constant,
    "param": lsp.SymbolKind.Field,
    "graph": lsp.SymbolKind.Struct,
    "import": lsp.SymbolKind.Package,
    "use": lsp.SymbolKind.Module,
    "let": lsp.SymbolKind.Operator,
    "energy": lsp.SymbolKind.Function,
    "recognition": lsp.SymbolKind.Function,
    **dict.fromkeys(LAYERS, lsp.SymbolKind.Array),
}


def outline(document: Document) -> list[lsp.DocumentSymbol]:
    """What is declared, and the statements that make the model, in the order of the text."""
    return [symbol for statement in document.module.statements for symbol in _symbols(document, statement)]


def _symbols(document: Document, statement: tree.Statement) -> list[lsp.DocumentSymbol]:
    word = statement.span.text.split(maxsplit=1)[0]
    kind = KINDS.get(word, lsp.SymbolKind.Event)
    range_of = document.places.range
    if isinstance(statement, tree.Declaration):
        return [
            lsp.DocumentSymbol(e.name.id, kind, range_of(e.span), range_of(e.name.span), _shown(word, e))
            for e in statement.entries
        ]
    whole = range_of(statement.span)
    name = word
    if isinstance(statement, tree.ModelName):
        name = statement.name.id
    elif isinstance(statement, tree.Energy):
        name = " ".join(statement.span.text.partition("=")[0].split())
    return [lsp.DocumentSymbol(name, kind, whole, whole)]


def _shown(word: str, entry: tree.Entry) -> str:
    return Symbol(entry.name.id, word, entry.name.span, entry).shown


def folds(document: Document) -> list[lsp.FoldingRange]:
    """Statements of several lines, and comments that stand below one another."""
    found = []
    for statement in document.module.statements:
        lines = document.places.range(statement.span)
        if lines.end.line > lines.start.line:
            found.append(lsp.FoldingRange(lines.start.line, lines.end.line))
    lines_of = [document.places.position(c.span.start).line for c in _whole_lines(document)]
    starts = [n for before, n in pairwise([-2, *lines_of]) if n != before + 1]
    ends = [n for n, after in pairwise([*lines_of, -2]) if after != n + 1]
    kind = lsp.FoldingRangeKind.Comment
    return found + [lsp.FoldingRange(a, b, kind=kind) for a, b in zip(starts, ends, strict=True) if b > a]


def _whole_lines(document: Document) -> list[tree.Comment]:
    """Comments that have their lines for themselves."""
    text = document.source.text
    return [
        c for c in document.module.comments if not text[text.rfind("\n", 0, c.span.start) + 1 : c.span.start].strip()
    ]


def formatting(document: Document) -> list[lsp.TextEdit] | None:
    """The edit that formats a text; nothing where it cannot be read, or is formatted."""
    try:
        text = formatted(document.source)
    except EnergyError:
        return None
    return [lsp.TextEdit(document.places.whole, text)] if text != document.source.text else []
