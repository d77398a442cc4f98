"""Text -> `Module`. The only place that knows Lark.

A file is cut at the reserved words that begin statements and every piece is parsed by itself, so one report holds all
independent syntax errors, and recovery after an error is simply the next piece.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import lark
import lark.visitors
from lark.lexer import LexerThread

from energydsl.diagnostics import Diagnostic, ModelError, Source, Span, suggestion
from energydsl.syntax import tree
from energydsl.syntax.resources import folder

STATEMENTS = (
    ["model", "dim", "const", "visible", "hidden", "input", "param", "graph", "layers", "let", "energy", "recognition", "schedule",
     "augment", "marginalise", "import", "use"]
)  # fmt: skip
RESERVED = frozenset([*STATEMENTS, *["sum", "in", "true", "false", "as", "where", "prod", "for", "if", "else"]])

MAX_BYTES = 1 << 20
# Open brackets, and levels of the tree: no later stage has more than a few calls a level, so none runs out of stack.
MAX_BRACKETS = 60
MAX_LEVELS = 100
MAX_TOKENS = 50_000

# Names, numbers, blanks and signs, as in the grammar; what is left over is the group, a character of no token.
_STRAY = re.compile(
    r"[^\W\d]\w*|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|\s+|[()\[\]+\-*/@^%<>'=,:|&]|(.)\1*", re.DOTALL
)
_CLOSING = re.compile(r"(?:\s|#[^\n]*)*[\])]")
_ENGLISH = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a quoted string",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "VBAR": "`|`",
    "AMPERSAND": "`&`",
    "QUOTE": "`'`",
    "$END": "the end of the statement",
}
_EXPRESSION = {"NAME", "NUMBER", "SUM", "PROD", "LPAR", "MINUS", "TRUE", "FALSE", "STRING"}
_OPERATORS = {"PLUS", "MINUS", "STAR", "SLASH", "AT", "CARET"}


def grammar_text() -> str:
    """The grammar of the language, in Lark's notation."""
    return (folder("grammar") / "energy.lark").read_text(encoding="utf-8")


@cache
def _parser() -> lark.Lark:
    return lark.Lark(grammar_text(), parser="lalr", lexer="basic", start="statement", maybe_placeholders=True)


def decode(data: bytes, name: str, used: Span | None = None) -> Source:
    """The bytes of a file as a source, used: by what imports it. Raises `ModelError` (E0101) at the first byte that is not UTF-8."""
    try:
        return Source(name, data.decode("utf-8-sig"), used)
    except UnicodeDecodeError as error:
        source = Source(name, data.decode("utf-8", errors="replace"), used)
        place = len(data[: error.start].decode("utf-8", errors="replace"))
        span = Span(source, min(place, max(0, len(source.text) - 1)), place + 1)
        raise ModelError([syntax_error("this file is not UTF-8 text", span, "save it as UTF-8")]) from None


def syntax_error(message: str, span: Span, help: str = "") -> Diagnostic:
    """An E0101 at a place."""
    return Diagnostic("E0101", message, span, help)


def parse(source: Source) -> tree.Module:
    """The module written in `source`.

    Raises `ModelError` with every independent syntax error (E0101) and misused reserved word (E0102).
    """
    module, problems = read(source)
    if problems:
        raise ModelError(problems)
    return module


def read(source: Source) -> tuple[tree.Module, list[Diagnostic]]:
    """The statements of `source` that can be read, and what is wrong with the others."""
    if len(source.text) > MAX_BYTES:
        span = Span(source, MAX_BYTES, MAX_BYTES + 1)
        too_large = syntax_error("this file is larger than 1 MiB; a model is not", span)
        return tree.Module(source, (), ()), [too_large]
    problems, text, comments = _without_strays(source)
    tokens = _tokens(text)
    if len(tokens) > MAX_TOKENS:
        span = _span(source, tokens[MAX_TOKENS])
        too_many = syntax_error(f"a model has at most {MAX_TOKENS} words and signs", span)
        return tree.Module(source, (), tuple(comments)), [too_many]
    statements = []
    for piece in _pieces(tokens):
        try:
            statements.append(_statement(source, piece))
        except _Stop as stop:
            problems.append(stop.diagnostic)
    problems += [
        syntax_error("`model` comes first, and once", s.span, "name the model in the first statement")
        for s in statements[1:]
        if isinstance(s, tree.ModelName)
    ]
    return tree.Module(source, tuple(statements), tuple(comments)), problems


