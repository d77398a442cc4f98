"""Rooms as text: what stands in the files of a runtime, and how several become one head and one body.

A room is a file of the package that is copied into generated modules. Its docstring stays behind; its imports of other
rooms vanish, for all rooms of a module share one namespace; its other imports go into the head of the module.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files


@lru_cache
def source_of(room: str) -> str:
    """The text of a file by its place below this folder; it need not be one that can be imported here."""
    return files("energydsl.backends").joinpath(room).read_text(encoding="utf-8")


def names_of(node: ast.stmt) -> set[str]:
    """The names that a statement of a module defines; of an `if`, those of both its branches."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.If():
            return set().union(*map(names_of, (*node.body, *node.orelse)))
        case ast.Assign(targets=targets):
            return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def defined(rooms: Iterable[str]) -> frozenset[str]:
    """All names that some rooms define."""
    return frozenset().union(*(names_of(node) for room in rooms for node in ast.parse(source_of(room)).body))


def body_of(room: str, without: frozenset[str] = frozenset()) -> str:
    """The text of a room without its docstring, its imports and some names, each with the comment above it."""
    lines = source_of(room).splitlines()
    for node in reversed(ast.parse(source_of(room)).body):
        if _stays_behind(node) or names_of(node) & without:
            decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            start = min(node.lineno, *(d.lineno for d in decorators)) if decorators else node.lineno
            while start > 1 and lines[start - 2].startswith("#"):
                start -= 1
            del lines[start - 1 : node.end_lineno]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)).strip()


def _stays_behind(node: ast.stmt) -> bool:
    """Whether a statement of a room is its docstring or an import."""
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.Import | ast.ImportFrom)


def imports_of(rooms: Iterable[str]) -> list[str]:
    """The imports of some rooms as one head: those of Python, an empty line, those of other packages.

    Where two rooms mean different things by one name, that of the later room holds.
    """
    found: dict[str, tuple[str, str]] = {}
    for room in rooms:
        for node in ast.parse(source_of(room)).body:
            if isinstance(node, ast.Import):
                found |= {a.asname or a.name: (a.name, "") for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("energydsl"):
                found |= {a.name: (node.module, a.name) for a in node.names}
    future = found.pop("annotations", None)
    own: list[str] = []
    foreign: list[str] = []
    for module in sorted({module for module, _ in found.values()}):
        lines = own if module.partition(".")[0] in sys.stdlib_module_names else foreign
        lines += [f"import {module}{_renamed(module, n)}" for n, (m, what) in found.items() if m == module and not what]
        names = sorted(n for n, (m, what) in found.items() if m == module and what)
        lines += [f"from {module} import {', '.join(names)}"] if names else []
    plain_first = [sorted(lines, key=lambda line: line.startswith("from ")) for lines in (own, foreign)]
    return [*(["from __future__ import annotations", ""] if future else []), *plain_first[0], "", *plain_first[1]]


def _renamed(module: str, name: str) -> str:
    """The end of an import under another name."""
    return "" if name == module else f" as {name}"
