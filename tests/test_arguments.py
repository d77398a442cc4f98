"""What Python takes: the words of the command line, its defaults, and a plain sentence for what is of another kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl import defaults
from energydsl.cli.main import cli
from energydsl.inference.ais import ais
from energydsl.learning.choice import chosen_method, chosen_optimizer

RBM = "visible v[16] : binary\nhidden h[4] : binary\nparam W[16, 4] = normal(sd = 0.1), b[16], c[4]\n"
RBM += "energy = - b @ v - c @ h - v @ W @ h"
GAUSSIAN = RBM.replace("binary\nhidden", "real\nhidden").replace("energy =", "energy = 0.5 * sum(v^2)")
BARS = "bars-and-stripes:4"


@pytest.fixture(scope="module")
def model() -> ed.Model:
    return ed.loads(RBM)


@pytest.fixture(scope="module")
def run(model: ed.Model) -> ed.Run:
    return ed.train(model.compile("numpy"), BARS, method="cd", optimizer="adam", epochs=1)


def test_words_are_taken_where_the_command_line_takes_them(run: ed.Run) -> None:
    assert run.config["method"]["name"] == "cd"
    assert run.config["optimizer"]["name"] == "adam"
    assert ed.evaluate(run, BARS).n == 32
    assert ed.evaluate(run, {"v": BARS}).n == ed.evaluate(run, [Path(BARS)]).n == 32


def test_a_source_is_a_word_a_path_a_list_or_a_dict(model: ed.Model, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((3, 16)))
    given = [tmp_path / "rows.npy", str(tmp_path / "rows.npy"), [tmp_path / "rows.npy"], {"v": tmp_path / "rows.npy"}]
    assert [len(ed.load_data(model, source)) for source in given] == [3, 3, 3, 3]


MISTAKES: list[tuple[Callable[[ed.Model, ed.Run], Any], str]] = [
    (lambda m, r: ed.train(m, np.ones((3, 16))), r"train takes a program, model\.compile\(\), not a model"),
    (lambda m, r: ed.train(r.program, BARS, method="pdc"), "method must be one of .*, not 'pdc': did you mean `pcd`"),
    (lambda m, r: ed.train(r.program, BARS, method=3), "method must be one of"),
    (lambda m, r: ed.train(r.program, BARS, optimizer="adm"), "did you mean `adam`"),
    (lambda m, r: ed.SGD(schedule="lienar"), "did you mean `linear`"),
    (lambda m, r: ed.PCD(positive="gibs"), "did you mean `gibbs`"),
    (lambda m, r: ed.SGD(lr=0), "lr, the learning rate"),
    (lambda m, r: ed.evaluate(r.program, BARS), "evaluate takes a run"),
    (lambda m, r: ed.evaluate(r, BARS, method="asi"), "did you mean `ais`"),
    (lambda m, r: ed.load_data("rbm.energy", "digits"), "load_data takes a model"),
    (lambda m, r: ed.load_data(m, "digits", split="tset"), "did you mean `test`"),
    (lambda m, r: m.compile("nunba"), "did you mean `numba`"),
    (lambda m, r: m.compile("numpy", "float46"), "did you mean `float64`"),
    (lambda m, r: r.program.free_energy(r, {"v": np.ones((2, 16))}), "params is a dict of arrays by name"),
    (lambda m, r: r.program.energy(r.params, np.ones((2, 16))), "of `v`, `h` are given as a dict by layer"),
    (lambda m, r: r.program.gibbs(r.params, 3, rng=ed.Rng(0)), "given as a dict by layer, not as a int"),
    (lambda m, r: r.program.init_state(r.params, 2, given=np.ones((2, 16))), "given as a dict by layer"),
    (lambda m, r: r.program.free_energy(r.params, np.ones((2, 15))), r"shape \(2, 15\), not \(rows, 16\)"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES)
def test_a_mistake_says_what_was_wanted(call: Any, words: str, model: ed.Model, run: ed.Run) -> None:
    with pytest.raises(ed.EnergyError, match=words) as caught:
        call(model, run)
    assert " --" not in str(caught.value), "an error of Python names arguments, not flags"


def test_a_bare_array_goes_to_the_only_layer_that_is_missing(run: ed.Run) -> None:
    v = np.eye(16)[:3]
    found = run.program.free_energy(run.params, v)
    np.testing.assert_array_equal(found, run.program.free_energy(run.params, {"v": v}))


DEFAULTS = [
    ("train", "epochs", ed.train, "epochs"),
    ("train", "batch", ed.train, "batch"),
    ("train", "seed", ed.train, "seed"),
    ("train", "schedule", ed.SGD, "schedule"),
    ("train", "schedule", ed.Adam, "schedule"),
    ("train", "momentum", ed.SGD, "momentum"),
    ("train", "weight_decay", ed.SGD, "weight_decay"),
    ("train", "weight_decay", ed.Adam, "weight_decay"),
    ("train", "positive", ed.PCD, "positive"),
    ("train", "latent_sweeps", ed.PCD, "latent_sweeps"),
    ("train", "centred", ed.PCD, "centred"),
    ("train", "impute", ed.PCD, "impute"),
    ("train", "backend", ed.Model.compile, "backend"),
    ("train", "dtype", ed.Model.compile, "dtype"),
    ("train", "precision", ed.Model.compile, "precision"),
    ("eval", "betas", ed.evaluate, "betas"),
    ("eval", "betas", ais, "betas"),
    ("eval", "chains", ed.evaluate, "chains"),
    ("eval", "method", ed.evaluate, "method"),
    ("eval", "seed", ed.evaluate, "seed"),
    ("sample", "steps", ed.sample, "steps"),
    ("sample", "seed", ed.sample, "seed"),
    ("compare", "epochs", ed.train, "epochs"),
    ("compare", "schedule", ed.SGD, "schedule"),
]


@pytest.mark.parametrize(("command", "option", "function", "argument"), DEFAULTS)
def test_python_and_the_command_line_have_one_default(command: str, option: str, function: Any, argument: str) -> None:
    context = click.Context(cli)
    found = cli.get_command(context, command)
    assert found is not None
    options = {p.name: p.get_default(context) for p in found.params}
    assert options[option] == inspect.signature(function).parameters[argument].default


def test_what_depends_on_the_model_is_the_same_for_both_and_said_in_help() -> None:
    rates = {}
    for text in (RBM, GAUSSIAN):
        resolved = ed.loads(text).resolved
        chosen = chosen_optimizer(resolved, None)
        rates[chosen.name] = chosen.lr
        for name in ("sgd", "adam"):
            assert chosen_optimizer(resolved, name).lr in defaults.RATES[name]
    assert rates == {"sgd": defaults.RATES["sgd"][0], "adam": defaults.RATES["adam"][1]}
    assert chosen_method(ed.loads(RBM).resolved, None) == ed.PCD()
    shown = " ".join(CliRunner().invoke(cli, ["train", "--help"], env={"COLUMNS": "200"}).output.split())
    for words in (
        f"sgd {defaults.RATES['sgd'][0]}, adam {defaults.RATES['adam'][0]}",
        f"sgd {defaults.RATES['sgd'][1]}, adam {defaults.RATES['adam'][1]}",
        f"default: {ed.PCD().k}; mcmc {ed.MCMC().k}",
        f"default: {ed.PCD().chains}; wake-sleep {ed.WakeSleep().chains}",
        f"discriminative. [default: {ed.PCD(predict='y').generative}]",
    ):
        assert words in shown, words


def test_the_estimator_has_the_same_defaults() -> None:
    pytest.importorskip("sklearn")
    given = ed.sklearn.EnergyTransformer().get_params()
    train = inspect.signature(ed.train).parameters
    assert (given["epochs"], given["batch_size"]) == (train["epochs"].default, train["batch"].default)
    assert given["random_state"] == train["seed"].default
    assert given["method"] is given["k"] is given["lr"] is None
    resolved = ed.loads(RBM).resolved
    for name in ("pcd", "cd", "mcmc"):
        assert chosen_method(resolved, name, k=given["k"]) == chosen_method(resolved, name)
    assert chosen_method(resolved, given["method"], k=given["k"]) == ed.PCD()


def test_the_command_line_says_the_same_in_its_options(model: ed.Model, tmp_path: Path) -> None:
    np.save(tmp_path / "grey.npy", np.full((3, 16), 0.5))
    (tmp_path / "m.energy").write_text(RBM)
    with pytest.raises(ed.DataError, match='binarise="sample"'):
        ed.load_data(model, tmp_path / "grey.npy")
    shown = CliRunner().invoke(cli, ["train", str(tmp_path / "m.energy"), "--data", str(tmp_path / "grey.npy")])
    assert "--binarise sample" in shown.output
    assert "binarise=" not in shown.output