@dataclass(frozen=True)
class Token:
    """A word or a sign: its terminal of the grammar, its text, where it begins, and how long it is as it is written."""

    kind: str
    text: str
    start: int
    length: int


@dataclass(frozen=True)
class Unfinished:
    """The statement that a text ends in: its tokens, and the terminals that may follow; `$END` where it may end there."""

    tokens: tuple[Token, ...]
    follow: frozenset[str]


def words(source: Source) -> list[Token]:
    """The words and signs of a text, without comments and what has no meaning."""
    return [_plain_token(t) for t in _tokens(_without_strays(source)[1])]


def unfinished(source: Source) -> Unfinished:
    """The last statement of a text; nothing may follow where it is wrong before its end."""
    pieces = _pieces(_tokens(_without_strays(source)[1]))
    if not pieces:
        return Unfinished((), frozenset({"$END"}))
    tokens = tuple(map(_plain_token, pieces[-1]))
    parser = _parser().parse_interactive(start="statement")
    try:
        for token in pieces[-1]:
            parser.feed_token(token)
    except lark.UnexpectedToken:
        return Unfinished(tokens, frozenset())
    return Unfinished(tokens, frozenset(parser.accepts()))  # type: ignore[no-untyped-call]


def _plain_token(token: lark.Token) -> Token:
    start = token.start_pos or 0
    return Token(token.type, str(token), start, (token.end_pos or start + len(token)) - start)


def literals() -> dict[str, str]:
    """The terminals of the grammar that are words or signs, as they are written."""
    return {t.name: t.pattern.value for t in _parser().terminals if isinstance(t.pattern, lark.lexer.PatternStr)}


def patterns() -> dict[str, str]:
    """The terminals of the grammar that are regular expressions."""
    return {t.name: t.pattern.value for t in _parser().terminals if isinstance(t.pattern, lark.lexer.PatternRE)}


class _Stop(Exception):
    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic


def _without_strays(source: Source) -> tuple[list[Diagnostic], str, list[tree.Comment]]:
    """Report characters of no token, and put blanks in their place so that the rest is still read; find the comments."""
    problems: list[Diagnostic] = []
    comments: list[tree.Comment] = []
    blank = list(source.text)
    for line in re.finditer(r"[^\n]+", source.text):
        code = re.match(r'(?:[^#"]|"[^"\n]*")*', line.group())
        end = code.end() if code else 0
        rest = line.group()[end:]
        if rest.startswith("#"):
            comments.append(tree.Comment(rest[1:].strip(), Span(source, line.start() + end, line.end())))
        if rest.startswith('"'):
            place = line.start() + end
            problems.append(syntax_error("this string is not closed", Span(source, place, line.end())))
            blank[place : line.end()] = " " * (line.end() - place)
        unquoted = re.sub(r'"[^"]*"', lambda m: " " * len(m.group()), line.group()[:end])
        for stray in _STRAY.finditer(unquoted):
            if stray[1] is None:
                continue
            first, last = (line.start() + edge for edge in stray.span())
            blank[first:last] = " " * (last - first)
            if len(problems) < 20:
                problems.append(_stray(stray[1], Span(source, first, last)))
    return problems, "".join(blank), comments


def _stray(character: str, span: Span) -> Diagnostic:
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    help = {
        ";": "a statement ends where the next begins; leave the `;` out",
        ".": "a point stands only inside a number: `0.5`",
        "{": "the language has no braces; use `[` for axes and `(` for grouping",
        "\\": "a statement may run over several lines as it is",
        "!": "",
    }.get(character, "")
    return syntax_error(f"`{shown}` has no meaning here", span, help)


def _span(source: Source, token: lark.Token) -> Span:
    start = token.start_pos or 0
    return Span(source, start, token.end_pos or start + len(token))


def _tokens(text: str) -> list[lark.Token]:
    """The words and signs of a text, one more than a model may have at most."""
    tokens = []
    # `Lark.lex` would build the lexer anew at every call.
    for token in LexerThread.from_text(_parser().parser.lexer, text).lex(None):  # type: ignore[no-untyped-call]
        if token.type == "NAME":
            plain = unicodedata.normalize("NFKC", token)
            if plain in RESERVED:
                token = token.update(type=plain.upper() if plain in STATEMENTS else "LATER")
            else:
                token = token.update(value=plain)
        elif token.type == "ON":
            token = token.update(type="NAME")
        tokens.append(token)
        if len(tokens) > MAX_TOKENS:
            break
    return tokens


_STARTERS = frozenset(word.upper() for word in STATEMENTS)


