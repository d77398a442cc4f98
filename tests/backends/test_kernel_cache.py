"""Where compiled kernels are kept, and that nothing runs that another user could have put there."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import energydsl as ed
from energydsl.backends import kernel_cache
from energydsl.backends.numba import loader as numba_backend

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are those of POSIX")
TEXT = "x = 1\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that is not there yet, and a temporary folder that is empty."""
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path / "kernels"))
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    kernel_cache._temporary.cache_clear()
    return tmp_path / "kernels"


def kept(name: str = "some") -> Path:
    path = kernel_cache.as_file(name, TEXT)
    assert path.read_text() == TEXT
    return path.parent


@posix
def test_it_is_made_for_its_owner_alone(cache: Path, tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        assert kept() == cache
    finally:
        os.umask(before)
    assert [p.stat().st_mode & 0o777 for p in (cache, cache / "__pycache__")] == [0o700, 0o700]
    assert kept() == cache
    assert not list((tmp_path / "temporary").iterdir())


def writable_by_group(cache: Path) -> None:
    cache.chmod(0o770)


def writable_by_all(cache: Path) -> None:
    cache.chmod(0o707)


def byte_code_writable_by_all(cache: Path) -> None:
    (cache / "__pycache__").chmod(0o777)


def a_link(cache: Path) -> None:
    cache.rename(cache.with_name("elsewhere"))
    cache.symlink_to(cache.with_name("elsewhere"))


def a_link_to_byte_code(cache: Path) -> None:
    (cache / "__pycache__").rename(cache.with_name("elsewhere"))
    (cache / "__pycache__").symlink_to(cache.with_name("elsewhere"))


def a_file(cache: Path) -> None:
    cache.rename(cache.with_name("elsewhere"))
    cache.write_text("")


@posix
@pytest.mark.parametrize(
    "spoil", [writable_by_group, writable_by_all, byte_code_writable_by_all, a_link, a_link_to_byte_code, a_file]
)
def test_what_others_can_write_is_not_used(
    cache: Path, spoil: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept()
    spoil(cache)  # type: ignore[operator]
    found = kept()
    assert found.parent == tmp_path / "temporary"
    assert found.stat().st_mode & 0o777 == 0o700
    assert str(cache) in caplog.text
    assert kept("other") == found, "one folder a process"
    assert caplog.text.count("for this process alone") == 1


@posix
@pytest.mark.parametrize("whose", ["__pycache__", "kernels"])
def test_what_is_owned_by_another_user_is_not_used(
    cache: Path, whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept()
    real = os.stat

    def stat(path: Path, **options: bool) -> object:
        found = real(path, **options)
        own = found.st_uid + (Path(path).name == whose)
        return SimpleNamespace(st_mode=found.st_mode, st_uid=own)

    monkeypatch.setattr(kernel_cache.os, "stat", stat)
    folder = kernel_cache.obstacle(cache)
    assert "not a folder of yours alone" in folder


@posix
def test_another_user_does_not_take_mine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept()
    monkeypatch.setattr(kernel_cache.os, "geteuid", lambda: os.getuid() + 1)
    assert kept() != cache


def test_a_cache_that_can_be_read_but_not_written(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept()
    real = kernel_cache.tempfile.TemporaryFile

    def refuse(dir: Path) -> object:
        if cache in (dir, *Path(dir).parents):
            raise PermissionError(13, "Permission denied")
        return real(dir=dir)

    monkeypatch.setattr(kernel_cache.tempfile, "TemporaryFile", refuse)
    assert kept().parent == tmp_path / "temporary"
    assert "cannot be written (Permission denied)" in caplog.text


def test_a_place_where_no_folder_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENERGYDSL_CACHE", str(tmp_path / "file" / "no folder"))
    assert kept().parent == tmp_path / "temporary"
    kernel_cache._temporary.cache_clear()
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(ed.EnergyError, match="set ENERGYDSL_CACHE"):
        kept()


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("ENERGYDSL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", fail)
    assert kernel_cache.cache_folder() is None
    assert kept().is_dir()


# A runtime of one compiled function, loaded as generated ones are.
RUNTIME = "from numba import njit\n@njit(cache=True)\ndef add(a):\n    return a + 1\n"
SCRIPT = f"from energydsl.backends.numba import loader as b; m = b.runtime({RUNTIME!r}); print(m.add(1), m.__file__)"
numba = pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed")


def run(script: str = SCRIPT, **options: str | None) -> tuple[Path, str]:
    """The file of the runtime in a process of its own, and what that says."""
    env = {k: v for k, v in {**os.environ, **options}.items() if v is not None}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=240, env=env
    )
    assert done.returncode == 0, done.stderr
    result, _, path = done.stdout.strip().partition(" ")
    assert result == "2"
    return Path(path), done.stderr


@numba
@posix
def test_no_planted_byte_code_runs_and_no_folder_is_left(cache: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    path, said = run(TMPDIR=str(temporary))
    assert path.parent == cache
    assert said == ""
    assert list(cache.glob("__pycache__/*.nbi")), "what is compiled is kept"
    assert not list(temporary.iterdir()), "nothing is left where the cache serves"
    planted = tmp_path / "planted.py"
    planted.write_text("print('planted code ran')")
    byte_code = Path(importlib.util.cache_from_source(str(path)))
    py_compile.compile(str(planted), str(byte_code), doraise=True)
    stamp = path.stat()
    header = (
        byte_code.read_bytes()[:8] + int(stamp.st_mtime).to_bytes(4, "little") + stamp.st_size.to_bytes(4, "little")
    )
    byte_code.write_bytes(header + byte_code.read_bytes()[16:])
    cache.chmod(0o777)
    other, said = run(TMPDIR=str(temporary))
    assert "not a folder of yours alone" in said
    assert other.parent.parent == temporary
    assert not list(temporary.iterdir()), "the folder of a process goes with it"


@numba
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("given", [None, "/", "/proc/self"])
def test_a_user_without_home_or_a_cache_to_write(given: str | None, tmp_path: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))
    temporary.chmod(0o777)
    # All that is imported on the way is imported before, for this installation may be closed to others.
    script = [
        "import os; from energydsl.backends.numba import loader as b",
        f"b.runtime({RUNTIME!r} + 'x = add(1)')",
        "os.setgid(4242), os.setuid(4242), os.environ.pop('ENERGYDSL_CACHE')",
        f"os.environ |= { ({} if given is None else {'ENERGYDSL_CACHE': given})!r}",
        SCRIPT,
    ]
    path, _ = run("\n".join(script), XDG_CACHE_HOME=None, HOME=None, TMPDIR=str(temporary))
    assert path.parent.parent == temporary
    temporary.rmdir()
