"""Classes by p(y | v): which states are which classes, what is trained, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import energydsl as ed
from energydsl.sklearn import EnergyClassifier

LABELLED = """
dim I = 5, J = 3, K = 3
visible v[I] : binary
visible y : categorical[K]
hidden h[J] : binary
param W[I, J] = normal(sd = 0.01), U[K, J] = normal(sd = 0.01), A[K, I], b[I], d[K]
energy = - b @ v - d @ y - v @ W @ h - y @ U @ h - y @ A @ v
"""
BELIEF = "dim I = 5, K = 3\nvisible v[I] : binary\nvisible y : categorical[K]\nhidden h[4] : binary\nhidden g[3] : binary\nlayers v <- h -- g -- y"
SPIN = "dim I = 5\nvisible v[I] : binary\nvisible y : spin\nparam A[I], d\nenergy = - y * (A @ v) - d * y"
NAMES = np.array(["ape", "bee", "cat"])


def rows(count: int = 150, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Bits, of which the first ones say the class in nine rows of ten."""
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, (count, 5)).astype(float)
    kind = np.where(rng.random(count) < 0.9, X[:, 0] + X[:, 1] * (classes > 2), rng.integers(0, classes, count))
    return X, NAMES[kind.astype(int)]


def made(**more: Any) -> EnergyClassifier:
    return EnergyClassifier(**{"model": LABELLED, "lr": 0.5, "batch_size": 20, "epochs": 40} | more)


def test_probabilities_are_those_of_the_energy() -> None:
    """softmax of minus the free energy of every state of the label."""
    X, y = rows()
    found = made().fit(X, y)
    free = [found.program_.free_energy(found.params_, {"v": X, "y": np.full(len(X), k)}) for k in range(3)]
    wanted = np.exp(-np.stack(free, axis=1))
    np.testing.assert_allclose(found.predict_proba(X), wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-9)
    assert found.classes_.tolist() == NAMES.tolist()
    assert found.score(X, y) > 0.85


def test_it_says_what_predict_says() -> None:
    X, y = rows()
    found = made().fit(X, y)
    run = ed.Run(found.program_, found.params_, {"data": {"binarise": None}})
    prediction = ed.predict(run, {"v": X, "y": np.searchsorted(NAMES, y)}, "y")
    np.testing.assert_array_equal(prediction.probabilities, found.predict_proba(X))
    assert prediction.error_rate == pytest.approx(1 - found.score(X, y))


def test_what_is_trained_is_what_train_does_with_predict() -> None:
    X, y = rows()
    found = made(generative=0.5).fit(X, y)
    program = ed.loads(LABELLED).compile(dtype="float64")
    data = {"v": X, "y": np.searchsorted(NAMES, y)}
    method, optimizer = ed.PCD(predict="y", generative=0.5), ed.SGD(lr=0.5)
    run = ed.train(program, data, method, optimizer, 40, batch=20, validation=0.0)
    for name, value in run.params.items():
        np.testing.assert_array_equal(found.params_[name], value)
    other = made().fit(X, y)
    assert (other.params_["W"] != found.params_["W"]).any()


def test_other_objectives_train_it_too() -> None:
    X, y = rows()
    for method in ("pseudo-likelihood", ed.Exact(), ed.CD(k=2)):
        assert made(method=method).fit(X, y).score(X, y) > 0.8


def test_a_model_with_directed_parts_predicts_from_recognition() -> None:
    X, y = rows()
    found = made(model=BELIEF, lr=0.3, epochs=60).fit(X, y)
    shares = found.predict_proba(X)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    run = ed.Run(found.program_, found.params_, {"data": {"binarise": None}})
    prediction = ed.predict(run, {"v": X, "y": np.searchsorted(NAMES, y)}, "y")
    assert prediction.method.startswith("recognition")
    np.testing.assert_array_equal(prediction.probabilities, shares)


def test_a_label_of_two_values_by_its_name() -> None:
    X, y = rows(classes=2)
    found = made(model=SPIN, label="y", classes_dim=None).fit(X, y)
    assert found.classes_.tolist() == ["ape", "bee"]
    assert found.score(X, y) > 0.85
    # the second class is the state +1, whose field is what A says
    assert found.params_["A"][0] > 0.5
    swapped = made(model=SPIN, label="y", classes_dim=None).fit(1 - X, y)
    assert swapped.params_["A"][0] < -0.2


def test_rows_of_weight_0_are_as_good_as_not_there() -> None:
    X, y = rows()
    wrong = np.roll(y, 1)
    both, labels = np.concatenate([X, X]), np.concatenate([y, wrong])
    weighted = made().fit(both, labels, sample_weight=np.repeat([1.0, 0.0], len(X)))
    alone = made().fit(X, y)
    np.testing.assert_array_equal(weighted.predict_proba(X), alone.predict_proba(X))
    heavy = made().fit(both, labels, sample_weight=np.repeat([9.0, 1.0], len(X)))
    assert heavy.score(X, y) > made().fit(both, labels).score(X, y) - 0.02
    assert (heavy.params_["A"] != alone.params_["A"]).any()


def test_partial_fit_goes_on() -> None:
    X, y = rows()
    parts = made(lr=0.5)
    for _ in range(30):
        for start in (0, 75):
            parts.partial_fit(X[start : start + 75], y[start : start + 75], classes=NAMES)
    assert parts.score(X, y) > 0.85
    with pytest.raises(ValueError, match="class dog, which is not among the classes"):
        parts.partial_fit(X[:1], ["dog"])
    with pytest.raises(ValueError, match="first call"):
        made().partial_fit(X, y)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array], ids=lambda k: k.__name__)
def test_sparse_rows_are_rows(kind: Any) -> None:
    X, y = rows()
    dense = made().fit(X, y)
    np.testing.assert_array_equal(made().fit(kind(X), y).predict_proba(kind(X)), dense.predict_proba(X))


def test_a_grid_search_over_two_processes_finds_what_one_finds() -> None:
    X, y = rows()
    line = make_pipeline(StandardScaler(), EnergyClassifier(epochs=6, batch_size=20))
    grid = {"energyclassifier__lr": [1e-5, 0.05]}
    two, one = (GridSearchCV(line, grid, cv=2, n_jobs=jobs).fit(X, y) for jobs in (2, 1))
    assert two.best_params_["energyclassifier__lr"] == 0.05
    np.testing.assert_array_equal(two.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(two.predict_proba(X), one.predict_proba(X))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"model": "visible v[5] : binary\nenergy = sum(v)"}, "two visible layers"),
        ({"label": "z"}, "two visible layers"),
        ({"method": "exact", "generative": 0.5}, "generative is the weight"),
        ({"method": ed.PCD(), "generative": 0.5}, "generative is the weight"),
        ({"method": ed.PCD(), "k": 2}, "k belongs to the record"),
        ({"optimizer": ed.Adam(), "lr": 0.1}, "lr belongs to the record"),
        ({"method": "no-such"}, "method must be one of"),
        ({"classes_dim": None, "dims": {"K": 5}}, "5 states, and y has 3 classes"),
    ],
)
def test_models_that_do_not_fit_are_refused(more: dict[str, Any], why: str) -> None:
    given = {"features_dim": None} if "model" in more else {}
    given |= {"classes_dim": None} if "model" in more else {}
    with pytest.raises(ed.EnergyError, match=why):
        made(**given | more).fit(*rows())
