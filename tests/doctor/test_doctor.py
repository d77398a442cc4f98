"""What the doctor finds: libraries that are old, missing, or do not load; backends that fail; caches that cannot be used."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import tomllib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.doctor import Finding, libraries, machine, places, tiny
from energydsl.doctor.probe import Outcome, probe
from energydsl.doctor.record import Part
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_library_that_is_needed_is_looked_at() -> None:
    said = {re.match(r"[\w-]+", line)[0] for line in PROJECT["dependencies"]}  # type: ignore[index]
    assert said == set(libraries.NEEDED)


def test_every_extra_is_looked_at() -> None:
    """As an extra, as a backend, or as MPI; what developers install is not."""
    extras = set(PROJECT["optional-dependencies"]) - {"dev", "bench", "cupy12", "cupy13"}
    assert extras == set(libraries.EXTRAS) | (set(machine.backends()) - {"numpy"}) | {"mpi"}


def asked(module: str, part: str = "extras") -> Finding:
    return libraries.library(part, "thing", module, module, "energydsl[thing]")  # type: ignore[arg-type]


def test_libraries_that_are_there_missing_or_do_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sound.py").write_text("x = 1")
    (tmp_path / "faulty.py").write_text("raise ImportError('libthing.so: cannot open shared object file')")
    (tmp_path / "crashing.py").write_text("import os; os.abort()")
    monkeypatch.syspath_prepend(tmp_path)
    assert asked("sound").state == "ok"
    missing = asked("nowhere")
    assert (missing.state, missing.help) == ("missing", 'pip install "energydsl[thing]"')
    assert asked("nowhere", "libraries").state == "broken"
    faulty, crashing = asked("faulty"), asked("crashing")
    assert (faulty.state, crashing.state) == ("broken", "broken")
    assert "libthing.so" in faulty.detail
    assert "signal 6" in crashing.detail
    assert "pip install" in faulty.help


def test_a_library_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "least_versions", lambda: {"numpy": "2.10"})
    monkeypatch.setattr(libraries, "version_of", lambda name: "2.9.7rc1")
    found = libraries.library(*libraries.needed()[0])
    assert found.state == "broken"
    assert "older than 2.10" in found.detail
    monkeypatch.setattr(libraries, "version_of", lambda name: "2.10.0")
    assert libraries.library(*libraries.needed()[0]).state == "ok"


def test_least_versions_are_those_of_the_project() -> None:
    found = libraries.least_versions()
    for line in PROJECT["dependencies"]:
        name, least = line.split(">=")
        assert found[name] == least


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energydsl.doctor.probe.PATIENCE", 0.5)
    assert "no answer" in probe("import time\ntime.sleep(60)").why
    monkeypatch.undo()
    assert probe("import json\nprint('noise')\nprint(json.dumps([1]))") == Outcome([1])


def test_a_tiny_program_runs_on_backends_that_are_there() -> None:
    found = machine.backend("numpy", machine.try_backend("numpy"))
    assert found.state == "ok"
    assert np.__version__ in found.detail


def test_a_backend_that_errs_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiny._both
    wrong = lambda a, b: {n: (x, y + 1) for n, (x, y) in whole(a, b).items()}  # noqa: E731
    monkeypatch.setattr(tiny, "_both", wrong)
    with pytest.raises(ed.EnergyError, match="are not those of NumPy"):
        tiny.tried("numpy")
    found = machine.backend("numba", Outcome(why="LoweringError: no"))
    assert found.state == "broken"
    assert "LoweringError: no" in found.detail


def test_a_backend_with_an_obstacle_is_missing_unless_all_of_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    why = Outcome({"obstacle": 'needs its packages: pip install "energydsl[numba]"'})
    monkeypatch.setitem(machine._MODULES, "numba", ("no_such_module",))
    assert machine.backend("numba", why).state == "missing"
    monkeypatch.setitem(machine._MODULES, "cupy", ("json",))
    assert machine.backend("cupy", Outcome({"obstacle": f"{machine.NO_GPU}; use numpy"})).state == "missing"
    assert machine.backend("cupy", Outcome({"obstacle": "CuPy cannot be loaded"})).state == "broken"


def test_threads_and_what_they_are_set_by(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*machine._BLAS, "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = {f.name.partition(" ")[0]: f for f in machine.threads(Outcome({"obstacle": "", "threads": 3}))}
    assert found["numba"].detail == "3, by the cores"
    if found["BLAS"].state == "ok":
        assert found["BLAS"].detail == "1, set by OMP_NUM_THREADS=1"
    assert f"of {os.cpu_count()}" in found["cores"].detail


def test_the_cache_its_size_and_what_keeps_it_from_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kernels"
    monkeypatch.setenv("ENERGYDSL_CACHE", str(folder))
    [found, *_] = places.caches()
    assert "made when it is needed" in found.detail
    assert not folder.exists()
    folder.mkdir(mode=0o700)
    (folder / "a.py").write_bytes(b"x" * 250_000)
    [found, *_] = places.caches()
    assert found.detail == f"{folder}, set by ENERGYDSL_CACHE, 1 files, 0.2 MB"
    folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    [found, *_] = places.caches()
    assert found.state == "broken"
    assert "chmod 700" in found.help


@pytest.mark.parametrize("state", ["ok", "missing", "broken"])
def test_the_command_fails_where_something_does_not_work(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("backends", "numba", state, "0.70", "pip install it")]  # type: ignore[arg-type]
    monkeypatch.setattr("energydsl.doctor.examine", lambda: found)
    status = int(state == "broken")
    said = CliRunner().invoke(cli, ["doctor"])
    assert said.exit_code == status
    assert re.search(rf"{state} +numba +0.70", said.output)
    as_json = CliRunner().invoke(cli, ["doctor", "--json"])
    result = json.loads(as_json.output)
    assert as_json.exit_code == status
    assert result["ok"] is not bool(status)
    assert result["findings"][0]["state"] == state
    assert [d["help"] for d in result["diagnostics"]] == ["pip install it"] * status
    assert result["executable"] == sys.executable
    assert result["energydsl"] == ed.__version__


def test_all_parts_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few libraries, and without the programs, which take a while to compile."""
    monkeypatch.setattr(libraries, "NEEDED", {"numpy": "numpy", "click": "click"})
    monkeypatch.setattr(libraries, "EXTRAS", {"sklearn": libraries.EXTRAS["sklearn"]})
    monkeypatch.setattr(machine, "try_backend", lambda name: Outcome({"obstacle": "", "threads": 2, "tiles": True}))
    said = CliRunner().invoke(cli, ["doctor", "--json"])
    result = json.loads(said.output)
    assert [f["part"] for f in result["findings"]] == sorted(
        (f["part"] for f in result["findings"]), key=list(get_args(Part)).index
    )
    assert {f["part"] for f in result["findings"]} == set(get_args(Part))
    assert result["ok"], result["diagnostics"]