def _pieces(tokens: list[lark.Token]) -> list[list[lark.Token]]:
    """Cut before every word that begins a statement."""
    pieces: list[list[lark.Token]] = []
    for token in tokens:
        if token.type in _STARTERS or not pieces:
            misplaced = pieces and _wants_name(pieces[-1]) and token.line == pieces[-1][-1].line
            if not misplaced:
                pieces.append([])
        pieces[-1].append(token)
    return pieces


def _wants_name(piece: list[lark.Token]) -> bool:
    """Whether a name must follow, so that a reserved word there is E0102 and begins no statement."""
    if piece[-1].type == "AS":
        return True
    listed = piece[-1].type == "COMMA" and piece[0].type in ("DIM", "CONST", "VISIBLE", "HIDDEN", "INPUT", "PARAM")
    return listed or piece[-1].type in _STARTERS


def _with_on(tokens: list[lark.Token]) -> list[lark.Token]:
    """The tokens of a `use` with `on`, which is a name elsewhere, where it binds layers: after the head, once."""
    for place, (before, token) in enumerate(pairwise(tokens), 1):
        if token == "on" and before.type in ("NAME", "RPAR"):
            return [*tokens[:place], token.update(type="ON"), *tokens[place + 1 :]]
    return tokens


def _statement(source: Source, tokens: list[lark.Token]) -> tree.Statement:
    _check_brackets(source, tokens)
    if tokens[0].type == "USE":
        tokens = _with_on(tokens)
    for token in tokens:
        if token.type == "NAME" and not str(token).isidentifier():
            raise _Stop(syntax_error(f"`{token}` is not a name", _span(source, token)))
    parser = _parser().parse_interactive(start="statement")
    before: lark.Token | None = None
    for token in tokens:
        _feed(source, parser, token, before)
        before = token
    end = lark.Token.new_borrow_pos("$END", "", tokens[-1])
    root = _feed(source, parser, end, before)
    try:
        statement: tree.Statement = _Builder(source).transform(root)
    except lark.exceptions.VisitError as error:
        raise error.orig_exc from None
    _check_tree(statement)
    return statement


def _feed(source: Source, parser: Any, token: lark.Token, before: lark.Token | None) -> Any:
    try:
        return parser.feed_token(token)
    except lark.UnexpectedToken:
        raise _Stop(_unexpected(source, token, before, set(parser.accepts()))) from None


def _unexpected(source: Source, token: lark.Token, before: lark.Token | None, accepts: set[str]) -> Diagnostic:
    if before is None:
        return syntax_error(
            f"found `{token}`, expected a statement",
            _span(source, token),
            f"a statement begins with one of: {', '.join(STATEMENTS)}",
        )
    if token.type == "$END":
        span = _span(source, before)
        return syntax_error(f"the statement ends after `{before}`, expected {_expected(accepts)}", span)
    span = _span(source, token)
    if "NAME" in accepts and unicodedata.normalize("NFKC", token) in RESERVED:
        return Diagnostic("E0102", f"`{token}` is a reserved word and cannot be a name", span, "choose another name")
    help = ""
    if token.type == "NAME" and suggestion(token, STATEMENTS) and token not in STATEMENTS:
        help = suggestion(token, STATEMENTS)
    elif token == "=" and before == "=":
        help = "one `=` is enough"
    elif token == "*" and before == "*":
        help = "powers are written `x^2`"
    elif token.type == "PERCENT":
        help = "`%` stands only in subscripts; put its left side in parentheses: `s[(i + 1) % L]`"
    elif before.type == "QUOTE" and accepts & _OPERATORS:
        help = "`b @ v` is the inner product of two vectors; `'` transposes a matrix: `v @ W' @ h`"
    elif (
        token.type in ("NAME", "NUMBER", "LPAR")
        and accepts & _OPERATORS
        and before.type in ("NAME", "NUMBER", "RPAR", "RSQB")
    ):
        help = "a product is written out, with `*` (entry by entry) or `@` (contraction)"
    elif token.type in ("SUM", "PROD"):
        help = "an index sum or product is the last factor of a product; put it in parentheses to go on after it"
    return syntax_error(f"found `{token}`, expected {_expected(accepts)}", span, help)


