"""The backends that are compared with NumPy: Numba; CuPy on a stand-in for the device; CuPy on a GPU, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from energydsl.backends.cupy import loader as cupy_backend
from energydsl.backends.numba import loader as numba_backend
from tests.standin import cuda, cupy


@pytest.fixture
def stand_in() -> Iterator[cupy.State]:
    """CuPy is the stand-in; what was launched on it."""
    if cuda.COMPILER is None:
        pytest.skip("no C++ compiler builds the CUDA kernels for the host")
    with cupy.installed() as state:
        yield state


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """A device for CuPy: the stand-in, or a GPU."""
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")
    elif obstacle := cupy_backend.obstacle():
        pytest.skip(obstacle)
    return str(request.param)


_FAST = ["numba", "cupy", pytest.param("gpu", marks=pytest.mark.gpu)]


@pytest.fixture(params=_FAST)
def fast(request: pytest.FixtureRequest) -> str:
    """The name of a backend to compare with NumPy."""
    return present(request.param, request)


@pytest.fixture(params=["numpy", *_FAST])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of any backend."""
    return present(request.param, request)


def present(name: str, request: pytest.FixtureRequest) -> str:
    """The name of a backend that can be used; skips the test where it cannot."""
    if name == "numba" and not numba_backend.installed():
        pytest.skip("numba is not installed")
    if name == "cupy":
        request.getfixturevalue("stand_in")
    if name == "gpu" and (obstacle := cupy_backend.obstacle()):
        pytest.skip(obstacle)
    return "cupy" if name == "gpu" else name
