"""2 and 4 ranks find what one process does, bit for bit; whatever ends one of them ends all, with one message."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energydsl.ranks import world
from tests.conftest import ROOT
from tests.ranks import programme

pytest.importorskip("mpi4py", reason="ranks are of MPI: pip install mpi4py mpich")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install mpich")


def start(ranks: int, mode: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.ranks.programme", mode, str(folder)]
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [str(MPIEXEC), "-n", str(ranks), *command] if ranks > 1 else command,
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False, env={**os.environ, **threads, "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", programme.rows())
    (tmp_path / "rbm.energy").write_text(programme.RBM)
    return tmp_path


def test_ranks_find_what_one_process_does_and_other_orders_of_sums_do_not(folder: Path) -> None:
    found: dict[int, dict[str, Any]] = {}
    for ranks in (1, 2, 4):
        done = start(ranks, "everything", folder)
        assert not done.returncode, done.stderr
        found[ranks] = json.loads((folder / f"everything-{ranks}.json").read_text())
    assert (found[1]["updates"], found[1]["repeated"]) == (programme.UPDATES, 5)
    assert "numba" in found[2]
    for ranks in (2, 4):
        assert {n for n, value in found[ranks].items() if found[1][n] != value} <= set(programme.MUTANTS)
    for mutant in programme.MUTANTS:
        assert found[4][mutant] != found[1][mutant], f"{mutant} cannot be told apart: this test could not fail"


def test_interrupted_on_one_rank_and_resumed_on_others_is_uninterrupted(folder: Path) -> None:
    done = start(4, "interrupted", folder)
    assert done.returncode == 128 + 15, done.stderr
    assert _said(done.stderr) == [
        f"stopped at update {programme.STOPPED} and saved. Go on with the same command and --resume (--out {folder / 'run'})"
    ]
    done = start(2, "resumed", folder)
    assert "checked: the last 5 updates, made again in one process, gave the same bits" in _said(done.stderr), (
        done.stderr
    )
    resumed = np.load(folder / "run" / f"checkpoint-{programme.UPDATES:09d}.npz")
    shutil.rmtree(folder / "run")
    start(1, "whole", folder)
    whole = np.load(folder / "run" / f"checkpoint-{programme.UPDATES:09d}.npz")
    assert set(whole.files) == set(resumed.files)
    for name in set(whole.files) - {"meta"}:
        assert whole[name].tobytes() == resumed[name].tobytes(), name


def test_an_error_on_one_rank_ends_all_with_one_message(folder: Path) -> None:
    done = start(2, "failing", folder)
    assert done.returncode == 1
    assert _said(done.stderr) == ["error: rank 1: cannot read rows.npy: Input/output error"]
    assert "checkpoint-000000010.npz" in os.listdir(folder / "failed")
    assert "lock" not in os.listdir(folder / "failed")


def test_commands_that_are_not_shared_say_so() -> None:
    done = subprocess.run(
        [str(MPIEXEC), "-n", "2", sys.executable, "-m", "energydsl", "check", "models/rbm.energy"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: check is not shared by several ranks")
    assert done.stderr.count("error") == 1


def test_this_process_is_alone() -> None:
    assert world().size == 1


def _said(text: str) -> list[str]:
    """Lines but those of progress, and the note on pictures that need a library."""
    lines = [line for line in text.splitlines() if not line.startswith(("epoch ", "warning:", "no pictures"))]
    return [line for line in lines if line.strip()]
