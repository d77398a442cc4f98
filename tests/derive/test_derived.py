"""Schedules, formulas, applicability: what `explain` promises."""

from __future__ import annotations

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


def test_applicability_says_why_not() -> None:
    verdicts = {v.name: v for v in ed.load(ROOT / "models/conditional_rbm.energy").applicability()}
    assert not verdicts["pcd"].ok
    assert "past" in verdicts["pcd"].why
    assert not {v.name: v for v in ed.load(ROOT / "models/rbm.energy").applicability()}["exact"].ok
