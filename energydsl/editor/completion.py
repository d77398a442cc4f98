"""What may be written at a place: the grammar says which words may follow, the statement which names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from lsprotocol import types as lsp

from energydsl.api import zoo_names, zoo_text
from energydsl.diagnostics import Source
from energydsl.editor import words
from energydsl.editor.document import Document
from energydsl.editor.hover import ABOUT
from energydsl.editor.names import LAYERS
from energydsl.functions import WRITTEN
from energydsl.model.graphs import GENERATORS
from energydsl.model.records import CONST_CONSTRAINTS
from energydsl.model.resolve import DISTRIBUTIONS
from energydsl.syntax.parser import Token, Unfinished, literals, unfinished

KINDS = {
    "keyword": lsp.CompletionItemKind.Keyword,
    "function": lsp.CompletionItemKind.Function,
    "initialiser": lsp.CompletionItemKind.Function,
    "generator": lsp.CompletionItemKind.Function,
    "domain": lsp.CompletionItemKind.Class,
    "constraint": lsp.CompletionItemKind.Property,
    "constant": lsp.CompletionItemKind.Constant,
    "argument": lsp.CompletionItemKind.Field,
    "dim": lsp.CompletionItemKind.Constant,
    "const": lsp.CompletionItemKind.Constant,
    "term": lsp.CompletionItemKind.Event,
    "snippet": lsp.CompletionItemKind.Snippet,
}
SNIPPETS = {
    "model": "model ${1:name}",
    "dim": "dim ${1:I} = ${2:784}",
    "const": "const ${1:K} = ${2:0.1}",
    "visible": "visible ${1:v}[${2:I}] : ${3|DOMAINS|}",
    "hidden": "hidden ${1:h}[${2:J}] : ${3|DOMAINS|}",
    "input": "input ${1:x}[${2:K}] : ${3|DOMAINS|}",
    "param": "param ${1:W}[${2:I}, ${3:J}] = normal(sd = ${4:0.01})",
    "graph": "graph ${1:G} = ${2:grid}(${3:28, 28})",
    "let": "let ${1:u} = ${2:v / sigma}",
    "energy": "energy = ${0}",
    "layers": "layers ${1:v} -- ${2:h}",
    "schedule": "schedule (${1:v}), (${2:h})",
    "import": 'import "${1:rbm.energy}" as ${2:rbm}',
    "use": "use ${1:rbm}(${2:I = I}) as ${3:lower} on ${4:v, h}",
}
ARRAYS = (*LAYERS, "param")
VALUES = (*ARRAYS, "const", "dim", "let")
# The statements whose expressions hold arrays.
EXPRESSIONS = ("energy", "recognition", "let")
# The names that a statement takes, where it takes no expression.
TAKEN = {
    "layers": LAYERS,
    "schedule": LAYERS,
    "marginalise": ("hidden",),
    "augment": ("term",),
    "use": ("module", "dim", "const", *LAYERS),
}


@dataclass(frozen=True)
class Offered:
    """A word that may be written: what it is, what is said of it, and what is inserted where that is more."""

    label: str
    kind: str
    detail: str = ""
    snippet: str = ""


def completion(document: Document, position: lsp.Position) -> lsp.CompletionList:
    """What may be written at a position; editors choose among it by what is typed already."""
    offset = document.places.offset(position)
    text = document.source.text[:offset]
    typed = len(text)
    while typed and (text[typed - 1].isalnum() or text[typed - 1] == "_"):
        typed -= 1
    comment = text.rfind("\n", 0, offset) < text.rfind("#", 0, offset)
    offered = [] if comment else list(_offered(document, unfinished(Source("", text[:typed]))))
    unique = {(o.label, o.kind): o for o in offered}
    place = document.places.between(typed, offset)
    return lsp.CompletionList(is_incomplete=False, items=[_item(o, place) for o in unique.values()])


def _item(offered: Offered, place: lsp.Range) -> lsp.CompletionItem:
    kind = KINDS.get(offered.kind, lsp.CompletionItemKind.Variable)
    form = lsp.InsertTextFormat.Snippet if offered.snippet else lsp.InsertTextFormat.PlainText
    return lsp.CompletionItem(
        offered.label,
        kind=kind,
        detail=offered.detail or None,
        insert_text_format=form,
        text_edit=lsp.TextEdit(place, offered.snippet or offered.label),
    )


def _offered(document: Document, before: Unfinished) -> Iterator[Offered]:
    tokens, follow = before.tokens, before.follow
    if "$END" in follow:
        yield from _statements(document)
    yield from (
        Offered(w, "keyword") for k, w in literals().items() if k in follow and w in words.WITHIN and _fits(w, tokens)
    )
    if tokens and ("NAME" in follow or not follow):
        yield from _names(document, tokens)


def _fits(word: str, tokens: tuple[Token, ...]) -> bool:
    """Whether a word that the grammar takes has a meaning: sums in energies, truth in options of graphs."""
    if word in ("true", "false"):
        return bool(_open_call(tokens)) and tokens[-1].text == "="
    return word in ("in", "as", "on") or (tokens[0].text in EXPRESSIONS and not _subscripts(tokens))


def _statements(document: Document) -> Iterator[Offered]:
    """The words that begin statements, and in an empty file the zoo."""
    domains = ",".join(words.WORDS["domain"])
    for word, example in words.examples().items():
        yield Offered(word, "keyword", example)
        if word in SNIPPETS:
            yield Offered(f"{word} ...", "snippet", example, SNIPPETS[word].replace("DOMAINS", domains))
    if not document.module.statements:
        for name in zoo_names():
            text = zoo_text(name)
            yield Offered(f"{name}.energy", "snippet", text.partition("\n")[0], _verbatim(text))


def _verbatim(text: str) -> str:
    """A snippet that is a text as it is."""
    return text.replace("\\", "\\\\").replace("$", "\\$").replace("}", "\\}")


def _names(document: Document, tokens: tuple[Token, ...]) -> Iterator[Offered]:
    """The names that fit at the end of the tokens of a statement."""
    word, last = tokens[0].text, tokens[-1].text
    parts = _entry(tokens)
    called = _open_call(tokens)
    if word in TAKEN:
        yield from _declared(document, TAKEN[word])
    elif last in ("(", ",") and called in {**DISTRIBUTIONS, **GENERATORS} and word in ("param", "graph"):
        yield from (Offered(k, "argument", "", f"{k} = ${{1}}") for k in {**DISTRIBUTIONS, **GENERATORS}[called])
        yield from _declared(document, ("dim", "const"))
    elif called == "base_rate":
        yield from _declared(document, ("visible",))
    elif last == "in":
        yield Offered("range", "function", "range(n), range(low, high)")
        yield from _declared(document, ("graph",))
        yield from _indices(tokens)
    elif word in LAYERS and last == ":":
        yield from _told("domain", words.WORDS["domain"])
    elif word in ("param", "const") and last in (":", "&") and "=" not in parts:
        yield from _told("constraint", words.WORDS["constraint"] if word == "param" else CONST_CONSTRAINTS)
    elif "=" in parts or _opened(tokens):
        yield from _in_expression(document, tokens)
    elif word in ("energy", "recognition"):
        yield from _declared(document, LAYERS)


def _in_expression(document: Document, tokens: tuple[Token, ...]) -> Iterator[Offered]:
    word, last = tokens[0].text, tokens[-1].text
    if word == "graph" and last == "=" and not _opened(tokens):
        yield from _told("generator", words.WORDS["generator"])
    elif word in EXPRESSIONS:
        yield from _indices(tokens)
        if not _subscripts(tokens):
            yield from _told("function", WRITTEN)
            yield from _told("constant", words.WORDS["constant"])
        yield from _declared(document, ("dim",) if _subscripts(tokens) else VALUES)
    else:
        if word == "param" and last == "=":
            yield from _told("initialiser", words.WORDS["initialiser"])
        yield from _declared(document, ("dim", "graph") if word == "param" else ("dim", "const"))


def _subscripts(tokens: tuple[Token, ...]) -> bool:
    """Whether the innermost bracket that is open is that of subscripts, or of what a sum binds."""
    opened = _opened(tokens)
    return opened > 0 and tokens[opened].text == "["


def _indices(tokens: tuple[Token, ...]) -> Iterator[Offered]:
    """The indices that sums of a statement have bound."""
    binding = False
    for before, token in pairwise(tokens):
        binding = token.text != "]" and (binding or (before.kind in ("SUM", "PROD") and token.text == "["))
        if binding and token.kind == "NAME" and before.kind != "IN":
            yield Offered(token.text, "index", "index")


def _told(kind: str, names: Iterable[str]) -> Iterator[Offered]:
    about = ABOUT.get(kind)
    return (Offered(name, kind, about(name).replace("\n", "; ") if about else "") for name in names)


def _declared(document: Document, kinds: Iterable[str]) -> Iterator[Offered]:
    """Names of some kinds, with how they are declared."""
    wanted = tuple(kinds)
    symbols = [*document.names.values(), *(o.symbol for o in document.occurrences if o.kind == "term" and o.symbol)]
    for symbol in symbols:
        if symbol.kind in wanted:
            yield Offered(symbol.name, symbol.kind, symbol.shown)


def _entry(tokens: tuple[Token, ...]) -> list[str]:
    """The signs and words of the last entry of a declaration, those in brackets left out."""
    found: list[str] = []
    depth = 0
    for token in tokens:
        depth += token.text in ("(", "[")
        if not depth:
            found = [] if token.text == "," else [*found, token.text]
        depth -= token.text in (")", "]")
    return found


def _open_call(tokens: tuple[Token, ...]) -> str:
    """The name before the innermost bracket that is open, or nothing."""
    opened = _opened(tokens)
    return tokens[opened - 1].text if opened else ""


def _opened(tokens: tuple[Token, ...]) -> int:
    """The place of the innermost bracket that is open, or 0."""
    depth = 0
    for number in range(len(tokens) - 1, 0, -1):
        depth += (tokens[number].text in (")", "]")) - (tokens[number].text in ("(", "["))
        if depth < 0:
            return number
    return 0
