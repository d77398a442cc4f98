"""Every block of docs and README is executed, or stands in a list with the reason: here the shell's, and what is no program.

Python and energy blocks are those of `tests/test_docs.py`, cells those of `tests/test_notebook.py` and `tests/test_tutorial.py`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import COMMANDS, cli
from tests.conftest import ROOT
from tests.reference_pages import PAGES as LISTS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [(p, *found) for p in PAGES for found in re.findall(r"^```(\w*)\n(.*?)^```", p.read_text(), re.DOTALL | re.M)]
# Executed by other tests.
ELSEWHERE = {"python", "energy", "ipython"}
# A line that begins so is not run, and why.
NOT_RUN = {
    "pip install": "packages come from a registry",
    "python3 -m venv": "packages come from a registry; its last command is run by tests/test_docs.py",
    ". .venv/bin/activate": "the environment is that of the tests",
    ".ci/check": "runs by itself",
    "python -m pytest": "is what runs",
    "energydsl docs": "tests/cli/test_docs_command.py",
    "cd editors/vscode": "needs npm and VS Code",
    "python benchmarks/": "takes minutes; that the script has the option is checked",
}
# Blocks that no interpreter here reads, by page and kind.
READ_ONLY = {
    ("editor.md", "lua"): "the configuration of Neovim",
    ("editor.md", "vim"): "the configuration of Vim",
    ("errors.md", "console"): "made by tests/errors_page.py from what is printed",
    ("notebook.md", "text"): "compared by tests/test_notebook.py with what is shown",
    ("README.md", "text"): "compared by tests/test_docs.py with what is printed",
    ("guides.md", "text"): "compared by tests/test_docs.py with what is printed",
}
SEQUENCES = ["ACD-WY", "ACDEWY", "GGHHKK", "GHIKLM", "LLMNPQ", "NPQRST", "RSTVWY", "VWYACD", "KLMNAC", "TVWDEF"]


def energy_of(page: str, begins: str) -> str:
    """A block of energy, by the line that it begins with."""
    return next(text for p, kind, text in BLOCKS if p.name == page and kind == "energy" and text.startswith(begins))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of."""
    place = tmp_path_factory.mktemp("reader")
    bqm = pytest.importorskip("dimod").BinaryQuadraticModel.from_ising(
        {}, {("a", "b"): 1.0, ("b", "c"): 1.0, ("a", "c"): 1.0}
    )
    shutil.copytree(ROOT / "models", place / "models")
    (place / "family.energy").write_text(energy_of("files.md", "model family"))
    (place / "family.fasta").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(SEQUENCES)))
    with bqm.to_file() as file:
        (place / "maxcut.bqm").write_bytes(file.read())
    (place / "memory.energy").write_text(energy_of("several_units.md", "# Dense associative memory"))
    for command in (
        "train models/rbm.energy -D J=4 --data digits --epochs 1 --batch 1000 --no-evaluate --out runs/rbm",
        "compare models/rbm.energy -D J=2,3 --data digits --epochs 1 --batch 1000 --out comparison",
    ):
        run(command, place)
    shutil.copy(place / "models" / "rbm.energy", place / "my.energy")
    return place


def run(line: str, place: Path) -> str:
    """One command in the reader's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        said = CliRunner().invoke(cli, shlex.split(line, comments=True))
    assert said.exit_code == 0, f"{line}: {said.output}"
    return said.output


def small(line: str) -> str:
    """The same command, over in a moment: one epoch of few latents, few chains, ranks left out."""
    line = re.sub(r"^mpiexec -n \d+ ", "", line)
    line = re.sub(r"-n 10000", "-n 10", line)
    line = re.sub(r"--out runs/rbm", "--out runs/again", line)
    if line.startswith("energydsl train"):
        line = re.sub(r" --epochs \d+", "", line) + " --epochs 1 --batch 1000 --no-evaluate"
        line += " -D J=4" if "rbm" in line or "my.energy" in line else ""
        line += "" if "--out" in line else " --out runs/mine"
    if line.startswith("energydsl eval runs/family"):
        line += " --betas 100"
    if line.startswith("energydsl report runs"):
        line = line.partition("#")[0] + "--no-samples"
    return line


def lines() -> Iterator[tuple[str, str]]:
    """Every line of every block of a shell, and its page."""
    for page, kind, text in BLOCKS:
        if kind in ("sh", "bash"):
            yield from ((page.name, line) for line in text.splitlines() if line.strip())


def test_every_line_of_a_shell_runs(folder: Path) -> None:
    ran = 0
    for page, line in lines():
        if any(line.startswith(start) for start in NOT_RUN):
            continue
        command = small(line)
        assert command.startswith("energydsl "), f"{page}: {line} is neither run nor listed with a reason"
        run(command.removeprefix("energydsl "), folder)
        ran += 1
    assert ran > 15


def test_reasons_are_of_lines_that_there_are() -> None:
    assert [start for start in NOT_RUN if not any(line.startswith(start) for _, line in lines())] == []
    there = {(page.name, kind) for page, kind, _ in BLOCKS}
    assert [entry for entry in READ_ONLY if entry not in there] == []


@pytest.mark.parametrize("line", [line for _, line in lines() if line.startswith("python benchmarks/")])
def test_scripts_have_the_options_that_are_named(line: str) -> None:
    _, script, *words = shlex.split(line)
    text = (ROOT / script).read_text()
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in text] == []


def test_every_other_block_is_read_or_listed(tmp_path: Path) -> None:
    """Texts that are models compile beside their files; configurations are parsed; the rest has its reason."""
    np.savetxt(tmp_path / "checks.csv", [[0, 1, 2], [2, 3, 59]], fmt="%d", delimiter=",")
    models = 0
    for page, kind, text in BLOCKS:
        if kind in ELSEWHERE | {"sh", "bash"} or (page.name, kind) in READ_ONLY or page in LISTS:
            continue
        if kind == "toml":
            assert tomllib.loads(text)
            continue
        assert (page.name, kind) == ("language.md", "text"), (
            f"{page.name}: a block of {kind or 'no kind'} that nothing reads"
        )
        place = ROOT / "models" if "import" in text else tmp_path
        assert ed.loads(text, folder=place).layers
        models += 1
    assert models == 2


def inline() -> list[tuple[str, str]]:
    """Commands inside sentences and tables."""
    pages = [p for p in PAGES if p not in LISTS]
    return [(p.name, line) for p in pages for line in re.findall(r"`energydsl ([a-z][^`]*)`", p.read_text())]


def test_commands_in_sentences_have_these_options() -> None:
    assert len(inline()) > 60
    for page, line in inline():
        name, *words = shlex.split(line.replace("\\|", "|").replace('"$(', "").replace(')"', ""))
        assert name in COMMANDS or name == "COMMAND", f"{page}: {line}"
        command = cli.get_command(click.Context(cli), name)
        if command is None:
            continue
        known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
        unknown = [
            word for word in words if word.startswith("-") and word != "-" and word.partition("=")[0] not in known
        ]
        assert not unknown, f"{page}: energydsl {line}"
