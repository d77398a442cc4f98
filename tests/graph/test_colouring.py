"""Units that interact never have one colour, and regular lattices take as few colours as can be."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

import energydsl as ed
from energydsl.graph import colouring
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


WINDOW = "dim L = {}, M = {}\nvisible x[L, L] : binary\nparam W[3, 3] = normal(sd = 1)\nenergy = sum[i in range(M), j in range(M)] "
WINDOWS = {
    "windows": (WINDOW.format(7, 5) + "log(1 + (sum[p, q] W[p, q]*x[i + p, j + q])^2)", 9),
    "windows round a torus": (WINDOW.format(6, 6) + "softplus(sum[p, q] W[p, q]*x[(i + p) % L, (j + q) % L])", 9),
    "windows that boxes cannot tile": (WINDOW.format(7, 7) + "softplus(sum[p, q in range(2)] W[p, q]*x[(i + p) % L, (j + q) % L])", 7),
    "a network on windows": ("visible x[12] : spin\nparam A[2] = normal(sd = 1), B[3] = normal(sd = 1)\nenergy = sum[k in range(9)] softplus(sum[j] B[j]*tanh(sum[i] A[i]*x[k + j + i]))", 4),
    "two forms in one product": ("visible x[12] : binary\nparam A[2] = normal(sd = 1)\nenergy = sum[k in range(8)] tanh(sum[i] A[i]*x[k + i])*tanh(sum[i] A[i]*x[k + 3 + i])", 5),
    "one row after the other": ("visible x[3, 4] : binary\nparam A[4] = normal(sd = 1)\nenergy = sum[i] softplus(sum[j] A[j]*x[i, j])", 4),
    "edges": ("graph G = grid(3, 3)\nvisible x[9] : spin\nparam J[G] = normal(sd = 1)\nenergy = sum[(i, k) in G] tanh(J[i, k]*(x[i] + 2*x[k]))", 2),
    "pairs beside windows": ("visible x[9] : binary\nparam A[2] = normal(sd = 1)\nenergy = sum[k in range(8)] softplus(sum[i] A[i]*x[k + i]) + sum[k in range(5)] x[k]*x[k + 4]", 3),
    "units that meet no other": ("visible x[5] : binary\nhidden h[5] : spin\nparam a[5] = normal(sd = 1)\nenergy = sum(tanh(a * x + h))", 1),
    "states": ("visible x[6] : categorical[3]\nparam A[3] = normal(sd = 1)\nenergy = sum[k in range(5)] exp(sum[a] A[a]*x[k, a] + A[0]*x[k + 1, 1])", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_units_of_one_function_have_different_colours(name: str) -> None:
    """Which units meet is seen by mixed differences of the energy as it is computed, at some states."""
    text, count = WINDOWS[name]
    model = ed.loads(text)
    program = model.compile("numpy", "float64")
    parts, layer = model.derived.parts["x"], model.layers["x"]
    params, state = program.init(0), program.init_state(program.init(0), 4, 1)
    meet = np.zeros((layer.size, layer.size), bool)
    low, high = (-1, 1) if layer.domain.name == "spin" else (0, 1)

    def energy(*units: int) -> np.ndarray:
        """With these units at another value."""
        x = state["x"].copy().reshape(4, layer.size, -1)
        for unit in units:
            x[:, unit] = np.roll(x[:, unit], 1, axis=-1) if x.shape[-1] > 1 else low + high - x[:, unit]
        return np.asarray(program.energy(params, {**state, "x": x.reshape(state["x"].shape)}))

    for a, b in itertools.combinations(range(layer.size), 2):
        meet[a, b] = abs(energy() - energy(a) - energy(b) + energy(a, b)).max() > 1e-9
    colours = parts.colours
    assert colours is not None
    assert not (meet & (colours[:, None] == colours)).any()
    assert parts.count == count


def test_windows_on_a_large_lattice_are_coloured_without_a_list_of_units(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("_unit_pairs", "places"):
        monkeypatch.setattr(colouring, what, lambda *_: pytest.fail("units are listed"))
    text = WINDOWS["windows"][0].replace("L = 7, M = 5", "L = 1000, M = 998")
    assert ed.loads(text).derived.parts["x"].count == 9


def test_ends_of_two_edges_are_not_those_of_one() -> None:
    text = "graph G = grid(2, 3)\nvisible s[6] : spin\nenergy = - sum[(i, k) in G, (l, m) in G] s[i]*s[k]*s[l]*s[m]"
    assert ed.loads(text).derived.parts["s"].kind == "scan"


def test_boxes_separate_units_at_all_distances_up_to_a_length() -> None:
    """On rings of any length that has room, with one colour more at most along each axis."""
    for size in (12, 13, 20, 23, 40):
        steps = [Offset(s, (True, False)) for s in itertools.product(range(-3, 4), repeat=2) if any(s)]
        colours = lattice_colours((size, 9), steps)
        assert colours is not None
        assert colours.max() < 20
        for offset in steps:
            a, b = offset.steps
            moved = np.roll(colours, -a, axis=0)
            inside = slice(max(0, -b), 9 - max(0, b))
            assert (colours[:, inside] != moved[:, max(0, b) : 9 + min(0, b)]).all()
