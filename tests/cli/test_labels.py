"""Every likelihood-like figure in the JSON of a command says what is known of it, and none says more than is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from energydsl.cli.main import cli
from energydsl.options import Exactness

WORDS = get_args(Exactness)
FIGURE = re.compile(
    r"log_likelihood|log_z|log_probability|free_energy|energy|error_rate|reconstruction|objective|gap|rhat|ess_|varying"
)
# Errors, and what says what another figure is.
ASIDE = re.compile(r"_std$|_exactness$|^log_likelihood_bound$|_shown$")
RBM = "visible v[4] : binary\nhidden h[3] : binary\nparam W[4, 3] = normal(sd = 0.5), b[4], c[3]\nenergy = - b @ v - c @ h - v @ W @ h"
DEEP = "visible v[4] : binary\nhidden a[3] : binary\nhidden b[2] : binary\nlayers v -- a -- b"
LABELS = "visible v[4] : binary\nvisible y : categorical[2]\nhidden h[3] : binary\nlayers v -- h, h -- y"


def unlabelled(found: Any, outer: Mapping[str, str], path: str = "") -> Iterator[str]:
    """The figures that neither labels beside them nor those of an object around them speak of, and words that are none."""
    if isinstance(found, list):
        for number, one in enumerate(found):
            yield from unlabelled(one, outer, f"{path}[{number}]")
    if not isinstance(found, dict):
        return
    known = dict(outer) | found.get("labels", {})
    if found.get("exactness"):
        known |= {"log_likelihood": found["exactness"], "energy": found["exactness"]}
    yield from (f"{path}.{n}: {word}" for n, word in known.items() if word not in WORDS)
    for name, value in found.items():
        here = f"{path}.{name}"
        if name in ("config", "labels", "settings"):
            continue
        if isinstance(value, dict) and name in known:
            value = {}
        numbers = value if isinstance(value, list) and name != "doubts" else [value]
        figure = any(type(n) in (int, float) for n in numbers)
        if figure and FIGURE.search(name) and not ASIDE.search(name) and name not in known:
            yield here
        yield from unlabelled(value, known, here)


def told(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the commands say, by their names."""
    folder = tmp_path_factory.mktemp("labels")
    for name, text in (("rbm", RBM), ("deep", DEEP), ("labels", LABELS)):
        (folder / f"{name}.energy").write_text(text)
    rbm, deep = str(folder / "rbm.energy"), str(folder / "deep.energy")
    data = ["--data", "bars-and-stripes:2"]
    short = [*data, "--epochs", "3", "--batch", "1", "--backend", "numpy", "--validation", "0.3"]
    runs = {n: str(folder / n) for n in ("a", "b")}
    found = {
        "train": told(
            "train", rbm, *short, "--out", runs["a"], "--method", "pcd", "--epochs", "40", "--evaluate-every", "40"
        ),
        "train deep": told("train", deep, *short, "--out", runs["b"]),
        "info": told("info", runs["a"]),
        "info deep": told("info", runs["b"]),
        "eval": told("eval", runs["a"], *data),
        "map": told("map", runs["a"]),
        "sample": told("sample", runs["a"], "-n", "4", "--steps", "5", "--draws", "30"),
        "compare": told("compare", rbm, deep, *short, "--out", str(folder / "both")),
    }
    for method in ("ais", "reverse-ais", "bar"):
        found[method] = told("eval", runs["a"], *data, "--method", method, "--betas", "20", "--chains", "10")
    found["predict"] = told("predict", str(_labelled(folder)), "--layer", "y", *_two(folder))
    return found


def _two(folder: Path) -> list[str]:
    (folder / "v.csv").write_text("0,0,1,1\n1,1,0,0\n0,1,1,1\n")
    (folder / "y.csv").write_text("0\n1\n0\n")
    return ["--data", f"v={folder / 'v.csv'}", "--data", f"y={folder / 'y.csv'}"]


def _labelled(folder: Path) -> Path:
    out = folder / "y"
    told(
        "train",
        str(folder / "labels.energy"),
        *_two(folder),
        "--out",
        str(out),
        "--epochs",
        "1",
        "--backend",
        "numpy",
        "--no-evaluate",
    )
    return out


def test_every_figure_says_what_is_known_of_it(runs: dict[str, Any]) -> None:
    assert {n: list(unlabelled(found, {})) for n, found in runs.items() if list(unlabelled(found, {}))} == {}


def test_none_says_more_than_is_known(runs: dict[str, Any]) -> None:
    def label(command: str, figure: str) -> str:
        word: str = runs[command]["labels"][figure]
        return word

    assert label("eval", "log_z") == label("eval", "log_likelihood") == "exact"
    assert (label("ais", "log_z"), label("ais", "log_likelihood")) == ("bound from below", "bound from above")
    assert (label("reverse-ais", "log_z"), label("reverse-ais", "log_likelihood")) == (
        "bound from above",
        "bound from below",
    )
    assert label("bar", "log_likelihood") == "estimate"
    assert label("info", "free_energy_train") == label("info", "log_likelihood") == "exact"
    assert label("info", "rhat_energy") == label("info", "reconstruction_error") == "estimate"
    assert label("info deep", "free_energy_train") == "bound from above"
    assert label("info deep", "free_energy_gap") == "estimate"
    assert [v["exactness"] for v in runs["compare"]["variants"]] == ["exact", "exact"]


def test_a_figure_without_a_label_is_found(runs: dict[str, Any]) -> None:
    def bare(found: Any) -> Any:
        if isinstance(found, dict):
            return {n: bare(v) for n, v in found.items() if n not in ("labels", "exactness")}
        return [bare(v) for v in found] if isinstance(found, list) else found

    for name, found in runs.items():
        assert list(unlabelled(bare(found), {})), name
    better = runs["eval"] | {"labels": runs["eval"]["labels"] | {"log_z": "certain"}}
    assert list(unlabelled(better, {})) == [".log_z: certain"]
