"""Where parameters begin: initialisers made of sizes, signs."""

from __future__ import annotations

import math

import numpy as np

import energydsl as ed

V = "dim I = 400\nvisible v[I] : binary\n"


def begins(declared: str, energy: str) -> np.ndarray:
    return np.asarray(ed.loads(f"{V}param {declared}\nenergy = {energy}").compile("numpy").init(seed=1)["W"])


def test_sizes_and_constants_are_numbers_in_initialisers() -> None:
    found = begins("W[I, I] = normal(mean = pi / e, sd = 1 / sqrt(I))", "v @ W @ v")
    assert abs(found.mean() - math.pi / math.e) < 5 * 0.05 / 400
    assert abs(found.std() - 0.05) < 5e-4
    np.testing.assert_allclose(begins("W = sqrt(2) / I", "W * sum(v)"), math.sqrt(2) / 400, rtol=1e-6)


def test_signs_are_even() -> None:
    found = begins("W[I, I] = rademacher(scale = 1 / sqrt(I))", "v @ W @ v")
    np.testing.assert_allclose(np.abs(found), 0.05, rtol=1e-6)
    assert abs(np.sign(found).mean()) < 5 / 400


def test_signs_of_a_symmetric_matrix_are_those_of_its_pairs() -> None:
    found = begins("W[I, I] : symmetric & zero_diagonal = rademacher()", "0.5 * v @ W @ v")
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.abs(found), 1 - np.eye(400))
