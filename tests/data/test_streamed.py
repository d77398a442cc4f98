"""Data that stay in their files: every row is read in its turn, by whoever has it, and no more is in memory than is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.data import streamed
from energydsl.data.stored import stored
from energydsl.learning.config import held_fraction
from energydsl.learning.rows import StreamedBatches
from energydsl.ranks import ALONE, Shards
from energydsl.ranks.team import Alone

UNITS, ROWS = 16, 3000
MODEL = f"visible v[{UNITS}] : integer[0, 4095]\nenergy = - sum(v)"


def numbered() -> np.ndarray[Any, Any]:
    """Rows that say which they are."""
    return np.repeat(np.arange(ROWS, dtype=np.int32)[:, None], UNITS, axis=1)


def write(path: Path, rows: np.ndarray[Any, Any]) -> Path:
    match path.suffix:
        case ".npy":
            np.save(path, rows)
        case ".parquet":
            pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
            pq.write_table(pa.table({f"v{k}": rows[:, k] for k in range(rows.shape[1])}), path, row_group_size=100)
        case ".zarr":
            zarr = pytest.importorskip("zarr", reason="Zarr arrays are read by zarr")
            zarr.create_array(str(path), shape=rows.shape, chunks=(50, rows.shape[1]), dtype=rows.dtype)[:] = rows
    return path


@pytest.fixture(params=[".npy", ".parquet", ".zarr"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / f"rows{request.param}", numbered())


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of some blocks, as large files have them."""
    monkeypatch.setattr(streamed, "WINDOW", 1 << 17)


def batches(path: Path, shards: Shards, seed: int = 0) -> StreamedBatches:
    rows, _ = ed.load_streamed(ed.loads(MODEL), path).split(0.1, seed)
    return StreamedBatches(rows, 64, seed, lambda batch: batch, shards)


def drawn(found: StreamedBatches, epoch: int, position: int = 0) -> list[np.ndarray[Any, Any]]:
    return [batch["v"][:, 0].astype(int) for batch, _ in found.epoch(epoch, position)]


@pytest.mark.usefixtures("small_windows")
def test_an_epoch_has_every_row_once_at_most_and_nearly_all(path: Path) -> None:
    found = batches(path, Shards(ALONE, 4))
    assert found._pass.batches > found._pass.each, "there is more than one window"
    epochs = [drawn(found, number) for number in (0, 1)]
    for epoch in epochs:
        assert len(epoch) == found.per_epoch
        rows = np.concatenate(epoch)
        assert len(np.unique(rows)) == len(rows) > 0.8 * len(found.data)
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    assert abs(np.concatenate(epochs[0][: len(epochs[0]) // 2]).mean() - ROWS / 2) < 0.15 * ROWS, "it is not shuffled"


class Of(Alone):
    """A rank of a team that is not there."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.mark.usefixtures("small_windows")
def test_ranks_have_parts_of_the_same_batches_and_go_on_anywhere(path: Path) -> None:
    whole = drawn(batches(path, Shards(ALONE, 4)), 3)
    parts = [drawn(batches(path, Shards(Of(rank, 2), 4)), 3) for rank in range(2)]
    for one, of_ranks in zip(whole, zip(*parts, strict=True), strict=True):
        assert np.array_equal(one, np.concatenate(of_ranks))
    for position in (1, len(whole) // 2, len(whole) - 1):
        rest = drawn(batches(path, Shards(ALONE, 4)), 3, position)
        assert all(np.array_equal(a, b) for a, b in zip(rest, whole[position:], strict=True))


def test_rows_that_are_held_out_are_not_trained_on(path: Path) -> None:
    data = ed.load_streamed(ed.loads(MODEL), path)
    rows, held = data.split(0.1, 0)
    assert held is not None
    trained = set(rows.numbers(rows.blocks).tolist())
    assert not trained & set(held.arrays["v"][:, 0].astype(int).tolist())
    assert len(trained) + len(held) == len(data)
    assert held_fraction(data, None) == 0.1


def test_reading_rows_is_reading_the_file(path: Path) -> None:
    store = stored(path)
    for start, stop in ((0, 1), (99, 301), (ROWS - 5, ROWS)):
        assert np.array_equal(store.read(start, stop), numbered()[start:stop])


def test_a_row_that_does_not_fit_is_named_when_it_is_met(tmp_path: Path) -> None:
    rows = (np.random.default_rng(0).random((ROWS, UNITS)) < 0.5).astype(np.float32)
    rows[1234, 5] = 7.0
    program = ed.loads(f"visible v[{UNITS}] : binary\nhidden h[2] : binary\nlayers v -- h").compile("numpy")
    data = ed.load_streamed(
        ed.loads(f"visible v[{UNITS}] : binary\nhidden h[2] : binary\nlayers v -- h"),
        write(tmp_path / "rows.npy", rows),
    )
    with pytest.raises(ed.DataError, match=r"rows.npy: row 1235, column 6 of `v` is 7"):
        ed.train(program, data, ed.CD(), epochs=1, batch=50, validation=0.0)


def test_a_run_on_streamed_rows_is_gone_on_with(tmp_path: Path) -> None:
    text = f"visible v[{UNITS}] : binary\nhidden h[2] : binary\nlayers v -- h"
    rows = (np.random.default_rng(0).random((ROWS, UNITS)) < 0.3).astype(np.uint8)
    data = ed.load_streamed(ed.loads(text), write(tmp_path / "rows.npy", rows))
    program, stop = ed.loads(text).compile("numpy"), iter(range(10**6))

    def interrupted(row: Any) -> None:
        if next(stop) == 1:
            raise KeyboardInterrupt

    given: dict[str, Any] = {"epochs": 3, "batch": 64}
    whole = ed.train(program, data, ed.CD(), **given)
    ed.train(program, data, ed.CD(), **given, out=tmp_path / "run", report=interrupted)
    resumed = ed.train(program, data, ed.CD(), **given, out=tmp_path / "run", resume=True)
    assert resumed.finished
    assert all(np.array_equal(whole.params[n], resumed.params[n]) for n in whole.params)
    assert ed.open_run(tmp_path / "run").updates == whole.updates


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("digits", "cannot be streamed"),
        ("rows.csv", "cannot be streamed"),
        ("none.npy", "there is no file"),
        ("odd.npy", "columns together"),
    ],
)
def test_what_cannot_be_streamed_says_so(tmp_path: Path, name: str, said: str) -> None:
    np.save(tmp_path / "odd.npy", np.asfortranarray(numbered()))
    with pytest.raises(ed.DataError, match=said):
        ed.load_streamed(ed.loads(MODEL), tmp_path / name if "." in name else name)


def test_a_zarr_array_is_read_as_a_whole_too(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.zarr", numbered())
    assert np.array_equal(ed.load_data(ed.loads(MODEL), str(path)).arrays["v"], numbered())
