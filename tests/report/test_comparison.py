"""Tables of variants: error bars, differences on the same rows, and what is marked as doubtful."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energydsl.inference.evaluate import Evaluation
from energydsl.report.comparison import Outcome, Trained, difference, outcome, table


def evaluation(value: float, std: float) -> Evaluation:
    return Evaluation("ais", 0.0, std, value, std, 10, False, 50.0, 100)


def test_error_bars_hold_both_the_spread_and_the_estimates_own() -> None:
    made = Trained(18, 10, 1.0, 0.1)
    one = outcome("a", [made], [evaluation(-3.0, 0.3)])
    assert one.std == pytest.approx(0.3)
    apart = outcome("a", [made, made], [evaluation(-3.0, 0.1), evaluation(-4.0, 0.1)])
    assert apart.log_likelihood == pytest.approx(-3.5)
    assert apart.std == pytest.approx(0.5)
    alike = outcome("a", [made, made], [evaluation(-3.0, 0.2), evaluation(-3.0, 0.2)])
    assert alike.std == pytest.approx(0.2 / np.sqrt(2))
    missing = outcome("a", [made, made], [evaluation(-3.0, 0.2), None])
    assert missing.log_likelihood is None


def test_differences_are_those_of_the_same_rows() -> None:
    """A gap of 0.1 on every row is seen through rows that differ by 5; one that comes and goes is not."""
    rng = np.random.default_rng(0)
    rows = rng.normal(-20, 5, 400)

    def judged(rows: np.ndarray, std: float = 0.0, bound: bool = False) -> Evaluation:
        return Evaluation("ais", 0.0, std, float(rows.mean()), std, len(rows), bound, rows_std=0.25, rows=rows)

    shown = difference([judged(rows)], [judged(rows - 0.1)])
    assert shown.value == pytest.approx(0.1)
    assert shown.std < 1e-6
    assert str(shown).startswith("+0.100 +- ")
    noisy = difference([judged(rows)], [judged(rows - 0.1 + rng.normal(0, 5, 400))])
    assert 0.2 < noisy.std < 0.3
    assert str(noisy) == "no difference shown"
    assert str(difference([judged(rows, 0.1)], [judged(rows - 0.1)])) == "no difference shown"
    unpaired = difference([judged(rows)], [judged(rows[:300])])
    assert unpaired.std == pytest.approx(0.25 * np.sqrt(2))
    # A bound from below may be above the other; but where it is above already it is.
    assert not difference([judged(rows - 1, bound=True)], [judged(rows)]).shown
    assert difference([judged(rows + 1, bound=True)], [judged(rows)]).shown
    seeds = difference([judged(rows), judged(rows - 2)], [judged(rows - 1)] * 2)
    assert seeds.value == pytest.approx(0.0)
    assert seeds.std == pytest.approx(1.0)


def test_bars_that_overlap_show_no_difference_and_the_lower_side_ranks() -> None:
    """A difference of 1 with paired rows: hidden where log Z is open by 0.6 each, towards one another."""
    rows = np.random.default_rng(0).normal(-20, 5, 400)

    def judged(rows: np.ndarray, low: float, high: float, agree: bool = True) -> Evaluation:
        mean = float(rows.mean())
        found = Evaluation("bar", 0.0, 0.01, mean, 0.01, len(rows), rows_std=0.25, rows=rows)
        return replace(found, log_likelihood_low=mean - low, log_likelihood_high=mean + high, agree=agree)

    assert difference([judged(rows, 0.3, 0.6)], [judged(rows - 1, 0.6, 0.3)]).shown
    hidden = difference([judged(rows, 0.6, 0.3)], [judged(rows - 1, 0.3, 0.6)])
    assert str(hidden) == "no difference shown: bars overlap"
    made = [Trained(18, 10, 1.0, 0.1)]
    high, low = (
        outcome(n, made, [e]) for n, e in (("a", judged(rows, 3, 0.1, False)), ("b", judged(rows - 1, 0.1, 0.1)))
    )
    lines = table([high, low]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["b", "a"]
    assert lines[2].rstrip().endswith("?  +- 0.25")


def test_the_table_puts_the_best_first_and_marks_what_is_doubtful() -> None:
    def row(name: str, value: float | None, **more: Any) -> Outcome:
        known = {"bound": False, "method": "ais", "effective": 50.0, "chains": 100} | more
        return Outcome(name, 10, 1, 5, 1.0, 5.0, 0.1, value, None if value is None else 0.25, **known)

    lines = table([row("none", None), row("worse", -9.0, effective=3.0), row("best", -8.0, bound=True)]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["best", "worse", "none"]
    assert lines[1].endswith(">= -8.000 +- 0.25")
    assert lines[2].endswith("-9.000 +- 0.25 ?")
    assert lines[3].endswith("not to be had")
