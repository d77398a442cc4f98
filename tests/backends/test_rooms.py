"""Runtimes are rooms whose text becomes one file: no name twice, none missing, and what a room needs stands above it."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from importlib.resources import files

import pytest

from energydsl.backends import rooms
from energydsl.backends.cupy.cuda import PIECES, cuda_source
from energydsl.backends.numba import loader as numba_backend
from energydsl.backends.runtime_text import CUPY, NUMBA, NUMPY, cupy_runtime, numba_runtime, numpy_runtime

LISTS = {"numpy": NUMPY, "numba": NUMBA, "cupy": CUPY}
TEXTS = {
    "numpy": numpy_runtime(),
    **{f"numba {d}": numba_runtime(d) for d in ("float32", "float64")},
    **{f"cupy {d}": cupy_runtime(d) for d in ("float32", "float64")},
}


@pytest.mark.parametrize("backend", LISTS)
def test_every_file_of_a_runtime_is_in_its_list(backend: str) -> None:
    """All but those that say what a module gives its runtime."""
    folder = files("energydsl.backends").joinpath(backend, "runtime")
    found = {f"{backend}/runtime/{f.name}" for f in folder.iterdir() if f.name.endswith((".py", ".cu"))}
    assert found - {f"{backend}/runtime/__init__.py", f"{backend}/runtime/given.py"} <= {*LISTS[backend], *PIECES}


@pytest.mark.parametrize("text", TEXTS)
def test_no_name_is_defined_twice(text: str) -> None:
    names = Counter(name for node in ast.parse(TEXTS[text]).body for name in rooms.names_of(node))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("text", TEXTS)
def test_what_rooms_import_of_one_another_is_in_the_text(text: str) -> None:
    backend = text.split()[0]
    names = {name for node in ast.parse(TEXTS[text]).body for name in rooms.names_of(node)}
    imported = {
        alias.name
        for room in LISTS[backend]
        for node in ast.parse(rooms.source_of(room)).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("energydsl")
        for alias in node.names
    }
    assert imported <= names
    assert not re.search(r"^\s*(from|import) energydsl", TEXTS[text], re.MULTILINE)


@pytest.mark.parametrize("backend", LISTS)
def test_a_room_stands_below_those_it_imports(backend: str) -> None:
    """But for what the backend's own rooms define anew, which nothing needs before it is called."""
    place = {room: k for k, room in enumerate(LISTS[backend])}
    for room in LISTS[backend]:
        for node in ast.parse(rooms.source_of(room)).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("energydsl"):
                other = "/".join((node.module or "").split(".")[2:]) + ".py"
                assert place.get(other, -1) < place[room], f"{room} imports {other}"


def test_rooms_can_be_imported() -> None:
    for room in NUMBA if numba_backend.installed() else NUMPY:
        importlib.import_module("energydsl.backends." + room.removesuffix(".py").replace("/", "."))


def test_left_out_is_the_definition_and_the_comment_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '"""Room."""\n\nimport math\n\n# Two.\nA = 2\n\n\n# Why f.\n@twice\ndef f(a: int) -> int:\n    return a\n\n\nB = 1\n'
    monkeypatch.setattr(rooms, "source_of", lambda room: text)
    assert rooms.body_of("room") == text.partition("import math\n\n")[2].strip()
    assert rooms.body_of("room", frozenset({"f"})) == "# Two.\nA = 2\n\n\nB = 1"
    assert rooms.body_of("room", frozenset({"A", "B"})).startswith("# Why f.\n@twice\ndef f(")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_pieces_stand_in_the_source_in_their_order(dtype: str) -> None:
    source = cuda_source(dtype)
    found = [source.index(rooms.source_of(piece)) for piece in PIECES]
    assert found == sorted(found)