def _expected(accepts: set[str]) -> str:
    names = set(accepts)
    words = []
    if {"NAME", "NUMBER", "LPAR"} <= names:
        words.append("an expression")
        names -= _EXPRESSION
    if {"PLUS", "MINUS"} <= names:
        words.append("an operator")
        names -= _OPERATORS | {"QUOTE", "PERCENT"}
    words += sorted(_ENGLISH.get(n, f"`{_literal(n)}`") for n in names)
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _literal(terminal: str) -> str:
    pattern = next((t.pattern.value for t in _parser().terminals if t.name == terminal), terminal.lower())
    return str(pattern).replace("\\", "")


def _check_brackets(source: Source, tokens: list[lark.Token]) -> None:
    depth = 0
    for token in tokens:
        depth += {"LPAR": 1, "LSQB": 1, "RPAR": -1, "RSQB": -1}.get(token.type, 0)
        if depth > MAX_BRACKETS:
            raise _Stop(_too_deep(f"more than {MAX_BRACKETS} brackets are open", _span(source, token)))


def _too_deep(message: str, span: Span) -> Diagnostic:
    return syntax_error(message, span, "a sum or a product may be as long as you like; it is nesting that has an end")


def _check_tree(statement: tree.Statement) -> None:
    """Nesting is bounded, and `%` stands in subscripts; a loop, since what is too deep may not be walked otherwise."""
    todo: list[tuple[Any, int, bool]] = [(statement, 0, False)]
    while todo:
        node, level, subscript = todo.pop()
        if isinstance(node, tuple):
            todo += [(part, level, subscript) for part in node]
            continue
        if not isinstance(node, tree.Node):
            continue
        if level > MAX_LEVELS:
            raise _Stop(_too_deep(f"nested more than {MAX_LEVELS} deep", node.span))
        if isinstance(node, tree.Modulo) and not subscript:
            raise _Stop(syntax_error("`%` stands only in subscripts", node.span))
        inside = subscript or isinstance(node, tree.Subscript)
        for name, part in vars(node).items():
            todo.append((part, level + 1, subscript if name == "base" else inside))


# What Lark hands to a rule: tokens, nodes and tuples of them, None for what is optional and absent.
Children = list[Any]


