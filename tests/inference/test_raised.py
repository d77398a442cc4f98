"""RAISE: annealing as a model of rows, whose probabilities add up to 1, and what is known of its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.annealing.path import Path
from energydsl.inference.ais import ladder
from energydsl.inference.raised import raised
from energydsl.inference.told import describe
from energydsl.learning.run import Run
from energydsl.program.initialise import base_rate
from tests.inference.test_sides import HIDDEN_MODE, MODELS, a_run

Array = np.ndarray


SEEDS = 20


def every_row(name: str, betas: int, chains: int) -> tuple[Array, Array, Array]:
    """log p of every state of the visible layer, exact, (states,); and by RAISE, (SEEDS, states), with its errors."""
    program = ed.loads(MODELS[name]).compile("numpy", "float64")
    params = program.init(0)
    [visible] = program.model.by_role("visible")
    layer = program.model.layers[visible]
    count = layer.field_shape[-1] if layer.field_shape != layer.shape else 2
    codes = np.tile(np.indices((count,) * layer.size).reshape(layer.size, -1).T, (SEEDS, 1))
    values = np.eye(count)[codes] if count > 2 else codes.astype(float)
    inputs = {n: np.full((1, 3), 0.5) for n in program.model.by_role("input")}
    x = {visible: values} | {n: np.repeat(a, len(codes), axis=0) for n, a in inputs.items()}
    above = -np.asarray(program.free_energy(params, x)).reshape(SEEDS, -1)
    steps = ladder(program.engine.core, params, {}, betas, chains, 0, inputs)
    found = raised(steps, x, chains, ed.Rng(1))
    values, errors = (a.reshape(SEEDS, -1) for a in (found.values, found.errors))
    return above[0] - np.logaddexp.reduce(above[0]), above + values, errors


def check(name: str) -> None:
    """In the mean over the model's own rows below log p, by less with more temperatures; and normalised."""
    below, errors = [], []
    for betas in (1, 30):
        exact, single, _ = every_row(name, betas, chains=2)
        gaps = (single - exact) @ np.exp(exact)
        below.append(gaps.mean())
        errors.append(gaps.std(ddof=1) / np.sqrt(SEEDS))
    assert below[0] < -3.0 * errors[0]
    assert below[0] < below[1] < 3.0 * errors[1]
    assert errors[1] < -0.2 * below[0]
    _, many, bars = every_row(name, 4, chains=200)
    total, spread = np.exp(many).sum() / SEEDS, np.linalg.norm(np.exp(many) * bars) / SEEDS
    assert abs(total - 1.0) < 4.0 * spread
    assert spread < 0.02


@pytest.mark.parametrize("name", ["rbm", "potts", "gated"])
def test_annealing_is_a_model_of_rows(name: str) -> None:
    check(name)


def twice(original: Any) -> Any:
    return lambda self, *given: 2.0 * original(self, *given)


@pytest.mark.parametrize("attribute", ["log_z_base", "walk"])
def test_mistakes_are_seen(attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, attribute, twice(getattr(Path, attribute)))
    with pytest.raises(AssertionError):
        check("rbm")


def test_rows_and_their_mean() -> None:
    run, x = a_run(MODELS["rbm"])
    exact = ed.evaluate(run, x, "exact")
    found = ed.evaluate(run, x, "raise", betas=300, chains=20)
    assert (found.method, found.exactness, found.agree) == ("raise", "estimate", None)
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, abs=5 * found.log_likelihood_std)
    assert found.log_likelihood_std < 0.05
    np.testing.assert_allclose(found.rows, exact.rows, atol=1.0)
    assert "annealing back from each row" in describe(found.as_dict(), "test")


def test_a_mode_that_annealing_misses_makes_all_other_rows_too_likely() -> None:
    """Why it is no bound of the likelihood of any rows whatever: rows of the model itself would lie in the mode."""
    program = ed.loads(HIDDEN_MODE).compile("numpy", "float64")
    params = {"W": np.full(20, 20.0), "c": np.array(-378.0)}
    base = {"v": base_rate(program.engine, "v", None)}
    run = Run(program, params, {"data": {"binarise": None}}, base=base)
    zeros, ones = np.zeros((3, 20)), np.ones((3, 20))
    assert ed.evaluate(run, zeros, "raise", 50, 5).log_likelihood > ed.evaluate(run, zeros, "exact").log_likelihood + 5
    assert ed.evaluate(run, ones, "raise", 50, 5).log_likelihood < ed.evaluate(run, ones, "exact").log_likelihood - 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (MODELS["semi-restricted"], "run backwards"),
        (
            "visible v[3] : binary\nhidden a[2] : binary\nhidden b[2] : binary\nlayers v -- a -- b",
            "`b` cannot be summed",
        ),
        ("visible v[3] : binary\nhidden a[2] : binary\nlayers v <- a", "directed parts"),
    ],
)
def test_it_is_refused_with_its_reason(text: str, why: str) -> None:
    run, x = a_run(text)
    with pytest.raises(ed.NotApplicable, match=why):
        ed.evaluate(run, x, "raise", betas=10)
