"""What the benchmarks compare with does the work that it is said to do, and what they say of their figures is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("persistent", [False, True])
def test_the_update_in_numpy_is_that_of_contrastive_divergence(persistent: bool) -> None:
    """Means of an RBM, as written in textbooks, at the states that were drawn; NumPy's loop keeps minus the parameters."""
    import by_numpy

    data, lr = by_numpy.states(6, 5), 0.5
    rbm = by_numpy.Rbm(5, 4, 6, persistent, lr)
    rbm.w *= 100
    before = [-rbm.w.copy(), -rbm.v.bias.copy(), -rbm.h.bias.copy()]
    rbm.update(data)
    model = rbm.both_v[6:]
    assert set(np.unique(model)) <= {0.0, 1.0}
    up, mean = (1 / (1 + np.exp(-(x @ before[0] + before[2]))) for x in (data, model))
    steps = [(data.T @ up - model.T @ mean), (data - model).sum(axis=0), (up - mean).sum(axis=0)]
    for now, was, step in zip((rbm.w, rbm.v.bias, rbm.h.bias), before, steps, strict=True):
        np.testing.assert_allclose(-now, was + lr / 6 * step, rtol=1e-5, atol=1e-6)


def test_the_states_drawn_in_numpy_have_the_means_of_their_fields() -> None:
    import by_numpy

    layer, field = by_numpy.Layer(40_000, 3, 1), np.array([-1.5, 0.0, 2.0], np.float32)
    states = np.empty((40_000, 3), np.float32)
    layer.draw(np.tile(-field, (40_000, 1)), states)
    np.testing.assert_allclose(states.mean(axis=0), 1 / (1 + np.exp(-field)), atol=0.01)
    layer.among(np.tile(np.float32([0.1, 0.5, 0.9]), (40_000, 1)), states)
    np.testing.assert_allclose(states.mean(axis=0), [0.1, 0.5, 0.9], atol=0.01)


@pytest.mark.parametrize("colour", [0, 1])
def test_the_checkerboard_in_numpy_adds_up_the_four_neighbours(colour: int) -> None:
    import by_numpy

    spins = np.random.default_rng(0).normal(size=(6, 6, 2))
    wanted = sum(np.roll(spins, step, axis) for step in (1, -1) for axis in (0, 1))
    rows, columns = np.indices((6, 6))
    of = [(rows + columns) % 2 == k for k in (0, 1)]
    found = np.empty((6, 3, 2))
    by_numpy.sums_over_neighbours(spins[of[1 - colour]].reshape(6, 3, 2), colour, found)
    np.testing.assert_allclose(found, wanted[of[colour]].reshape(6, 3, 2))


def test_targets_are_reached_or_missed() -> None:
    import run

    def figure(who: str, value: float, under: str = "alone") -> Any:
        return run.Figure(under, "PCD-1 update, RBM", who, "x the products alone", value, value, value, 1.0)

    alone = [figure("the products alone", 1.0), figure("energydsl numba", 1.12), figure("NumPy, tuned", 1.4)]
    missed, ahead = run.verdicts(alone)
    assert missed.endswith("1.120 x the products alone, at most 1.100: MISSED by 0.020")
    assert ahead.endswith("NumPy, tuned takes 1.250 times as long, at least 1.15: reached")
    [passive] = run.verdicts([figure("energydsl numba", 1.49, "passive")])
    assert passive.endswith("at most 1.500: reached")


def test_the_results_of_a_gpu_say_what_failed(tmp_path: Path) -> None:
    import gpu_results

    for name, code in (("tests", 0), ("rows", 0), ("ranking", 1), ("events", 0)):
        (tmp_path / f"{name}.code").write_text(f"{code} 3\n")
        (tmp_path / f"{name}.txt").write_text("said\n")
    assert gpu_results.main([str(tmp_path)]) == 0
    (tmp_path / "sanitizer.txt").write_text("cut off")
    assert gpu_results.results(tmp_path)[1] == ["sanitizer"]
    (tmp_path / "rows.code").write_text("1 3\n")
    (tmp_path / "events.code").unlink()
    assert gpu_results.results(tmp_path)[1] == ["rows", "sanitizer", "profile"]


def test_the_slowest_kernel_is_found_among_other_lines() -> None:
    import gpu_results

    head = '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"'
    rows = [
        f'"0","{kernel}","{gpu_results.METRIC}","{unit}","{value}"'
        for kernel, unit, value in (
            ("draw_binary(float *)", "ns", "1,900"),
            ("sweep(int)", "us", "1.5"),
            ("void ours::sweep<float, 2>(int)", "us", "1.1"),
        )
    ]
    assert gpu_results.slowest("\n".join(["==PROF== Connected", head, *rows])) == "sweep"
    assert gpu_results.slowest("==ERROR== no permission") == ""
