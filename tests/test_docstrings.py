"""Docstrings of public names: what each is, the shapes of its arrays, the errors that its code raises.

What is asked of a function may stand in the docstring of its class, where it holds for all methods.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import energydsl as ed
from energydsl import diagnostics
from energydsl.data.quadratic import Quadratic
from energydsl.data.sources import Data
from energydsl.inference.evaluate import Evaluation
from energydsl.inference.memory import Recall
from energydsl.inference.predict import Prediction
from energydsl.inference.retrospect import Fit, Retrospect

ERRORS = {n for n, v in vars(diagnostics).items() if isinstance(v, type) and issubclass(v, Exception)}
# Names of types that are arrays, or hold some: of one layer or parameter, or of many by name.
ARRAYS = {"Array", "Arrays", "Values", "Given", "Rows", "NDArray", "Params", "State", "Sources", "Weights"}
# Names of parameters that are arrays wherever they stand, as their types say too little.
NAMES = {"params", "state", "data", "given", "clamp", "cues", "sequence", "sources", "row_weights"}
# A shape: (rows,), (chains, *layer), (n, draws, *layer).
SHAPE = re.compile(r"\((?:\*?\w+,|\*?\w+(?: \+ 1)?(?:, \*?\w+)+)\)")


@dataclass(frozen=True)
class Public:
    """A function or a method that a user may call. text: its docstring; shared: those of its class and of what it overrides."""

    name: str
    function: Callable[..., Any]
    text: str
    shared: str = ""
    owner: type | None = None


def _own(name: str, kind: type) -> Iterator[Public]:
    for member, value in vars(kind).items():
        function = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
        if not member.startswith("_") and inspect.isfunction(function):
            bases = [base for base in kind.__mro__ if base.__module__.startswith("energydsl")]
            shared = [base.__doc__ or "" for base in bases] + [
                vars(b)[member].__doc__ or "" for b in bases if member in vars(b)
            ]
            yield Public(f"{name}.{member}", function, inspect.getdoc(function) or "", "\n\n".join(shared), kind)


def _public() -> Iterator[Public]:
    for name in ed.__all__:
        value = getattr(ed, name)
        if inspect.isfunction(value):
            yield Public(name, value, inspect.getdoc(value) or "")
        else:
            yield from _own(name, value)


PUBLIC = list(_public())


def arrays(public: Public) -> list[str]:
    """The parameters of a function that are arrays, by their annotations."""
    found = []
    for parameter in inspect.signature(public.function).parameters.values():
        words = set(re.findall(r"\w+", re.sub(r"Callable\[.*\]", "", str(parameter.annotation))))
        types = [str(public.function.__globals__.get(word, "")) for word in words & ARRAYS]
        numbers = all("Mapping[str, float]" in name for name in types)
        known = words <= {"Iterable", "str", "int"}
        if (types and not numbers) or (parameter.name in NAMES and not known):
            found.append(parameter.name)
    return found


def described(name: str, text: str) -> str:
    """What a docstring says of a parameter: from its name with a colon to the next one, or the end of the paragraph."""
    found = re.search(rf"(?<![\w.]){name}(?:, \w+)*: (.*?)(?=\n\s*\n|\Z|[.;]\s+\w+(?:, \w+)*: )", text, re.DOTALL)
    return found[1] if found else ""


@functools.cache
def _functions(path: str) -> dict[str, ast.FunctionDef]:
    """The functions of a module, and the methods of its classes as `Class.method`."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{m.name}": m for m in node.body if isinstance(m, ast.FunctionDef)}
    return found


def raised(public: Public) -> set[str]:
    """The errors of ours that a function raises, itself or by functions of the same module."""
    functions = _functions(inspect.getfile(public.function))
    owner = f"{public.owner.__name__}." if public.owner else ""
    waiting, seen, errors = [f"{owner}{public.function.__name__}"], set(), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Raise) and node.exc is not None:
                errors |= {n.id for n in ast.walk(node.exc) if isinstance(n, ast.Name)} & ERRORS
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                waiting.append(node.func.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
                waiting.append(f"{owner}{node.attr}")
    return errors


@pytest.mark.parametrize("public", PUBLIC, ids=lambda p: p.name)
def test_it_has_a_docstring(public: Public) -> None:
    assert public.text


@pytest.mark.parametrize("public", [p for p in PUBLIC if arrays(p)], ids=lambda p: p.name)
def test_arrays_are_described_with_their_shapes(public: Public) -> None:
    for name in arrays(public):
        said = described(name, public.text) or described(name, public.shared)
        assert said, f"{public.name}: nothing is said of `{name}`"
        assert SHAPE.search(said), f"{public.name}: `{name}` has no shape in: {said}"


@pytest.mark.parametrize("public", [p for p in PUBLIC if raised(p)], ids=lambda p: p.name)
def test_errors_are_named(public: Public) -> None:
    unnamed = raised(public) - set(re.findall(r"\w+", public.text + public.shared))
    assert not unnamed, f"{public.name} raises {sorted(unnamed)}, of which its docstring says nothing"


CLASSES = [v for v in (getattr(ed, n) for n in ed.__all__) if dataclasses.is_dataclass(v)]
RESULTS = [Data, Evaluation, Fit, Prediction, Quadratic, Recall, Retrospect]
FIELDS = [
    (kind, field.name)
    for kind in (*CLASSES, *RESULTS)
    for field in dataclasses.fields(kind)
    if set(re.findall(r"\w+", str(field.type))) & {"Array", "Arrays", "NDArray"}
]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_arrays_of_records_are_described_with_their_shapes(kind: type, name: str) -> None:
    said = described(name, inspect.getdoc(kind) or "")
    assert SHAPE.search(said), f"{kind.__name__}.{name}: {said}"


def test_it_finds_what_is_missing() -> None:
    """A function whose docstring says nothing of its array and its errors."""
    from energydsl.inference.memory import recall

    bare = Public("recall", recall, "Where each cue comes to rest.")
    assert arrays(bare) == ["params", "cues"]
    assert raised(bare) == {"ArgumentError", "NotApplicable"}
    assert not described("params", bare.text)
    assert described("b", "What is. a, b: both, (n, k), of all. c: not.") == "both, (n, k), of all"
    assert SHAPE.search("as (rows,)")
    assert not SHAPE.search("a file (E0401), or (so)")


SOURCED = [
    n
    for n in ed.__all__
    if isinstance(getattr(ed, n), type) and getattr(ed, n).__module__.startswith("energydsl.learning.")
]


@pytest.mark.parametrize("name", sorted(set(SOURCED) - {"Run", "Greedy"}))
def test_objectives_and_optimisers_have_their_source(name: str) -> None:
    """Authors and year of where the equation is from."""
    assert re.search(r"\([A-Z][^()]* (?:19|20)\d\d[^()]*\)", getattr(ed, name).__doc__ or ""), name
