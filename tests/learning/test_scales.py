"""Parameters that set a scale: found in what was derived, moved in units of their curvature, and kept off 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.data import readers
from energydsl.learning.optimizers import Scale
from energydsl.learning.scales import floors, scales

HEAD = "dim I = 6\nvisible v[I] : real\nparam b[I]\n"
SIGMA = HEAD + "param s[I] : positive = 1\nenergy = sum((v - b)^2 / (2 * s^2))"
GAUSSIAN_RBM = Path(__file__).parents[2] / "models" / "gaussian_rbm.energy"

FOUND = [
    (SIGMA, {"s": Scale(-2.0, 2.0)}),
    (HEAD + "param t[I] : positive = 1\nenergy = 0.5 * sum(t * (v - b)^2)", {"t": Scale(1.0, 0.5)}),
    (HEAD + "param s : positive = 1\nenergy = sum((v - b)^2) / (2 * s^2)", {"s": Scale(-2.0, 12.0)}),
    (HEAD + "param a : positive = 1\nenergy = 0.5 * sum(v^2) - a * (b @ v)", {}),
    ("visible x[4] : positive\nparam r[4] : positive = 1\nenergy = r @ x", {"r": Scale(1.0, 1.0)}),
    ("visible x[4] : real\nparam r[4] : positive = 1\nenergy = r @ x^4", {"r": Scale(1.0, 0.25)}),
    ("visible x[4] : binary\nparam r[4] : positive = 1\nenergy = r @ x", {}),
]


@pytest.mark.parametrize(("text", "wanted"), FOUND)
def test_what_sets_a_scale_is_read_off_the_derivation(text: str, wanted: dict[str, Scale]) -> None:
    assert scales(ed.loads(text.replace("r @ x^4", "sum(r * x^4)")).derived) == wanted


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(
    "parameter", ["s[I] : positive = 1|sum((v - b)^2 / (2 * s^2))", "t[I] : positive = 1|0.5 * sum(t * (v - b)^2)"]
)
def test_a_scale_is_found_however_small_or_large(scale: float, parameter: str) -> None:
    declared, energy = parameter.split("|")
    program = ed.loads(HEAD.replace("b[I]", "b[I] = base_rate(v)") + f"param {declared}\nenergy = {energy}").compile(
        "numpy"
    )
    rows = scale * np.random.default_rng(0).normal(size=(2000, 6)) * np.array([1, 2, 3, 4, 5, 6])
    run = ed.train(program, rows, optimizer=ed.Adam(lr=1e-3 * scale), epochs=20, validation=0.0)
    found = run.params["s"] if "s" in run.params else run.params["t"] ** -0.5
    np.testing.assert_allclose(found, rows.std(axis=0), rtol=0.15)


def test_units_that_never_vary_keep_a_scale_of_three_percent_of_the_layer() -> None:
    program = ed.loads(SIGMA.replace("b[I]", "b[I] = base_rate(v)")).compile("numpy")
    rows = np.random.default_rng(0).normal(size=(300, 6))
    rows[:, :3] = 0.5
    run = ed.train(program, rows, epochs=60, validation=0.0)
    least = 0.03 * np.sqrt(rows.var(axis=0).mean())
    np.testing.assert_allclose(np.sqrt(floors(program.engine, {"v": rows})["v"][:3]), least)
    np.testing.assert_allclose(run.params["s"][:3], least, rtol=0.3)
    np.testing.assert_allclose(run.params["s"][3:], rows[:, 3:].std(axis=0), rtol=0.2)


def independent(rows: np.ndarray, test: np.ndarray) -> float:
    """Mean log-likelihood of units that are independent, each a Normal fitted to the rows."""
    mean, variance = rows.mean(axis=0), np.maximum(rows.var(axis=0), 1e-3)
    return float(np.mean((-0.5 * (test - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)).sum(axis=1)))


@pytest.mark.parametrize("digit", [None, 0])
def test_a_gaussian_rbm_trains_on_grey_digits_at_default_settings(digit: int | None) -> None:
    """Ten classes; and one of few rows, in which some pixels never vary."""
    data = {split: readers.digits(split) for split in ("train", "test")}
    chosen = {s: d["labels"] == digit if digit is not None else slice(None) for s, d in data.items()}
    rows, test = (readers.pooled(data[s]["images"])[chosen[s]].reshape(-1, 64) for s in ("train", "test"))
    if digit is not None:
        assert (rows.std(axis=0) == 0).any()
    run = ed.train(ed.load(GAUSSIAN_RBM, dims={"J": 8}).compile("numpy"), rows)
    figures = [v for row in run.history for v in row.values()]
    assert np.isfinite(figures).all()
    assert ed.evaluate(run, test, method="exact").log_likelihood > independent(rows, test) + 1.0


def test_units_that_hardly_vary_are_told_of(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(100, 6))
    rows[:, :2] = 0.0
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "s.energy").write_text(SIGMA)
    arguments = ["train", str(tmp_path / "s.energy"), "--data", str(tmp_path / "rows.npy"), "--epochs", "1"]
    shown = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "run"), "--no-evaluate"]).output
    assert "2 of 6 units of `v` hardly vary in the data: their scale is kept above 0.024, 3%" in shown
