"""Laplace units, alone and beside a quadratic, on every backend, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

import energydsl as ed
from energydsl.program import Program
from energydsl.program.undirected import Undirected

SIZES = np.array([0.01, 0.4, 1.0, 30.0])


def program_of(text: str, backend: str) -> Program:
    return Program(Undirected(ed.loads("visible " + text).derived, backend, "float64"))


def test_laplace_against_scipy(backend: str) -> None:
    program = program_of("x : real\nparam b : positive = 1\nenergy = b * abs(x - 2)", backend)
    engine, layer, wanted = program.engine, program.engine.kernels.layers["x"], stats.laplace(2.0, 1.0 / SIZES)
    eta = engine.device(-SIZES)
    np.testing.assert_allclose(engine.host(layer.log_partition(eta)), np.log(2.0 / SIZES), rtol=1e-12)
    np.testing.assert_allclose(engine.host(layer.mean(eta)), 2.0, rtol=1e-9)
    np.testing.assert_allclose(engine.host(layer.variance(eta)), wanted.var(), rtol=1e-9)
    np.testing.assert_allclose(engine.host(layer.entropy(eta)), wanted.entropy(), rtol=1e-10)
    np.testing.assert_allclose(engine.host(layer.mode(eta)), 2.0, rtol=1e-9)
    for u in (1e-5, 0.2, 0.5, 0.999):
        drawn = engine.kernels.density_draw(layer.density, eta, engine.device(np.full(4, u)))
        np.testing.assert_allclose(engine.host(drawn), wanted.ppf(u), rtol=1e-9, atol=1e-9)


def test_beside_a_quadratic_it_is_two_truncated_normals(backend: str) -> None:
    """exp(eta1 x - c x^2 - l |x|) is a Normal of variance 1 / (2 c) on either side of 0, of means (eta1 -/+ l) / (2 c)."""
    program = program_of(
        "x : real\nparam a, l : positive = 1, c : positive = 1\nenergy = c * x^2 + l * abs(x) - a * x", backend
    )
    engine, layer = program.engine, program.engine.kernels.layers["x"]
    field, precision, slope = (
        np.array(v) for v in ([0.3, -8.0, 2.0, 40.0], [0.5, 2.0, 1e-3, 9.0], [1.0, 0.1, 30.0, 5.0])
    )

    def side(sign: float) -> Any:
        """log of the mass of one side, by the tail of a Normal."""
        mean, deviation = (field - sign * slope) / (2 * precision), np.sqrt(0.5 / precision)
        return (
            precision * mean**2
            + 0.5 * np.log(2 * np.pi)
            + np.log(deviation)
            + special.log_ndtr(sign * mean / deviation)
        )

    etas = [engine.device(e) for e in (field, -precision, -slope)]
    found = engine.host(layer.log_partition(*etas))
    np.testing.assert_allclose(found, np.logaddexp(side(1.0), side(-1.0)), rtol=1e-10)
    below = np.exp(side(-1.0) - found)
    drawn = engine.host(
        engine.kernels.density_draw(layer.density, *etas, engine.device(np.clip(below, 1e-9, 1 - 1e-9)))
    )
    middle = (below > 1e-6) & (below < 1 - 1e-6)
    assert middle.any()
    np.testing.assert_allclose(drawn[middle], 0.0, atol=1e-9)
