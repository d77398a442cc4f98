"""Imports point one way, and each third-party library enters where it is said to."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "energydsl"
ORDER = [
    "diagnostics", "files", "arrays", "syntax", "model", "domains", "energy", "graph", "derive", "kernels", "backends",
    "random", "program", "verification", "api", "data", "learning", "inference", "report", "sklearn", "cli",
]  # fmt: skip
# Below these, an import inside a function may point up: the driver and `Model` load what they need on demand.
DRIVERS = {"api", "__init__", "__main__"}
THIRD_PARTY = {
    "lark": {"syntax/parser.py"},
    "networkx": {"graph/"},
    "scipy": {"verification/oracle.py"},
    "click": {"cli"},
    "rich": {"cli"},
    "matplotlib": {"report/images.py"},
    "sklearn": {"sklearn.py"},
    "pyarrow": {"data/readers.py"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = part(path)
    if here in DRIVERS:
        return
    for name in imports(path):
        pieces = name.split(".")
        if pieces[0] == "energydsl" and len(pieces) > 1 and pieces[1] in ORDER:
            assert ORDER.index(pieces[1]) <= ORDER.index(here), f"{path} imports {name}"


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
        "import sys, time; t = time.perf_counter(); import energydsl; took = time.perf_counter() - t\n"
        "heavy = {'scipy', 'networkx', 'matplotlib', 'lark', 'sklearn', 'rich', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert took < 0.3, took\n"
        "from energydsl import load, train, Program\n"
        "heavy = {'matplotlib', 'sklearn', 'rich', 'click', 'numba', 'cupy'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
