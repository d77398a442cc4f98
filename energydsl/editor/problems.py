"""Diagnostics as the protocol has them, and quick fixes: what a `help` says to write, written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lsprotocol import types as lsp

from energydsl.diagnostics import Diagnostic, Span
from energydsl.editor.document import Document
from energydsl.syntax import tree

SEVERITY = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}
# A title, and what stands in the place of which part of the text.
Fix = tuple[str, int, int, str]


def diagnostics(document: Document) -> list[lsp.Diagnostic]:
    """All that `energydsl check` says."""
    return [_diagnostic(document, found) for found in document.diagnostics]


def _diagnostic(document: Document, found: Diagnostic) -> lsp.Diagnostic:
    related = [lsp.DiagnosticRelatedInformation(document.location(n.span), n.message) for n in found.notes if n.span]
    if found.span and document.here(found.span) is not found.span:
        related.insert(0, lsp.DiagnosticRelatedInformation(document.location(found.span), found.message))
    unplaced = [f"note: {n.message}" for n in found.notes if not n.span]
    return lsp.Diagnostic(
        range=document.places.range(document.here(found.span)) if found.span else document.places.between(0, 0),
        message="\n".join([found.message, *unplaced, *([f"help: {found.help}"] if found.help else [])]),
        severity=SEVERITY[found.severity],
        code=found.code,
        source="energydsl",
        tags=[lsp.DiagnosticTag.Unnecessary] if found.code in ("W0401", "W0403") else None,
        related_information=related or None,
    )


def actions(document: Document, wanted: lsp.Range) -> list[lsp.CodeAction]:
    """Quick fixes of the diagnostics that meet a range."""
    start, end = document.places.offset(wanted.start), document.places.offset(wanted.end)
    return [
        _action(document, found, fix)
        for found in document.diagnostics
        if found.span and found.span.source is document.source and found.span.start <= end and start <= found.span.end
        for fix in fixes(document, found)
    ]


def _action(document: Document, found: Diagnostic, fix: Fix) -> lsp.CodeAction:
    title, start, end, text = fix
    edit = lsp.TextEdit(document.places.between(start, end), text)
    return lsp.CodeAction(
        title,
        lsp.CodeActionKind.QuickFix,
        [_diagnostic(document, found)],
        is_preferred=found.severity == "error",
        edit=lsp.WorkspaceEdit({document.uri: [edit]}),
    )


def fixes(document: Document, found: Diagnostic) -> Iterator[Fix]:
    """What may be done about a diagnostic, by what its help says."""
    if found.span is None:
        return
    for pattern, fix in _FIXES:
        if match := re.search(pattern, found.help):
            yield from fix(found, found.span, match)
    if found.severity == "warning":
        yield from _allow(document, found, found.span)
    if "the statement `augment NAME`" in found.help:
        yield from _augment(document, found.span)


def _misspelt(found: Diagnostic, span: Span, match: re.Match[str]) -> Iterator[Fix]:
    """The word that the message names, where it stands: the span, or the name of an argument before it."""
    named = set(re.findall(r"`([^`]+)`", found.message))
    before = re.search(r"(\w+)\s*=\s*$", span.source.text[: span.start][-200:])
    if span.text in named:
        yield f"write `{match[1]}`", span.start, span.end, match[1]
    elif before and before[1] in named:
        start = span.start - len(before[0])
        yield f"write `{match[1]}`", start, start + len(before[1]), match[1]


def _instead(found: Diagnostic, span: Span, match: re.Match[str]) -> Iterator[Fix]:
    yield f"write `{match[1]}`", span.start, span.end, match[1]


def _contracted(found: Diagnostic, span: Span, match: re.Match[str]) -> Iterator[Fix]:
    """Both sides of an operator, of which the first note has the left."""
    if found.notes and found.notes[0].span:
        yield f"write `{match[1]}`", found.notes[0].span.start, span.end, match[1]


def _left_out(found: Diagnostic, span: Span, match: re.Match[str]) -> Iterator[Fix]:
    yield f"leave out `{span.text}`", span.start, span.end, ""


def _power(found: Diagnostic, span: Span, match: re.Match[str]) -> Iterator[Fix]:
    if span.source.text[span.start - 1 : span.end] == "**":
        yield "write `^`", span.start - 1, span.end, "^"


def _started(found: Diagnostic, span: Span, match: re.Match[str]) -> Iterator[Fix]:
    yield f"begin with `{match[1].strip()}`", span.end, span.end, match[1]


# What a help says, and what is done then.
_FIXES: tuple[tuple[str, Callable[[Diagnostic, Span, re.Match[str]], Iterator[Fix]]], ...] = (
    (r"did you mean `([^`]+)`\?", _misspelt),
    (r"^transpose it: (.+)", _instead),
    (r"^wrap it: (\(.+\) % \d+), or", _instead),
    (r"`@` contracts: (.+)", _contracted),
    (r"leave the `.` out$", _left_out),
    (r"one `=` is enough", _left_out),
    (r"powers are written `x\^2`", _power),
    (r"^give it one: \w+ : positive( = 1)$", _started),
)


def _allow(document: Document, found: Diagnostic, span: Span) -> Iterator[Fix]:
    """A comment on its line that silences a warning, where there is none of another kind."""
    comment = next((c for c in document.module.comments if c.span.line == span.line), None)
    if comment is None:
        end = span.source.line_starts[span.line - 1] + len(span.source.line(span.line))
        yield f"allow {found.code} here", end, end, f"  # allow: {found.code}"
    elif comment.text.startswith("allow:"):
        yield f"allow {found.code} here", comment.span.end, comment.span.end, f", {found.code}"


def _augment(document: Document, span: Span) -> Iterator[Fix]:
    """The statement that gives the energy term at a place auxiliary units."""
    for statement in document.module.statements:
        within = statement.span.start <= span.start <= statement.span.end
        if within and isinstance(statement, tree.Energy) and statement.name:
            name = statement.name.id
            yield f"give `{name}` auxiliary units", statement.span.end, statement.span.end, f"\naugment {name}"
