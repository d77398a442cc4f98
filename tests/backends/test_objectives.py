"""Objectives without chains train alike on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from tests.backends.test_agreement import on_host
from tests.learning.test_objectives import BOLTZMANN, GAUSSIAN, GAUSSIAN_RBM, POTTS, POTTS_RBM, RBM, Case

CASES: list[tuple[str, Any]] = [
    (RBM, ed.FastPCD(chains=5)),
    (RBM, ed.TrajectoryTempering(chains=5)),
    (RBM, ed.Exact()),
    (POTTS_RBM, ed.PseudoLikelihood(units=2)),
    (POTTS, ed.RatioMatching()),
    (BOLTZMANN, ed.MinimumProbabilityFlow()),
    (GAUSSIAN, ed.PseudoLikelihood()),
    (RBM, ed.CompositeLikelihood()),
    (GAUSSIAN_RBM, ed.ScoreMatching()),
    (GAUSSIAN_RBM, ed.DenoisingScoreMatching()),
    (RBM, ed.NoiseContrastive()),
]


@pytest.mark.parametrize(("text", "method"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_trains_as_with_numpy(text: str, method: Any, fast: str) -> None:
    model = ed.loads(text)
    data, found = Case(text, 40).data, []
    for backend in ("numpy", fast):
        program = model.compile(backend, "float64")
        run = ed.train(program, data, method, ed.SGD(lr=0.05), epochs=3, batch=10, validation=0.0)
        found.append(on_host(program, run.params))
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-7, atol=1e-9, err_msg=name)
