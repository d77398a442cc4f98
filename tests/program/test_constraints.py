"""Parameters from outside: every way in checks that they are finite and within their constraints (E0403)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.program.states import check_params
from tests.standin import cupy as standin

TEXT = """
visible s[3] : spin
visible x[2] : real
param   J[3, 3] : symmetric & zero_diagonal
param   K[3, 3] : symmetric
param   t[2] : positive = 1
param   g : nonnegative = 1
param   b[3]
energy = - s @ J @ s - s @ K @ s - b @ s + sum((t + g)*x^2)
"""
MODEL = ed.loads(TEXT)
STATE = {"s": np.ones((1, 3)), "x": np.ones((1, 2))}
NAN, INF = np.nan, np.inf
TRIANGLE = np.triu(np.ones((3, 3)), 1)
LARGE = np.ones((600, 600))

BROKEN: list[tuple[str, Any, str]] = [
    ("t", [1, -1], r"`t` is -1 at \[1\], but it is declared positive"),
    ("t", [0, 1], "positive"),
    ("t", [1, NAN], r"`t` is nan at \[1\], but a parameter is finite"),
    ("t", [1, INF], "`t` is inf"),
    ("t", [1, 1e300], "`t` is inf"),
    ("t", np.ma.array([1, 2], mask=[0, 1]), "`t` is nan"),
    ("t", ["a", "b"], "`t` are not numbers"),
    ("t", [1, 2j], "complex"),
    ("t", [[1], [1, 2]], "row 1 has 1 entries, row 2 has 2"),
    ("t", None, "shape"),
    ("g", -0.5, "`g` is -0.5, but it is declared nonnegative"),
    ("b", [1, NAN, 1], r"`b` is nan at \[1\]"),
    ("J", TRIANGLE, r"`J` is 1 at \[0, 1\] and 0 at \[1, 0\], but it is declared symmetric\n.*triangle"),
    ("J", TRIANGLE.T, r"`J` is 0 at \[0, 1\] and 1 at \[1, 0\], but it is declared symmetric\n.*triangle"),
    ("K", np.triu(np.ones((3, 3))), "symmetric"),
    ("J", np.ones((3, 3)), r"`J` is 1 at \[0, 0\], but its diagonal is declared zero"),
]
WAYS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "energy": lambda program, params: program.energy(params, STATE),
    "free_energy": lambda program, params: program.free_energy(params, STATE),
    "mean": lambda program, params: program.mean(params, STATE, "s"),
    "sample": lambda program, params: program.sample(params, STATE, "s", ed.Rng(0)),
    "gibbs": lambda program, params: program.gibbs(params, STATE, 1, rng=ed.Rng(0)),
    "gradient": lambda program, params: program.energy_gradient(params, STATE),
    "train": lambda program, params: ed.train(program, STATE, epochs=0, params=params),
}


@pytest.fixture(scope="module")
def program() -> Any:
    return MODEL.compile("numpy", "float32")


@pytest.mark.parametrize(("name", "value", "words"), BROKEN)
def test_what_breaks_a_constraint_is_named(program: Any, name: str, value: Any, words: str) -> None:
    with pytest.raises(ed.DataError, match=words) as caught:
        check_params(program.engine, {**program.init(0), name: value})
    assert caught.value.diagnostics[0].code == "E0403"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "value"), [("t", [1, -1]), ("J", TRIANGLE), ("J", TRIANGLE.T), ("b", [1, NAN, 1])])
def test_every_way_in_checks(program: Any, way: str, name: str, value: Any) -> None:
    WAYS[way](program, program.init(0))
    with pytest.raises(ed.DataError) as caught:
        WAYS[way](program, {**program.init(0), name: np.asarray(value)})
    assert caught.value.diagnostics[0].code == "E0403"


def test_what_keeps_the_constraints_is_taken_as_it_is(program: Any) -> None:
    J = TRIANGLE + TRIANGLE.T
    for name, value in (
        ("J", J),
        ("J", J * (1 + 1e-7 * TRIANGLE)),
        ("J", 1e30 * J),
        ("t", [1, 2]),
        ("g", 0),
        ("b", [1, 2, 3]),
    ):
        found = check_params(program.engine, {**program.init(0), name: value})
        np.testing.assert_array_equal(found[name], np.asarray(value, np.float32))


@pytest.mark.parametrize("at", [(0, 599), (599, 0), (300, 10), (255, 256), (598, 599)])
def test_symmetry_is_seen_across_blocks(at: tuple[int, int]) -> None:
    large = ed.loads("visible s[600] : spin\nparam J[600, 600] : symmetric\nenergy = - s @ J @ s").compile("numpy")
    check_params(large.engine, {"J": LARGE})
    value = LARGE.copy()
    value[at] += 0.01
    with pytest.raises(ed.DataError, match="symmetric"):
        check_params(large.engine, {"J": value})


def test_parameters_on_a_device_are_checked_there() -> None:
    with standin.installed():
        there = MODEL.compile("cupy", "float32")
        params = there.init(0)
        check_params(there.engine, params)
        for name, value, words in BROKEN:
            with pytest.raises(ed.DataError, match=words):
                check_params(there.engine, {**params, name: value})
        for name, value in (("t", [1, -1]), ("t", [1, NAN]), ("J", TRIANGLE), ("J", TRIANGLE.T), ("J", np.eye(3))):
            with pytest.raises(ed.DataError, match=f"`{name}`"):
                check_params(there.engine, {**params, name: there.engine.xp.asarray(value, np.float32)})


def test_a_graph_without_edges_has_nothing_to_check() -> None:
    empty = ed.loads(
        "graph G = chain(1)\nvisible s[1] : spin\nparam J[G] : positive = 1\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
    )
    program = empty.compile("numpy")
    assert program.energy(program.init(0), {"s": np.ones((1, 1))}).tolist() == [0.0]
