"""Semantic tokens: every word and sign with what it is."""

from __future__ import annotations

from lsprotocol import types as lsp

from energydsl.diagnostics import Span
from energydsl.editor import words
from energydsl.editor.document import Document
from energydsl.syntax import parser

# What a word or a name is -> the types of the protocol that themes colour.
TYPES = {
    "dim": "enumMember",
    "const": "variable",
    "visible": "variable",
    "hidden": "variable",
    "input": "variable",
    "param": "parameter",
    "graph": "struct",
    "let": "macro",
    "term": "property",
    "index": "typeParameter",
    "model": "namespace",
    "module": "namespace",
    "domain": "type",
    "constraint": "modifier",
    "function": "function",
    "initialiser": "function",
    "generator": "function",
    "constant": "enumMember",
    "keyword": "keyword",
    "comment": "comment",
    "number": "number",
    "string": "string",
    "operator": "operator",
}
MODIFIERS = ("declaration", "readonly")
READONLY = ("const", "dim", "input", "constant")
_SIGNS = frozenset(words.OPERATORS) - set("()[],:")
LEGEND = lsp.SemanticTokensLegend(list(dict.fromkeys(TYPES.values())), list(MODIFIERS))


def tokens(document: Document) -> lsp.SemanticTokens:
    """All of a text, each by its distance to the one before it."""
    data: list[int] = []
    line = column = 0
    for span, kind, modifiers in sorted(_coloured(document), key=lambda t: t[0].start):
        place, end = document.places.position(span.start), document.places.position(span.end)
        if place.line != line:
            column = 0
        number = LEGEND.token_types.index(TYPES[kind])
        data += [place.line - line, place.character - column, end.character - place.character, number, modifiers]
        line, column = place.line, place.character
    return lsp.SemanticTokens(data)


def _coloured(document: Document) -> list[tuple[Span, str, int]]:
    names = {o.span.start: o for o in document.occurrences}
    found = [(c.span, "comment", 0) for c in document.module.comments]
    for token in parser.words(document.source):
        span = Span(document.source, token.start, token.start + token.length)
        name = names.get(token.start)
        if name is not None and name.kind in TYPES:
            found.append((span, name.kind, name.declares + 2 * (name.kind in READONLY)))
        elif kind := _kind(token):
            found.append((span, kind, 0))
    return found


def _kind(token: parser.Token) -> str:
    """What a token is that is no name; "" of brackets and commas."""
    if token.kind in ("NUMBER", "STRING"):
        return token.kind.lower()
    if token.text in parser.RESERVED:
        return "keyword"
    return "operator" if token.text in _SIGNS else ""
