"""A run folder as input and as a place that fails: full disks, two writers, edits, garbage, pipes, older formats, signals."""

from __future__ import annotations

import builtins
import copy
import errno
import functools
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.inference.told import describe
from energydsl.learning import checkpoint, files, interrupt
from energydsl.learning.evaluations import read_evaluations
from energydsl.learning.lock import locked
from tests.conftest import ROOT

TEXT = """visible v[6] : binary
hidden h[3] : spin
param W[6, 3] = normal(sd = 0.1), sigma[6] : positive = 1.0, b[6]
energy = -v @ W @ h - sum((b - sigma) * v)
"""
ROWS = np.random.default_rng(0).integers(0, 2, (60, 6)).astype(np.float32)
ARGUMENTS: dict[str, Any] = {"epochs": 3, "batch": 20, "seed": 3, "validation": 0.2}


@functools.cache
def program() -> ed.Program:
    return ed.loads(TEXT).compile("numpy")


def trained(out: Path, **more: Any) -> ed.Run:
    method, optimizer = ed.PCD(chains=4), ed.SGD(lr=0.05, momentum=0.5)
    return ed.train(program(), ROWS, method, optimizer, out=out, **{**ARGUMENTS, **more})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    trained(folder)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def command(*words: Any) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of a command."""
    done = CliRunner().invoke(cli, [*map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout) if done.stdout.strip() else {}


def same(one: ed.Run, other: ed.Run) -> None:
    """Bit for bit, but for the clock."""
    for kind in ("params", "chains"):
        first, second = getattr(one, kind), getattr(other, kind)
        assert list(first) == list(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    tables = [
        [{k: v for k, v in row.items() if k != "seconds" and v is not None} for row in r.history] for r in (one, other)
    ]
    assert tables[0] == tables[1]
    assert one.updates == other.updates


# --- a disk that is full


class Full:
    """A disk on which the n-th write, flush, renaming or deletion fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails_at: int):
        self.count, self.fails_at = 0, fails_at
        disk, plain = self, builtins.open

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                disk.tick()
                return super().write(data)

        def opened(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            if not set(mode) & set("wxa"):
                return plain(file, mode, *rest, **more)
            disk.tick()
            return io.BufferedWriter(Raw(file, mode.replace("b", "")))

        monkeypatch.setattr(builtins, "open", opened)
        for name in ("fsync", "replace", "write", "mkdir"):
            self._patch(monkeypatch, name)

    def _patch(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        plain = getattr(os, name)

        def patched(*arguments: Any, **more: Any) -> Any:
            self.tick()
            return plain(*arguments, **more)

        monkeypatch.setattr(os, name, patched)

    def tick(self) -> None:
        self.count += 1
        if self.count == self.fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")


def error_of(call: Callable[[], Any]) -> str:
    """The error of the user that a call ends with, or nothing."""
    try:
        call()
    except ed.EnergyError as error:
        return str(error)
    return ""


class Stop(Exception):
    pass


def stopping(row: dict[str, Any]) -> None:
    if row["epoch"] == 1:
        raise Stop


@pytest.mark.parametrize("begun", [False, True], ids=["from the start", "on resuming"])
def test_a_fault_at_every_single_write_leaves_a_run_that_resumes_bit_equal(
    begun: bool, made: Path, tmp_path: Path
) -> None:
    whole, number, refused = ed.open_run(made), 0, 0
    while True:
        number += 1
        folder = tmp_path / f"run-{number}"
        if begun:
            with pytest.raises(Stop):
                trained(folder, report=stopping)
        with pytest.MonkeyPatch.context() as patch:
            disk = Full(patch, number)
            said = error_of(lambda f=folder: trained(f, resume=begun))
        assert not said or ("No space left on device" in said and str(folder) in said)
        failed = bool(said)
        if disk.count < number:
            break
        refused += failed
        ended = trained(folder, resume=(folder / "config.json").exists()) if failed else ed.open_run(folder)
        same(ended, whole)
        same(ed.open_run(folder), whole)
        left = {p.name for p in folder.iterdir()}
        assert left == {p.name for p in made.iterdir()}, number
        for name in ("model.energy", "config.json", "base.npz"):
            assert (folder / name).read_bytes() == (made / name).read_bytes()
    # All are told of but one: that a folder, which is there, cannot be made.
    assert refused >= number - 2 >= (20 if begun else 30)


def test_what_is_equal_is_left_alone(run: Path) -> None:
    times = {p.name: p.stat().st_mtime_ns for p in run.iterdir()}
    time.sleep(0.02)
    trained(run, resume=True)
    assert {p.name: p.stat().st_mtime_ns for p in run.iterdir()} == times


def test_the_checkpoint_comes_before_metrics_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        trained(tmp_path / "run", report=stopping)
    (tmp_path / "run/metrics.csv").unlink()
    (tmp_path / "run/metrics.csv/x").mkdir(parents=True)
    status, said = command("info", tmp_path / "run")
    assert status == 1
    assert "metrics.csv" in said["diagnostics"][0]["message"]
    shutil.rmtree(tmp_path / "run/metrics.csv")

    def sabotaged(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            (tmp_path / "run/metrics.csv").unlink()
            (tmp_path / "run/metrics.csv/x").mkdir(parents=True)

    with pytest.raises(ed.EnergyError, match=r"cannot write .*metrics\.csv: Is a directory"):
        trained(tmp_path / "run", resume=True, report=sabotaged)
    assert checkpoint.found(tmp_path / "run")[-1].name == "checkpoint-000000006.npz"


# --- two writers


def test_a_second_writer_is_refused_and_told_whose_it_is(tmp_path: Path) -> None:
    said: list[str] = []

    def another(row: dict[str, Any]) -> None:
        if row["epoch"] == 1:
            with pytest.raises(ed.EnergyError) as caught:
                trained(tmp_path / "run", resume=True)
            said.append(str(caught.value))

    first = trained(tmp_path / "run", report=another)
    assert f"pid {os.getpid()}, host {os.uname().nodename}, since 20" in said[0]
    assert first.finished
    assert not (tmp_path / "run/lock").exists()
    same(trained(tmp_path / "run", resume=True), first)


def test_the_lock_of_a_dead_process_is_taken_over_and_that_of_another_host_is_not(run: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    owner = {"pid": gone.pid, "host": os.uname().nodename, "since": "2026-01-01T00:00:00+00:00"}
    for text in (json.dumps(owner), "", "{", "[" * 4000):
        (run / "lock").write_text(text)
        assert trained(run, resume=True).finished
        assert not (run / "lock").exists()
    (run / "lock").write_text(json.dumps({**owner, "host": "elsewhere"}))
    with pytest.raises(ed.EnergyError, match=r"host elsewhere, since 2026.*delete .*lock"):
        trained(run, resume=True)
    (run / "lock").unlink()
    os.mkfifo(run / "lock")
    with pytest.raises(ed.EnergyError, match="lock"):
        trained(run, resume=True)


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from energydsl.learning.lock import locked\n"
        f"with locked(Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ed.EnergyError, match=f"pid {process.pid}"), locked(tmp_path):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_a_training_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ed.NotApplicable):
        ed.train(program(), ROWS, ed.WakeSleep(), out=tmp_path / "a/run")
    assert not (tmp_path / "a/run").exists()


# --- files that are not what was written


def test_a_sign_edited_in_the_text_is_seen(run: Path) -> None:
    text = (run / "model.energy").read_text()
    (run / "model.energy").write_text(text.replace("-v @ W", "v @ W"))
    for words in (("eval", run, "--data", "bars-and-stripes:2"), ("sample", run), ("info", run)):
        status, said = command(*words)
        assert status == 1
        assert said["diagnostics"][0]["code"] == "E0403"
        assert "model.energy has changed since the run was begun" in said["diagnostics"][0]["message"]
    with pytest.raises(ed.DataError, match="has changed since the run was begun"):
        trained(run, resume=True)


GRAPH = """graph G = edges("g.csv")
visible s[4] : spin
param J[G] = normal(sd = 0.1)
energy = -sum[(i, k) in G] J[i, k]*s[i]*s[k]
"""


def test_values_read_from_a_file_are_kept_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("0,1\n1,2\n2,3\n")
    (tmp_path / "w.csv").write_text("0,1,0.5\n1,2,-1\n3,2,2\n")
    (tmp_path / "m.energy").write_text(GRAPH.replace("normal(sd = 0.1)", 'file("w.csv")'))
    rows = np.random.default_rng(0).choice([-1.0, 1.0], (40, 4)).astype(np.float32)
    arguments: dict[str, Any] = {"epochs": 2, "batch": 20, "out": tmp_path / "run"}
    program = ed.load(tmp_path / "m.energy").compile("numpy")
    np.testing.assert_array_equal(program.init(seed=1)["J"], [0.5, -1.0, 2.0])
    first = ed.train(program, rows, **arguments)
    (tmp_path / "w.csv").unlink()
    same(ed.open_run(tmp_path / "run"), first)
    same(ed.train(program, rows, resume=True, **arguments), first)
    again = ed.open_run(tmp_path / "run").program
    np.testing.assert_array_equal(again.init(seed=1)["J"], [0.5, -1.0, 2.0])
    files.write_arrays(tmp_path / "run/starts.npz", {"J": np.zeros(3)})
    with pytest.raises(ed.DataError, match="the initial values of `J` have changed since the run was begun"):
        ed.open_run(tmp_path / "run")


def test_edges_that_changed_are_seen(tmp_path: Path) -> None:
    def model(*edges: str) -> ed.Program:
        (tmp_path / "g.csv").write_text("\n".join(edges) + "\n")
        (tmp_path / "m.energy").write_text(GRAPH)
        return ed.load(tmp_path / "m.energy").compile("numpy")

    rows = np.random.default_rng(0).choice([-1.0, 1.0], (40, 4)).astype(np.float32)
    arguments: dict[str, Any] = {"epochs": 2, "batch": 20, "out": tmp_path / "run"}
    first = ed.train(model("0,1", "1,2", "2,3"), rows, **arguments)
    again = ed.open_run(tmp_path / "run")
    assert again.program.model.graphs["G"].edges == ((0, 1), (1, 2), (2, 3))
    assert ed.evaluate(again, rows) == ed.evaluate(first, rows)
    ed.train(model("2,3", "1,2", "1,0"), rows, resume=True, **arguments)
    changed = r"graph `G` has changed.*3 edges then, 3 now, \(2, 3\) no longer there, \(0, 3\) new"
    with pytest.raises(ed.EnergyError, match=changed):
        ed.train(model("0,1", "1,2", "0,3"), rows, resume=True, **arguments)
    same(ed.open_run(tmp_path / "run"), first)
    files.write_arrays(tmp_path / "run/graphs.npz", {"G": np.array([[0, 1], [1, 2], [0, 3]])})
    with pytest.raises(ed.DataError, match="graph `G` has changed since the run was begun"):
        ed.open_run(tmp_path / "run")


def test_a_drawn_graph_is_kept_as_it_was_drawn(tmp_path: Path) -> None:
    text = GRAPH.replace('edges("g.csv")', "random_regular(degree = 3, nodes = 10, seed = 1)").replace("s[4]", "s[10]")
    rows = np.random.default_rng(0).choice([-1.0, 1.0], (40, 10)).astype(np.float32)
    first = ed.train(ed.loads(text).compile("numpy"), rows, epochs=1, batch=20, out=tmp_path / "run")
    again = ed.open_run(tmp_path / "run")
    assert again.program.model.graphs["G"].edge_count == 15
    assert ed.evaluate(again, rows) == ed.evaluate(first, rows)


def test_a_flipped_bit_anywhere_gives_the_same_checkpoint_or_the_one_before(run: Path) -> None:
    before, last = checkpoint.found(run)
    arrays, meta = checkpoint.load(last)
    data, damaged = last.read_bytes(), 0
    for place in range(len(data)):
        last.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        try:
            found, known = checkpoint.load(last)
        except ed.DataError:
            damaged += 1
            continue
        assert (list(found), known) == (list(arrays), meta), place
        assert all(np.array_equal(found[n], arrays[n]) for n in found), place
    assert damaged > len(data) // 2
    last.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert ed.open_run(run).updates == int(before.stem[-9:])


def test_what_was_damaged_is_said(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    last = checkpoint.found(run)[-1]
    last.write_bytes(last.read_bytes()[:-40])
    said = f"{last} is damaged (BadZipFile); going back to the checkpoint before"
    opened = ed.open_run(run)
    assert opened.warnings == (said,)
    assert opened.updates == 4
    assert caplog.messages == [said]
    np.save(run.parent / "x.npy", ROWS)
    for words in (("info", run), ("sample", run, "--steps", 1), ("eval", run, "--data", run.parent / "x.npy")):
        status, found = command(*words)
        assert status == 0
        assert found["warnings"] == [said]
    shown = subprocess.run([sys.executable, "-m", "energydsl", "info", str(run)], capture_output=True, text=True)
    assert said in shown.stderr
    resumed = trained(run, resume=True)
    assert resumed.warnings == (said,)
    assert resumed.updates == 6
    assert not ed.open_run(run).warnings


def odd(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def edit(arrays: dict[str, Any], meta: dict[str, Any]) -> None:
        arrays[name] = change(arrays[name])

    return edit


def put(array: Any, value: float) -> Any:
    changed = array.copy()
    changed.flat[0] = value
    return changed


def remark(**values: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda arrays, meta: meta.update(values)


ODD_CHECKPOINTS = {
    "complex": (odd("param/W", lambda a: a.astype(complex)), "`param/W` is of type complex128, not float32"),
    "strings": (odd("param/W", lambda a: a.astype(str)), "`param/W` is of type <U32, not float32"),
    "whole": (odd("param/W", lambda a: a.astype(int)), "`param/W` is of type int64, not float32"),
    "double": (odd("param/W", lambda a: a.astype(float)), "`param/W` is of type float64, not float32"),
    "nan": (odd("param/W", lambda a: put(a, np.nan)), "`param/W` holds values that are not finite numbers"),
    "infinite": (odd("param/b", lambda a: put(a, -np.inf)), "`param/b` holds values that are not finite numbers"),
    "shape": (odd("param/W", lambda a: a.T.copy()), r"`param/W` has shape \(3, 6\), not \(6, 3\)"),
    "scalar": (odd("chain/negative/v", lambda a: a[0, 0]), r"`chain/negative/v` has shape \(\), not \(chains, 6\)"),
    "missing": (lambda arrays, meta: arrays.pop("param/W"), "parameter `W` is missing"),
    "stranger": (lambda arrays, meta: arrays.update(extra=np.zeros(2, np.float32)), "it holds `extra`"),
    "strange parameter": (lambda a, m: a.update({"param/U": a["param/W"]}), "it holds `param/U`"),
    "chains": (odd("chain/negative/v", lambda a: a[:, :5].copy()), r"has shape \(4, 5\), not \(chains, 6\)"),
    "chain domain": (odd("chain/negative/v", lambda a: put(a, 7)), "holds 7, which is not in binary"),
    "half": (odd("chain/negative/v", lambda a: put(a, 0.5)), r"holds 0\.5, which is not in binary"),
    "spin": (odd("chain/negative/h", lambda a: put(a, 0)), "holds 0, which is not in spin"),
    "chain numbers": (odd("chain/negative/v", lambda a: a[:2].copy()), "chains are of different numbers"),
    "chain missing": (lambda arrays, meta: arrays.pop("chain/negative/h"), "`chain/negative/h` is missing"),
    "slot shape": (odd("slot/W/velocity", lambda a: a[0].copy()), r"`slot/W/velocity` has shape \(3,\), not \(6, 3\)"),
    "slot nan": (odd("slot/W/velocity", lambda a: a * np.nan), "`slot/W/velocity` holds values that are not finite"),
    "no rng": (lambda arrays, meta: meta.pop("rng"), "`rng` is missing: a text was expected"),
    "odd rng": (remark(rng='{"key": [1]}'), "the random state"),
    "rng no text": (remark(rng=3), "`rng` is 3, not a text"),
    "update": (remark(update="6"), "`update` is '6', not a whole number"),
    "negative": (remark(epoch=-1), "`epoch` is -1, not a whole number"),
    "far": (remark(position=10**9), "make 1000000"),
    "other update": (remark(update=5), "`update` is 5, where epoch 3 of 3 and position 0 make 6"),
    "seconds": (remark(seconds="long"), "`seconds` is 'long', not a number"),
    "row": (remark(row=[1]), r"`row` is \[1\], not the figures"),
}  # fmt: skip
ODD_RESUMED = {
    "slot missing": (lambda arrays, meta: arrays.pop("slot/W/velocity"), "`slot/W/velocity` is missing"),
    "slot more": (lambda a, m: a.update({"slot/W/first": a["slot/W/velocity"]}), "`slot/W/first`, which this training has not"),
    "more chains": (lambda a, m: a.update({n: np.repeat(v, 2, axis=0) for n, v in a.items() if "negative" in n}), r"has shape \(8, 6\), not \(4, 6\)"),
}  # fmt: skip


def rewritten(run: Path, edit: Callable[[dict[str, Any], dict[str, Any]], Any], only_last: bool = False) -> None:
    """Checkpoints with something odd in them, whose digests fit."""
    for path in checkpoint.found(run)[-1 if only_last else 0 :]:
        arrays, meta = checkpoint.load(path)
        number = meta["update"]
        edit(arrays, meta)
        checkpoint.save(run, number, arrays, meta)


@pytest.mark.parametrize("name", [*ODD_CHECKPOINTS, *ODD_RESUMED])
def test_an_odd_checkpoint_is_refused_or_gives_way(name: str, run: Path) -> None:
    edit, said = {**ODD_CHECKPOINTS, **ODD_RESUMED}[name]
    rewritten(run, edit, only_last=True)
    if name in ODD_CHECKPOINTS:
        opened = ed.open_run(run)
        assert opened.updates == 4
        [warning] = opened.warnings
        assert checkpoint.found(run)[-1].name in warning
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda *_: None)
        assert trained(run, resume=True).warnings
    shutil.rmtree(run)
    trained(run)
    checkpoint.found(run)[0].unlink()
    rewritten(run, edit)
    with pytest.raises(ed.DataError, match=said) as caught:
        trained(run, resume=True)
    assert caught.value.diagnostics[0].code == "E0403"
    if name in ODD_CHECKPOINTS:
        for words in (("info", run), ("sample", run), ("eval", run, "--data", "bars-and-stripes:2")):
            status, found = command(*words)
            assert (status, found["diagnostics"][0]["code"]) == (1, "E0403"), words


def entry(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(config: dict[str, Any]) -> None:
        *parts, last = path.split(".")
        for part in parts:
            config = config[part]
        config[last] = value

    return edit


ODD_CONFIGS = {
    "dims": (entry("dims", [1]), r"`dims` is \[1\], not sizes by name"),
    "dims text": (entry("dims", {"J": "3"}), "`dims`"),
    "consts": (entry("consts", {"T": "hot"}), "`consts` is .*, not numbers by name"),
    "backend": (entry("backend", "torch"), "`backend` is 'torch', not one of numpy, numba, cupy"),
    "dtype": (entry("dtype", "float16"), "`dtype` is 'float16', not one of float32, float64"),
    "precision": (entry("precision", 3), "`precision` is 3"),
    "no backend": (lambda config: config.pop("backend"), "`backend` is missing: one of"),
    "data": (entry("data", "digits"), "`data` is 'digits', not entries by name"),
    "rows": (entry("data.rows", -5), r"`data\.rows` is -5, not a whole number above 0"),
    "rule": (entry("data.binarise", 1), r"`data\.binarise` is 1"),
    "method": (entry("method.name", "magic"), "`method` is .*, not the settings of one of cd, pcd"),
    "k": (entry("method.k", "many"), "`method` is .*, not the settings of one of"),
    "k zero": (entry("method.k", 0), "`method` is"),
    "unknown setting": (entry("method.sweeps", 3), "`method` is"),
    "lr": (entry("optimizer.lr", "high"), "`optimizer` is .*, not the settings of one of sgd, adam"),
    "epochs": (entry("epochs", 2.5), r"`epochs` is 2\.5, not a whole number"),
    "batch": (entry("batch", 0), "`batch` is 0, not a whole number above 0"),
    "validation": (entry("validation", 1), "`validation` is 1, not a fraction"),
    "seed": (entry("seed", True), "`seed` is True"),
    "greedy": (entry("greedy", {}), "`greedy` is {}"),
    "graphs": (entry("graphs", {"G": 3}), "`graphs` is"),
    "text": (entry("text", 5), "`text` is 5, not a SHA-256"),
    "other text": (entry("text", "0" * 64), "model.energy has changed"),
    "other rate": (entry("optimizer.lr", 0.1), "config.json has changed since it was saved"),
    "fewer epochs": (entry("epochs", 1), "config.json has changed since it was saved"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_CONFIGS)
def test_an_edited_config_is_refused(name: str, run: Path) -> None:
    edit, said = ODD_CONFIGS[name]
    config = json.loads((run / "config.json").read_text())
    edit(config)
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(ed.DataError, match=said) as caught:
        ed.open_run(run)
    assert caught.value.diagnostics[0].code == "E0403"
    assert "config.json" in str(caught.value) or "model.energy" in str(caught.value)
    for words in (("info", run), ("sample", run), ("eval", run, "--data", "bars-and-stripes:2")):
        assert command(*words)[0] == 1
    with pytest.raises(ed.EnergyError):
        trained(run, resume=True)


NAMES = ("config.json", "model.energy", "base.npz", "metrics.csv", "evaluation.json", "graphs.npz")
GARBAGE = {
    "empty": b"", "bytes": bytes(range(256)) * 4, "text": b"hello", "zip": b"PK\x03\x04" + b"\0" * 60, "list": b"[1, 2]", "number": b"3",
    "nested": b"[" * 100_000, "null": b"null", "table": b"epoch,update\n1\n", "words": b"epoch,update\nx,y\n", "wide": b"epoch,update\n1,2,3\n",
    "array": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9,), }" + b" " * 50 + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_garbage_in_a_file_of_a_run_is_one_plain_error(name: str, run: Path) -> None:
    graph = name == "graphs.npz"
    np.save(run.parent / "x.npy", ROWS)
    for content in GARBAGE.values():
        (run / name).write_bytes(content)
        for words in (("info", run), ("sample", run, "--steps", 1), ("eval", run, "--data", run.parent / "x.npy")):
            status, found = command(*words)
            harmless = (name == "metrics.csv" and not content) or name == "evaluation.json"
            assert status in ((0, 1) if harmless else (1,)), (words, content[:20], found)
            if status and name in ("config.json", "base.npz", "metrics.csv", "evaluation.json", "graphs.npz"):
                assert found["diagnostics"][0]["code"] == "E0403"
                assert name in found["diagnostics"][0]["message"]
        if not (name in ("metrics.csv", "evaluation.json") or graph):
            with pytest.raises(ed.EnergyError):
                trained(run, resume=True)


def test_a_pipe_or_a_folder_in_place_of_a_file_neither_hangs_nor_crashes(run: Path) -> None:
    for name in (*NAMES, *(p.name for p in checkpoint.found(run)), ".metrics.csv.part", ".config.json.part"):
        for make in (os.mkfifo, os.mkdir):
            folder = run.parent / "copy"
            shutil.copytree(run, folder)
            place = folder / name
            place.unlink(missing_ok=True)
            make(place)
            for words in (("info", folder), ("sample", folder, "--steps", 1)):
                status, found = command(*words)
                spared = name.startswith((".", "checkpoint")) or (name == "evaluation.json" and words[0] != "info")
                assert status == (0 if spared else 1), (name, words, found)
                assert "internal_error" not in found
                assert bool(found.get("warnings")) == (name == "checkpoint-000000006.npz")
            said = error_of(lambda f=folder: trained(f, resume=True))
            assert not said or place.name.removeprefix(".").removesuffix(".part") in said
            shutil.rmtree(folder)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_a_picture_that_cannot_be_drawn_costs_no_evaluation(make: Callable[[Path], None], tmp_path: Path) -> None:
    words = [
        "train",
        str(ROOT / "models/rbm.energy"),
        "--data",
        "digits",
        "-D",
        "J=4",
        "--epochs",
        "0",
        "--backend",
        "numpy",
    ]
    (tmp_path / "run").mkdir()
    make(tmp_path / "run/samples.png")
    done = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0
    assert f"no pictures: {tmp_path}/run/samples.png is not a plain file" in done.stderr
    assert "log-likelihood of 500 test rows" in done.stdout


def test_folders_from_before_there_were_digests_open_and_go_on(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    with pytest.raises(Stop):
        trained(tmp_path / "old", report=stopping)
    for folder in (tmp_path / "whole", tmp_path / "old"):
        config = json.loads((folder / "config.json").read_text())
        for key in ("text", "graphs", "base"):
            del config[key]
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        for path in checkpoint.found(folder):
            arrays, meta = checkpoint.load(path)
            meta = {k: v for k, v in meta.items() if k not in ("row", "config")}
            text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
            with open(path, "wb") as file:
                np.savez(file, **{"meta": text, **arrays})
    same(ed.open_run(tmp_path / "whole"), whole)
    same(trained(tmp_path / "old", resume=True), whole)
    same(ed.open_run(tmp_path / "old"), whole)
    assert set(json.loads((tmp_path / "old/config.json").read_text())) >= {"text", "graphs", "base"}


# --- signals

LONG = [
    sys.executable, "-m", "energydsl", "train", str(ROOT / "models/rbm.energy"), "--data", "digits", "-D", "J=8",
    "--backend", "numpy", "--epochs", "500", "--no-evaluate",
]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_signal_saves_and_ends_with_its_number(number: int, as_json: bool, tmp_path: Path) -> None:
    words = [*LONG, "--out", str(tmp_path / "run"), *(["--json"] if as_json else [])]
    # A signal that is ignored here, as in a job in the background, would be ignored there.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(number, before)
    deadline = time.monotonic() + 60
    while not checkpoint.found(tmp_path / "run") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    out, messages = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "--resume" in messages
    assert "Traceback" not in messages
    stopped = ed.open_run(tmp_path / "run")
    assert stopped.updates > 0
    assert not (tmp_path / "run/lock").exists()
    if as_json:
        found = json.loads(out)
        assert not found["ok"]
        assert found["updates"] == stopped.updates


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; import numpy as np; import energydsl as ed\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from energydsl.learning.interrupt import heeded\n"
        "p = ed.loads('visible v[4] : binary\\nhidden h[2] : binary\\nlayers v -- h').compile('numpy')\n"
        "rows = np.ones((40, 4), np.float32)\n"
        "def send(number): return lambda row: os.kill(os.getpid(), number) if row['epoch'] == 1 else None\n"
        f"run = ed.train(p, rows, epochs=3, out={str(tmp_path / 'a')!r}, report=send(signal.SIGHUP))\n"
        "assert run.finished and run.signal == 0\n"
        "with heeded():\n"
        f"    run = ed.train(p, rows, epochs=3, out={str(tmp_path / 'b')!r}, report=send(signal.SIGTERM))\n"
        "assert not run.finished and run.signal == signal.SIGTERM\n"
        f"ed.train(p, rows, epochs=3, out={str(tmp_path / 'c')!r}, report=send(signal.SIGTERM))\n"
        "print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert done.stdout == ""
    for name in "bc":
        assert ed.open_run(tmp_path / name).updates > 0
        assert not (tmp_path / name / "lock").exists()


def test_a_handler_of_the_caller_is_called_where_the_run_is_whole() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with interrupt.Uninterrupted() as calm:
            signal.raise_signal(signal.SIGINT)
            assert seen == []
            calm.check()
            assert seen == [signal.SIGINT]
            signal.raise_signal(signal.SIGINT)
        assert seen == [signal.SIGINT] * 2
    finally:
        signal.signal(signal.SIGINT, before)


# --- evaluations


def test_evaluations_are_kept_and_the_latest_of_each_kind_shown(run: Path) -> None:
    np.save(run.parent / "x.npy", ROWS)
    found = []
    for more in (("--method", "exact"), ("--method", "ais", "--betas", 50), ("--method", "ais", "--betas", 100)):
        status, said = command("eval", run, "--data", run.parent / "x.npy", *more)
        assert status == 0
        found.append(said)
    kept = read_evaluations(run)
    assert [e["log_likelihood"] for e in kept] == [f["log_likelihood"] for f in found]
    for entry, said in zip(kept, found, strict=True):
        assert {**entry, **{k: v for k, v in said.items() if k not in ("ok", "warnings")}} == entry
        assert entry["data"] == {"name": "x.npy", "rows": 60}
        assert entry["energydsl"] == ed.__version__
        assert entry["updates"] == 6
        assert entry["date"].startswith("20")
    assert kept[1]["settings"] == {
        "method": "ais",
        "betas": 50,
        "chains": 100,
        "seed": 0,
        "split": "test",
        "binarise": None,
    }
    _, said = command("info", run)
    assert said["evaluations"] == [kept[0], kept[2]]
    shown = CliRunner().invoke(cli, ["info", str(run)]).stdout
    for number, line in ((0, True), (1, False), (2, True)):
        assert (describe(kept[number], "x.npy") in shown) == line


def test_training_keeps_its_evaluation(tmp_path: Path) -> None:
    words = ("train", ROOT / "models/rbm.energy", "--data", "digits", "-D", "J=4", "--epochs", 0, "--backend", "numpy")
    status, said = command(*words, "--out", tmp_path / "run")
    assert status == 0
    [kept] = read_evaluations(tmp_path / "run")
    assert kept.items() >= said["evaluation"].items()


def test_an_evaluation_that_cannot_be_kept_is_still_given(run: Path) -> None:
    np.save(run.parent / "x.npy", ROWS)
    (run / "evaluation.json/x").mkdir(parents=True)
    done = CliRunner().invoke(cli, ["eval", str(run), "--data", str(run.parent / "x.npy")])
    assert done.exit_code == 0
    assert "log-likelihood of 60" in done.stdout
    assert "not kept" in done.stderr


# --- what comes from outside Python's plainest types


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    optimizer = ed.SGD(lr=np.float32(0.05), momentum=np.float64(0.5))
    plain = ed.SGD(lr=float(np.float32(0.05)), momentum=0.5)
    arguments: dict[str, Any] = {"epochs": np.int64(2), "batch": np.int32(20), "validation": np.float32(0.25)}
    one = ed.train(
        program(), ROWS, ed.PCD(chains=np.int64(4)), optimizer, seed=np.int64(3), out=tmp_path / "a", **arguments
    )
    arguments = {"epochs": 2, "batch": 20, "validation": 0.25}
    same(one, ed.train(program(), ROWS, ed.PCD(chains=4), plain, seed=3, out=tmp_path / "b", **arguments))
    for name in ("config.json", "base.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    same(ed.open_run(tmp_path / "a"), one)
    text = "dim J = 2\nconst T = 1.0\nvisible v[J] : binary\nparam b[J]\nenergy = -b @ v / T"
    model = ed.loads(text, dims={"J": np.int64(6)}, consts={"T": np.float32(0.5)})
    ed.train(model.compile("numpy"), ROWS, epochs=1, out=tmp_path / "c")
    assert ed.open_run(tmp_path / "c").config["consts"] == {"T": 0.5}


@pytest.mark.parametrize("seed", [-1, np.int64(-3), 1.5, "1", None, [1, -2]], ids=repr)
def test_a_seed_that_is_none_is_an_argument_error_everywhere(seed: Any, made: Path, tmp_path: Path) -> None:
    run = ed.open_run(made)
    labelled = ed.loads("visible v[6] : binary\nvisible y : binary\nparam w[6]\nenergy = -(w @ v) * y").compile("numpy")
    pair = ed.Run(labelled, labelled.init(0), {"data": {"binarise": None}})
    calls: list[Callable[[], Any]] = [
        lambda: ed.train(run.program, ROWS, seed=seed),
        lambda: ed.train(run.program, ROWS, seed=seed, out=tmp_path / "x"),
        lambda: run.program.init(seed),
        lambda: run.program.init_state(run.params, 3, seed),
        lambda: ed.Rng(seed),
        lambda: ed.sample(run, 3, 1, seed=seed),
        lambda: ed.evaluate(run, ROWS, seed=seed),
        lambda: ed.predict(pair, {"v": ROWS, "y": ROWS[:, 0]}, "y", seed=seed),
        lambda: ed.store(pair.program, {"v": ROWS, "y": ROWS[:, 0]}, seed=seed),
        lambda: run.program.origin.verify(seed=seed),
    ]
    for call in calls:
        with pytest.raises(ed.ArgumentError, match="seed"):
            call()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("out", [5, b"x", "", ["a"], object()], ids=lambda out: type(out).__name__)
def test_out_is_a_path(out: Any) -> None:
    with pytest.raises(ed.ArgumentError, match="path of a folder"):
        ed.train(program(), ROWS, out=out)
    with pytest.raises(ed.ArgumentError, match="path of a folder"):
        ed.open_run(out)


def test_a_file_in_place_of_the_folder_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    for more in ({}, {"resume": True}):
        with pytest.raises(ed.EnergyError, match="run"):
            trained(tmp_path / "run", **more)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(
    "text", [TEXT, GRAPH, (ROOT / "models/dbn.energy").read_text()], ids=["plain", "graph", "directed"]
)
def test_models_programs_and_runs_are_pickled_and_copied(text: str, elsewhere: Path, tmp_path: Path) -> None:
    (elsewhere / "g.csv").write_text("0,1\n1,2\n2,3\n")
    (elsewhere / "m.energy").write_text(text)
    model = ed.load(elsewhere / "m.energy")
    program = model.compile("numpy", "float64")
    visible = program.model.by_role("visible")[0]
    params = program.init(1)
    run = ed.Run(program, params, {"data": {"binarise": None}})
    (elsewhere / "g.csv").unlink()  # a pickle depends on no file
    for again in (pickled(run), copy.deepcopy(run), copy.copy(run)):
        assert again.program.source == program.source
        assert again.program.dtype == program.dtype
        assert again.program.model.graphs == program.model.graphs
        state = program.init_state(params, 3, 2)
        moved, expected = (p.gibbs(params, state, 3, rng=ed.Rng(5)) for p in (again.program, program))
        for name in expected:
            np.testing.assert_array_equal(moved[name], expected[name])
        np.testing.assert_array_equal(again.program.energy(again.params, state), program.energy(params, state))
    for other in (pickled(model), copy.deepcopy(model)):
        assert other.explain() == model.explain()
        assert list(other.layers) == list(model.layers)
        assert visible in other.layers


def test_a_part_of_a_program_says_that_it_is_not_pickled() -> None:
    directed = ed.load(ROOT / "models/dbn.energy").compile("numpy")
    with pytest.raises(ed.NotApplicable, match="with the whole"):
        pickle.dumps(ed.Program(directed.engine.core))


def test_errors_are_pickled_with_their_diagnostics() -> None:
    for text in ("visible v[3] : binry\nenergy = 0", "visible v[2] : binary\nenergy = -w @ v"):
        with pytest.raises(ed.ModelError) as caught:
            ed.loads(text)
        again = pickled(caught.value)
        assert type(again) is type(caught.value)
        assert again.diagnostics == caught.value.diagnostics
        assert str(again) == str(caught.value)
