"""Mutated sources: no traceback, bounded time and memory, whatever is written."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path

import pytest

from energydsl.compiler import check
from energydsl.diagnostics import ModelError, Source
from energydsl.model.resolve import Overrides
from energydsl.syntax.parser import decode

ZOO = sorted((Path(__file__).resolve().parents[1] / "models").glob("*.energy"))
SEEDS = [p.read_text() for p in ZOO]
BITS = [
    "(", ")", "[", "]", "'", "^", "%", "--", "<-", "|", "&", "=", ",", "@", "\0", "\u202e", "²", "ﬁ", "1e308", "99999999999",
    "sum[", "sum", "in", "range(", "energy", "param", "schedule (", "layers", "visible", "real", "count", "categorical[",
    ": positive", "symmetric", "exp(", "lgamma(", "#", '"', "1e999", "0", "-1", "/ 0", "^64", "i < j", "graph G = complete(",
    "class", "lambda", "__import__", "np", "eta", "eval",
]  # fmt: skip


def diagnose(text: str) -> None:
    for diagnostic in check(Source("fuzz.energy", text), Overrides({}, {}, {})):
        assert diagnostic.render()
        assert diagnostic.as_dict()


def mutated(rng: random.Random) -> str:
    text = rng.choice(SEEDS)
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(text) + 1)
        match rng.randrange(5):
            case 0:
                text = text[:place] + rng.choice(BITS) + text[place:]
            case 1:
                text = text[:place] + text[place + rng.randint(1, 8) :]
            case 2:
                words = text.split(" ")
                rng.shuffle(words[: max(1, len(words) // 4)])
                a, b = rng.randrange(len(words)), rng.randrange(len(words))
                words[a], words[b] = words[b], words[a]
                text = " ".join(words)
            case 3:
                other = rng.choice(SEEDS)
                start = rng.randrange(len(other))
                text = text[:place] + other[start : start + rng.randint(1, 60)] + text[place:]
            case 4:
                text = text[:place] + chr(rng.randrange(1, 0x3000)) + text[place:]
    return text


@pytest.mark.parametrize("seed", range(12))
def test_mutants_of_the_zoo(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        text = mutated(rng)
        started = time.perf_counter()
        diagnose(text)
        assert time.perf_counter() - started < 3, text


NASTY = {
    "deep parentheses": "energy = " + "(" * 5000 + "1" + ")" * 5000,
    "deep powers": "energy = " + "2^" * 3000 + "2",
    "deep signs": "energy = " + "-" * 20000 + "1",
    "deep transposes": "param W[2, 2]\nenergy = sum(W" + "'" * 3000 + ")",
    "deep sums": "visible v[2] : binary\nenergy = " + "".join(f"sum[i{n}] " for n in range(500)) + "v[i0]",
    "long sum": "visible v[2] : binary\nenergy = " + " + ".join(["sum(v)"] * 4000),
    "long product": "visible v[2] : binary\nenergy = " + "*".join(["sum(v)"] * 300),
    "huge power": "visible v[2] : binary\nhidden h[2] : binary\nenergy = (sum(v) + sum(h) + 1)^64",
    "huge dim": "dim I = 1000000000\nvisible v[I] : binary\nhidden h[I] : binary\nparam W[I, I]\nenergy = - v @ W @ h",
    "huger dim": "dim I = 10^60\nvisible v[I] : binary\nenergy = sum(v)",
    "tower of powers": "dim I = 9^64^64\nvisible v[2] : binary\nenergy = sum(v)",
    "huge graph": "graph G = grid(100000, 100000)\nvisible v[2] : spin\nenergy = sum(v)",
    "huge complete graph": "graph G = complete(1000000000)\nvisible v[2] : spin\nenergy = sum(v)",
    "long number": "dim I = " + "9" * 100_000,
    "NUL bytes": "visible v\0[2] : binary\nenergy = \0sum(v)",
    "no end of statements": "dim " * 20000,
    "a million letters": "a" * 1_100_000,
    "many bad characters": "$" * 100_000,
    "let bomb": "visible v[2] : binary\n" + "let a0 = sum(v)\n" + "".join(f"let a{n + 1} = a{n} * a{n}\n" for n in range(40)) + "energy = a40",
    "many binders": "visible v[2] : spin\nenergy = sum[" + ", ".join(f"i{n}" for n in range(14)) + "] " + "*".join(f"v[i{n}]" for n in range(14)),
}  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_nasty_sources_are_bounded(name: str) -> None:
    started = time.perf_counter()
    tracemalloc.start()
    diagnose(NASTY[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - started < 15
    assert peak < 400e6


def test_bytes_that_are_no_text() -> None:
    rng = random.Random(5)
    for _ in range(50):
        data = bytes(rng.randrange(256) for _ in range(80))
        try:
            text = decode(data, "fuzz").text
        except ModelError:
            continue
        diagnose(text)


@pytest.mark.parametrize(
    "word",
    [
        "class",
        "lambda",
        "None",
        "np",
        "p",
        "x",
        "s",
        "w",
        "eta",
        "rows",
        "energy1",
        "t0",
        "random",
        "import_",
        "B",
        "o0",
        "i0",
    ],
)
def test_python_words_are_ordinary_names(word: str) -> None:
    import energydsl as ed

    text = (
        f"dim D{word} = 3\nvisible {word}[D{word}] : binary\nhidden h{word}[2] : binary\nparam W{word}[D{word}, 2], "
        f"b[3] = base_rate({word})\nenergy = - {word} @ W{word} @ h{word} - b @ {word}"
    )
    assert ed.loads(text).verify().ok