class _Builder(lark.visitors.Transformer_NonRecursive[lark.Token, Any]):
    """Lark's tree to ours, one small method a rule, bottom-up."""

    def __init__(self, source: Source):
        super().__init__(visit_tokens=False)
        self.source = source

    def at(self, token: lark.Token) -> Span:
        return _span(self.source, token)

    def id(self, token: lark.Token) -> tree.Name:
        return tree.Name(self.at(token), str(token))

    # statements

    def statement(self, c: Children) -> Any:
        return c[0]

    def model(self, c: Children) -> tree.ModelName:
        return tree.ModelName(self.at(c[0]).to(self.at(c[1])), self.id(c[1]))

    def _declaration(self, c: Children) -> tree.Declaration:
        return tree.Declaration(self.at(c[0]).to(c[-1].span), str(c[0]), tuple(c[1:]))

    dim = const = layer = param = graph = let = _declaration

    def let_entry(self, c: Children) -> tree.Entry:
        return tree.Entry(self.at(c[0]).to(c[1].span), self.id(c[0]), value=c[1])

    def dim_entry(self, c: Children) -> tree.Entry:
        return self.param_entry([c[0], None, None, c[1]])

    def const_entry(self, c: Children) -> tree.Entry:
        return tree.Entry(self.at(c[0]).to(c[2].span), self.id(c[0]), constraints=c[1] or (), value=c[2])

    def layer_entry(self, c: Children) -> tree.Entry:
        letters = self.string([c[3]]) if c[3] else None
        return tree.Entry(
            self.at(c[0]).to((letters or c[2]).span), self.id(c[0]), axes=c[1] or (), domain=c[2], value=letters
        )

    def domain(self, c: Children) -> tree.Domain:
        end = c[1][-1].span if c[1] else self.at(c[0])
        return tree.Domain(self.at(c[0]).to(end), self.id(c[0]), c[1] or ())

    def axes(self, c: Children) -> tuple[Any, ...]:
        return tuple(c)

    def constraints(self, c: Children) -> tuple[Any, ...]:
        return tuple(self.id(t) for t in c)

    def param_entry(self, c: Children) -> tree.Entry:
        name, axes, constraints, value = c
        last = value or (constraints or [None])[-1] or (axes or [None])[-1]
        span = self.at(name).to(last.span if last else self.at(name))
        return tree.Entry(span, self.id(name), axes=axes or (), constraints=constraints or (), value=value)

    def graph_entry(self, c: Children) -> tree.Entry:
        return self.param_entry([c[0], c[1], None, c[2]])

    def energy_plain(self, c: Children) -> tree.Energy:
        return tree.Energy(self.at(c[0]).to(c[1].span), "energy", None, (), (), c[1])

    def energy_named(self, c: Children) -> tree.Energy:
        return tree.Energy(self.at(c[0]).to(c[2].span), "energy", self.id(c[1]), (), (), c[2])

    def energy_given(self, c: Children) -> tree.Energy:
        return tree.Energy(self.at(c[0]).to(c[3].span), str(c[0]), None, c[1], c[2], c[3])

    recognition = energy_given

    def names(self, c: Children) -> tuple[tree.Name, ...]:
        return tuple(self.id(t) for t in c)

    def schedule(self, c: Children) -> tree.Schedule:
        return tree.Schedule(self.at(c[0]).to(c[-1][-1][0].span), tuple(c[1:]))

    def block(self, c: Children) -> tuple[Any, ...]:
        return tuple(c)

    def part(self, c: Children) -> tuple[tree.Name, bool]:
        return self.id(c[0]), c[1] is not None

    def augment(self, c: Children) -> tree.Augment:
        last = c[-1][1][-1] if c[-1][1] else c[-1][0]
        return tree.Augment(self.at(c[0]).to(last.span), tuple(c[1:]))

    def augmented(self, c: Children) -> tuple[tree.Name, tuple[tree.Name, ...]]:
        return self.id(c[0]), c[1] or ()

    def marginalise(self, c: Children) -> tree.Marginalise:
        return tree.Marginalise(self.at(c[0]).to(c[1][-1].span), c[1])

    def imported(self, c: Children) -> tree.Import:
        return tree.Import(self.at(c[0]).to(self.at(c[2])), self.string([c[1]]), self.id(c[2]))

    def use(self, c: Children) -> tree.Use:
        name = self.id(c[3]) if c[3] is not None else None
        layers = tuple(b for b in c[5:] if b is not None)
        for (before, _), (now, layer) in pairwise(layers):
            if before is not None and now is None:
                help = "or name all of them: `on v = x, h = h1`"
                message = "layers that are bound in the order of declaration come before those bound by name"
                raise _Stop(syntax_error(message, layer.span, help))
        end = layers[-1][1].span if layers else name.span if name else self.at(c[1])
        if not layers and name is None and c[2]:
            end = self._closed(c[2][-1][1].span)
        return tree.Use(self.at(c[0]).to(end), self.id(c[1]), c[2] or (), name, layers)

    def given(self, c: Children) -> tuple[tuple[tree.Name, Any], ...]:
        return tuple((self.id(name), value) for name, value in zip(c[::2], c[1::2], strict=True))

    def bound(self, c: Children) -> tuple[tree.Name | None, tree.Name]:
        return (self.id(c[0]) if c[0] is not None else None), self.id(c[1])

    def layers(self, c: Children) -> tree.Layers:
        return tree.Layers(self.at(c[0]).to(c[-1].span), tuple(c[1:]))

    def chain(self, c: Children) -> tree.Chain:
        return tree.Chain(self.at(c[0]).to(c[-1].span), self.id(c[0]), tuple(c[1:]))

    def hop(self, c: Children) -> tree.Hop:
        link, layer, weight = c
        name = self.id(weight) if weight is not None else None
        return tree.Hop(link[1].to((name or self.id(layer)).span), link[0], self.id(layer), name)

    def link(self, c: Children) -> tuple[str, Span]:
        span = self.at(c[0]).to(self.at(c[1]))
        if span.end - span.start != 2:
            raise _Stop(syntax_error(f"write `{c[0]}{c[1]}` without a blank", span))
        return f"{c[0]}{c[1]}", span

    # expressions

    def expr(self, c: Children) -> Any:
        return tree.Sum(c[0].span.to(c[-1].span), c[0], _pairs(c)) if len(c) > 1 else c[0]

    def sign(self, c: Children) -> str:
        return str(c[0])

    times = order = sign

    def product(self, c: Children) -> Any:
        head = c[0]
        if len(c) == 1:
            return head.node if isinstance(head, _Factors) else head
        factors = head if isinstance(head, _Factors) else _Factors(head, [])
        return _Factors(factors.head, [*factors.tail, (c[1], c[2])]).node

    def factors(self, c: Children) -> Any:
        factors = c[0] if isinstance(c[0], _Factors) else _Factors(c[0], [])
        factors.tail.append((c[1], c[2]))
        return factors

    def reduce(self, c: Children) -> tree.Reduce:
        return tree.Reduce(self.at(c[0]).to(c[-1].span), tuple(c[1:-1]), c[-1], str(c[0]))

    def negate(self, c: Children) -> tree.Negate:
        return tree.Negate(self.at(c[0]).to(c[1].span), c[1])

    def modulo(self, c: Children) -> tree.Modulo:
        if isinstance(c[0], lark.Token):
            return tree.Modulo(self.at(c[0]).to(c[-1].span), self.id(c[0]), c[-1])
        start = self.source.text.rindex("(", 0, c[0].span.start)
        return tree.Modulo(Span(self.source, start, c[-1].span.end), c[0], c[-1])

    def raise_to(self, c: Children) -> tree.Power:
        return tree.Power(c[0].span.to(c[2].span), c[0], c[2])

    def transpose(self, c: Children) -> tree.Transpose:
        return tree.Transpose(c[0].span.to(self.at(c[1])), c[0])

    def subscript(self, c: Children) -> tree.Subscript:
        return tree.Subscript(self._closed(c[0].span.to(c[-1].span)), c[0], tuple(c[1:]))

    def number(self, c: Children) -> tree.Number:
        if float(c[0]) == float("inf"):
            raise _Stop(syntax_error("this number is too large", self.at(c[0])))
        return tree.Number(self.at(c[0]), str(c[0]))

    def name(self, c: Children) -> tree.Name:
        return self.id(c[0])

    def boolean(self, c: Children) -> tree.Boolean:
        return tree.Boolean(self.at(c[0]), c[0] == "true")

    def string(self, c: Children) -> tree.String:
        return tree.String(self.at(c[0]), str(c[0])[1:-1])

    def call(self, c: Children) -> tree.Call:
        arguments = tuple(a for a in c[1:] if a is not None)
        span = self.at(c[0]).to(arguments[-1][1].span if arguments else self.at(c[0]))
        return tree.Call(self._closed(span), self.id(c[0]), arguments)

    def total(self, c: Children) -> tree.Call:
        return tree.Call(self._closed(self.at(c[0]).to(c[1].span)), self.id(c[0]), (("", c[1]),))

    def argument(self, c: Children) -> tuple[str, Any]:
        return ("" if c[0] is None else str(c[0]), c[1])

    def group(self, c: Children) -> Any:
        """A node in parentheses spans them, so that what is built from it spans whole text."""
        closed = self._closed(c[0].span)
        start = self.source.text.rindex("(", 0, closed.start)
        return replace(c[0], span=Span(self.source, start, closed.end))

    def binder_plain(self, c: Children) -> tree.Binder:
        return tree.Binder(self.at(c[0]), (self.id(c[0]),))

    def binder_ordered(self, c: Children) -> tree.Binder:
        names = tuple(self.id(t) for t in c[::2])
        return tree.Binder(names[0].span.to(names[-1].span), names, orders=tuple(c[1::2]))

    def binder_range(self, c: Children) -> tree.Binder:
        if str(c[2]) != "range":
            raise _Stop(syntax_error(f"found `{c[2]}`, expected `range`", self.at(c[2]), "`i in range(n)`"))
        bounds = tuple(b for b in c[3:] if b is not None)
        return tree.Binder(self.at(c[0]).to(bounds[-1].span), (self.id(c[0]),), bounds=bounds)

    def binder_edge(self, c: Children) -> tree.Binder:
        names = (self.id(c[0]), self.id(c[1]))
        return tree.Binder(self.at(c[0]).to(self.at(c[3])), names, graph=self.id(c[3]))

    def binder_member(self, c: Children) -> tree.Binder:
        return tree.Binder(self.at(c[0]).to(self.at(c[2])), (self.id(c[0]),), graph=self.id(c[2]))

    def _closed(self, span: Span) -> Span:
        """Include the closing bracket, which the parser filters out."""
        bracket = _CLOSING.match(self.source.text, span.end)
        return Span(span.source, span.start, bracket.end() if bracket else span.end)


class _Factors:
    """A product being collected, so that a long chain stays flat."""

    def __init__(self, head: Any, tail: list[tuple[str, Any]]):
        self.head, self.tail = head, tail

    @property
    def span(self) -> Span:
        span: Span = self.node.span
        return span

    @property
    def node(self) -> Any:
        if not self.tail:
            return self.head
        return tree.Product(self.head.span.to(self.tail[-1][1].span), self.head, tuple(self.tail))


def _pairs(c: Children) -> tuple[tuple[str, Any], ...]:
    return tuple(zip(c[1::2], c[2::2], strict=True))
