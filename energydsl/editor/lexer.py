"""The language for Pygments, and so for Sphinx, MkDocs, LaTeX and the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import STANDARD_TYPES, Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from energydsl.editor.words import OPERATORS, RULES
from energydsl.syntax.parser import patterns

_KINDS = {
    "statement": Keyword.Declaration,
    "keyword": Keyword,
    "later": Keyword.Reserved,
    "function": Name.Function,
    "domain": Keyword.Type,
    "constraint": Name.Decorator,
    "initialiser": Name.Builtin,
    "generator": Name.Builtin,
}
_TERMINALS = patterns()


def _words() -> Iterator[tuple[str, Any]]:
    for rule in RULES:
        if rule.after:
            yield rf"({rule.after})(\s*)({rule.pattern})", bygroups(Punctuation, Whitespace, _KINDS[rule.kind])  # type: ignore[no-untyped-call]
        else:
            yield rule.pattern, _KINDS[rule.kind]


class EnergyLexer(RegexLexer):
    """Models of energydsl. Names of domains, constraints and makers are coloured where they stand for these."""

    name = "energy"
    aliases: ClassVar = ["energy", "energydsl"]
    filenames: ClassVar = ["*.energy"]
    tokens: ClassVar = {
        "root": [
            (_TERMINALS["COMMENT"], Comment.Single),
            (_TERMINALS["STRING"], String),
            *_words(),
            (_TERMINALS["NAME"], Name),
            (_TERMINALS["NUMBER"], Number),
            (words(OPERATORS), Operator),
            (r"\s+", Whitespace),
        ]
    }


def coloured(text: str) -> list[tuple[str, str]]:
    """Pieces that make up a text, each after the short name that Pygments gives what it is."""
    lexer = EnergyLexer()
    return [(STANDARD_TYPES[kind], piece) for _, kind, piece in lexer.get_tokens_unprocessed(text)]
