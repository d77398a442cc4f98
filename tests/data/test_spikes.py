"""Spike trains in bins, from tables and arrays, against a count by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed

pd = pytest.importorskip("pandas")

TRAINS = [[0.001, 0.0049, 0.021], [0.0101], [], [0.035]]
COUNTS = np.array([[2, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)
MODELS = {kind: ed.loads(f"visible v[4] : {kind}\nenergy = sum(v)") for kind in ("binary", "spin", "integer[0, 9]")}


def table() -> Any:
    """Spikes as they come, not neuron by neuron."""
    found = pd.DataFrame([(k, t) for k, train in enumerate(TRAINS) for t in train], columns=["neuron", "time"])
    return found.sort_values("time")


def write(name: str, folder: Path) -> Path:
    path = folder / name
    match name:
        case "t.csv":
            table().to_csv(path, index=False)
        case "ms.csv":
            table().assign(time_ms=lambda t: 1000 * t["time"])[["time_ms", "neuron"]].to_csv(path, index=False)
        case "t.parquet":
            table().to_parquet(path)
        case "pairs.npz":
            np.savez(path, **{n: table()[n].to_numpy() for n in ("neuron", "time")})
        case _:
            np.savez(path, **{str(k): np.array(t) for k, t in enumerate(TRAINS)})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", ["t.csv", "ms.csv", "t.parquet", "pairs.npz", "trains.npz"])
def test_files_of_spikes(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    for kind, model in MODELS.items():
        found = ed.load_data(model, path, bin_ms=10.0).arrays["v"]
        fired = np.minimum(COUNTS, 1)
        np.testing.assert_array_equal(found, {"binary": fired, "spin": 2 * fired - 1}.get(kind, COUNTS))


def test_arrays_of_times() -> None:
    np.testing.assert_array_equal(ed.binned(TRAINS, 10.0, counts=True), COUNTS)
    np.testing.assert_array_equal(ed.binned(TRAINS, 10.0), np.minimum(COUNTS, 1))
    assert ed.binned(TRAINS, 100.0, counts=True).tolist() == [[3, 1, 0, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("neuron,time\n4,0.1\n", "spike 1 of .* is of neuron 4; `v` has the units 0 to 3"),
        ("neuron,time\n0.5,0.1\n", "is of neuron 0.5"),
        ("neuron,time\n0,0.1\n1,-1\n", "spike 2 of .* is at -1 s"),
        ("neuron,time\n0,\n", "is at nan s"),
        ("neuron,time\n0,1e30\n", "too many for 4 neurons"),
        ("neuron,seconds\n0,1\n", "`neuron`, `seconds`: spikes are in `neuron` and `time`"),
        ("neuron,time,x\n0,1,2\n", "`neuron`, `time`, `x`"),
    ],
)
def test_what_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ed.DataError, match=words):
        ed.load_data(MODELS["binary"], tmp_path / "t.csv", bin_ms=10.0)


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ed.ArgumentError, match="a length in milliseconds"):
        ed.binned([[0.1]], 0.0)
    with pytest.raises(ed.DataError, match="no spikes"):
        ed.binned([[], []], 10.0)
    np.savez(tmp_path / "t.npz", a=np.zeros(3))
    with pytest.raises(ed.DataError, match="`a` of .* is no neuron"):
        ed.load_data(MODELS["binary"], tmp_path / "t.npz", bin_ms=10.0)
