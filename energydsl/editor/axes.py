"""The axes of expressions, by the names under which they were declared; inlay hints of them."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types as lsp

from energydsl.diagnostics import Span
from energydsl.editor.document import Document
from energydsl.model import expressions as ex
from energydsl.syntax.printer import print_expr

Axes = tuple[str, ...]


def shown(axes: Axes) -> str:
    """Axes as they are written in a declaration; nothing of a scalar."""
    return f"[{', '.join(axes)}]" if axes else ""


def axes_of(node: ex.Typed, document: Document) -> Axes:
    """The axes of an expression."""
    match node:
        case ex.Typed(shape=()):
            return ()
        case ex.Reference(name=name):
            return _declared(name, document)
        case ex.Contracted(left=left, right=right):
            return axes_of(left, document)[:-1] + axes_of(right, document)[1:]
        case ex.Transposed(operand=operand):
            return axes_of(operand, document)[::-1]
    parts = (part for part in vars(node).values() if isinstance(part, ex.Typed))
    return next((axes_of(part, document) for part in parts if part.shape), ())


def _declared(name: str, document: Document) -> Axes:
    """The axes of a layer, that of its states last, or of a parameter."""
    entry = document.names[name].entry
    assert entry is not None
    layer = document.resolved.layers.get(name) if document.resolved else None
    states = entry.domain.arguments if layer and entry.domain and layer.energy_shape != layer.shape else ()
    return tuple(map(print_expr, (*entry.axes, *states)))


def hints(document: Document, wanted: lsp.Range) -> list[lsp.InlayHint]:
    """The axes of contractions, of what is added up, and of abbreviations; and what each index runs over."""
    start, end = document.places.offset(wanted.start), document.places.offset(wanted.end)
    found = {place: text for place, text in _hints(document) if text and start <= place <= end}
    return [
        lsp.InlayHint(document.places.position(place), text, lsp.InlayHintKind.Type)
        for place, text in sorted(found.items())
    ]


def _hints(document: Document) -> Iterator[tuple[int, str]]:
    lets = {s.entry.value.span: s for s in document.names.values() if s.kind == "let" and s.entry and s.entry.value}
    for node in document.expressions:
        if node.span in lets:
            yield lets[node.span].span.end, shown(axes_of(node, document))
        if isinstance(node, ex.Contracted):
            yield node.span.end, shown(axes_of(node, document))
        elif isinstance(node, ex.Totalled) and not isinstance(node.operand, ex.Reference):
            yield node.operand.span.end, shown(axes_of(node.operand, document))
        elif isinstance(node, ex.Summed | ex.ProductOver):
            for binder in node.binders:
                if isinstance(binder, ex.Range) and (place := _binder(binder.name, node.span, document)):
                    yield place.end, f": {runs_over(binder, node.body, document)}"


def _binder(name: str, inside: Span, document: Document) -> Span | None:
    """Where an index of a sum is bound."""
    return next(
        (o.span for o in document.occurrences if o.declares and o.symbol and o.symbol.name == name
         and inside.start <= o.span.start < inside.end), None,
    )  # fmt: skip


def runs_over(binder: ex.Range, body: ex.Typed, document: Document) -> str:
    """The axis that an index runs over, or its numbers where it subscripts none as it is."""
    todo = [body]
    while todo:
        node = todo.pop()
        if isinstance(node, ex.Element) and len(node.indices) == len(node.base.shape):
            for index, axis in zip(node.indices, axes_of(node.base, document), strict=True):
                if index.plain == binder.name and binder.low == 0:
                    return axis
        todo += reversed([part for part in vars(node).values() if isinstance(part, ex.Typed)])
    return f"{binder.low}..{binder.high - 1}"
