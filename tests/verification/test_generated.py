"""Random models: whatever is written, what is derived agrees with enumeration, on every backend."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from tests.generators import models, windowed
from tests.standin import cuda, cupy

SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def holds(text: str, backend: str) -> None:
    certificate = ed.loads(text).verify(backend=backend)
    assert certificate.ok, f"{text}\n{certificate}"


@settings(max_examples=60, **SETTINGS)
@given(models())
def test_generated_models_are_derived_right(text: str) -> None:
    holds(text, "numpy")


@settings(max_examples=15, **SETTINGS)
@given(windowed())
def test_generated_models_of_windows_are_derived_right(text: str) -> None:
    holds(text, "numpy")


@pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed")
@settings(max_examples=10, **SETTINGS)
@given(models())
def test_generated_models_are_right_on_numba(text: str) -> None:
    holds(text, "numba")


@pytest.mark.skipif(cuda.COMPILER is None, reason="no C++ compiler builds the CUDA kernels for the host")
def test_generated_models_are_right_on_cupy() -> None:
    @settings(max_examples=6, **SETTINGS)
    @given(models())
    def each(text: str) -> None:
        holds(text, "cupy")

    with cupy.installed():
        each()
