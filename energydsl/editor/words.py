"""The words of the language by what they are, from the tables that say so; nothing is listed here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from energydsl.domains import DOMAINS
from energydsl.functions import FUNCTIONS, WRITTEN
from energydsl.model.constants import KNOWN
from energydsl.model.graphs import GENERATORS
from energydsl.model.records import CONSTRAINTS
from energydsl.model.resolve import DISTRIBUTIONS, INITIALISERS
from energydsl.syntax.parser import RESERVED, STATEMENTS, grammar_text, literals

# Words inside statements that the grammar reads: `sum`, `in`, `true` ...
WITHIN = tuple(w for w in literals().values() if w.isalpha() and w not in STATEMENTS)
# Those that are words everywhere, and no names elsewhere.
INNER = tuple(w for w in WITHIN if w in RESERVED)
LATER = tuple(sorted(RESERVED.difference(STATEMENTS, INNER)))
OPERATORS = tuple(w for w in literals().values() if not w.isalpha())

# A kind of word and all words of it; every highlighter is made from these.
WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "statement": tuple(STATEMENTS),
        "keyword": INNER,
        "later": LATER,
        "function": (*WRITTEN, "range"),
        "domain": tuple(DOMAINS),
        "constraint": CONSTRAINTS,
        "initialiser": INITIALISERS,
        "generator": tuple(GENERATORS),
        "constant": tuple(KNOWN),
    }
)


@dataclass(frozen=True)
class Rule:
    """How a highlighter knows words of a kind: their pattern, the sign that they follow, and that they precede, if any."""

    kind: str
    words: tuple[str, ...]
    after: str = ""
    before: str = ""

    @property
    def pattern(self) -> str:
        """A regular expression of the words, which Python, JavaScript and Oniguruma read alike."""
        follows = rf"(?=\s*{re.escape(self.before)})" if self.before else ""
        return rf"\b(?:{'|'.join(self.words)})\b{follows}"


# Reserved words are what they are everywhere; other words where they stand, and names elsewhere.
RULES = (
    *(Rule(kind, WORDS[kind]) for kind in ("statement", "keyword", "later", "function")),
    Rule("domain", WORDS["domain"], after=":"),
    Rule("constraint", WORDS["constraint"], after="[:&]"),
    *(Rule(kind, WORDS[kind], before="(") for kind in ("initialiser", "generator")),
)


@cache
def examples() -> Mapping[str, str]:
    """For each word that begins a statement, how it is written: the comment over its rule in the grammar."""
    found: dict[str, str] = {}
    for comment in re.findall(r"^// (.*)$", grammar_text(), re.MULTILINE):
        for example in re.split(r"\s{4,}", comment):
            word = example.partition(" ")[0]
            if word in STATEMENTS:
                found[word] = f"{found[word]}\n{example}" if word in found else example
    return MappingProxyType(found)


def about_domain(name: str) -> str:
    """Where the units of a domain live, and the families of their conditionals."""
    domain = DOMAINS[name]
    families = ", ".join(f.name for f in domain.families)
    arguments = f"[{', '.join(domain.arguments)}]" if domain.arguments else ""
    return f"{name}{arguments}: values {domain.support}\nconditionals: {families}"


def about_function(name: str) -> str:
    """A function and its derivative, where it has one."""
    terms = FUNCTIONS[name].derivative if name in FUNCTIONS else None
    if terms is None:
        return f"{name}(x)"
    shown = [f"{'-' if c < 0 else '+'} {_product(abs(c), factors)}" for c, factors in terms]
    return f"{name}(x)\nd/dx = {' '.join(shown).removeprefix('+ ')}"


def _product(coefficient: float, factors: tuple[tuple[str, float], ...]) -> str:
    names = [f"{f}(x)" if f else "x" for f, _ in factors]
    powers = [n if p == 1 else f"{n}^{p:g}" for n, (_, p) in zip(names, factors, strict=True)]
    return " ".join([f"{coefficient:g}"] * (coefficient != 1 or not powers) + powers)


def about_initialiser(name: str) -> str:
    """An initialiser with its numbers and their defaults."""
    numbers = DISTRIBUTIONS.get(name)
    if numbers is None:
        return f"{name}(...)"
    return f"{name}({', '.join(f'{k} = {v:g}' for k, v in numbers.items())})"


def about_generator(name: str) -> str:
    """A generator of graphs with its options."""
    return f"{name}({', '.join(['...', *(f'{option} =' for option in GENERATORS[name])])})"
