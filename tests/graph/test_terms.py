"""The graph of layers and terms, its picture, and the order of directed parts."""

from __future__ import annotations

import networkx as nx

import energydsl as ed
from energydsl.graph.arrows import cycle_of, downwards
from energydsl.graph.drawing import layer_layout


def test_the_term_graph_is_bipartite(zoo_model: ed.Model) -> None:
    assert nx.is_bipartite(zoo_model.graph)
    assert {n for n, d in zoo_model.graph.nodes(data=True) if d["kind"] == "layer"} == set(zoo_model.layers)


def test_layers_stand_in_a_picture_joined_by_their_terms(zoo_model: ed.Model) -> None:
    places, links = layer_layout(zoo_model.graph)
    assert places.keys() == zoo_model.layers.keys()
    assert all(nx.has_path(zoo_model.graph, a, b) for a, b in links)


def test_arrows_that_close_a_cycle() -> None:
    assert cycle_of([("a", "b"), ("b", "c")]) == []
    assert sorted(cycle_of([("a", "b"), ("b", "a"), ("b", "c")])) == ["a", "b"]


def test_what_is_given_is_drawn_before() -> None:
    parts = [(("b",), ("c",)), (("a",), ("b",)), ((), ("d",))]
    assert downwards(parts, lambda part: part) == [parts[1], parts[0], parts[2]]
