"""Files of a model: nothing outside its folder is read, commands take models of several files, runs explain themselves alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import energydsl as ed
from energydsl.cli.main import cli
from tests.modules.test_whole import RBM

MAIN = """# Two machines
model pair
import "parts/rbm.energy" as rbm  # of the lecture
dim I = 6, J = 4
visible x[I] : binary
hidden g[J] : binary, f[2] : binary
use rbm(I = I, J = J) as lower on x, g   # below
use rbm(I = J,  # above
  J = 2) as upper on g, f
"""
GRAPH = 'graph G = edges("pairs.csv")\nvisible s[4] : spin\nparam J[G] = file("weights.csv")\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "parts").mkdir(parents=True)
    (tmp_path / "model" / "main.energy").write_text(MAIN)
    (tmp_path / "model" / "parts" / "rbm.energy").write_text(RBM)
    (tmp_path / "secret.energy").write_text("visible v : spin\nenergy = - v\n")
    return tmp_path / "model"


def codes(folder: Path, text: str) -> list[str]:
    """The codes of the errors in a text that has a folder."""
    with pytest.raises(ed.ModelError) as error:
        ed.loads(text, folder=folder)
    return [d.code for d in error.value.diagnostics]


def run(*words: object, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, [str(w) for w in words], input=input)


# --- what is read


@pytest.mark.parametrize("name", ["link.energy", "door/secret.energy", "door/model/../secret.energy"])
def test_no_link_leads_out_of_the_folder(folder: Path, name: str) -> None:
    (folder / "link.energy").symlink_to(folder.parent / "secret.energy")
    (folder / "door").symlink_to(folder.parent)
    assert codes(folder, f'import "{name}" as m\nvisible x : spin\nuse m on x') == ["E0502"]


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    (folder / "link.energy").symlink_to(folder / "parts" / "rbm.energy")
    text = 'import "link.energy" as r\nvisible x[2] : binary\nuse r(I = 2, J = 2) on x'
    assert set(ed.loads(text, folder=folder).params) == {"r_W", "r_b", "r_c"}


def test_a_circle_by_links_is_one(folder: Path) -> None:
    (folder / "a.energy").write_text('import "b.energy" as b\nuse b\n')
    (folder / "b.energy").symlink_to(folder / "a.energy")
    assert codes(folder, 'import "a.energy" as a\nuse a') == ["E0503"]


def test_what_is_no_plain_file_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.energy")
    (folder / "loop.energy").symlink_to(folder / "loop.energy")
    (folder / "bytes.energy").write_bytes(b"visible v : spin\n\xff")
    text = 'import "{}" as m\nuse m'
    assert codes(folder, text.format("pipe.energy")) == ["E0501"]
    assert codes(folder, text.format("loop.energy")) in (["E0501"], ["E0502"])
    assert codes(folder, text.format("bytes.energy")) == ["E0101"]
    assert codes(folder, text.format("a" * 5000 + ".energy")) in (["E0501"], ["E0502"])


def test_there_is_an_end_to_files_and_to_what_they_become(folder: Path) -> None:
    for n in range(70):
        (folder / f"f{n}.energy").write_text(f"const t = {n}\n")
    many = "".join(f'import "f{n}.energy" as f{n}\nuse f{n}\n' for n in range(70))
    assert set(codes(folder, many)) == {"E0504"}
    for n in range(7):
        twice = "".join(f"use d as {'ab'[k % 2]}{k}\n" for k in range(20))
        (folder / f"d{n}.energy").write_text(f'import "d{n + 1}.energy" as d\n{twice}')
    (folder / "d7.energy").write_text("const t = 1\n" * 1)
    assert set(codes(folder, 'import "d0.energy" as d\nuse d')) == {"E0504"}


def test_files_of_numbers_are_found_beside_the_file_that_names_them(folder: Path) -> None:
    (folder / "parts" / "graph.energy").write_text(GRAPH)
    (folder / "parts" / "pairs.csv").write_text("0,1\n2,3\n")
    (folder / "parts" / "weights.csv").write_text("0.5\n-1\n")
    model = ed.loads('import "parts/graph.energy" as g\nvisible x[4] : spin\nuse g on x', folder=folder)
    assert model.resolved.graphs["g_G"].edges == ((0, 1), (2, 3))
    np.testing.assert_array_equal(model.compile("numpy").init(seed=0)["g_J"], [0.5, -1.0])
    (folder / "parts" / "pairs.csv").unlink()
    (folder / "parts" / "pairs.csv").symlink_to(folder.parent / "secret.energy")
    assert "E0502" in codes(folder, 'import "parts/graph.energy" as g\nvisible x[4] : spin\nuse g on x')


# --- commands


def test_commands_take_a_model_of_several_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = folder / "main.energy"
    assert run("check", main).exit_code == 0
    assert run("verify", main).exit_code == 0
    explained = run("explain", main).stdout
    assert "parts/rbm.energy" in explained or "rbm.energy:9" in explained
    assert "lower_W" in run("compile", main).stdout
    alone = run("explain", main, "--emit", "syntax").stdout
    assert "# use rbm(I = I, J = J) as lower on x, g" in alone
    assert ed.loads(alone).energy == ed.load(main).energy
    monkeypatch.chdir(folder)
    assert run("check", "-", input=MAIN).exit_code == 0
    monkeypatch.chdir(folder.parent)
    assert json.loads(run("check", "-", "--json", input=MAIN).stdout)["diagnostics"][0]["code"] == "E0501"


def test_formatting_keeps_lines_and_comments(folder: Path) -> None:
    main = folder / "main.energy"
    assert run("fmt", main).exit_code == 0
    text = main.read_text()
    assert 'import "parts/rbm.energy" as rbm  # of the lecture\n' in text
    assert "use rbm(I = I, J = J) as lower on x, g  # below\n" in text
    assert "use rbm(I = J,  # above\n    J = 2) as upper on g,\n    f\n" in text
    assert run("fmt", "--check", main).exit_code == 0


def test_a_message_in_a_file_says_where_it_is_used(folder: Path) -> None:
    (folder / "parts" / "rbm.energy").write_text(RBM.replace("@ h - sum", "@ hh - sum"))
    shown = run("check", folder / "main.energy").stderr
    assert f"{folder}/parts/rbm.energy:9:" in shown
    assert f"{folder}/main.energy:" in shown
    (first,) = json.loads(run("check", "--json", folder / "main.energy").stdout)["diagnostics"]
    assert (first["code"], first["file"]) == ("E0201", f"{folder}/parts/rbm.energy")
    assert first["notes"][-1]["file"] == str(folder / "main.energy")


def test_a_run_explains_itself_alone(folder: Path, tmp_path: Path) -> None:
    """Its text needs no other file; it goes on from the files, unless one of them has changed."""
    main, out = folder / "main.energy", tmp_path / "elsewhere" / "run"
    np.save(tmp_path / "d.npy", np.random.default_rng(0).integers(0, 2, (20, 6)))
    words = ["train", main, "--data", tmp_path / "d.npy", "--out", out, "--epochs", 1]
    assert run(*words).exit_code == 0
    again = run(*words, "--resume")
    assert again.exit_code == 0, again.stderr
    (folder / "parts" / "rbm.energy").write_text(RBM.replace("- c @ h", "- 2 * c @ h"))
    changed = run(*words, "--resume")
    assert changed.exit_code == 1
    assert "the model has changed" in changed.stderr
    (folder / "parts" / "rbm.energy").unlink()
    assert set(ed.open_run(out).program.model.params) >= {"lower_W", "upper_W"}
    assert run("eval", out, "--data", tmp_path / "d.npy").exit_code == 0


def test_kernels_follow_what_is_imported(folder: Path) -> None:
    """Nothing is kept by the text of the model alone: a file that changes changes what is computed."""
    state = {"x": np.ones((1, 6)), "g": np.ones((1, 4)), "f": np.ones((1, 2))}

    def energy() -> float:
        program = ed.load(folder / "main.energy").compile("numpy", "float64")
        params = {n: np.ones_like(p) for n, p in program.init(seed=0).items()}
        return float(program.energy(params, state)[0])

    before = energy()
    (folder / "parts" / "rbm.energy").write_text(RBM.replace("- c @ h", "- 2 * c @ h"))
    assert energy() == before - 6


def test_a_model_of_the_zoo_brings_its_files(tmp_path: Path) -> None:
    wanted = tmp_path / "mine.energy"
    assert run("new", "stacked_rbm", "-o", wanted).exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.energy", "rbm.energy"]
    assert ed.load(wanted).energy == ed.zoo("stacked_rbm").energy
    (tmp_path / "rbm.energy").write_text("# mine")
    refused = run("new", "stacked_rbm", "-o", tmp_path / "other.energy")
    assert refused.exit_code == 1
    assert "is not the file that other.energy imports" in refused.stderr
    assert not (tmp_path / "other.energy").exists()


def test_variants_set_sizes_of_a_used_file(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.random.default_rng(0).integers(0, 2, (20, 6)))
    (folder / "one.energy").write_text('import "parts/rbm.energy" as r\nvisible x[6] : binary\nuse r(I = 6) on x\n')
    words = ["compare", folder / "one.energy", "--data", tmp_path / "d.npy", "-D", "r_J=2,3", "--epochs", 1]
    found = run(*words, "--out", tmp_path / "runs", "--json")
    assert found.exit_code == 0, found.stderr
    assert {v["name"] for v in json.loads(found.stdout)["variants"]} == {"one r_J=2", "one r_J=3"}


def test_only_near_names_are_guessed(tmp_path: Path) -> None:
    """The end that all names have in common makes none of them near."""
    (tmp_path / "mixture.energy").write_text("const t = 1\n")
    for name, guess in (("mixtrue", "did you mean `mixture.energy`?"), ("rbm", "its path is relative to the file")):
        with pytest.raises(ed.ModelError) as caught:
            ed.loads(f'import "{name}.energy" as m\nuse m', folder=tmp_path)
        assert guess in caught.value.diagnostics[0].help
