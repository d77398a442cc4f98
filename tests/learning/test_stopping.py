"""Training that ends early says why, decides alike when it is resumed, and does not end while nothing is overfitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.learning.stopping import reason

RBM = "visible v[12] : binary\nhidden h[16] : binary\nparam W[12, 16] = normal(sd = 0.1), b[12], c[16]\nenergy = - b @ v - c @ h - v @ W @ h"


def noise(rows: int) -> np.ndarray:
    """Independent units, in which there is nothing to be learned."""
    return np.random.default_rng(0).integers(0, 2, (rows, 12)).astype(float)


def patterns(rows: int) -> np.ndarray:
    """Two patterns, a tenth of their units flipped."""
    rng = np.random.default_rng(0)
    whole = np.tile([[0, 1] * 6, [1] * 6 + [0] * 6], (rows // 2, 1))
    return np.abs(whole - (rng.random(whole.shape) < 0.1)).astype(float)


def trained(rows: np.ndarray, epochs: int = 200, **more: Any) -> ed.Run:
    optimizer = ed.SGD(lr=0.3, schedule="constant")
    given = {"epochs": epochs, "batch": 20, "validation": 0.5, "stop_when": "gap"} | more
    return ed.train(ed.loads(RBM).compile("numpy"), rows, ed.PCD(), optimizer, **given)


def test_training_ends_once_the_gap_is_beyond_its_error_and_resumes_to_the_same_end(tmp_path: Path) -> None:
    whole = trained(noise(40))
    assert whole.finished
    epoch = whole.history[-1]["epoch"]
    assert 3 <= epoch < 150
    assert whole.warnings[0].startswith(f"training ended after epoch {epoch} of 200, as it overfits")
    gaps = [
        (row["free_energy_gap"] - whole.history[0]["free_energy_gap"]) / row["free_energy_gap_std"]
        for row in whole.history
    ]
    assert min(gaps[-3:]) > 2.0
    assert all(min(gaps[k - 3 : k]) <= 2.0 for k in range(4, len(gaps)))

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == epoch - 1:
            raise KeyboardInterrupt

    assert not trained(noise(40), out=tmp_path, report=stop).finished
    with pytest.raises(ed.EnergyError, match="settings differ .*stop_when: gap then, None now"):
        trained(noise(40), out=tmp_path, resume=True, stop_when=None)
    for run in (
        trained(noise(40), out=tmp_path, resume=True),
        ed.open_run(tmp_path),
        trained(noise(40), out=tmp_path, resume=True),
    ):
        assert run.finished
        assert (run.updates, run.warnings) == (whole.updates, whole.warnings)
        np.testing.assert_array_equal(run.params["W"], whole.params["W"])


def test_training_goes_on_where_there_is_enough_to_learn_from() -> None:
    run = trained(patterns(1000), epochs=20)
    assert run.warnings == ()
    assert run.history[-1]["epoch"] == 20


def test_a_gap_needs_rows_held_out() -> None:
    with pytest.raises(ed.ArgumentError, match=r"rows held out, .* validation=0\.1"):
        trained(noise(40), validation=0.0)
    with pytest.raises(ed.ArgumentError, match="did you mean `gap`"):
        trained(noise(40), stop_when="gaps")


def rows(*gaps: float, std: float = 0.5) -> list[dict[str, float]]:
    return [
        {"epoch": k, "update": 9 * k, "free_energy_gap": gap, "free_energy_gap_std": std} for k, gap in enumerate(gaps)
    ]


@pytest.mark.parametrize(
    ("history", "ends"),
    [
        (rows(0.0, 1.1, 1.1, 1.1), True),
        (rows(0.2, 1.1, 1.1, 1.1), False),  # less than two errors above the start
        (rows(0.0, 1.1, 0.9, 1.1), False),  # not in a row
        (rows(0.0, 1.1, 1.1), False),
        (rows(0.0, 1.1, 1.1, 1.1, std=np.nan), False),
        (rows(0.0, *[1.1] * 9), False),  # it was the last epoch anyway
    ],
)
def test_what_ends_training(history: Any, ends: bool) -> None:
    assert bool(reason("gap", history, 9)) is ends
    assert not reason(None, history, 9)
