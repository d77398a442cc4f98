"""Whether chains mix: figures of known series, warnings that are facts, and records that are resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.learning import checkpoint
from energydsl.learning.series import Records, Series
from energydsl.mixing import mixing

PAIR = "visible v[2] : spin\nhidden h[2] : spin\nparam W[2, 2] = normal(sd = 0.1)\nenergy bond = - v @ W @ h\nenergy field = - 0.1 * sum(v)"
ROWS = np.array([[1.0, 1.0], [-1.0, -1.0]] * 10)


def walk(persistence: float, chains: int = 8, draws: int = 2000) -> np.ndarray:
    """An autoregression, whose autocorrelation time is (1 + persistence) / (1 - persistence)."""
    rng, found = np.random.default_rng(0), np.zeros((chains, draws))
    for k in range(1, draws):
        found[:, k] = persistence * found[:, k - 1] + rng.standard_normal(chains)
    return found


def trained(weight: float, epochs: int = 30, method: Any = None, **more: Any) -> ed.Run:
    """Ten updates an epoch, which hardly move the parameters."""
    program = ed.loads(PAIR).compile("numpy", "float64")
    start = {"W": np.full((2, 2), weight)}
    return ed.train(
        program, ROWS, method or ed.PCD(), ed.SGD(lr=1e-6), epochs, batch=2, validation=0.0, params=start, **more
    )


def test_figures_of_series_whose_autocorrelation_is_known() -> None:
    for persistence in (0.0, 0.8):
        found = mixing(walk(persistence))
        assert found is not None
        assert found.time == pytest.approx((1 + persistence) / (1 - persistence), rel=0.15)
        assert found.bulk == pytest.approx(16000 / found.time, rel=0.05)
        assert found.rhat < 1.01
    apart = mixing(walk(0.5) + 3 * np.arange(8)[:, None])
    assert apart is not None
    assert apart.rhat > 1.5
    assert mixing(np.ones((4, 50))) is None
    still = mixing(np.tile(np.arange(4.0)[:, None], 50))
    assert still is not None
    assert still.rhat == np.inf


def test_chains_that_stay_where_they_are_are_warned_of_and_others_are_not(tmp_path: Path) -> None:
    stuck = trained(4.0, out=tmp_path)
    [said] = stuck.warnings
    assert "over the last 300 updates: these chains have not mixed" in said
    last = stuck.history[-1]
    assert last["rhat_projection_v"] > 1.5
    assert ed.open_run(tmp_path).warnings == stuck.warnings
    free = trained(0.1)
    assert free.warnings == ()
    assert free.history[-1]["rhat_energy"] < 1.05
    columns = {
        "rhat_energy_bond",
        "rhat_energy_field",
        "ess_bulk_energy",
        "ess_tail_projection_v",
        "autocorrelation_energy",
    }
    assert columns <= set(free.history[-1])
    # Two patterns at half the rows each: chains at W = 0.1 have not learned how v hangs together, and those of W = 4 have.
    assert free.history[-1]["covariance_gap_v"] > 0.3
    assert not any(k.startswith(("rhat", "moment")) for k in trained(4.0, method=ed.CD()).history[-1])


def test_records_of_chains_are_resumed_and_need_not_be_there(tmp_path: Path) -> None:
    whole = trained(1.0)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 23:
            raise KeyboardInterrupt

    trained(1.0, out=tmp_path, report=stop)
    resumed = trained(1.0, out=tmp_path, resume=True)
    assert {k: v for k, v in resumed.history[-1].items() if k != "seconds"} == {
        k: v for k, v in whole.history[-1].items() if k != "seconds"
    }
    for name, series in whole.series.items():
        np.testing.assert_array_equal(resumed.series[name], series)
    np.testing.assert_array_equal(ed.open_run(tmp_path).series["energy"], whole.series["energy"])
    # A checkpoint holds finite numbers alone.
    found = Series.of(whole.program.engine.core, 0).arrays(Records({"energy": np.full((100, 2), np.inf)}, 3))["energy"]
    assert found.shape == (3, 2)
    assert np.isfinite(found).all()
    # A folder from before there were records.
    other = tmp_path / "other"
    trained(1.0, out=other, report=stop)
    for path in checkpoint.found(other):
        arrays, meta = checkpoint.load(path)
        checkpoint.save(other, meta["update"], {n: a for n, a in arrays.items() if "series" not in n}, meta)
    np.testing.assert_array_equal(trained(1.0, out=other, resume=True).params["W"], whole.params["W"])


def test_rates_of_samplers_are_columns() -> None:
    assert 0.0 < trained(0.1, 2, ed.ParallelTempering()).history[-1]["swapped"] <= 1.0


def test_samples_and_runs_are_arviz_data(tmp_path: Path) -> None:
    pytest.importorskip("arviz_base")
    run = trained(4.0, out=tmp_path)
    data = run.to_arviz()
    assert data["posterior"]["energy"].dims == ("chain", "draw")
    assert dict(data["posterior"].sizes) == {"chain": 32, "draw": 30}
    assert data["chains"]["v"].shape == (100, 1, 2)
    samples = ed.sample(run, n=4, steps=10, draws=25, every=2)
    assert samples["v"].shape == (4, 25, 2)
    posterior = samples.to_arviz()["posterior"]
    np.testing.assert_array_equal(posterior["v"], samples["v"])
    v, h = samples["v"], samples["h"]
    by_hand = -np.einsum("cdi,ij,cdj->cd", v, run.params["W"], h) - 0.1 * v.sum(axis=-1)
    np.testing.assert_allclose(posterior["energy"], by_hand)
    last = ed.sample(run, n=4, steps=10)
    assert last["v"].shape == (4, 2)
    assert last.to_arviz()["posterior"]["v"].shape == (4, 1, 2)
    np.testing.assert_array_equal(last["v"], samples["v"][:, 0])
    with pytest.raises(ed.NotApplicable, match="no series of its chains"):
        trained(4.0, 1, ed.CD()).to_arviz()

    printed = CliRunner().invoke(cli, ["sample", str(tmp_path), "-n", "4", "--steps", "10", "--draws", "60", "--json"])
    found = json.loads(printed.stdout)
    assert found["draws"] == 60
    assert {"rhat_energy", "ess_bulk_energy", "ess_tail_energy"} <= set(found["mixing"])
    assert "these chains have not mixed" in found["warnings"][-1]
