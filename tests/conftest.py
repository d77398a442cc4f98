"""What all tests share: the zoo, texts of small models, and the switch that rewrites goldens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend

ROOT = Path(__file__).resolve().parents[1]
ZOO = sorted((ROOT / "models").glob("*.energy"))
# Models on which both precisions and both methods are tried; the others have one of each, to save time.
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

# Tests run in processes side by side: then each has one thread, as more would wait for a processor that another process has.
BESIDE = "PYTEST_XDIST_WORKER" in os.environ and numba_backend.installed()


def _threads(count: int) -> None:
    import numba
    from threadpoolctl import threadpool_limits

    numba_backend.start_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    threadpool_limits(count)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Every process beside another has one thread."""
    if BESIDE:
        _threads(1)


@pytest.fixture
def more_threads() -> Iterator[None]:
    """A test of threads has more than one."""
    if BESIDE:
        _threads(2)
    yield
    if BESIDE:
        _threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(params=ZOO, ids=lambda p: p.stem)
def zoo_path(request: pytest.FixtureRequest) -> Path:
    return request.param


@cache
def zoo(path: Path) -> ed.Model:
    """A model of the zoo, which all tests of a process share with what was derived from it."""
    return ed.load(path)


@pytest.fixture
def zoo_model(zoo_path: Path) -> ed.Model:
    return zoo(zoo_path)


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
