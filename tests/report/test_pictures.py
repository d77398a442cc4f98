"""Pictures say what they show: means or draws, how many of how many, on which scale; blocks, colours and rankings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.data.sources import from_arrays
from energydsl.learning.pictures import draw_run
from energydsl.report.comparison import Outcome
from energydsl.report.curves import curves, overlaid
from energydsl.report.layer_graph import draw_graph
from tests.conftest import ROOT

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402  after the skip


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved, beside their files."""
    found: list[Any] = []
    save = Figure.savefig

    def keep(figure: Any, *args: Any, **options: Any) -> None:
        found.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return found


def titles(figure: Any) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def trained(text: str, out: Path) -> ed.Run:
    model = ed.loads(text)
    rng = np.random.default_rng(0)
    low = -1 if "spin" in text else 0
    rows = np.where(rng.random((40, 4, 4)) < 0.5, low, 1).astype(np.float32)
    data = from_arrays(model.resolved, {"v": rows}, None)
    return ed.train(model.compile("numpy"), data, ed.PCD(chains=10), ed.SGD(lr=0.05), epochs=2, out=out, seed=0)


LATENTS = "visible v[4, 4] : binary\nhidden h[120] : binary\nlayers v -- h"
NONE = "visible v[4, 4] : spin\nparam b[4, 4]\nenergy = - sum(b * v)"


def test_pictures_of_a_run(tmp_path: Path, figures: list[Any]) -> None:
    run = trained(LATENTS, tmp_path / "r")
    figures.clear()
    written = draw_run(run)
    assert [p.name for p in written] == ["samples.png", "filters.png", "curves.png"]
    assert titles(figures[0]) == ["means of v given draws of h: all 100 chains"]
    assert titles(figures[1]) == ["weights W_v_h: 100 of 120 filters, the strongest"]
    assert all(len(f.axes) == 2 for f in figures[:2])  # the picture, and its colour bar
    assert figures[0].axes[0].images[0].get_clim() == (0.0, 1.0)
    low, high = figures[1].axes[0].images[0].get_clim()
    assert low == -high == -np.abs(run.params["W_v_h"]).max()


def test_a_model_without_latents_shows_draws_on_the_scale_of_its_domain(tmp_path: Path, figures: list[Any]) -> None:
    run = trained(NONE, tmp_path / "r")
    figures.clear()
    draw_run(run)
    assert titles(figures[0]) == ["draws of v: all 100 chains"]
    assert figures[0].axes[0].images[0].get_clim() == (-1.0, 1.0)


def test_curves_lead_with_the_likelihood_where_it_was_judged(tmp_path: Path, figures: list[Any]) -> None:
    row = {"update": 0, "reconstruction_error": 0.1, "gradient_W": 1.0}
    curves(tmp_path / "a.png", [row, row | {"update": 1}])
    curves(tmp_path / "b.png", [row, row | {"update": 1, "log_likelihood": -3.0}])
    assert titles(figures[0])[0] == "reconstruction error"
    assert titles(figures[1])[0] == "log-likelihood, nats a row"


def outcome(name: str, value: float | None) -> Outcome:
    std = None if value is None else 0.1
    return Outcome(name, 1, 1, 1, 1.0, 1.0, 0.1, value, std, False, "ais", None, None, rows_std=0.3)


def test_a_comparison_shows_what_its_table_ranks_by(tmp_path: Path, figures: list[Any]) -> None:
    history = [[{"update": k, "seconds": k, "reconstruction_error": 0.1} for k in range(3)]]
    outcomes = [outcome("a", -3.0), outcome("b", -2.0), outcome("c", None)]
    overlaid(tmp_path / "c.png", outcomes, {o.name: history for o in outcomes})
    ranking = figures[0].axes[0]
    assert ranking.get_title() == "held-out nats a row; grey: error over the rows"
    lengths = {round(float(np.ptp(c.get_segments()[0][:, 0])), 6) for c in ranking.collections}
    assert lengths == {0.2, 0.6}  # the error of log Z, and that over the rows
    assert [t.get_text() for t in ranking.get_yticklabels()] == ["a", "b"]  # upwards
    assert figures[0].axes[1].get_title().startswith("reconstruction error")
    judged = [[r | {"log_likelihood": -3.0} for r in history[0]]]
    overlaid(tmp_path / "d.png", outcomes, {o.name: judged for o in outcomes})
    assert figures[1].axes[1].get_title() == "log-likelihood, nats a row"


GRAPHS = {
    "ising": ("in 2 colours", 2),
    "boltzmann": ("unit by unit", 0),
    "spin_glass": ("in 4 colours", 4),
    "dbn": ("categorical[10]", 0),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_labels_fit_their_nodes_and_colours_are_shown(name: str, tmp_path: Path, figures: list[Any]) -> None:
    draw_graph(tmp_path / "g.png", ed.load(ROOT / f"models/{name}.energy").compiled)
    (figure,) = figures
    figure.canvas.draw()
    texts = figure.axes[0].texts
    boxes = [t for t in texts if t.get_bbox_patch() is not None]
    for text in boxes:
        box, label = text.get_bbox_patch().get_window_extent(), text.get_window_extent()
        assert box.x0 <= label.x0
        assert label.x1 <= box.x1
    shown, marks = GRAPHS[name]
    assert any(shown in t.get_text() for t in boxes)
    assert sum(t.get_text() == "\u25a0" for t in texts) == marks
