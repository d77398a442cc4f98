"""The estimator beyond scikit-learn's own checks: what a score is, what goes on from call to call, what it takes."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import energydsl as ed
from energydsl.learning.run import Run
from energydsl.sklearn import EnergyTransformer, likelihood

RBM = "dim I = 6, J = 3\nvisible v[I] : binary\nhidden h[J] : binary\nlayers v -- h"
DEEP = "dim I = 6\nvisible v[I] : binary\nhidden a[3] : binary\nhidden b[2] : binary\nlayers v -- a -- b"


def rows(count: int = 120) -> np.ndarray:
    """Two patterns and a little noise."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, (count, 1))
    return np.where(rng.random((count, 6)) < 0.1, 1 - kind, kind).astype(float)


def made(**more: Any) -> EnergyTransformer:
    return EnergyTransformer(**{"model": RBM, "method": "pcd", "lr": 0.1, "batch_size": 20, "epochs": 5} | more)


def pickled(model: EnergyTransformer) -> EnergyTransformer:
    """The model after a journey."""
    return pickle.loads(pickle.dumps(model))  # noqa: S301


def log_likelihood(model: EnergyTransformer, X: np.ndarray) -> float:
    return ed.evaluate(Run(model.program_, model.params_, {"data": {"binarise": None}}), X, "exact").log_likelihood


def test_a_score_is_the_log_likelihood() -> None:
    X = rows()
    model = made().fit(X)
    every = np.array(list(np.ndindex(*(2,) * 6)), float)
    assert np.logaddexp.reduce(model.score_samples(every)) == pytest.approx(0.0, abs=1e-9)
    assert model.score(X) == pytest.approx(log_likelihood(model, X), abs=1e-9)
    assert model.log_partition().log_z_std == 0.0


def test_the_model_that_fits_better_has_the_better_score() -> None:
    """Whatever its log Z: minus the free energy alone prefers the one with the larger biases."""
    X = rows()
    good = made(epochs=60).fit(X)
    bad = made(epochs=1).fit(X)
    bad.params_ = {n: a + 2.0 for n, a in bad.params_.items()}
    free = [-float(np.mean(m.program_.free_energy(m.params_, {"v": X}))) for m in (good, bad)]
    assert free[1] > free[0]
    assert log_likelihood(good, X) > log_likelihood(bad, X)
    assert good.score(X) > bad.score(X)
    found = GridSearchCV(made(), {"lr": [1e-4, 1.0], "epochs": [30]}, cv=2).fit(X)
    assert found.best_params_["lr"] == 1.0


def test_log_z_is_found_once_for_parameters_and_anew_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    X = rows()
    model, seen = made().fit(X), []
    whole = likelihood.find_log_z
    monkeypatch.setattr(likelihood, "find_log_z", lambda *given: seen.append(1) or whole(*given))
    first = model.score(X), model.score(X)
    assert first[0] == first[1]
    assert len(seen) == 1
    model.partial_fit(X)
    assert model.score(X) == pytest.approx(log_likelihood(model, X), abs=1e-9)
    assert len(seen) == 2
    again = pickled(model)
    assert again.score(X) == model.score(X)


def test_an_estimated_log_z_and_a_bound_score_too(monkeypatch: pytest.MonkeyPatch) -> None:
    X = rows()
    model = made(model=DEEP, epochs=20).fit(X)
    assert model.score(X) <= log_likelihood(model, X) + 1e-9
    large = made(betas=300).fit(X)
    monkeypatch.setattr("energydsl.limits.LOG2_STATES", 2.0)
    monkeypatch.setattr("energydsl.limits.LOG2_CLIQUE", 1.0)
    estimate = large.log_partition()
    assert estimate.log_z_std > 0
    monkeypatch.undo()
    assert estimate.log_z == pytest.approx(large.program_.log_partition(large.params_), abs=5 * estimate.log_z_std)


def test_partial_fit_goes_on_where_it_was() -> None:
    """Many calls end no lower than one `fit` of as many epochs; the chains are not thrown away, no numbers come twice."""
    X = rows()
    whole = made(epochs=150).fit(X)
    parts = made()
    chains, params = [], []
    for _ in range(150):
        parts.partial_fit(X)
        chains.append({n: a.copy() for n, a in parts._chains.items()})
        params.append(parts.params_)
    assert log_likelihood(parts, X) > log_likelihood(whole, X) - 0.1
    # from the same parameters and chains, another call draws other numbers
    again = pickled(parts)
    again.params_, again._chains, again._calls = params[-2], chains[-2], 7
    again.partial_fit(X)
    assert any((again._chains[n] != chains[-1][n]).any() for n in chains[-1])
    same = pickled(parts)
    same.params_, same._chains, same._calls = params[-2], chains[-2], 149
    same.partial_fit(X)
    for name, value in parts.params_.items():
        np.testing.assert_array_equal(same.params_[name], value)


def test_chains_persist_from_call_to_call() -> None:
    """Two deep modes, all on and all off: chains that were all on stay there, chains begun anew are in both."""
    strong = {"W_v_h": np.full((6, 3), 6.0), "b_v": np.full(6, -9.0), "b_h": np.full(3, -18.0)}
    model = made(lr=1e-12).partial_fit(rows())
    model.params_ = {n: strong.get(n, a) for n, a in model.params_.items()}
    assert set(strong) == set(model.params_)
    model._chains = {n: np.ones_like(a) for n, a in model._chains.items()}
    for _ in range(3):
        model.partial_fit(rows())
    assert model._chains["v"].mean() > 0.95


@pytest.mark.parametrize(
    "random_state", [3, np.int64(3), np.random.RandomState(3), np.random.default_rng(3)], ids=lambda r: type(r).__name__
)
def test_seeds_of_any_kind(random_state: Any) -> None:
    X = rows()
    one, two = (made(random_state=copy.deepcopy(random_state)).fit(X) for _ in range(2))
    for name, value in one.params_.items():
        np.testing.assert_array_equal(two.params_[name], value)
    clone(one).fit(X)
    pickled(one).partial_fit(X)


def test_without_a_seed_no_two_fits_are_alike() -> None:
    X = rows()
    one, two = (made(random_state=None).fit(X) for _ in range(2))
    assert any((two.params_[n] != a).any() for n, a in one.params_.items())


@pytest.mark.parametrize("random_state", [-1, "x", 1.5])
def test_other_seeds_are_refused(random_state: Any) -> None:
    with pytest.raises(ed.ArgumentError, match="random_state"):
        made(random_state=random_state).fit(rows())


def test_a_path_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "some model.txt"
    path.write_text(RBM)
    X = rows()
    found = clone(made(model=path)).fit(X)
    wanted = made().fit(X)
    for name, value in wanted.params_.items():
        np.testing.assert_array_equal(found.params_[name], value)
