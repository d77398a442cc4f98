"""Parameters with further axes beside the edges of a graph, and graphs over the first axes of a layer."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed

TEXT = "dim C = 2\ngraph G = grid(2, 3)\nvisible x[{}] : spin\nparam J[G, C, C]\nenergy = sum[(u, v) in G, c, d] J[u, v, c, d]*x[u, c]*x[v, d]"
EDGES = [(0, 1), (0, 3), (1, 2), (1, 4), (2, 5), (3, 4), (4, 5)]


@pytest.mark.parametrize("axes", ["6, C", "2, 3, C"])
def test_energies_and_gradients_are_those_of_a_plain_loop(axes: str) -> None:
    program = ed.loads(TEXT.format(axes)).compile("numpy", dtype="float64")
    rng = np.random.default_rng(0)
    couplings = rng.normal(size=(7, 2, 2))
    x = rng.choice([-1.0, 1.0], (5, 6, 2))
    by_hand = sum(np.einsum("rc,cd,rd->r", x[:, u], couplings[e], x[:, v]) for e, (u, v) in enumerate(EDGES))
    state = {"x": x.reshape(5, *program.model.layers["x"].shape)}
    np.testing.assert_allclose(program.energy({"J": couplings}, state), by_hand, rtol=1e-12)
    slopes = [np.einsum("rc,rd->cd", x[:, u], x[:, v]) / 5 for u, v in EDGES]
    np.testing.assert_allclose(program.energy_gradient({"J": couplings}, state)["J"], slopes, rtol=1e-12)


def test_units_that_share_no_edge_are_one_block() -> None:
    model = ed.loads(TEXT.format("2, 3, C"))
    assert model.compiled.derived.parts["x"].count == 2


def test_a_file_holds_a_table_for_each_edge(tmp_path) -> None:  # type: ignore[no-untyped-def]
    values = np.arange(28.0).reshape(7, 2, 2)
    np.savetxt(tmp_path / "J.csv", values.reshape(14, 2), delimiter=",")
    (tmp_path / "m.energy").write_text(TEXT.format("6, C").replace("J[G, C, C]", 'J[G, C, C] = file("J.csv")'))
    np.testing.assert_array_equal(ed.load(tmp_path / "m.energy").compile("numpy").init(seed=0)["J"], values)
