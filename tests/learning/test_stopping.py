"""Training that ends early says why, decides alike when it is resumed, and does not end while nothing is overfitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
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


def stop_after(epoch: int) -> Any:
    """A report that stops a training as Ctrl-C does."""

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return stop


def test_training_ends_once_the_gap_is_beyond_its_error_and_resumes_to_the_same_end(tmp_path: Path) -> None:
    whole = trained(noise(40))
    assert whole.finished
    epoch = whole.history[-1]["epoch"]
    assert 3 <= epoch < 150
    assert whole.warnings[0].startswith(f"training ended after epoch {epoch} of 200, as it overfits")
    assert whole.warnings[0].endswith(f"those of epoch {epoch - 3}, after update {whole.updates - 3}")
    assert (whole.evaluated, whole.kept) == ("best", whole.updates - 3)
    np.testing.assert_array_equal(whole.params["W"], trained(noise(40), report=stop_after(epoch - 3)).params["W"])
    assert (whole.last["W"] != whole.params["W"]).any()
    gaps = [
        (row["free_energy_gap"] - whole.history[0]["free_energy_gap"]) / row["free_energy_gap_std"]
        for row in whole.history
    ]
    assert min(gaps[-3:]) > 2.0
    assert all(min(gaps[k - 3 : k]) <= 2.0 for k in range(4, len(gaps)))

    assert not trained(noise(40), out=tmp_path, report=stop_after(epoch - 1)).finished
    with pytest.raises(ed.EnergyError, match="settings differ .*stop_when: gap then, None now"):
        trained(noise(40), out=tmp_path, resume=True, stop_when=None)
    for run in (
        trained(noise(40), out=tmp_path, resume=True),
        ed.open_run(tmp_path),
        trained(noise(40), out=tmp_path, resume=True),
    ):
        assert run.finished
        assert (run.updates, run.warnings, run.kept) == (whole.updates, whole.warnings, whole.kept)
        for found, wanted in ((run.params, whole.params), (run.last, whole.last)):
            np.testing.assert_array_equal(found["W"], wanted["W"])


# By epoch, what a monitor finds every second epoch: the best at 4, then below it, but for a while not by both errors.
JUDGED = {0: -9.0, 2: -8.0, 4: -6.0, 6: -6.3, 8: -6.6, 10: -6.3, 12: -6.6, 14: -6.9, 16: -6.7, 18: -5.0}


def judge(killed: int = -1) -> Any:
    """A monitor that has these figures; it is stopped as by Ctrl-C at an epoch."""

    def monitor(run: ed.Run, data: Any) -> dict[str, float]:
        epoch = run.history[-1]["epoch"]
        assert run.evaluated == "last"
        if epoch == killed:
            raise KeyboardInterrupt
        return {"log_likelihood": JUDGED[epoch], "log_likelihood_std": 0.25}

    return monitor


@pytest.mark.parametrize("killed", [3, 4, 6, 16], ids=lambda k: f"stopped at {k}")
def test_training_ends_once_the_likelihood_has_fallen_and_keeps_the_best(killed: int, tmp_path: Path) -> None:
    """Wherever it was stopped: at a report, in the monitor that finds the best, the next or the last figure."""
    given = {"stop_when": "likelihood", "monitor_every": 2}
    whole = trained(noise(40), monitor=judge(), **given)
    assert whole.history[-1]["epoch"] == 16
    best = trained(noise(40), report=stop_after(4), stop_when=None)
    assert "as it gets worse: the log-likelihood of held-out rows is -6.70 nats, below -6.00" in whole.warnings[0]
    assert whole.warnings[0].endswith(f"those of epoch 4, after update {best.updates}")
    np.testing.assert_array_equal(whole.params["W"], best.params["W"])
    first = {"report": stop_after(3), "monitor": judge()} if killed == 3 else {"monitor": judge(killed)}
    assert not trained(noise(40), out=tmp_path, **first, **given).finished
    for run in (trained(noise(40), out=tmp_path, resume=True, monitor=judge(), **given), ed.open_run(tmp_path)):
        assert (run.updates, run.warnings, run.kept) == (whole.updates, whole.warnings, best.updates)
        for found, wanted in ((run.params, whole.params), (run.last, whole.last)):
            np.testing.assert_array_equal(found["W"], wanted["W"])


def test_a_rule_by_the_likelihood_needs_one(tmp_path: Path) -> None:
    with pytest.raises(ed.ArgumentError, match="which a monitor has to find"):
        trained(noise(40), stop_when="likelihood")
    (tmp_path / "m.energy").write_text(RBM)
    command = ["train", str(tmp_path / "m.energy"), "--data", "digits", "--stop-when", "likelihood"]
    assert "say how often with --evaluate-every N" in CliRunner().invoke(cli, command).stderr


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
