"""Associative memories: what is stored is recalled, and the way goes downhill."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from tests.conftest import ROOT

SPINS = "dim N = 100\nvisible x[N] : spin\nparam J[N, N] : symmetric & zero_diagonal\nenergy = - 0.5 * x @ J @ x"


@pytest.mark.parametrize("domain", ["binary", "spin"])
def test_patterns_are_recalled_from_a_fifth_of_flipped_bits(domain: str) -> None:
    model = ed.load(ROOT / "models/hopfield.energy") if domain == "binary" else ed.loads(SPINS)
    program = model.compile("numpy")
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 2, (5, 100)).astype(np.float32)
    cues = np.abs(patterns - (rng.random(patterns.shape) < 0.2))
    if domain == "spin":
        patterns, cues = 2 * patterns - 1, 2 * cues - 1
    params = ed.store(program, patterns)
    found = ed.recall(program, params, cues)
    np.testing.assert_array_equal(found.state["x"], patterns)
    assert found.settled.all()
    assert (np.diff(found.energies, axis=0) <= 1e-3).all()
    assert (found.energies[-1] < found.energies[0] - 1).all()


def test_too_many_patterns_are_refused() -> None:
    program = ed.loads(SPINS, dims={"N": 8}).compile("numpy")
    patterns = 2.0 * np.random.default_rng(0).integers(0, 2, (60, 8)) - 1
    with pytest.raises(ed.NotApplicable, match="cannot be stored"):
        ed.store(program, patterns, most=30)


def test_models_with_latents_are_refused(rbm: ed.Model) -> None:
    program = rbm.compile()
    with pytest.raises(ed.NotApplicable, match="`h`"):
        ed.recall(program, program.init(), np.zeros((1, 6)))


def test_the_hopfield_network_and_its_gaussian_form_have_one_marginal() -> None:
    """Hubbard and Stratonovich: integrating z out of -a'x + z'z/2 - x'Wz leaves -a'x - x'(WW')x/2, up to a constant."""
    latent = ed.load(ROOT / "models/hopfield_gaussian.energy").compile("numpy", "float64")
    direct = ed.load(ROOT / "models/hopfield.energy").compile("numpy", "float64")
    rng = np.random.default_rng(0)
    w, a = rng.normal(0, 0.1, (100, 20)), rng.normal(size=100)
    j = w @ w.T
    # on {0, 1} the diagonal is linear: x_i^2 = x_i
    params = {"J": j - np.diag(np.diag(j)), "a": a + 0.5 * np.diag(j)}
    x = rng.integers(0, 2, (50, 100)).astype(float)
    free = latent.free_energy({"W": w, "a": a}, {"x": x})
    np.testing.assert_allclose(
        free - free[0], direct.energy(params, {"x": x}) - direct.energy(params, {"x": x})[0], atol=1e-9
    )
