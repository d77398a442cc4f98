"""Schedules, formulas, applicability: what `explain` promises."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pytest

import energydsl as ed
from tests.conftest import ROOT


def blocks(model: ed.Model, clamp: tuple[str, ...] = ()) -> list[list[str]]:
    return [[str(p) for p in b] for b in model.schedule(clamp)]


SCHEDULES = [
    ("rbm", [["v"], ["h"]], [["h"]]),
    ("dbm", [["v", "h2"], ["h1"]], [["h1"], ["h2"]]),
    ("hopfield", [["x*"]], []),
    ("boltzmann", [["v*"], ["h*"]], [["h*"]]),
    ("ising", [["s:0"], ["s:1"]], []),
    ("label_rbm", [["v", "y"], ["h"]], [["h"]]),
    ("convolutional_rbm", [["v"], ["h"]], [["h"]]),
]


@pytest.mark.parametrize(("name", "free", "clamped"), SCHEDULES)
def test_schedules(name: str, free: list[list[str]], clamped: list[list[str]]) -> None:
    model = ed.load(ROOT / "models" / f"{name}.energy")
    assert blocks(model) == free
    assert blocks(model, model.resolved.by_role("visible")) == clamped


def test_an_odd_cycle_of_layers_takes_three_blocks() -> None:
    text = "\n".join(f"visible {n}[2] : binary" for n in "abc") + "\nlayers a -- b -- c -- a"
    assert [len(b) for b in blocks(ed.loads(text))] == [1, 1, 1]


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


def test_a_schedule_by_hand() -> None:
    text = "visible v[3] : binary\nhidden h[3] : binary\nlayers v -- h\nschedule (h), (v)"
    assert blocks(ed.loads(text)) == [["h"], ["v"]]


def test_formulas_are_those_of_the_lecture_notes(rbm: ed.Model) -> None:
    assert str(rbm.conditionals["h"]) == "p(h_j = 1 | v) = sigmoid(c_j + sum_i v_i W_ij)"
    assert str(rbm.conditionals["v"]) == "p(v_i = 1 | h) = sigmoid(b_i + sum_j W_ij h_j)"
    assert str(rbm.gradients["W"]) == "dE/dW_ij = -v_i h_j"
    assert rbm.free_energy.summed_out == ("h",)
    assert rbm.conditionals["h"].family == "bernoulli"
    gaussian = ed.load(ROOT / "models/gaussian_rbm.energy")
    assert (
        str(gaussian.conditionals["v"])
        == "p(v_i | h) = Normal(mean = b_i + sum_j W_ij sigma_i h_j, variance = sigma_i^2)"
    )


def test_families() -> None:
    families = {"binary": "bernoulli", "spin": "spin", "categorical[3]": "categorical", "real": "normal"}
    for domain, family in families.items():
        square = " + 0.5 * sum(x^2)" if domain == "real" else ""
        assert ed.loads(f"visible x[2] : {domain}\nenergy = sum(x){square}").conditionals["x"].family == family


def test_explain_json_has_the_promised_keys(zoo_model: ed.Model) -> None:
    facts = zoo_model.explain("json")
    json.dumps(facts)
    for layer in facts["layers"].values():
        assert set(layer) == {"role", "domain", "shape", "family", "factorises", "field", "conditional", "sampler"}
    assert {"schedule", "schedule_clamped", "gradients", "free_energy", "applicability"} <= set(facts)
    assert set(facts["free_energy"]) == {"summed_out", "text"}
    assert zoo_model.explain("latex").startswith("\\begin{align*}")


def test_applicability_says_why_not() -> None:
    verdicts = {v.name: v for v in ed.load(ROOT / "models/conditional_rbm.energy").applicability()}
    assert not verdicts["pcd"].ok
    assert "past" in verdicts["pcd"].why
    assert not {v.name: v for v in ed.load(ROOT / "models/rbm.energy").applicability()}["exact"].ok


def test_the_term_graph_is_bipartite(zoo_model: ed.Model) -> None:
    assert nx.is_bipartite(zoo_model.graph)
    assert {n for n, d in zoo_model.graph.nodes(data=True) if d["kind"] == "layer"} == set(zoo_model.layers)
