"""Annealing from one run to another that shares layers with it: both sides against exact sums, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl import limits
from energydsl.data.sources import as_data
from energydsl.inference import between
from energydsl.inference.joined import Joined
from energydsl.learning.evaluations import keep_evaluation
from energydsl.learning.run import Run
from tests.inference.test_sides import MODELS, RBM, a_run

Array = np.ndarray
SMALLER = RBM.replace("[5]", "[3]").replace("[6, 5]", "[6, 3]")
PAIRS = {
    "more latents": (SMALLER, RBM),
    "without latents": (
        "dim N = 6\nvisible v[N] : binary\nconst b = 0.5\nparam J[N, N] : symmetric & zero_diagonal = normal(sd = 0.5)\nenergy pairs = - 0.5 * v @ J @ v\nenergy = - b * sum(v)",
        MODELS["semi-restricted"],
    ),
    "real": (
        "visible v[4] : real\nhidden z[2] : spin\nparam U[4, 2] = normal(sd = 0.5)\nenergy = sum(v^2) - v @ U @ z",
        MODELS["gaussian"],
    ),
    "states": (
        "visible x[3] : categorical[3]\nparam g[3, 3] = normal(sd = 1)\nenergy = - sum[n, a] g[n, a]*x[n, a]",
        MODELS["potts"],
    ),
}
SEEDS = range(3)


def check(name: str) -> None:
    """Within error bars; and at few temperatures each bound on its side."""
    few, bars = [], []
    for seed in SEEDS:
        first, second = (a_run(text, seed + k)[0] for k, text in enumerate(PAIRS[name]))
        x = a_run(PAIRS[name][1], seed)[1]
        exact = ed.evaluate(second, x, "exact").log_z
        found = ed.evaluate(second, x, "auto", betas=100, chains=50, seed=seed, start=first)
        bars.append((found.log_z - exact) / found.log_z_std)
        low, high = (ed.evaluate(second, x, m, 2, 10, seed, start=first) for m in ("ais", "reverse-ais"))
        few.append((low.log_z - exact, high.log_z - exact))
    assert np.abs(bars).max() < 4.5
    below, above = np.array(few).T
    assert below.mean() < 2.0 * below.std() / np.sqrt(len(SEEDS))
    assert above.mean() > -2.0 * above.std() / np.sqrt(len(SEEDS))


@pytest.mark.parametrize("name", PAIRS)
def test_log_z_is_found_from_another_run(name: str) -> None:
    check(name)


MISTAKES: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "the base of what one model alone has is forgotten": (between.Between, "log_z_base", lambda f: lambda self: 0.0),
    "weights the wrong way round": (Joined, "weights", lambda f: lambda self, t: f(self, 1.0 - t)),
    "log Z of the first run is forgotten": (between, "_moved", lambda f: lambda p, origin, by, exact: p),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, mistaken = MISTAKES[name]
    monkeypatch.setattr(owner, attribute, mistaken(getattr(owner, attribute)))
    with pytest.raises((AssertionError, ed.EnergyError)):
        check("more latents")


def test_the_error_of_the_first_run_enters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, x = a_run(SMALLER)
    second, _ = a_run(RBM)
    rows = as_data(first.program.model, x, None, "test")
    exact = ed.evaluate(second, rows, "exact").log_z
    monkeypatch.setattr(limits, "LOG2_STATES", 2.0)
    monkeypatch.setattr(limits, "LOG2_CLIQUE", 1.0)
    with pytest.raises(ed.EstimateError, match="Evaluate that run first"):
        ed.evaluate(second, rows, start=first)
    first.path = tmp_path
    known = ed.evaluate(first, rows, betas=100, chains=20)
    assert not keep_evaluation(first, known.as_dict(), rows, {})
    found = ed.evaluate(second, rows, betas=200, chains=50, start=first)
    assert found.exactness == "estimate"
    assert found.log_z_std > known.log_z_std
    assert found.log_z == pytest.approx(exact, abs=4.5 * found.log_z_std)
    alone = ed.evaluate(second, rows, "ais", betas=200, chains=50, start=first)
    assert alone.exactness == "estimate"


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("visible w[6] : binary\nparam b[6]\nenergy = - b @ w", RBM, "share no layer"),
        (MODELS["gated"], RBM, "inputs"),
        ("visible v[6] : binary\nhidden a[2] : binary\nlayers v <- a", RBM, "directed parts"),
        *[("visible n[2] : count\nparam b[2]\nenergy = sum(lgamma(n + 1)) - b @ n",) * 2 + ("no temperature scales",)],
    ],
)
def test_what_no_path_leads_to_is_refused(first: str, second: str, why: str) -> None:
    run, x = a_run(second)
    program = ed.loads(first).compile("numpy")
    with pytest.raises(ed.NotApplicable, match=why):
        ed.evaluate(run, x, "ais", betas=10, start=Run(program, program.init(), {}))


def test_an_exact_sum_has_no_start() -> None:
    run, x = a_run(RBM)
    with pytest.raises(ed.ArgumentError, match="no use for start"):
        ed.evaluate(run, x, "exact", start=run)


def test_a_run_to_itself_costs_nothing() -> None:
    run, x = a_run(RBM)
    found = ed.evaluate(run, x, "auto", betas=10, start=Run(run.program, run.params, run.config, base=run.base))
    assert found.log_z_std < 1e-6
