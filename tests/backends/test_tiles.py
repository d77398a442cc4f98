"""Products on the tiles of a processor: as exact as in single precision, the same wherever they are cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from energydsl.backends.numba import loader as numba_backend
from energydsl.backends.runtime_text import numba_runtime

if not numba_backend.installed():
    pytest.skip("numba is not installed", allow_module_level=True)

TEXT = numba_runtime("float32")
if not numba_backend.runtime(TEXT).tiles_here():
    pytest.skip("this processor has no tiles, or the system does not lend them", allow_module_level=True)

# Rows, columns and inner lengths that fill tiles, and that do not; longer than what is packed at once.
SIZES = [(128, 160, 128), (33, 700, 97), (300, 65, 1100), (700, 33, 100)]


@pytest.fixture
def held() -> Iterator[ModuleType]:
    """The runtime inside a loop of ours."""
    runtime = numba_backend.runtime(TEXT)
    with runtime.single_threaded_blas():
        runtime.BLAS.threads = 2
        yield runtime


def numbers(rng: np.random.Generator, shape: tuple[int, int], states: bool, turned: bool) -> np.ndarray:
    """States or numbers of many sizes, one way or the other in memory."""
    found = rng.random(shape) < 0.3 if states else rng.normal(size=shape) * np.exp(rng.normal(size=shape))
    return np.asarray(found, np.float32, order="F" if turned else "C")


def errors(
    runtime: ModuleType, sizes: tuple[int, int, int], states: bool = True, turned: tuple[bool, bool] = (False, False)
):
    """The errors of A B on tiles and by NumPy, for one A and B, as shares of |A| |B|."""
    m, n, k = sizes
    rng = np.random.default_rng(m + n + k)
    a, b = numbers(rng, (m, k), states, turned[0]), numbers(rng, (k, n), False, turned[1])
    out = np.full((m, n), np.nan, np.float32)
    runtime.matmul(a, b, out)
    wanted, size = a.astype(float) @ b.astype(float), np.abs(a.astype(float)) @ np.abs(b.astype(float)) + 1e-30
    return (out - wanted) / size, (np.matmul(a, b) - wanted) / size


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("states", [True, False])
def test_products_are_as_exact_as_in_single_precision(
    sizes: tuple[int, int, int], states: bool, held: ModuleType
) -> None:
    assert held.fits_tiles(*sizes)
    for turned in itertools.product((False, True), repeat=2):
        found, by_numpy = errors(held, sizes, states, turned)
        assert rms(found) < 1.1 * rms(by_numpy) < 1e-7
        assert np.abs(found).max() < 2.0**-20


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("TERMS = 16, 32, 1024, 3", "TERMS = 16, 32, 1024, 2"),
        ("for t in range(min(second, TERMS - s))", "for t in range(min(second, 2 - s))"),
    ],
    ids=["numbers of fewer digits", "products of terms left out"],
)
def test_errors_of_the_kernel_are_seen(right: str, wrong: str) -> None:
    assert right in TEXT
    runtime = numba_backend.runtime(TEXT.replace(right, wrong))
    with runtime.single_threaded_blas():
        found, by_numpy = errors(runtime, SIZES[0], states=False)
    assert not rms(found) < 10 * rms(by_numpy)


def test_nothing_hangs_on_where_a_product_is_cut(held: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, whole, found = np.random.default_rng(0), held.run, []
    a, b = numbers(rng, (200, 300), False, False), numbers(rng, (300, 150), False, True)
    for pieces in (1, 2, 3, 8):
        monkeypatch.setattr(held.Trials, "do", lambda self, table, *_, n=pieces: whole(table, n, 2))
        found.append(held.matmul(a, b, np.empty((200, 150), np.float32)))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    # Few rows are cut into columns.
    wide = numbers(rng, (300, 900), False, True)
    monkeypatch.setattr(held.Trials, "do", lambda self, table, *_: whole(table, 3, 2))
    few = held.matmul(a[:32], wide, np.empty((32, 900), np.float32))
    many = held.matmul(a, wide, np.empty((200, 900), np.float32))
    np.testing.assert_array_equal(few, many[:32])


@pytest.mark.parametrize("factors", [(1.0, -1.0), (0.5, 0.5), (1.0, -0.25), (2.0,)])
@pytest.mark.parametrize("split", [64, 70])
def test_weights_of_the_inner_axis(factors: tuple[float, ...], split: int, held: ModuleType) -> None:
    rng = np.random.default_rng(1)
    a, b = numbers(rng, (190, 130), True, True), numbers(rng, (130, 120), False, False)
    row = np.full(130, factors[-1], np.float32)
    row[:split] = factors[0]
    before = numbers(rng, (190, 120), False, False)
    out = before.copy()
    with held.region():
        held.matmul(a, b, out, add=True, row=row, factor=-0.5)
    wanted = before - 0.5 * (a.astype(float) * row) @ b.astype(float)
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-4)


def test_what_is_no_number_stays_in_its_rows_and_columns(held: ModuleType) -> None:
    rng = np.random.default_rng(2)
    a, b = numbers(rng, (130, 140), True, False), numbers(rng, (140, 150), False, False)
    a[7, 3], b[5, 11], b[6, 140] = np.nan, np.inf, -np.inf
    out = held.matmul(a, b, np.empty((130, 150), np.float32))
    lost = np.zeros(out.shape, bool)
    lost[7], lost[:, 11], lost[:, 140] = True, True, True
    np.testing.assert_array_equal(np.isfinite(out), ~lost)


def test_they_can_be_forbidden(held: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGYDSL_TILES", "0")
    assert not held.tiles_here.__wrapped__()
