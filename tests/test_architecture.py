"""Imports point one way, and each third-party library enters where it is said to."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

from energydsl.domains import DOMAINS, FAMILIES
from energydsl.functions import WRITTEN

PACKAGE = Path(__file__).resolve().parents[1] / "energydsl"
# Rooms from the ground up: each imports from itself and what stands before it.
ORDER = [
    "version", "diagnostics", "options", "limits", "defaults", "files", "arrays", "weighted", "mixing", "markup", "progress", "syntax", "functions", "domains", "model",
    "modules", "energy", "graph", "derive", "augment", "kernels", "backends", "random", "ranks", "program", "annealing", "verification", "compiler", "report", "api",
    "data", "learning", "inference", "sklearn", "notebook", "editor", "doctor", "studio", "cli", "__init__", "__main__",
]  # fmt: skip
THIRD_PARTY = {
    "lark": {"syntax/parser.py"},
    "networkx": {"graph/"},
    "scipy": {"verification/oracle.py", "program/samplers/clusters.py", "data/identity.py", "data/sparse_files.py"},
    "click": {"cli"},
    "rich": {"progress.py"},
    "matplotlib": {"report/figures.py", "report/shown_figure.py"},
    "IPython": {"progress.py", "notebook.py"},
    "pandas": {"learning/tables.py"},
    "xarray": {"learning/tables.py"},
    "sklearn": {"sklearn/", "inference/bipartite.py"},
    "torch": {"inference/bipartite.py"},
    "onnx": {"inference/onnx_graph.py"},
    "pyarrow": {"data/readers.py"},
    "PIL": {"data/images.py"},
    "zarr": {"data/stored.py"},
    "dimod": {"data/bqm.py"},
    "safetensors": {"data/safe_tensors.py"},
    "mpi4py": {"ranks/mpi.py"},
    "pygls": {"editor/server.py"},
    "lsprotocol": {"editor/"},
    "pygments": {"editor/lexer.py"},
    "starlette": {"studio/server.py"},
    "uvicorn": {"studio/server.py"},
    "arviz_stats": {"mixing.py"},
    "arviz_base": {"learning/arviz_data.py"},
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
                    "covering",
                    "ends",
                    "every_value",
                    "normalisable",
                    "families",
                    "joint",
                    "differences",
                    "several_units",
                    "growth",
                    "fields",
                    "free_energy",
                    "quadratic",
                ), f"{path.name} imports {name}"


def test_nothing_is_unpickled_and_nothing_reads_a_global_seed() -> None:
    for path in FILES:
        text = path.read_text()
        assert "allow_pickle=True" not in text
        assert "import pickle" not in text
        assert "np.random.seed" not in text


# Names that stand for nothing but a domain or a family; others ("positive", "count", "normal") are words of other tables too.
OF_DOMAINS = ({*DOMAINS} | {*FAMILIES}) - {"positive", "count", "normal", "exponential", "table"}
ASKED = re.compile(r"(domain|family|distribution)(\.name)?(\.id)?$|\.family$")


def constants(node: ast.AST) -> set[str]:
    """The strings of a literal, alone or in a tuple, list or set."""
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}


def domains_asked_for(text: str) -> list[str]:
    """Places in a module that ask for a domain, or a family, by name: comparisons, cases, tables and subscripts."""
    found = []
    for node in ast.walk(ast.parse(text)):
        names: set[str] = set()
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            names = {n for side in sides for n in constants(side)}
            if not any(ASKED.search(ast.unparse(side)) for side in sides):
                names &= OF_DOMAINS
        elif isinstance(node, ast.MatchValue):
            names = constants(node.value) & OF_DOMAINS
        elif isinstance(node, ast.Dict):
            names = {n for key in node.keys if key for n in constants(key)} & OF_DOMAINS
        elif isinstance(node, ast.Subscript):
            names = constants(node.slice) & OF_DOMAINS
        if names:
            found.append(f"line {getattr(node, 'lineno', '?')}: {', '.join(sorted(names))}")
    return found


def functions_listed(text: str) -> list[str]:
    """Literals of a module that list elementary functions by name."""
    found = []
    for node in ast.walk(ast.parse(text)):
        keys = [k for k in node.keys if k] if isinstance(node, ast.Dict) else [node]
        names = {n for key in keys for n in constants(key)} & set(WRITTEN)
        if len(names) > 3:
            found.append(f"line {node.lineno}: {', '.join(sorted(names))}")  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_asks_for_a_domain_by_name(path: Path) -> None:
    if room(path) == "domains" or path.name == "oracle.py":
        return
    asked = domains_asked_for(path.read_text())
    assert not asked, f"{path} asks for a domain by name; let its file in domains/ say what is asked: {asked}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_lists_functions_by_name(path: Path) -> None:
    if room(path) == "functions" or path.name == "oracle.py":
        return
    listed = functions_listed(path.read_text())
    assert not listed, f"{path} lists functions by name; let functions/ say what is asked: {listed}"


@pytest.mark.parametrize(
    "text",
    [
        'if layer.domain.name == "binary": pass',
        'found = domain.name in ("spin", "real")',
        'if entry.domain.name.id != "positive": pass',
        'between = "truncated" in family.name',
        'many = conditional.family not in ("bernoulli",)',
        'match kind:\n    case "categorical": pass',
        'means = {"poisson": 1}',
        'low, high = DOMAINS["interval"].bounds(a)',
    ],
)
def test_asking_for_a_domain_by_name_is_found(text: str) -> None:
    assert domains_asked_for(text)


def test_other_tables_may_have_words_of_domains() -> None:
    text = 'if "positive" in param.constraints or kind == "normal": rule = {"positive": 1, "normal": 2}["positive"]'
    assert not domains_asked_for(text)


def test_listing_functions_is_found() -> None:
    assert functions_listed('known = {"exp", "log", "sqrt", "tanh"}')
    assert functions_listed('known = {"exp": 1, "log": 2, "sqrt": 3, "tanh": 4}')


def test_import_is_light() -> None:
    code = (
        "import sys, energydsl\n"
        "heavy = {'scipy', 'networkx', 'matplotlib', 'lark', 'sklearn', 'rich', 'click', 'arviz_stats', 'xarray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from energydsl import load, train, Program\n"
        "heavy = {'matplotlib', 'sklearn', 'rich', 'click', 'numba', 'cupy', 'arviz_stats', 'xarray'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
