"""Weights by identity, clusters and splits, against loops over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.data import identity
from energydsl.data.sources import Data

ROWS = np.random.default_rng(0).integers(3, size=(60, 10))
SAME = (ROWS[:, None] == ROWS).mean(axis=2)


@pytest.fixture(params=[identity._ROWS, 7])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_ROWS", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("threshold", [0.3, 0.6, 1.0])
def test_weights_are_those_of_all_pairs(threshold: float) -> None:
    found = identity.identity_weights({"s": ROWS}, threshold)
    np.testing.assert_allclose(found, 1 / (threshold <= SAME).sum(axis=1))


def test_layers_are_compared_together() -> None:
    halves = {"a": ROWS[:, :4].astype(np.float32), "b": ROWS[:, 4:]}
    np.testing.assert_array_equal(identity.identity_weights(halves, 0.6), identity.identity_weights({"s": ROWS}, 0.6))


@pytest.mark.usefixtures("_blocks")
def test_a_split_leaves_no_rows_alike_on_both_sides() -> None:
    train, test = identity.split(ROWS, 0.3, 0.8, seed=1)
    assert sorted([*train, *test]) == list(range(60))
    assert 0.15 * 60 < len(test) <= 0.3 * 60
    assert SAME[np.ix_(train, test)].max() < 0.8
    assert identity.split(ROWS, 0.3, 0.8, seed=2)[1].tolist() != test.tolist()


def test_rows_that_a_chain_joins_are_one_cluster() -> None:
    chain = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1], [5, 5, 5, 5]])
    assert identity.clusters(chain, 0.75).tolist() == [0, 0, 0, 1]
    with pytest.raises(ed.DataError, match="no cluster is as small as 0.2 of the rows"):
        identity.split(chain, 0.2, 0.75, seed=0)


def test_weights_are_given_as_an_option() -> None:
    data = Data({"v": ROWS % 2}, "rows")
    same = ((ROWS % 2)[:, None] == ROWS % 2).mean(axis=2)
    np.testing.assert_allclose(data.weighted("identity:0.8").weights, 1 / (same >= 0.8).sum(axis=1))


@pytest.mark.parametrize("text", ["identity:", "identity:0", "identity:1.1", "identity:x"])
def test_thresholds_are_shares(text: str) -> None:
    with pytest.raises(ed.ArgumentError, match="identity takes a share above 0"):
        Data({"v": ROWS}, "rows").weighted(text)


def test_identity_is_of_whole_numbers() -> None:
    with pytest.raises(ed.DataError, match="`v` holds others"):
        Data({"v": ROWS + 0.5}, "rows").weighted("identity:0.8")
    with pytest.raises(ed.DataError, match="or misses some"):
        Data({"v": ROWS - 1}, "rows").weighted("identity:0.8")
    with pytest.raises(ed.DataError, match="grey values are drawn anew"):
        Data({"v": ROWS / 2}, "rows", "sample", frozenset("v")).weighted("identity:0.8")
