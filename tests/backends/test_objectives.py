"""Objectives, and chains that do more than sweep, train alike on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from tests.backends.test_agreement import on_host
from tests.learning.test_coupled import LATTICE
from tests.learning.test_objectives import BOLTZMANN, GAUSSIAN, GAUSSIAN_RBM, POTTS, POTTS_RBM, RBM, Case

CASES: list[tuple[str, Any]] = [
    (RBM, ed.FastPCD(chains=5)),
    (RBM, ed.TrajectoryTempering(chains=5)),
    (RBM, ed.UnbiasedCD()),
    (LATTICE, ed.UnbiasedCD()),
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

STEPS: list[tuple[Any, Any]] = [
    (ed.PCD(chains=5, centred=True), ed.Natural(lr=0.05, max_kl=0.01)),
    (ed.PCD(chains=5), ed.NaturalFactored(lr=0.05, refresh=2)),
    (ed.CD(centred=True), ed.Spectral(lr=0.1, rank=1)),
    (ed.Exact(centred=True), ed.SGD(lr=0.05)),
]


@pytest.mark.parametrize(("text", "method"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_trains_as_with_numpy(text: str, method: Any, fast: str) -> None:
    alike(text, method, ed.SGD(lr=0.05), fast)


@pytest.mark.parametrize(("method", "optimizer"), STEPS, ids=lambda x: x.name)
def test_steps_as_with_numpy(method: Any, optimizer: Any, fast: str) -> None:
    alike(RBM, method, optimizer, fast)


def alike(text: str, method: Any, optimizer: Any, fast: str) -> None:
    """Parameters after training are those of NumPy."""
    model = ed.loads(text)
    data, found = Case(text, 40).data, []
    for backend in ("numpy", fast):
        program = model.compile(backend, "float64")
        run = ed.train(program, data, method, optimizer, epochs=3, batch=10, validation=0.0)
        found.append(on_host(program, run.params))
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-7, atol=1e-9, err_msg=name)
