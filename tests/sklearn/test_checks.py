"""scikit-learn's own checks, of every estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from energydsl import sklearn as estimators

MADE = [
    estimators.EnergyTransformer(epochs=2),
    estimators.EnergyDensity(epochs=2),
    estimators.EnergyClassifier(lr=0.03, epochs=8),
]


def test_every_estimator_is_checked() -> None:
    assert {type(e).__name__ for e in MADE} == set(estimators.__all__)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(MADE)
def test_checks_of_scikit_learn(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
