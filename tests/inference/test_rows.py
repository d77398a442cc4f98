"""A row's results are its own: the same alone, among as many rows as units, and among seven."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.inference.scores import scores
from energydsl.learning.loop import Run
from energydsl.program import Program
from energydsl.program.states import layer_arrays
from tests.generators import models

SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
# Forms in which the number of rows and that of units are easily mixed up: one unit's own terms, scattered over a layer.
ONE_UNIT = {
    "one square": "visible x[3] : real\nenergy = 0.5 * sum(x^2) + 20 * x[0]^2",
    "one square of two layers": "visible x[2] : real\nvisible s[2] : spin\nparam w[2]\nenergy = 0.5 * sum(x^2) + 2 * x[1]^2 - sum(w * s * x) - s[0]",
    "one on an interval": "visible x[2] : interval[-1, 2]\nparam b[2]\nenergy = - sum(b * x) + x[0]^2",
    "a lattice with one row": "visible x[3, 4] : real\nparam t = 1\nenergy = 0.5 * sum(x^2) + 0.5 * sum[j in range(0, 3)] (x[0, j] - x[0, j + 1])^2",
    "one positive": "visible x[3] : positive\nparam r[3]\nenergy = 0.5 * sum(x^2) - sum(r * x) + x[1]^2",
    "one integer": "visible x[3] : integer[-1, 2]\nparam b[3]\nenergy = - sum(b * x) + x[2]^2",
}  # fmt: skip


def results(program: Program, params: dict[str, Any], state: dict[str, Any]) -> dict[str, np.ndarray]:
    """All that is said of each row."""
    rows = {n: state[n] for n in program.model.by_role("visible")}
    found = {
        "energy": program.energy(params, state),
        "free energy": program.free_energy(params, state),
        "score": scores(program.engine, params, layer_arrays(program.engine, rows), 0).values,
    }
    for name in program.model.random_layers():
        found[f"mean of {name}"] = program.mean(params, state, name)
        found[f"variance of {name}"] = program.variance(params, state, name)
        for k, eta in enumerate(program.natural_parameters(params, state, name)):
            found[f"eta{k + 1} of {name}"] = eta
    return {n: program.engine.host(a) for n, a in found.items()}


def holds(text: str, backend: str) -> None:
    program = ed.loads(text).compile(backend, "float64")
    params = program.init(1)
    units = {layer.size for layer in program.model.random_layers().values()}
    state = {n: program.engine.host(a) for n, a in program.init_state(params, 7, 3).items()}
    with np.errstate(all="ignore"):
        try:
            whole = results(program, params, state)
        except ed.NotApplicable:
            return
        for count in sorted(k for k in {1, 2, *units} if k < 7):
            for start in (0, 7 - count):
                some = {n: a[start : start + count] for n, a in state.items()}
                for what, value in results(program, params, some).items():
                    wanted = whole[what][start : start + count]
                    assert value.shape == wanted.shape, f"{what} of {count} rows\n{text}"
                    np.testing.assert_allclose(
                        value, wanted, rtol=1e-9, atol=1e-9, err_msg=f"{what} of {count} rows\n{text}"
                    )
        evaluated(program, params, state)


def evaluated(program: Program, params: dict[str, Any], state: dict[str, Any]) -> None:
    """The mean log-likelihood of rows is that of the single ones; log Z is one."""
    rows = {n: state[n] for n in program.model.by_role("visible")}
    run = Run(program, params, {"data": {"binarise": "none"}})
    try:
        whole = ed.evaluate(run, rows, "exact")
    except (ed.NotApplicable, ed.EstimateError):
        return
    for count in (1, 2, 7):
        singles = ed.evaluate(run, {n: a[:count] for n, a in rows.items()}, "exact")
        assert singles.log_z == pytest.approx(whole.log_z, abs=1e-9)
        np.testing.assert_allclose(singles.rows, whole.rows[:count], rtol=1e-9, atol=1e-9)


BACKENDS = ["numpy", *(["numba"] if numba_backend.installed() else [])]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ONE_UNIT)
def test_one_units_terms(name: str, backend: str) -> None:
    holds(ONE_UNIT[name], backend)


@settings(max_examples=30, **SETTINGS)
@given(models())
def test_random_models(text: str) -> None:
    holds(text, "numpy")
