"""Mutated sources: no traceback, bounded time and memory, whatever is written."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.diagnostics import Diagnostic, ModelError
from energydsl.syntax.parser import decode
from tests.conftest import ROOT, ZOO

SEEDS = [p.read_text() for p in ZOO]
SEEDS += [
    "dim I = 4, J = 2\nvisible v[I] : spin\nparam W[I, J], g[J] : positive = 1\nlet u = v @ W\nenergy t = - sum(softplus(u)) - sum[j] g[j]*u[j]^2\n"
    "energy s = - log(sum[j] exp(u[j])) + sum(log(1 + u^2))\naugment t (h), s\nmarginalise h\n",
    "visible v[3] : binary\nhidden h[2] : categorical[3]\nhidden k : real\nparam W[3, 2, 3], s : positive = 1\n"
    "energy = - sum[i, j, a] v[i]*W[i, j, a]*h[j, a] + k^2 / s - sum[i < l] v[i]*v[l]*k\nmarginalise h, k\n",
]
BITS = [
    "(", ")", "[", "]", "'", "^", "%", "--", "<-", "|", "&", "=", ",", "@", "\0", "\u202e", "²", "ﬁ", "1e308", "99999999999",
    "sum[", "sum", "in", "range(", "energy", "param", "schedule (", "layers", "visible", "real", "count", "categorical[",
    ": positive", "symmetric", "exp(", "lgamma(", "#", '"', "1e999", "0", "-1", "/ 0", "^64", "i < j", "<= k", "prod[", "c in H", "i in c", " = file(\"/dev/null\")", "graph G = complete(",
    "class", "lambda", "__import__", "np", "eta", "eval", "...", ".", "..", " v2. ", "1..2", " * 1e308 * 10", "^2^2", " @ @ ", "+*/-",
    "augment t, t (v)\n", "marginalise v\n", "softplus(", "let u = u\n", "let q = q + 1\n", "dim Q = R, R = Q\n", "dim I, J\n", "import \"m.energy\" as m\n", "use m on v, h\n", "use m as n (", " on ", " as ", "const q = q\n", "[0, 0, 0]", " / 1e-308 / 1e-308", "(1e-200)^-2 * ", "' ' ' '",
]  # fmt: skip


def diagnosed(text: str) -> tuple[Diagnostic, ...]:
    """What is found in a text: no exception but `ModelError`."""
    try:
        found = ed.loads(text).warnings
    except ModelError as error:
        found = tuple(error.diagnostics)
    for diagnostic in found:
        assert diagnostic.render()
        assert diagnostic.as_dict()
    return found


def severities(found: Sequence[Diagnostic]) -> list[tuple[str, str]]:
    """Severity and code of each."""
    return [(d.severity, d.code) for d in found]


def commands_agree(text: str, found: list[tuple[str, str]]) -> None:
    """The commands say the same of a text, by their exit status."""
    failed = any(severity == "error" for severity, _ in found)
    assert command("check", text) == failed, found
    unread = any(code in ("E0101", "E0102") for _, code in found)
    assert command("fmt", text) == 0 or unread, found


def command(name: str, text: str) -> int:
    """The exit status of a command that reads a text."""
    result = CliRunner().invoke(cli, [name, "-"], input=text.encode("utf-8", errors="surrogatepass"))
    assert result.exit_code in (0, 1), result.output
    return result.exit_code


def mutated(rng: random.Random, seeds: Sequence[str] = SEEDS) -> str:
    text = rng.choice(seeds)
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
                other = rng.choice(seeds)
                start = rng.randrange(len(other))
                text = text[:place] + other[start : start + rng.randint(1, 60)] + text[place:]
            case 4:
                text = text[:place] + chr(rng.randrange(1, 0x3000)) + text[place:]
    return text


@pytest.mark.parametrize("seed", range(12))
def test_mutants_of_the_zoo(seed: int) -> None:
    rng = random.Random(seed)
    for number in range(60):
        text = mutated(rng)
        started = time.process_time()
        found = diagnosed(text)
        if number % 4 == 0:
            commands_agree(text, severities(found))
        assert time.process_time() - started < 5, text


V = "visible v[2] : binary\n"
B = V + "param b, W[2, 2]\n"
N = 1200


def chained(keyword: str, form: str, first: str, last: str, backwards: bool = False) -> str:
    """`let a1 = a0 + 1` and so on, N long, in the order in which they hang together or against it."""
    links = [f"{keyword} a{n + 1} = {form.format(f'a{n}')}\n" for n in range(N)]
    return f"{keyword} a0 = {first}\n" + "".join(reversed(links) if backwards else links) + last.format(f"a{N}")


def circle(keyword: str) -> str:
    return V + "".join(f"{keyword} a{n} = a{(n + 1) % N} + 1\n" for n in range(N)) + "energy = sum(v)"


NASTY = {
    "deep parentheses": "energy = " + "(" * 5000 + "1" + ")" * 5000,
    "deep powers": "energy = " + "2^" * 3000 + "2",
    "deep signs": "energy = " + "-" * 20000 + "1",
    "deep transposes": "param W[2, 2]\nenergy = sum(W" + "'" * 3000 + ")",
    "deep sums": "visible v[2] : binary\nenergy = " + "".join(f"sum[i{n}] " for n in range(500)) + "v[i0]",
    "long sum": "visible v[2] : binary\nenergy = " + " + ".join(["sum(v)"] * 2000),
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
    "dots": V + "energy = - sum(v) ...",
    "thousands of dots": V + "energy = " + "." * N,
    "thousands of operators": V + "energy = sum(v) " + "+*/@^-" * N,
    "product of numbers": V + "energy = " + "2*" * N + "sum(v)",
    "product of infinities": V + "energy = " + "1e300*" * N + "sum(v)",
    "product of parameters": B + "energy = " + "b*" * 8_000 + "sum(v)",
    "product of units": V + "energy = " + "*".join(["v[0]"] * N),
    "product of sums": V + "energy = " + "*".join(["sum(v)"] * N),
    "quotient": B + "energy = sum(v)" + "/b" * N,
    "contractions": B + "energy = v" + " @ W" * N + " @ v",
    "product that ends badly": B + "energy = " + "b*" * N + ")",
    "squares side by side": B + "energy = sum(v)" + " + b^2" * N,
    "index sums side by side": V + "energy = " + " + ".join(["sum[i] v[i]"] * 500),
    "sum of literal subscripts": "visible v[1000] : binary\nenergy = " + " + ".join(f"v[{n}]" for n in range(1000)),
    "product of literal subscripts": "visible v[1000] : binary\nenergy = " + "*".join(f"v[{n}]" for n in range(1000)),
    "a thousand subscripts": V + "energy = v[" + ", ".join(["0"] * 1000) + "]",
    "a thousand summands in a subscript": V + "energy = v[" + " + ".join(["0"] * 1000) + "]",
    "a thousand binders": V + "energy = sum[" + ", ".join(f"i{n}" for n in range(1000)) + "] " + "*".join(f"v[i{n}]" for n in range(1000)),
    "600 layers": "".join(f"visible v{n}[2] : binary\n" for n in range(600)) + "energy = " + " + ".join(f"sum(v{n})" for n in range(600)),
    "1500 parameters": V + "".join(f"param b{n}[2]\n" for n in range(1500)) + "energy = sum(v)" + "".join(f" - b{n} @ v" for n in range(1500)),
    "300 layers in a chain": "".join(f"hidden v{n}[2] : binary\n" for n in range(300)) + "layers " + " -- ".join(f"v{n}" for n in range(300)),
    "100 arrows": "".join(f"hidden v{n}[2] : binary\n" for n in range(100)) + "layers " + " -> ".join(f"v{n}" for n in range(100)),
    "more axes than NumPy has": "visible v[" + ", ".join(["1"] * 65) + "] : binary\nenergy = sum(v)",
    "parameter of 65 axes": V + "param W[" + ", ".join(["1"] * 65) + "]\nenergy = sum(W) * sum(v)",
    "grid of 65 axes": V + "graph G = grid(" + ", ".join(["1"] * 65) + ")\nenergy = sum(v)",
    "chain of lets": chained("let", "{} + 1", "sum(v)", V + "energy = {}"),
    "chain of lets, backwards": chained("let", "{} + 1", "sum(v)", V + "energy = {}", True),
    "chain of functions": chained("let", "exp({} - b)", "b", B + "energy = {} * sum(v)"),
    "chain of transposes": chained("let", "{}'", "W", B + "energy = v @ {} @ v"),
    "chain of dims": chained("dim", "{} + 1", "1", V + "energy = sum(v)"),
    "chain of dims, backwards": chained("dim", "{} + 1", "1", V + "energy = sum(v)", True),
    "chain of dims that grows": chained("dim", "{} * 2", "1", V + "energy = sum(v)"),
    "chain of consts, backwards": chained("const", "{} + 1", "1", V + "energy = {} * sum(v)", True),
    "cycle of lets": circle("let"),
    "cycle of dims": circle("dim"),
    "cycle of consts": circle("const"),
    "loops of no use": V + "energy = sum[" + ", ".join(f"i{n} in range(2147483647)" for n in range(40)) + "] v[" + " + ".join(f"0*i{n}" for n in range(40)) + "]",
    "let bomb": "visible v[2] : binary\n" + "let a0 = sum(v)\n" + "".join(f"let a{n + 1} = a{n} * a{n}\n" for n in range(40)) + "energy = a40",
    "many binders": "visible v[2] : spin\nenergy = sum[" + ", ".join(f"i{n}" for n in range(14)) + "] " + "*".join(f"v[i{n}]" for n in range(14)),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What is found in a nasty source, severity and code of each, and how far the memory of a process had grown by then, in bytes."""

    diagnostics: list[tuple[str, str]]
    grown: int


