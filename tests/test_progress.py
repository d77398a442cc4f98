"""How long work goes on: silent where nothing is said, lines in a log, a bar on a terminal, and functions of a caller's own."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

import energydsl as ed
from energydsl import progress

RBM = "visible v[16] : binary\nhidden h[3] : binary\nlayers v -- h"


@pytest.fixture
def program() -> ed.Program:
    return ed.loads(RBM).compile("numpy")


def test_nothing_is_shown_where_nothing_is_said(program: ed.Program, capfd: pytest.CaptureFixture[str]) -> None:
    run = ed.train(program, "bars-and-stripes:4", epochs=2)
    ed.evaluate(run, "bars-and-stripes:4", "ais", betas=50)
    ed.sample(run, n=2, steps=40)
    assert capfd.readouterr() == ("", "")


def test_a_log_has_lines(program: ed.Program, capfd: pytest.CaptureFixture[str]) -> None:
    run = ed.train(program, "bars-and-stripes:4", epochs=40, progress=True)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 21
    assert all(re.match(r"epoch \d+/40  [\d.]+ s  reconstruction 0\.\d{4}", x) for x in lines)
    ed.evaluate(run, "bars-and-stripes:4", "ais", betas=200, progress=True)
    ed.sample(run, n=2, steps=400, progress=True)
    lines = capfd.readouterr().err.splitlines()
    assert "evaluating: 90 %" in lines
    assert "sampling: 90 %" in lines
    assert len(lines) <= 20


def test_a_terminal_has_a_bar(
    program: ed.Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    ed.train(program, "bars-and-stripes:4", epochs=3, progress=True)
    shown = capsys.readouterr().err
    assert "━" in shown
    assert "epoch 3/3" in shown


def test_reports_still_reach_their_caller(program: ed.Program, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = []
    ed.train(program, "bars-and-stripes:4", epochs=3, report=rows.append, progress=True)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert "epoch 3/3" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["yes", 1, 0.5])
def test_what_progress_is_not(program: ed.Program, wrong: Any) -> None:
    run = ed.train(program, "bars-and-stripes:4", epochs=0)
    for call in (
        lambda: ed.train(program, "bars-and-stripes:4", progress=wrong),
        lambda: ed.evaluate(run, "bars-and-stripes:4", progress=wrong),
        lambda: ed.sample(run, progress=wrong),
    ):
        with pytest.raises(ed.ArgumentError, match="progress is True or False"):
            call()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "epoch 1/2  3.0 s  reconstruction 0.5000"),
        ({"stage": "stage 1", "free_energy_gap": 0.5}, "stage 1  epoch 1/2  3.0 s  reconstruction 0.5000  free-energy gap +0.50"),
        ({"log_likelihood": -2.0, "log_likelihood_bound": 0.0}, "epoch 1/2  3.0 s  reconstruction 0.5000  log-likelihood -2.00 (exact)"),
        ({"reconstruction_error": float("nan")}, "epoch 1/2  3.0 s"),
    ],
)  # fmt: skip
def test_a_row_in_words(more: dict[str, Any], words: str) -> None:
    assert progress.line({"epoch": 1, "seconds": 3.0, "reconstruction_error": 0.5, **more}, 2) == words
