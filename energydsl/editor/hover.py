"""What is under the cursor: its type and sizes, and what is derived for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lsprotocol import types as lsp

from energydsl.compiler import Compiled
from energydsl.domains import DOMAINS
from energydsl.editor import words
from energydsl.editor.axes import axes_of, shown
from energydsl.editor.document import Document
from energydsl.editor.names import LAYERS, Occurrence, Symbol, declared, terms
from energydsl.model import expressions as ex
from energydsl.model.constants import KNOWN
from energydsl.model.records import Resolved
from energydsl.modules.bind import Bound
from energydsl.modules.flat import Flat
from energydsl.report import explain
from energydsl.syntax import tree
from energydsl.syntax.printer import print_expr, print_statement

ABOUT: Mapping[str, Callable[[str], str]] = {
    "domain": words.about_domain,
    "function": words.about_function,
    "initialiser": words.about_initialiser,
    "generator": words.about_generator,
    "constant": lambda name: f"{name} = {KNOWN[name]:g}",
}


def hover(document: Document, position: lsp.Position) -> lsp.Hover | None:
    """What a reader wants to know of a name, a word or an expression; nothing where there is none."""
    offset = document.places.offset(position)
    occurrence = document.at(position)
    if occurrence is not None:
        lines, span = _of_name(document, occurrence), occurrence.span
        return _shown(lines, document.places.range(span))
    for statement in document.module.statements:
        word = statement.span.text.partition(" ")[0].split("\n")[0]
        if statement.span.start <= offset <= statement.span.start + len(word) and word in words.examples():
            start = statement.span.start
            return _shown(_of_statement(document, statement, word), document.places.between(start, start + len(word)))
    holding = [n for n in document.expressions if n.span.start <= offset < n.span.end]
    if not holding:
        return None
    node = min(holding, key=lambda n: n.span.end - n.span.start)
    text = " ".join(node.span.text.split())
    return _shown([f"{text}  {shown(axes_of(node, document)) or 'a scalar'}"], document.places.range(node.span))


def _shown(blocks: list[str], place: lsp.Range) -> lsp.Hover | None:
    """Blocks of code; nothing of a model is ever read as Markdown."""
    text = "\n".join(f"```energy\n{block.replace('```', '')}\n```" for block in blocks if block)
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text), place) if text else None


def _of_name(document: Document, occurrence: Occurrence) -> list[str]:
    symbol, kind = occurrence.symbol, occurrence.kind
    if symbol is None:
        about = ABOUT.get(kind)
        return [about(occurrence.span.text)] if about and occurrence.span.text in words.WORDS[kind] else []
    if kind == "index":
        return _of_index(document, occurrence, symbol)
    if kind == "module":
        return _of_module(document, symbol)
    lines = [symbol.shown]
    if document.resolved is not None:
        lines += _facts(document.resolved, symbol)
    return ["\n".join(lines), *_derived(document.compiled, symbol)]


def _of_index(document: Document, occurrence: Occurrence, symbol: Symbol) -> list[str]:
    """An index with the numbers that it takes."""
    sums = (n for n in document.expressions if isinstance(n, ex.Summed | ex.ProductOver))
    for node in sums:
        if node.span.start <= symbol.span.start < node.span.end:
            for binder in node.binders:
                if isinstance(binder, ex.Range) and binder.name == symbol.name:
                    return [f"index {symbol.name} = {binder.low}, ..., {binder.high - 1}"]
    return [f"index {symbol.name}"]


def _of_module(document: Document, symbol: Symbol) -> list[str]:
    """What the name of a file, or of a use, stands for."""
    imported, uses = document.bindings
    bound = next((b for b in uses.values() if b.use.name is not None and b.use.name.id == symbol.name), None)
    if bound is not None:
        return [print_statement(bound.use), _binds(bound)]
    return [symbol.shown, *([_held(imported[symbol.name])] if symbol.name in imported else [])]


def _held(flat: Flat) -> str:
    """What a file declares, and the energy terms that it names."""
    module = tree.Module(flat.source, flat.statements, ())
    return "\n".join(symbol.shown for symbol in (*declared(module).values(), *terms(module).values()))


def _binds(bound: Bound) -> str:
    """What a use binds, and what it brings."""
    lines = [f"# {name} = {print_expr(value)}" for name, value in bound.values.items() if name not in bound.shared]
    lines += [f"# {name} is {here}" for name, here in bound.shared.items()]
    lines += [f"# {name} is {layer.id}" for name, layer in bound.layers.items()]
    brought = {name: (kind, entry) for name, (kind, entry) in bound.declared.items() if kind != "dim"}
    lines += [
        f"{kind} {name}  # {entry.name.id} of {bound.flat.source.short}" for name, (kind, entry) in brought.items()
    ]
    return "\n".join([*lines, f"# energy terms: {', '.join(bound.labels)}"])


def _facts(model: Resolved, symbol: Symbol) -> Iterator[str]:
    """What is known of a declared name: sizes and values."""
    name = symbol.name
    if name in model.dims:
        yield f"# = {model.dims[name]}"
    elif name in model.layers:
        layer = model.layers[name]
        sizes = f" ({' x '.join(map(str, layer.shape))})" * (len(layer.shape) > 1)
        support = DOMAINS[layer.domain.name].support
        yield f"# {layer.size} unit{'s' * (layer.size != 1)}{sizes}, values: {support}"
    elif name in model.params:
        yield f"# {' x '.join(map(str, model.params[name].shape)) or 'a number'}"
    elif name in model.consts:
        yield f"# = {model.consts[name].value:g}, unless a run sets it"
    elif name in model.graphs:
        graph = model.graphs[name]
        yield f"# {graph.nodes} units, {graph.edge_count} edges"


def _derived(model: Compiled | None, symbol: Symbol) -> list[str]:
    """The conditional of a layer, the gradient of a parameter, the canonical terms of an energy term."""
    if model is None:
        return []
    name, derived = symbol.name, model.derived
    if symbol.kind == "term":
        return ["\n".join(text for label, text, _ in explain.terms(model) if label == name)]
    if symbol.kind in LAYERS:
        found = [str(record[name]) for record in (derived.conditionals, derived.lines) if name in record]
        return ["\n".join([*found, *(str(c) for c in explain.recognition(model) if c.layer == name)])]
    return [str(derived.gradients[name])] if name in derived.gradients else []


def _of_statement(document: Document, statement: tree.Statement, word: str) -> list[str]:
    """How a statement is written, and what follows from an energy, a layer graph or a schedule."""
    model = document.compiled
    if isinstance(statement, tree.Import) and statement.name.id in document.bindings[0]:
        return [print_statement(statement), _held(document.bindings[0][statement.name.id])]
    if isinstance(statement, tree.Use) and statement.span in document.bindings[1]:
        return [print_statement(statement), _binds(document.bindings[1][statement.span])]
    if isinstance(statement, tree.Declaration | tree.ModelName | tree.Import | tree.Use) or model is None:
        return [words.examples()[word]]
    if isinstance(statement, tree.Layers):
        return ["\n".join(explain.expanded(model))]
    visible = frozenset(model.resolved.by_role("visible"))
    blocks = [f"nothing clamped: {explain.moves(model, frozenset())}"]
    blocks += [f"data clamped:    {explain.moves(model, visible)}"] * bool(visible and not model.factorisation)
    if isinstance(statement, tree.Energy):
        label = statement.name.id if statement.name else statement.keyword
        terms = [text for of, text, _ in explain.terms(model) if of == label]
        return ["\n".join(terms), str(model.derived.free_energy), "\n".join(blocks)]
    return [words.examples()[word], "\n".join(blocks)]
