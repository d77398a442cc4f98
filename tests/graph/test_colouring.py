"""Units that interact never have one colour, and regular lattices take as few colours as can be."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

import energydsl as ed
from energydsl.graph.colouring import colour_layers
from energydsl.graph.lattice import Offset, lattice_colours


def blocks(model: ed.Model) -> list[list[str]]:
    return [[str(p) for p in b] for b in model.schedule()]


@pytest.mark.parametrize(
    "shape", [(4,), (5,), (2,), (3,), (4, 6), (5, 4), (5, 5), (3, 7), (2, 2), (4, 4, 4), (3, 4, 5)]
)
def test_a_torus_is_coloured_right(shape: tuple[int, ...]) -> None:
    letters = "ijk"[: len(shape)]
    sizes = ", ".join(map(str, shape))
    pairs = " + ".join(
        f"s[{', '.join(letters)}]*s[{', '.join(f'({x} + 1) % {n}' if k == axis else x for k, (x, n) in enumerate(zip(letters, shape, strict=True)))}]"
        for axis in range(len(shape))
    )
    parts = ed.loads(f"visible s[{sizes}] : spin\nenergy = - sum[{', '.join(letters)}] ({pairs})").derived.parts["s"]
    grid = nx.grid_graph(tuple(reversed(shape)), periodic=True) if len(shape) > 1 else nx.cycle_graph(shape[0])
    flat = {n: int(np.ravel_multi_index(n if isinstance(n, tuple) else (n,), shape)) for n in grid}
    colours = parts.colours
    assert colours is not None
    assert all(colours[flat[a]] != colours[flat[b]] for a, b in grid.edges if a != b)
    assert parts.count == (2 if all(n % 2 == 0 for n in shape) else 3)


def test_a_large_lattice_is_coloured_without_a_graph_of_units() -> None:
    model = ed.loads(
        "dim L = 1000\nvisible s[L, L] : spin\nenergy = - sum[i, j] s[i, j]*(s[(i + 1) % L, j] + s[i, (j + 1) % L])"
    )
    assert blocks(model) == [["s:0"], ["s:1"]]
    graph = (
        "graph G = grid(1000, 1000, periodic = true)\nvisible s[1000000] : spin\nenergy = - sum[(i, k) in G] s[i]*s[k]"
    )
    assert blocks(ed.loads(graph)) == [["s:0"], ["s:1"]]


def test_a_given_networkx_graph_is_coloured() -> None:
    graph = nx.petersen_graph()
    model = ed.loads(
        "graph G[10]\nvisible s[10] : spin\nparam J[G] = normal(sd = 1)\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]",
        graphs={"G": graph},
    )
    assert len(blocks(model)) == 3
    assert model.params["J"].shape == (15,)


def test_offsets_that_no_modulus_separates_are_left_to_a_graph() -> None:
    far = [Offset((step,), (True,)) for step in range(1, 7)]
    assert lattice_colours((13,), far) is None
    assert lattice_colours((1 << 15, 1 << 15), [Offset((1, 0), (False, False))]) is None


@pytest.mark.parametrize("step", [1, 2, 3])
def test_units_at_a_distance_on_a_ring_have_two_colours(step: int) -> None:
    colours = lattice_colours((12,), [Offset((step,), (True,))])
    assert colours is not None
    assert (colours != np.roll(colours, step)).all()


def test_every_pair_of_a_complete_graph_is_visited_in_turn() -> None:
    text = "graph G = complete(5)\nvisible s[5] : spin\nenergy = - sum[(i, k) in G] s[i]*s[k]"
    parts = ed.loads(text).derived.parts["s"]
    assert (parts.kind, parts.why) == ("scan", "graph `G` joins every pair")


def test_layers_that_meet_are_not_in_one_group() -> None:
    pairs = [frozenset(p) for p in itertools.combinations("abc", 2)]
    assert colour_layers("abc", pairs) == [["a"], ["b"], ["c"]]
    assert colour_layers("abc", pairs[:2]) == [["a"], ["b", "c"]]
