"""What all tests share: the zoo, texts of small models, and the switch that rewrites goldens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import energydsl as ed

ROOT = Path(__file__).resolve().parents[1]
ZOO = sorted((ROOT / "models").glob("*.energy"))
# Models that every combination of backend, precision and method is tried on; the others on one of each, to save time.
THOROUGH = frozenset(
    [
        "bernoulli_mixture",
        "binomial_rbm",
        "blume_capel",
        "boltzmann",
        "conditional_rbm",
        "convolutional_rbm",
        "dbm",
        "dbn",
        "gated",
        "gaussian_rbm",
        "hopfield",
        "hopfield_gaussian",
        "ising",
        "label_rbm",
        "phi4",
        "poisson_rbm",
        "potts_rbm",
        "rbm",
        "rectified_rbm",
        "spin_glass",
        "xy",
        "softplus_rbm",
        "network",
    ]
)
np.seterr(over="raise", invalid="raise", divide="raise")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(params=ZOO, ids=lambda p: p.stem)
def zoo_path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def zoo_model(zoo_path: Path) -> ed.Model:
    return ed.load(zoo_path)


RBM = """
dim I = 6, J = 4
visible v[I] : binary
hidden  h[J] : binary
param   W[I, J] = normal(sd = 0.5), b[I] = normal(sd = 0.5), c[J] = normal(sd = 0.5)
energy = - b @ v - c @ h - v @ W @ h
"""


@pytest.fixture
def rbm() -> ed.Model:
    return ed.loads(RBM)
