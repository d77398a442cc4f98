"""Graphs from files and from NetworkX: units are numbered as they are written, or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import energydsl as ed

TEXT = "graph G{size}\nvisible s[{n}] : spin\nparam J[G]\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"


def edges(graph: Any, n: int = 3) -> Any:
    return ed.loads(TEXT.format(size=f"[{n}]", n=n), graphs={"G": graph}).resolved.graphs["G"].edges


def integers(kind: Any) -> nx.Graph:
    """Unit 2 comes first in the graph."""
    return nx.Graph([(kind(2), kind(0)), (kind(1), kind(2))])


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, float, np.float32])
def test_whole_numbers_are_the_numbers_of_units(kind: Any) -> None:
    assert edges(integers(kind)) == ((0, 2), (1, 2))
    assert edges(nx.Graph([(kind(0), kind(2))])) == ((0, 2),)
    assert edges(nx.Graph([(kind(0), kind(4))]), 6) == ((0, 4),)


def test_an_energy_keeps_its_sign() -> None:
    """Units 1 and 2 are joined, and NetworkX holds them in the order 2, 1, 0."""
    graph = nx.Graph([(np.int64(2), np.int64(1))])
    graph.add_node(np.int64(0))
    program = ed.loads(TEXT.format(size="[3]", n=3), graphs={"G": graph}).compile("numpy")
    assert program.energy({"J": np.ones(1)}, {"s": np.array([[1, -1, -1]])}).tolist() == [-1.0]


def test_other_nodes_are_numbered_in_their_order() -> None:
    assert edges(nx.Graph([("b", "a"), ("c", "b")])) == ((0, 1), (0, 2))
    assert edges(nx.grid_2d_graph(1, 3)) == ((0, 1), (1, 2))


REFUSED = [
    (nx.Graph([(1, 2), (2, 3)]), "numbered from 1, units are numbered from 0\n.*convert_node_labels_to_integers"),
    (nx.Graph([(-1, 0), (0, 1)]), "numbered from -1"),
    (nx.Graph([("1", "2"), ("0", "2")]), "text that reads as numbers, as '1'\n.*nodetype=int"),
    (nx.MultiGraph([(0, 1), (0, 1)]), "several edges between the same nodes.*\n.*networkx.Graph"),
    (nx.DiGraph([(0, 1)]), "is directed"),
    (nx.Graph([(0, 1), (1, 1)]), "joins node 1 to itself\n.*selfloop_edges"),
    (nx.Graph([(0, 7)]), "edge to unit 7 but 3 units"),
]


@pytest.mark.parametrize(("graph", "words"), REFUSED)
def test_graphs_that_are_not_plain(graph: nx.Graph, words: str) -> None:
    with pytest.raises(ed.ModelError, match=words) as caught:
        edges(graph)
    assert caught.value.diagnostics[0].code in ("E0402", "E0214")


def test_what_is_no_graph() -> None:
    with pytest.raises(ed.ArgumentError, match="graph `G` is a list"):
        edges([(0, 1)])


def from_file(folder: Path, data: bytes, n: int = 3) -> Any:
    (folder / "e.csv").write_bytes(data)
    (folder / "m.energy").write_text(TEXT.format(size=' = edges("e.csv")', n=n))
    return ed.load(folder / "m.energy").resolved.graphs["G"].edges


@pytest.mark.parametrize(
    "data",
    [
        b"0,1\n1,2\n",
        b"\xef\xbb\xbf0,1\n1,2\n",
        b"i,k\n0,1\n1,2\n",
        b"\xef\xbb\xbfi,k\r\n0,1\r\n1,2\r\n",
        b'\n"1", 0\n\n 2,1',
        b"0,1\n1,0\n1,2\n",
    ],
)
def test_edge_files(tmp_path: Path, data: bytes) -> None:
    assert from_file(tmp_path, data) == ((0, 1), (1, 2))


BROKEN = [
    (b"i,k,w\n0,1,2.5\n", "row 1 of e.csv has 3 columns, not two: i,k,w", "weight"),
    (b"0,1,2.5\n1,2,-1\n", "row 1 of e.csv has 3 columns, not two: 0,1,2.5", "weight"),
    (b"0,1\n1,2,\n", "row 2 of e.csv has 3 columns", "weight"),
    (b"0 1\n1 2\n", "row 1 of e.csv has 1 column,", "comma"),
    (b"0.0,1.0\n1,2\n", "row 1 of e.csv is not two whole numbers: 0.0,1.0", "point"),
    (b"1_0,2\n", "row 1 of e.csv is not two whole numbers: 1_0,2", "point"),
    (b"a,1\n0,2\n", "row 1 of e.csv is not two whole numbers: a,1", "point"),
    (b"0,1\n\n1,x\n", "row 3 of e.csv is not two whole numbers: 1,x", "point"),
    (b"0,99999999999999999999\n", "not two whole numbers", "point"),
    ("\u0660,1\n".encode(), "not two whole numbers", "point"),
    (b"i,k\n", "e.csv holds no edge", "0,1"),
    (b"", "e.csv holds no edge", "0,1"),
    (b"\xff\xfe0,1", "from e.csv: not a text file", ""),
    (b"0,0\n", "joins unit 0 to itself", ""),
    (b"-1,2\n", "negative unit number", ""),
]


@pytest.mark.parametrize(("data", "words", "help"), BROKEN)
def test_nothing_of_an_edge_file_is_dropped(tmp_path: Path, data: bytes, words: str, help: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        from_file(tmp_path, data)
    first = caught.value.diagnostics[0]
    assert first.code == "E0402"
    assert first.span is not None
    assert words in first.message
    assert help in first.help


def test_files_numbered_from_one_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(ed.ModelError, match="4 units, this axis 3") as caught:
        from_file(tmp_path, b"1,2\n2,3\n")
    assert "numbered from 1" in caught.value.diagnostics[0].help


def test_only_plain_files_hold_edges(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file, what in (
        ("pipe", "a pipe"),
        ("/dev/zero", "a device"),
        (str(tmp_path), "a folder"),
        ("no.csv", "No such"),
    ):
        (tmp_path / "m.energy").write_text(TEXT.format(size=f' = edges("{file}")', n=3))
        with pytest.raises(ed.ModelError, match=f"cannot read the edges of `G` from {file}: .*{what}"):
            ed.load(tmp_path / "m.energy")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("complete(10000)", r"49995000 edges, more than 5000000"),
        ("random_regular(degree = 3, nodes = 3000000)", r"4500000 edges, more than 2000000"),
        ("random_regular(degree = 900, nodes = 1000)", "too dense to be drawn at random"),
        ("grid(2000, 2000)", "edges, more than 5000000"),
    ],
)
def test_graphs_that_would_take_minutes_are_refused_at_once(call: str, words: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ed.ModelError, match=words) as caught:
        ed.loads(f"graph G = {call}\nvisible s[2] : spin\nenergy = sum(s)")
    assert caught.value.diagnostics[0].code == "E0212"
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("degree", [1, 37, 38, 39])
def test_dense_regular_graphs_that_are_small(degree: int) -> None:
    program = ed.loads(
        f"graph G = random_regular(degree = {degree}, nodes = 40)\nvisible s[40] : spin\nparam J[G] = 1\n"
        "energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
    ).compile("numpy")
    assert program.energy(program.init(0), {"s": np.ones((1, 40))}).tolist() == [-20.0 * degree]
