"""Imports point one way, and each third-party library enters where it is said to."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "energydsl"
# Rooms from the ground up: each imports from itself and what stands before it.
ORDER = [
    "version", "diagnostics", "files", "arrays", "syntax", "model", "domains", "energy", "graph", "derive", "kernels",
    "backends", "random", "program", "verification", "compiler", "report", "api", "data", "learning", "inference",
    "sklearn", "cli", "__init__", "__main__",
]  # fmt: skip
THIRD_PARTY = {
    "lark": {"syntax/parser.py"},
    "networkx": {"graph/"},
    "scipy": {"verification/oracle.py"},
    "click": {"cli"},
    "rich": {"cli"},
    "matplotlib": {"report/figures.py"},
    "sklearn": {"sklearn.py"},
    "pyarrow": {"data/readers.py"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The folder of the package that a file stands in, or the file itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    """The name a file is imported by."""
    return ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


def imports(path: Path) -> list[str]:
    """All that a file imports, inside functions and for types alone too: modules of ours, or names of other packages."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in MODULES else str(node.module) for name in inside]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_room_imports_a_room_above_it(path: Path) -> None:
    for name in imports(path):
        if name in MODULES:
            other = room(MODULES[name])
            assert ORDER.index(other) <= ORDER.index(room(path)), f"{path} imports {name}"


def test_no_file_imports_itself_round_a_corner() -> None:
    graph = nx.DiGraph()
    for name, path in MODULES.items():
        graph.add_edges_from((name, other) for other in imports(path) if other in MODULES)
    circles = [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    assert not circles, circles


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_party_libraries_stay_where_they_belong(path: Path) -> None:
    place = str(path.relative_to(PACKAGE))
    for name in imports(path):
        allowed = THIRD_PARTY.get(name.split(".")[0])
        assert allowed is None or any(place.startswith(a) for a in allowed), f"{place} imports {name}"


def test_derivations_do_not_import_one_another() -> None:
    for path in (PACKAGE / "derive").glob("*.py"):
        if path.stem == "__init__":
            continue
        for name in imports(path):
            if name.startswith("energydsl.derive."):
                assert name.split(".")[2] in (
                    "records",
                    "signs",
                    "never_negative",
                    "normalisable",
                    "families",
                    "joint",
                ), f"{path.name} imports {name}"


def test_nothing_is_unpickled_and_nothing_reads_a_global_seed() -> None:
    for path in FILES:
        text = path.read_text()
        assert "allow_pickle=True" not in text
        assert "import pickle" not in text
        assert "np.random.seed" not in text


def test_import_is_light() -> None:
    code = (
        "import sys, energydsl\n"
        "heavy = {'scipy', 'networkx', 'matplotlib', 'lark', 'sklearn', 'rich', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from energydsl import load, train, Program\n"
        "heavy = {'matplotlib', 'sklearn', 'rich', 'click', 'numba', 'cupy'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
