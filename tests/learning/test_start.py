"""Where a run begins: an energy that is not a number there is said at once, with the parameter."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed

HEAD = "dim I = 6, J = 4\nvisible v[I] : binary\nhidden h[J] : binary\nparam W[I, J] = normal(sd = 0.1), T\n"
UNDEFINED = [
    HEAD + "energy = - (v @ W @ h) / T",
    HEAD + "energy = - (v @ W @ h) + log(T) * sum(v)",
    HEAD + "energy = - (v @ W @ h) + sqrt(T) * sum(v)",
    HEAD + "param b[I] = base_rate(v)\nenergy = - (v @ W @ h) * exp(1 / T) - b @ v",
]


@pytest.mark.parametrize("text", UNDEFINED)
def test_an_energy_that_is_not_a_number_at_the_start_is_said_there(text: str) -> None:
    program = ed.loads(text).compile("numpy")
    data = np.random.default_rng(0).integers(0, 2, (40, 6))
    with pytest.raises(ed.TrainingError, match=r"at the start: parameter `T` is 0 there"):
        ed.train(program, data, epochs=1)
    found = ed.train(program, data, epochs=1, params={**program.init(0), "T": 1.0})
    assert np.isfinite(found.params["T"])


def test_the_start_of_a_directed_model_is_looked_at() -> None:
    text = "visible v[6] : binary\nhidden h[4] : binary\nparam W[6, 4] = normal(sd = 0.1), T\n"
    text += "energy core = - sum(h)\nenergy v | h = - (v @ W @ h) / T\nrecognition h | v = - v @ W @ h"
    with pytest.raises(ed.TrainingError, match="parameter `T` is 0"):
        ed.train(ed.loads(text).compile("numpy"), np.ones((40, 6)), epochs=1)


def test_a_model_without_gradients_is_sampled() -> None:
    text = "visible v[3] : real\nhidden h[2] : binary\nparam W[3, 2] = normal(sd = 0.1)\n"
    text += "energy core = - sum(h)\nenergy v | h = sum(v^4) - v @ W @ h"
    assert np.isfinite(ed.sample(ed.loads(text).compile("numpy"), n=5, steps=1)["v"]).all()