@pytest.fixture(scope="module")
def nasty() -> dict[str, Found]:
    """All nasty sources, read in turn by one fresh process: there the greatest memory so far is that of none but them."""
    done = subprocess.run(
        [sys.executable, "-c", "from tests import test_fuzz; test_fuzz.read_all()"],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=300,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return {name: Found(*found) for name, found in json.loads(done.stdout).items()}


def read_all() -> None:
    """In a process of its own: print what is found in each source, and how far memory has grown."""
    for seed in SEEDS[:3]:
        diagnosed(seed)
    start, found = most_memory(), {}
    for name, text in NASTY.items():
        diagnostics = severities(diagnosed(text))
        found[name] = diagnostics, most_memory() - start
    print(json.dumps(found))


def most_memory() -> int:
    """The most that this process has ever held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_sources_are_bounded(name: str, nasty: dict[str, Found]) -> None:
    assert nasty[name].grown < 400e6
    started = time.process_time()
    commands_agree(NASTY[name], nasty[name].diagnostics)
    assert time.process_time() - started < 15


CODES = {
    "dots": "E0101",
    "product of numbers": "E0212",
    "product of infinities": "E0212",
    "more axes than NumPy has": "E0211",
    "parameter of 65 axes": "E0211",
    "grid of 65 axes": "E0211",
    "chain of lets": "E0101",
    "chain of functions": "E0101",
    "chain of dims that grows": "E0211",
    "cycle of lets": "E0203",
    "cycle of dims": "E0203",
    "cycle of consts": "E0203",
    "loops of no use": "E0212",
}
FINE = ["chain of dims, backwards", "chain of consts, backwards", "squares side by side", "product of parameters",
        "product of units", "quotient", "sum of literal subscripts", "index sums side by side", "1500 parameters"]  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_nasty_sources_are_refused_once_for_what_they_are(name: str, nasty: dict[str, Found]) -> None:
    codes = [code for _, code in nasty[name].diagnostics]
    assert CODES[name] in codes
    assert len(codes) <= 3


@pytest.mark.parametrize("name", FINE)
def test_what_is_long_but_flat_is_no_fault(name: str, nasty: dict[str, Found]) -> None:
    assert "error" not in [severity for severity, _ in nasty[name].diagnostics]


# Each nested `n` times.
NESTED = {
    "brackets": lambda n: B + "energy = sum(v) * (" + "b*(" * n + "b" + " + 1)" * n + ")",
    "powers": lambda n: B + "energy = " + "(b + b*b^2*" * n + "sum(v)" + ")" * n,
    "signs": lambda n: B + "energy = " + "-(b + " * n + "sum(v)" + ")" * n,
    "quotients": lambda n: B + "energy = sum(v)*(" + "1/(2 + b*b + " * n + "b*b" + ")" * n + ")",
    "functions": lambda n: B + "energy = sum(v)*" + "exp(-1 - b*" * n + "b" + ")" * n,
    "functions of a unit": lambda n: B + "energy = sum(" + "tanh(" * n + "v" + ")" * n + ")",
    "sums": lambda n: B + "energy = " + "sum(" * n + "v" + ")" * n,
    "moduli": lambda n: B + "energy = sum[i in range(2)] v[" + "(" * n + "i" + " + 1) % 2" * n + "]",
    "transposes": lambda n: B + "energy = v @ W" + "'" * n + " @ v",
    "lets": lambda n: B + "let a0 = b\n" + "".join(f"let a{k + 1} = a{k} + b\n" for k in range(n)) + f"energy = a{n}*sum(v)",
    "lets of functions": lambda n: B + "let a0 = b\n" + "".join(f"let a{k + 1} = tanh(a{k} - 1)\n" for k in range(n)) + f"energy = a{n}*sum(v)",
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_what_is_accepted_is_never_too_deep_for_what_follows(name: str) -> None:
    """The deepest text that is read can be explained and compiled, with room on the stack for whoever asks."""

    def accepted(n: int) -> bool:
        try:
            ed.loads(NESTED[name](n))
        except ModelError:
            return False
        return True

    def below(frames: int, text: str) -> None:
        if frames:
            below(frames - 1, text)
            return
        model = ed.loads(text)
        assert model.explain()
        assert model.emit("source")

    deepest = max(n for n in (4, 5, 6, 7, 8, 9, 48, 49, 50, 98, 99, 100, 197, 198, 199) if accepted(n))
    assert deepest >= 6
    below(200, NESTED[name](deepest))


def test_bytes_that_are_no_text() -> None:
    rng = random.Random(5)
    for _ in range(50):
        data = bytes(rng.randrange(256) for _ in range(80))
        try:
            text = decode(data, "fuzz").text
        except ModelError:
            continue
        diagnosed(text)


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
    text = (
        f"dim D{word} = 3\nvisible {word}[D{word}] : binary\nhidden h{word}[2] : binary\nparam W{word}[D{word}, 2], "
        f"b[3] = base_rate({word})\nenergy = - {word} @ W{word} @ h{word} - b @ {word}"
    )
    assert ed.loads(text).verify().ok
