"""Runs and samples as tables, data sets and figures."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

import energydsl as ed

RBM = "visible v[4, 4] : binary\nhidden h[3] : binary\nparam W[4, 4, 3]\nenergy = - sum[i, j, k] W[i, j, k] * v[i, j] * h[k]"


@pytest.fixture(scope="module")
def run() -> ed.Run:
    return ed.train(ed.loads(RBM).compile("numpy"), "bars-and-stripes:4", epochs=3)


def test_reports_of_a_run_as_a_table(run: ed.Run) -> None:
    pytest.importorskip("pandas")
    table = run.to_pandas()
    assert list(table.index) == [row["update"] for row in run.history]
    assert list(table["reconstruction_error"]) == [row["reconstruction_error"] for row in run.history]


def test_a_run_as_a_data_set(run: ed.Run) -> None:
    pytest.importorskip("xarray")
    found = run.to_xarray()
    assert found["W"].dims == ("W_0", "W_1", "W_2")
    assert np.array_equal(found["W"], run.params["W"])
    assert found["seconds"].sel(update=run.updates) == run.history[-1]["seconds"]


@pytest.mark.parametrize("draws", [1, 3])
def test_samples_as_tables_and_data_sets(run: ed.Run, draws: int) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("xarray")
    samples = ed.sample(run, n=5, steps=2, draws=draws)
    assert samples["v"].shape == ((5, 4, 4) if draws == 1 else (5, 3, 4, 4))
    table, found = samples.to_pandas(), samples.to_xarray()
    last = (4,) if draws == 1 else (4, 2)
    assert table.index.names == ["chain", "draw"][: len(last)]
    assert len(table) == 5 * draws
    assert table.loc[last if draws > 1 else 4, "v[1, 2]"] == samples["v"][(*last, 1, 2)]
    assert table.loc[last if draws > 1 else 4, "energy"] == samples.energies["energy"][4, draws - 1]
    assert found["v"].dims == ("chain", "draw", "v_0", "v_1")
    assert found["v"].sel(chain=4, draw=draws - 1, v_0=1, v_1=2) == samples["v"][(*last, 1, 2)]


def test_an_energy_with_the_name_of_a_layer_stands_beside_it() -> None:
    pytest.importorskip("pandas")
    program = ed.loads("visible energy_a[2] : binary\nenergy a = sum(energy_a)\nenergy b = energy_a[0] / 2").compile(
        "numpy"
    )
    assert list(ed.sample(program, n=2, steps=1).to_pandas()) == [
        "energy",
        "energy_a_",
        "energy_b",
        "energy_a[0]",
        "energy_a[1]",
    ]


def test_samples_are_pickled_with_what_they_show(run: ed.Run) -> None:
    samples = ed.sample(run, n=2, steps=1)
    again = pickle.loads(pickle.dumps(samples))  # noqa: S301
    assert again._repr_html_() == samples._repr_html_()


def test_figures(run: ed.Run) -> None:
    pytest.importorskip("matplotlib")
    assert [axes.get_title() for axes in run.plot().axes][:2] == ["reconstruction error", "free energy"]
    samples = ed.sample(run, n=9, steps=1)
    assert samples.plot().axes[0].get_title() == "draws of v: all 9 chains"
    assert run.plot()._repr_png_().startswith(b"\x89PNG")
    plain = ed.loads("visible x[3] : real\nenergy = sum(x^2)").compile("numpy")
    assert ed.sample(plain, n=9, steps=1).plot().axes[0].get_title() == "energy"


def test_no_curves_of_one_report() -> None:
    run = ed.train(ed.loads(RBM).compile("numpy"), "bars-and-stripes:4", epochs=0)
    with pytest.raises(ed.NotApplicable, match="fewer than two reports"):
        run.plot()


def test_a_missing_library_is_named(run: ed.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ed.EnergyError, match=r'pandas: pip install "energydsl\[notebook\]"'):
        run.to_pandas()
    with pytest.raises(ed.EnergyError, match="xarray"):
        ed.sample(run, n=2, steps=1).to_xarray()


def test_reprs_stay_short(run: ed.Run) -> None:
    assert repr(run) == f"<energydsl run of model: {run.updates} updates>"
    assert repr(run.program) == "<energydsl program of model: numpy float32>"
