"""Rows that are sequences, and models whose text imports files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed

pytest.importorskip("sklearn")
from sklearn.base import clone

from energydsl.sklearn import EnergyClassifier, EnergyDensity, EnergyTransformer

FAMILY = """
dim I = 4
visible s[I] : categorical[4] = "ACGT"
hidden h[2] : binary
param W[I, 4, 2] = normal(sd = 0.1), g[I, 4] = base_rate(s)
energy = - sum[i, a] g[i, a]*s[i, a] - sum[i, a, j] W[i, a, j]*s[i, a]*h[j]
"""
ROWS = ["ACGT", "ACGA", "TCGA", "ACTT", "GCGT", "AAGT"]
CODES = np.array([["ACGT".index(c) for c in row] for row in ROWS], float)
SETTINGS: dict[str, Any] = {"method": "exact", "epochs": 2, "batch_size": 3}


@pytest.mark.parametrize(
    "rows", [ROWS, np.array(ROWS), np.array(ROWS, object), [list(r) for r in ROWS], np.array([list(r) for r in ROWS])]
)
def test_strings_are_their_codes(rows: Any) -> None:
    plain = EnergyDensity(FAMILY, **SETTINGS).fit(CODES)
    found = EnergyDensity(FAMILY, **SETTINGS).fit(rows)
    assert found.n_features_in_ == 4
    np.testing.assert_array_equal(found.score_samples(rows), plain.score_samples(CODES))
    np.testing.assert_array_equal(found.score_samples(CODES), plain.score_samples(CODES))
    features = EnergyTransformer(FAMILY, **SETTINGS).fit(rows).partial_fit(rows)
    np.testing.assert_array_equal(features.transform(rows), features.transform(CODES))


def test_a_series_and_classes() -> None:
    pd = pytest.importorskip("pandas")
    text = (
        FAMILY.replace("hidden h[2] : binary", "visible y : binary\nhidden h[2] : binary")
        + "energy more = - sum(h)*y\n"
    )
    model = EnergyClassifier(text, label="y", classes_dim=None, epochs=2, batch_size=3)
    classes = ["a", "b", "a", "b", "a", "b"]
    found = model.fit(pd.Series(ROWS), classes)
    np.testing.assert_array_equal(found.predict_proba(ROWS), clone(model).fit(CODES, classes).predict_proba(CODES))


def test_what_is_no_sequence_of_the_model() -> None:
    with pytest.raises(ed.DataError, match="row 1 of `s` has 4 letters, row 2 has 3"):
        EnergyDensity(FAMILY, **SETTINGS).fit(["ACGT", "ACG"])
    with pytest.raises(ed.DataError, match="is 'X', none of its letters"):
        EnergyDensity(FAMILY, **SETTINGS).fit(["ACGX", "ACGT"])
    fitted = EnergyDensity(FAMILY, **SETTINGS).fit(ROWS)
    with pytest.raises(ValueError, match="5 features"):
        fitted.score_samples(["ACGTA"])


def test_a_text_that_imports(tmp_path: Path) -> None:
    (tmp_path / "part.energy").write_text(
        "dim I\nvisible v[I] : binary\nhidden h[2] : binary\nparam W[I, 2] = normal(sd = 0.1)\nenergy = - v @ W @ h"
    )
    text = 'dim I = 3\nimport "part.energy" as part\nvisible v[I] : binary\nhidden h[2] : binary\nuse part(I = I) as p on v, h\n'
    rows = np.eye(5)[:, :4]
    model = EnergyTransformer(text, folder=tmp_path, **SETTINGS)
    found = clone(model).fit(rows)
    assert found.transform(rows).shape == (5, 2)
    there = pickle.loads(pickle.dumps(found))  # noqa: S301
    np.testing.assert_array_equal(there.transform(rows), found.transform(rows))
    with pytest.raises(ed.ModelError, match="E0502"):
        EnergyTransformer(text, **SETTINGS).fit(rows)
