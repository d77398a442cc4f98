"""Chains that are watched: what is moved by hand moves them, and what fits goes on."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
import pytest

from energydsl.diagnostics import EnergyError
from energydsl.model.resolve import Overrides
from energydsl.studio.chains import CHAINS, Chains

NOTHING = Overrides({}, {}, {})
RING = """
const K = 0.5, B = 0
visible s[6] : spin
energy bonds = - K * sum[i] s[i]*s[(i + 1) % 6]
energy field = - B * sum(s)
"""
RBM = "visible v[9] : binary\nhidden h[2] : binary\nparam W[9, 2] = normal(sd = 0.1), b[9]\nenergy = - b @ v - v @ W @ h\n"


def begun(text: str, before: Chains | None = None, **trained: Any) -> Chains:
    return Chains(text, "m.energy", NOTHING, trained, "numpy", 0, before)


def exact(coupling: float, field: float) -> float:
    """The mean of a spin on the ring, by enumeration."""
    states = np.array(list(itertools.product((-1, 1), repeat=6)))
    weights = np.exp(coupling * (states * np.roll(states, -1, 1)).sum(1) + field * states.sum(1))
    return float(weights @ states.mean(1) / weights.sum())


@pytest.fixture(scope="module")
def ring() -> Chains:
    return begun(RING)


@pytest.mark.parametrize(
    ("settings", "coupling", "field"),
    [
        ({"consts": {"B": 0.3}}, 0.5, 0.3),
        ({"consts": {"B": 0.3, "K": -0.4}}, -0.4, 0.3),
        ({"consts": {"B": 0.3}, "weights": {"bonds": 0.0}}, 0.0, 0.3),
        ({"consts": {"B": -0.2}, "weights": {"field": 2.0}, "beta": 0.5}, 0.25, -0.2),
    ],
)
def test_consts_weights_and_beta_move_the_running_chains(
    ring: Chains, settings: dict[str, Any], coupling: float, field: float
) -> None:
    ring.advance(20, **settings)
    means = []
    for _ in range(400):
        ring.advance(2, **settings)
        means.append(ring.values("s").mean())
    blocks = np.reshape(means, (20, 20)).mean(1)
    error = blocks.std(ddof=1) / np.sqrt(20)
    assert error < 0.02
    assert abs(blocks.mean() - exact(coupling, field)) < 5 * error


def test_a_new_text_takes_over_the_states_that_fit() -> None:
    before = begun(RBM)
    before.advance(3)
    after = begun(RBM.replace("h[2]", "h[3]").replace("[9, 2]", "[9, 3]"), before)
    assert np.array_equal(after.values("v"), before.values("v"))
    assert after.values("h").shape == (CHAINS, 3)
    assert after.sweeps == 3
    assert begun(RBM.replace("binary", "spin"), before).sweeps == 0


def test_trained_parameters_are_taken_where_they_fit() -> None:
    trained = {"W": np.full((9, 2), 0.25), "b": np.zeros(4), "other": np.zeros(3)}
    chains = begun(RBM, **trained)
    assert (chains.params["W"] == 0.25).all()
    assert chains.untrained == ["b"]
    assert begun(RBM).untrained == []


def test_inputs_are_held() -> None:
    chains = begun("input x[4] : real\nvisible v[4] : binary\nparam W[4, 4]\nenergy = - x @ W @ v\n")
    before = chains.values("x")
    chains.advance(3)
    assert before.std() > 0
    assert np.array_equal(chains.values("x"), before)


def test_what_cannot_be_is_refused_and_the_chains_stay() -> None:
    chains = begun("visible x[4] : real\nenergy square = sum(x^2)\nenergy shift = - sum(x)\n")
    chains.advance(2)
    before = chains.values("x")
    with pytest.raises(EnergyError, match="weight of 0"):
        chains.advance(1, weights={"square": 0.0})
    assert np.array_equal(chains.values("x"), before)
    chains.advance(1, weights={"square": 0.5})
    with pytest.raises(EnergyError, match="no layer `y`"):
        chains.shown("y", False)


def test_a_model_beyond_the_memory_is_refused() -> None:
    with pytest.raises(EnergyError, match="memory"):
        begun("visible v[2000000000] : binary\nenergy = - sum(v)\n")


def shown(text: str, layer: str, means: bool = False) -> tuple[Any, Any, Chains]:
    chains = begun(text)
    found = chains.shown(layer, means)
    levels = np.frombuffer(base64.b64decode(found["levels"]), np.uint8).reshape(found["height"], found["width"])
    return found, levels, chains


def test_a_picture_has_a_square_for_each_chain() -> None:
    found, levels, chains = shown("visible v[16] : spin\nenergy = - sum(v)\n", "v")
    assert (levels[0] == 0).all()
    assert (levels[:, 5] == 0).all()
    assert np.array_equal(levels[1:5, 6:10], np.where(chains.values("v")[1].reshape(4, 4) > 0, 255, 1))
    assert (found["low"], found["high"], found["two"]) == (-1.0, 1.0, True)


@pytest.mark.parametrize(
    ("declared", "shape"),
    [
        ("v[5] : binary", (18, 7)),
        ("v : binary", (18, 3)),
        ("v[3, 5] : binary", (4 * 4 + 1, 4 * 6 + 1)),
        ("v[70] : binary", (4 * 10 + 1, 4 * 10 + 1)),
        ("v[7] : categorical[3]", (18, 9)),
        ("v[2, 3, 5] : real", (2 * 4 - 3, 2 * 6 + 1)),
    ],
)
def test_layers_of_every_shape_are_pictures(declared: str, shape: tuple[int, int]) -> None:
    energy = "sum(v^2)" if "real" in declared else "0 * sum(v)"
    found, levels, _ = shown(f"visible {declared}\nenergy = {energy}\n", "v")
    assert levels.shape == shape


def test_a_picture_that_would_be_too_large_has_fewer_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energydsl.studio.pixels._MOST_PIXELS", 40)
    _, levels, _ = shown("visible v[4, 4] : binary\nenergy = - sum(v)\n", "v")
    assert levels.shape == (6, 11)


def test_means_lie_between_values() -> None:
    _, levels, _ = shown(RBM.replace("v[9]", "v[16]").replace("[9", "[16").replace("b[9]", "b[16]"), "v", means=True)
    assert len(np.unique(levels)) > 4
