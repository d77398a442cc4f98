"""The discriminative gradient against differences of the exact log p(y | v), and what it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.learning.discriminative import Discriminative
from energydsl.learning.loop import Run
from tests.inference.test_predict import DEEP, LABEL, MODELS, a_run

GAUSS = "visible v[3] : binary\nvisible y : categorical[3]\nhidden h[2] : real\nparam W[3, 2], U[3, 2], c[2]\nenergy = 0.5*sum(h^2) - v @ W @ h - y @ U @ h - c @ h"
LEARNED = {**MODELS, "real latents": GAUSS, "one-hot latents": LABEL.format(hidden="categorical[2]")}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", LEARNED)
def test_the_gradient_is_that_of_the_exact_log_probability(name: str, backend: str) -> None:
    run, rows = a_run(LEARNED[name], 0.7)
    program = ed.loads(LEARNED[name]).compile(backend, "float64")
    source = Discriminative(program.engine, "y", 30)
    source.load(rows)
    source.step(run.params)
    found = {n: np.array(g) for n, g in source.gradient(run.params, list(run.params)).items()}

    def loss(params: dict[str, Any]) -> float:
        return -ed.predict(Run(run.program, params, run.config), rows, "y").mean_log_probability

    for key, value in run.params.items():
        for at in list(np.ndindex(*value.shape))[:6]:
            ends = []
            for h in (1e-5, -1e-5):
                moved = {n: np.array(a) for n, a in run.params.items()}
                moved[key][at] += h
                ends.append(loss(moved))
            assert found[key][at] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-8), key


def test_a_hybrid_step_is_the_sum_of_both() -> None:
    run, rows = a_run(MODELS["labels"], 0.3)
    steps = {}
    for name, method in {
        "joint": ed.CD(),
        "alone": ed.CD(predict="y", generative=0.0),
        "both": ed.CD(predict="y", generative=0.25),
    }.items():
        made = ed.train(
            run.program, rows, method, ed.SGD(lr=0.1), epochs=1, batch=30, validation=0.0, params=run.params
        )
        steps[name] = {n: a - run.params[n] for n, a in made.params.items()}
    for n, both in steps["both"].items():
        np.testing.assert_allclose(both, steps["alone"][n] + 0.25 * steps["joint"][n], rtol=1e-9, atol=1e-12)


def test_what_it_does_not_fit_is_said() -> None:
    run, rows = a_run(DEEP, 0.3)
    with pytest.raises(ed.NotApplicable, match="no exact gradient"):
        ed.train(run.program, rows, ed.CD(predict="y"), epochs=1)
    run, rows = a_run(MODELS["labels"], 0.3)
    with pytest.raises(ed.ArgumentError, match="no visible layer `z`"):
        ed.train(run.program, rows, ed.CD(predict="z"), epochs=1)
    with pytest.raises(ed.ArgumentError, match="belongs to predict"):
        ed.CD(generative=0.5)


def test_the_command(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (300, 6)).astype(float)
    np.savez(tmp_path / "d.npz", v=rows, y=(rows[:, 0] != rows[:, 1]).astype(int))
    (tmp_path / "m.energy").write_text(
        "visible v[6] : binary\nvisible y : categorical[2]\nhidden h[8] : binary\nparam W[6, 8] = normal(sd = 0.5), U[2, 8] = normal(sd = 0.5), c[8], d[2]\n"
        "energy = - v @ W @ h - y @ U @ h - c @ h - d @ y"
    )

    def run(*arguments: Any) -> Any:
        return CliRunner().invoke(cli, [str(a) for a in arguments])

    given = ("train", tmp_path / "m.energy", "--data", tmp_path / "d.npz", "--no-evaluate")
    options = ("--epochs", 200, "--lr", 0.3, "--batch", 20, "--out", tmp_path / "run")
    assert run(*given, *options, "--predict", "y", "--generative", 0).exit_code == 0
    found = run("predict", tmp_path / "run", "--data", tmp_path / "d.npz", "--layer", "y")
    assert float(found.stdout.split()[1]) < 2.0
    assert run(*given, "--generative", 0.1).exit_code == 1
    assert run(*given, "--predict", "h", "--out", tmp_path / "other").exit_code == 1
