"""`energydsl compare`: variants under one budget, seeds, grids, resuming, and what it says where it cannot."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.report.comparison import variants
from energydsl.syntax import parse

RBM = "dim I = 9, J = 4\nconst T : positive = 1.0\nvisible v[I] : binary\nhidden h[J] : binary\nparam W[I, J] = normal(sd = 0.1), b[I] = base_rate(v), c[J]\nenergy = - (b @ v + c @ h + v @ W @ h) / T"
PLAIN = "visible v[9] : binary\nparam b[9] = base_rate(v)\nenergy = - b @ v"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rbm.energy").write_text(RBM)
    (tmp_path / "plain.energy").write_text(PLAIN)
    rows = np.repeat([[0.0] * 9, [1.0] * 9], 90, axis=0)
    np.save(tmp_path / "rows.npy", rows)
    return tmp_path


def test_two_files_and_a_grid(folder: Path) -> None:
    out = folder / "out"
    given = (folder / "rbm.energy", folder / "plain.energy", "-D", "J=2,12", "--data", folder / "rows.npy")
    options = ("--epochs", 40, "--lr", 0.3, "--batch", 20, "--seeds", 2, "--out", out)
    result = run(*given, *options)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:2] == ["variant", "parameters"]
    assert {line.split("  ")[0] for line in lines[1:4]} == {"rbm J=2", "rbm J=12", "plain"}
    with open(out / "comparison.csv", newline="") as file:
        rows = {r["name"]: r for r in csv.DictReader(file)}
    assert [int(rows[n]["parameters"]) for n in ("rbm J=2", "rbm J=12", "plain")] == [29, 129, 9]
    assert len({r["updates"] for r in rows.values()}) == 1
    assert all(float(r["std"]) >= 0 for r in rows.values())
    assert float(rows["rbm J=12"]["log_likelihood"]) > float(rows["plain"]["log_likelihood"]) + 2.0
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "rbm_J=2" / "seed-1" / "model.energy").exists()
    best = lines[1].split("  ")[0]
    assert rows[best]["behind"] == ""
    for name in set(rows) - {best}:
        assert float(rows[name]["behind"]) == pytest.approx(
            float(rows[name]["log_likelihood"]) - float(rows[best]["log_likelihood"]), abs=1e-9
        )
        assert float(rows[name]["gain"]) == pytest.approx(
            float(rows[name]["log_likelihood"]) - float(rows[name]["independent"]), abs=1e-9
        )
    # The file that is independent units is not shown to be better than those; what sees the two patterns is.
    assert rows["plain"]["gain_shown"] == "False"
    assert rows["rbm J=12"]["gain_shown"] == "True"
    assert lines[4].startswith("independent units")
    again = run(*given, *options, "--json")
    assert json.loads(again.stdout)["baselines"][0]["log_likelihood"] == pytest.approx(
        float(rows["plain"]["independent"])
    )
    found = json.loads(again.stdout)["variants"]
    for row in found:
        assert row["log_likelihood"] == pytest.approx(float(rows[row["name"]]["log_likelihood"]), rel=1e-12)


def test_a_stopped_comparison_is_gone_on_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from energydsl.learning import loop

    given = (
        folder / "rbm.energy",
        folder / "plain.energy",
        "--data",
        folder / "rows.npy",
        "--epochs",
        4,
        "--out",
        folder / "o",
    )
    whole = loop.Loop._measure
    seen: list[int] = []

    def stop(self: Any) -> None:
        whole(self)
        seen.append(self.progress.epoch)
        if len(seen) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Loop, "_measure", stop)
    result = run(*given)
    assert result.exit_code == 130
    assert "Run the same command again to resume" in result.stderr
    monkeypatch.undo()
    assert run(*given).exit_code == 0
    first = ed.open_run(folder / "o" / "plain" / "seed-0")
    assert first.finished
    assert [row["epoch"] for row in first.history] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (("-D", "K=3"), "none of the files has a dim `K`", 1),
        (("-c", "t=3"), "none of the files has a const `t`. did you mean `T`?", 1),
        (("-D", "J=3,x"), "expected NAME=INTEGER,..., e.g. J=64,256, not `J=3,x`", 2),
        (("-D", "J=0,4"), "", 1),
        (("--epochs", "-1"), "", 2),
    ],
)
def test_faults_are_told_before_anything_is_trained(
    folder: Path, arguments: tuple[str, ...], message: str, status: int
) -> None:
    result = run(folder / "rbm.energy", "--data", folder / "rows.npy", "--out", folder / "out", *arguments)
    assert result.exit_code == status, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "out").exists()


def test_files_of_one_name_are_told_apart(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "rbm.energy").write_text(RBM)
    result = run(folder / "rbm.energy", folder / "sub" / "rbm.energy", "--data", folder / "rows.npy")
    assert result.exit_code == 1
    assert "two variants would be called `rbm`" in result.stderr


def test_a_dim_is_set_only_where_it_is_declared() -> None:
    texts = {"a.energy": parse(ed.loads(RBM).module.source), "b.energy": parse(ed.loads(PLAIN).module.source)}
    found = variants(texts, {"J": [3], "I": [9, 16]}, {"T": [1.0, 2.0]})
    assert [v.name for v in found] == ["a I=9 T=1", "a I=9 T=2", "a I=16 T=1", "a I=16 T=2", "b"]
    assert found[0].dims == {"J": 3, "I": 9}
    assert found[-1].dims == {}


def test_models_that_learned_nothing_are_not_ranked(folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / "noise.npy", (rng.random((300, 9)) < 0.5).astype(float))
    given = (folder / "rbm.energy", "-D", "J=2,4,6", "--data", folder / "noise.npy", "--out", folder / "out")
    result = run(*given, "--epochs", 2, "--lr", 0.01)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].rstrip().endswith("against independent units")
    assert all(line.rstrip().endswith("no difference shown") for line in lines[1:4])
    assert [line.count("no difference shown") for line in lines[1:4]] == [1, 2, 2]


def test_models_with_labels_are_compared_by_their_errors_too(tmp_path: Path) -> None:
    text = "dim J = 8\nvisible v[64] : binary\nvisible y : categorical[10]\nhidden h[J] : binary\nlayers v -- h -- y"
    deep = "dim J = 8\nvisible v[64] : binary\nvisible y : categorical[10]\nhidden h[J] : binary\nhidden k[J] : binary\nlayers v <- h -- k -- y"
    for name, source in (("flat", text), ("deep", deep)):
        (tmp_path / f"{name}.energy").write_text(source)
    arguments = ["compare", str(tmp_path / "flat.energy"), str(tmp_path / "deep.energy"), "--data", "digits:8"]
    result = CliRunner().invoke(cli, [*arguments, "--epochs", "1", "--greedy", "1", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "labels wrong" in result.stdout
    assert len(list((tmp_path / "out").rglob("greedy-1"))) == 2
    with open(tmp_path / "out" / "comparison.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(0 < float(row["error_rate"]) < 1 for row in rows)
