"""Where a name is declared and used, and another name for it."""

from __future__ import annotations

from lsprotocol import types as lsp

from energydsl.diagnostics import EnergyError, Span
from energydsl.editor.document import Document, analyse
from energydsl.editor.names import Occurrence, Symbol
from energydsl.functions import WRITTEN
from energydsl.syntax.parser import RESERVED


def definition(document: Document, position: lsp.Position) -> lsp.Location | None:
    """Where the name at a position is declared; a parameter that `layers` brings, where it is brought."""
    found = document.at(position)
    if found is None or found.symbol is None:
        return None
    return document.location(found.symbol.span)


def uses(document: Document, position: lsp.Position) -> list[Occurrence]:
    """The occurrences of the name at a position, its declaration among them."""
    found = document.at(position)
    if found is None or found.symbol is None:
        return []
    return [o for o in document.occurrences if o.symbol == found.symbol]


def references(document: Document, position: lsp.Position, declaration: bool) -> list[lsp.Location]:
    """Where the name at a position is used."""
    found = (o for o in uses(document, position) if declaration or not o.declares)
    return [lsp.Location(document.uri, document.places.range(o.span)) for o in found]


def highlights(document: Document, position: lsp.Position) -> list[lsp.DocumentHighlight]:
    """The name at a position wherever it stands."""
    kinds = {True: lsp.DocumentHighlightKind.Write, False: lsp.DocumentHighlightKind.Read}
    return [lsp.DocumentHighlight(document.places.range(o.span), kinds[o.declares]) for o in uses(document, position)]


def renameable(document: Document, position: lsp.Position) -> lsp.Range | None:
    """The name at a position, where it is declared in the text."""
    found = document.at(position)
    fits = any(o.declares for o in uses(document, position))
    return document.places.range(found.span) if found and fits else None


def rename(document: Document, position: lsp.Position, name: str) -> lsp.WorkspaceEdit:
    """The edit that renames what stands at a position. Raises `EnergyError` where it would change what the model means."""
    spans = [o.span for o in uses(document, position)]
    if renameable(document, position) is None:
        raise EnergyError("there is no declared name here")
    if name in RESERVED or name in WRITTEN or name == "range" or not name.isidentifier():
        raise EnergyError(f"`{name}` cannot be a name")
    text = replaced(document.source.text, spans, name)
    after = analyse(document.uri, document.source.name, text, document.overrides.folder)
    if _structure(after) != _structure(document) or (document.resolved and not after.resolved):
        why = "the name is taken, or a `layers` statement makes names of it"
        raise EnergyError(f"with the name `{name}` this would be another model: {why}")
    places = document.places
    return lsp.WorkspaceEdit({document.uri: [lsp.TextEdit(places.range(span), name) for span in spans]})


def replaced(text: str, spans: list[Span], name: str) -> str:
    """A text with a name in place of some spans, which are in order."""
    ends = [0, *(span.end for span in spans)]
    starts = [*(span.start for span in spans), len(text)]
    return name.join(text[end:start] for end, start in zip(ends, starts, strict=True))


def _structure(document: Document) -> list[tuple[str, int]]:
    """Which occurrence means what, whatever it is called."""
    number: dict[Symbol, int] = {}
    return [(o.kind, number.setdefault(o.symbol, len(number)) if o.symbol else -1) for o in document.occurrences]
