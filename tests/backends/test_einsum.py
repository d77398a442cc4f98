"""Products over several axes: as matrices where axes stand for that, and the same numbers as NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest

from energydsl.backends.numpy.runtime.products import einsum

SIZES = {"a": 5, "b": 7, "c": 3, "d": 4, "e": 2}


@pytest.mark.parametrize(
    "spec",
    ["abc,abd->bdc", "abc,bdc->abd", "abc,bcd->abd", "abc,abd->bcd", "aeb,ecb->aec", "ab,ab->a", "ab,ba->a", "abc,abc->a", "ab,bc->ca", "abcd,abe->cde"],
)  # fmt: skip
def test_einsum(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=[SIZES[x] for x in side]) for side in spec.split("->")[0].split(","))
    wanted = np.einsum(spec, left, right)
    found = einsum(spec, left, right)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    # What is summed over edges goes to BLAS.
    if spec in ("abc,abd->bdc", "abc,bdc->abd", "abc,bcd->abd"):
        monkeypatch.setattr(np, "einsum", None)
        np.testing.assert_array_equal(einsum(spec, left, right), found)
