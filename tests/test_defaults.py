"""One default an option: the command line, Python and scikit-learn read one table. One number a stream of random numbers."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import energydsl as ed
from energydsl import defaults
from energydsl.cli.main import cli
from energydsl.inference.ais import ais, ais_each
from energydsl.inference.evaluate import Annealing, baseline
from energydsl.learning.choice import chosen_method, chosen_optimizer
from energydsl.learning.methods import METHODS
from energydsl.learning.optimizer import OPTIMIZERS
from energydsl.learning.sampling import chains
from energydsl.random import STREAMS

PACKAGE = Path(ed.__file__).parent
TRAINING = (ed.train, *METHODS.values(), *OPTIMIZERS.values(), ed.Model.compile, ed.load_data)
PYTHON: dict[str, tuple[Callable[..., Any], ...]] = {
    "train": TRAINING,
    "compare": TRAINING,
    "eval": (ed.evaluate, ais, ais_each, Annealing),
    "sample": (ed.sample,),
    "predict": (ed.predict,),
    "verify": (ed.Model.verify,),
}
# What an option says of another thing than the argument of its name: the records and files that Python takes as they are.
OTHER = {("train", "greedy"), ("compare", "greedy"), ("train", "out"), ("compare", "out"), ("sample", "out")}
# Chosen by the model, or by the method or optimiser, where nothing is said: None on the command line.
CHOSEN = {"method", "optimizer", "k", "chains", "lr", "generative", "predict", "sampler", "shards"}
CHOSEN |= {
    "units",
    "size",
    "sd",
    "directions",
    "ratio",
    "lag",
    "decay",
    "fast_rate",
    "max_sweeps",
    "damping",
    "refresh",
    "rank",
}
RBM = "visible v[4] : binary\nhidden h[2] : binary\nlayers v -- h"


def options(command: str) -> dict[str, Any]:
    """What a command is told where nothing is said."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return found.make_context(
        command, [], resilient_parsing=True, parent=click.Context(cli, **cli.context_settings)
    ).params


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    return {n: p.default for n, p in inspect.signature(function).parameters.items()}


def shared() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for command, functions in PYTHON.items():
        for option in options(command):
            for function in functions:
                if option in parameters(function) and (command, option) not in OTHER:
                    yield command, option, function


@pytest.mark.parametrize(("command", "option", "function"), list(shared()), ids=lambda x: getattr(x, "__name__", x))
def test_an_option_has_the_default_of_its_argument(command: str, option: str, function: Callable[..., Any]) -> None:
    given, python = options(command)[option], parameters(function)[option]
    if python is inspect.Parameter.empty:
        return
    if given in (None, (), {}):
        assert python in (None, given) or option in CHOSEN
    else:
        assert given == python


def test_what_is_compared_is_most_of_the_options() -> None:
    met = {(command, option) for command, option, _ in shared()}
    known = {
        "epochs",
        "batch",
        "seed",
        "schedule",
        "momentum",
        "weight_decay",
        "positive",
        "latent_sweeps",
        "impute",
        "centred",
    }
    known |= {"backend", "dtype", "precision", "split"}
    assert {("train", name) for name in known} | {("compare", name) for name in known} <= met
    assert {("eval", name) for name in ("method", "betas", "chains", "seed")} <= met
    assert {
        ("sample", "steps"),
        ("sample", "seed"),
        ("predict", "seed"),
        ("verify", "seed"),
        ("verify", "backend"),
    } <= met


def test_nothing_said_on_the_command_line_is_nothing_said_in_python() -> None:
    resolved, said = ed.loads(RBM).resolved, options("train")
    for name, kind in METHODS.items():
        given = {f.name: said[f.name] for f in dataclasses.fields(kind)}
        assert chosen_method(resolved, name, **given) == kind()
    for name, kind in OPTIMIZERS.items():
        given = {f.name: said.get(f.name) for f in dataclasses.fields(kind)}
        assert chosen_optimizer(resolved, name, **given) == kind().fitted(False)


def test_the_estimator_says_what_train_says() -> None:
    pytest.importorskip("sklearn")
    given, train = parameters(ed.sklearn.EnergyTransformer), parameters(ed.train)
    assert (given["epochs"], given["batch_size"], given["random_state"]) == (
        train["epochs"],
        train["batch"],
        train["seed"],
    )
    assert given["betas"] == parameters(ed.evaluate)["betas"] == 10_000
    assert parameters(ed.evaluate)["chains"] == parameters(Annealing)["chains"] == 100
    assert given["method"] is given["k"] is given["lr"] is None
    resolved = ed.loads(RBM).resolved
    for name, kind in METHODS.items():
        assert chosen_method(resolved, name, k=given["k"]) == kind()


def test_functions_that_sample_agree() -> None:
    for function in (ed.train, ed.evaluate, ed.sample, ed.predict, baseline, chains, ais, ed.store):
        assert parameters(function)["seed"] == defaults.SEED


# --- streams of random numbers


def test_every_stream_has_a_number_of_its_own() -> None:
    assert len(set(STREAMS.values())) == len(STREAMS)
    assert all(number > 0 for number in STREAMS.values())


def test_streams_are_named_in_the_table_alone() -> None:
    """Each is used, by its name; no generator is made from a seed and a number beside it."""
    used = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("stream", "seed_of") and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                assert node.args[1].value in STREAMS, f"{path}: {ast.unparse(node)}"
                used.add(node.args[1].value)
            if name in ("Rng", "default_rng", "SeedSequence", "SFC64", "Philox", "Generator"):
                lists = [a for arg in node.args for a in ast.walk(arg) if isinstance(a, ast.List | ast.Tuple)]
                assert not any(isinstance(e, ast.Constant) for found in lists for e in found.elts), (
                    f"{path}: {ast.unparse(node)}"
                )
    assert used == set(STREAMS)
