"""Densities and features: new rows have the density that is said, sparse rows are rows, columns have names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

import energydsl as ed
from energydsl.sklearn import EnergyDensity, EnergyTransformer

RBM = "dim I = 4, J = 3\nvisible v[I] : binary\nhidden h[J] : binary\nlayers v -- h"
CODES = "dim I = 3\nvisible v[I] : categorical[3]\nparam b[I, 3] = normal(sd = 1)\nenergy = - sum(b * v)"
GRAPH = "graph G[4]\nvisible s[4] : spin\nparam J[G]\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"


def rows(count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, (count, 1))
    return np.where(rng.random((count, 4)) < 0.1, 1 - kind, kind).astype(float)


def made(kind: type = EnergyDensity, **more: Any) -> Any:
    return kind(**{"model": RBM, "lr": 0.1, "batch_size": 20, "epochs": 20} | more)


def test_new_rows_have_the_density_that_is_said() -> None:
    """Frequencies of all states among 4000 new rows, by a chi-squared distance from p(v)."""
    found = made().fit(rows())
    every = np.array(list(np.ndindex(2, 2, 2, 2)), float)
    p = np.exp(found.score_samples(every))
    assert p.sum() == pytest.approx(1.0)
    new = found.sample(4000, random_state=0, steps=100)
    assert new.shape == (4000, 4)
    counts = np.bincount(new.astype(int) @ [8, 4, 2, 1], minlength=16)
    assert ((counts - 4000 * p) ** 2 / (4000 * p)).sum() < 40  # of 15 degrees of freedom: beyond 1 in 2000


def test_random_states_of_samples() -> None:
    found = made(epochs=1).fit(rows())
    one, two, other = (found.sample(30, random_state=s, steps=3) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert (found.sample(30, steps=3) != found.sample(30, steps=3)).any()
    with pytest.raises(ed.ArgumentError):
        found.sample(0)


def test_categorical_rows_are_codes() -> None:
    X = np.random.default_rng(0).integers(0, 3, (60, 3)).astype(float)
    found = made(model=CODES, epochs=5).fit(X)
    assert set(np.unique(found.sample(50, 0, steps=2))) == {0.0, 1.0, 2.0}
    every = np.array(list(np.ndindex(3, 3, 3)), float)
    assert np.exp(found.score_samples(every)).sum() == pytest.approx(1.0)


def test_a_model_with_its_graph_is_a_model() -> None:
    nx = pytest.importorskip("networkx")
    model = ed.loads(GRAPH, graphs={"G": nx.path_graph(4)})
    found = made(model=model, features_dim=None).fit(2 * rows() - 1)
    assert found.params_["J"].min() > 0.3
    text = made(model=ed.loads(RBM, {"J": 2})).fit(rows())
    assert text.params_["W_v_h"].shape == (4, 2)


def test_features_have_names_and_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(), columns=list("abcd"))
    found = made(EnergyTransformer).fit(frame).set_output(transform="pandas")
    columns = [f"energytransformer{k}" for k in range(3)]
    assert found.get_feature_names_out().tolist() == columns == found.transform(frame).columns.tolist()
    assert found.feature_names_in_.tolist() == list("abcd")
    plain = made(EnergyTransformer).fit(rows())
    np.testing.assert_array_equal(found.transform(frame).to_numpy(), plain.transform(rows()))


def test_sparse_rows_are_rows() -> None:
    X = rows()
    for kind in (EnergyTransformer, EnergyDensity):
        dense, thin = made(kind, epochs=2).fit(X), made(kind, epochs=2).fit(sparse.csr_array(X))
        np.testing.assert_array_equal(thin.score_samples(sparse.csr_matrix(X)), dense.score_samples(X))
    features = made(EnergyTransformer, epochs=2).fit(X)
    np.testing.assert_array_equal(features.transform(sparse.csr_array(X)), features.transform(X))


def test_features_go_into_a_pipeline() -> None:
    line = make_pipeline(made(EnergyTransformer, epochs=1), PCA(2)).fit(rows())
    assert line.transform(rows()).shape == (200, 2)


def test_methods_and_optimisers_are_records_too() -> None:
    X = rows()
    given = made(method=ed.PCD(k=2, chains=30), optimizer=ed.Adam(lr=0.02), lr=None, epochs=2).fit(X)
    named = made(method="pcd", optimizer="adam", k=2, lr=0.02, epochs=2).fit(X)
    assert len(given._chains["v"]) == 30
    assert (given.params_["W_v_h"] != named.params_["W_v_h"]).any()
    same = made(method=ed.PCD(k=2), optimizer=ed.Adam(lr=0.02), lr=None, epochs=2).fit(X)
    assert same.score(X) == named.score(X)
