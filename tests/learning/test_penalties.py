"""Penalties reach the least of what they say they add, with exact zeros; averages are those of the parameters there were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.learning.optimizer import penalties

VISIBLE = "visible v[4] : spin\nparam J[4, 4] : symmetric & zero_diagonal, a[4]\nenergy = - a @ v - 0.5 * v @ J @ v"
LABELS = "visible v[4] : binary\nvisible y : categorical[3]\nparam U[3, 4] = normal(sd = 0.1), c[3]\nenergy = - c @ y - y @ U @ v"
RBM = "visible v[6] : binary\nhidden h[4] : binary\nparam W[6, 4] = normal(sd = 0.1), b[6], c[4]\nenergy = - b @ v - c @ h - v @ W @ h"
_RNG = np.random.default_rng(3)
BITS = _RNG.integers(0, 2, (30, 4)).astype(float)
CODES = (BITS[:, 0] + (_RNG.random(30) < 0.3)).astype(int)


def objective(U: np.ndarray, c: np.ndarray) -> tuple[float, np.ndarray]:
    """-log p(y | v) by hand, a softmax regression, and its gradient in U."""
    logits = BITS @ U.T + c
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return -float(np.log(p[np.arange(30), CODES]).mean()), (p - np.eye(3)[CODES]).T @ BITS / 30


OPTIMIZERS: dict[str, tuple[type[ed.SGD | ed.Adam], dict[str, float], int]] = {
    "sgd": (ed.SGD, {"lr": 2.0}, 500),
    "momentum": (ed.SGD, {"lr": 0.3, "momentum": 0.9}, 500),
    "adam": (ed.Adam, {"lr": 0.05}, 1000),
}
FACTOR = 0.03


def off(name: str, kind: str) -> float:
    """How far training ends from the least of the penalised objective, by its conditions, which need zeros and others.

    The slope is -f sign(U) off zero, and f at most on it; -f U; for groups, -f sqrt(3) U / |U| off zero, and so much at most.
    """
    made, settings, epochs = OPTIMIZERS[name]
    optimizer = made(**settings, **{kind: {"U": FACTOR}})
    program, data = ed.loads(LABELS).compile("numpy", "float64"), {"v": BITS, "y": CODES}
    method = ed.CD(predict="y", generative=0.0)
    params = ed.train(program, data, method, optimizer, epochs, validation=0.0).params
    U, slope = params["U"], objective(params["U"], params["c"])[1]
    if kind == "l2":
        return float(np.abs(slope + FACTOR * U).max())
    size = np.abs(U) if kind == "l1" else np.linalg.norm(U, axis=0, keepdims=True)
    bound = FACTOR if kind == "l1" else FACTOR * np.sqrt(3)
    steep = np.abs(slope) if kind == "l1" else np.linalg.norm(slope, axis=0, keepdims=True)
    if not 0 < np.count_nonzero(size == 0.0) < size.size:
        return np.inf
    missing = np.where(size > 0, np.abs(slope + bound * U / np.maximum(size, 1e-9)), steep - bound)
    return float(missing.max())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", "l1"), ("sgd", "l2"), ("momentum", "l1"), ("momentum", "group"), ("adam", "l1"), ("adam", "group")],
)
def test_training_ends_at_the_least_of_the_penalised_objective(name: str, kind: str) -> None:
    assert off(name, kind) < 1e-4


MUTANTS = {
    "one size of a step where each entry has its own": ("adam", "l1", ed.Adam, "size", lambda self, slots, lr, xp: lr),
    "velocity of what was then undone": ("momentum", "l1", ed.SGD, "pulled", lambda self, slots, by: None),
    "groups of all entries": ("sgd", "group", penalties, "group_axes", lambda given, param: ()),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistaken_step_is_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, kind, *patch = MUTANTS[mutant]
    monkeypatch.setattr(*patch)
    assert off(name, kind) > 1e-3


@pytest.mark.parametrize("axes", [(1,), (0,), (0, 1)])
def test_a_proximal_step_of_groups_is_the_least_of_what_it_is_defined_by(axes: tuple[int, ...]) -> None:
    """No other point, near or far, has less; sizes of steps differ by entry."""
    rng, within = np.random.default_rng(0), tuple({0, 1} - set(axes))
    root = np.sqrt(np.prod([(3, 5)[k] for k in within]))

    def value(x: np.ndarray, before: np.ndarray, size: np.ndarray) -> float:
        norms = np.sqrt(np.square(x).sum(axis=within))
        return float((np.square(x - before) / (2 * size)).sum() + root * norms.sum())

    for scale in (0.3, 1.0, 3.0):
        given = rng.normal(size=(3, 5)), scale * rng.uniform(0.05, 0.8, (3, 5))
        found = given[0].copy()
        penalties.shrink_groups(found, given[1], axes, np)
        least = value(found, *given)
        for step in (1.0, 0.1, 1e-2, 1e-3, 1e-4):
            assert all(value(found + step * rng.normal(size=found.shape), *given) > least for _ in range(50))
        one, other = given[0].copy(), given[0].copy()
        penalties.shrink_groups(one, 0.4 * scale, axes, np)
        penalties.shrink_groups(other, np.full((3, 5), 0.4 * scale), axes, np)
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_symmetry_and_named_parameters_are_kept() -> None:
    rows = np.sign(np.random.default_rng(0).normal(size=(200, 4)) + np.array([1, 1, 0, 0]))
    program = ed.loads(VISIBLE).compile("numpy")
    run = ed.train(program, rows, ed.PCD(), ed.SGD(lr=0.1, l1={"J": 0.2}), epochs=20)
    np.testing.assert_array_equal(run.params["J"], np.zeros((4, 4)))
    assert np.abs(run.params["a"]).max() > 0.2  # no coupling, and not named
    run = ed.train(program, rows, ed.PCD(), ed.SGD(lr=0.1, l1={"a": 10.0}), epochs=20)
    np.testing.assert_array_equal(run.params["a"], np.zeros(4))
    np.testing.assert_array_equal(run.params["J"], run.params["J"].T)
    assert run.params["J"].any()


def test_an_average_is_that_of_the_parameters_there_were(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (60, 6)).astype(float)
    program = ed.loads(RBM).compile("numpy", "float64")

    def flat(params: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([a.ravel() for a in params.values()])

    def trajectory(average: Any) -> tuple[list[np.ndarray], ed.Run]:
        seen: list[np.ndarray] = []
        optimizer = ed.SGD(lr=0.1, average=average, l1=1e-3)
        run = ed.train(
            program, rows, ed.PCD(), optimizer, epochs=7, batch=60, validation=0.0,
            monitor=lambda run, data: seen.append(flat(run.last or run.params)) or {},
        )  # fmt: skip
        return seen[1:], run

    plain, run = trajectory(None)
    np.testing.assert_array_equal(flat(run.params), plain[-1])
    assert run.evaluated == "last"
    for average in ("polyak", 2):
        seen, run = trajectory(average)
        np.testing.assert_array_equal(seen, plain)
        wanted = np.mean(plain[4:], axis=0)
        if average == 2:
            wanted = plain[0]
            for k, W in enumerate(plain[1:], 1):
                wanted = wanted + max(0.5, 1 / (k + 1)) * (W - wanted)
        np.testing.assert_allclose(flat(run.params), wanted, atol=1e-12)
        assert run.evaluated == "average"

    given: dict[str, Any] = {"optimizer": ed.Adam(average="polyak", group={"W": 0.01}), "epochs": 6, "batch": 20}
    whole = ed.train(program, rows, **given)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 4:
            raise KeyboardInterrupt

    ed.train(program, rows, out=tmp_path, report=stop, **given)
    with pytest.raises(ed.EnergyError, match="settings differ .*average"):
        ed.train(program, rows, out=tmp_path, resume=True, **given | {"optimizer": ed.Adam(group={"W": 0.01})})
    parts, opened = ed.train(program, rows, out=tmp_path, resume=True, **given), ed.open_run(tmp_path)
    for name in whole.params:
        for run in (parts, opened):
            np.testing.assert_array_equal(run.params[name], whole.params[name])
            np.testing.assert_array_equal(run.last[name], whole.last[name])
        assert (opened.last[name] != opened.params[name]).any()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"l1": -1.0}, "l1 is a number, not negative"),
    ({"l1": {"W": "much"}}, "l1 is a number"),
    ({"l1": {"w": 1.0}}, "no parameter `w`. did you mean `W`"),
    ({"l1": {"s": 1.0}}, "`s` is positive and never 0"),
    ({"l2": {"f": 1.0}}, "`f` is frozen"),
    ({"l1": {"W:0": 1.0}}, "names axes, which belong to group"),
    ({"group": {"W:2": 1.0}}, "`W` has axes 0 to 1"),
    ({"group": {"W:": 1.0, "W:0": 1.0}}, "two factors for `W`"),
    ({"group": {"W:0,x": 1.0}}, "names others"),
    ({"group": {"b": 1.0}}, r"has 1 axes; say which number the groups, as in group={'b:0': 1e-3}"),
    ({"group": {"L": 1.0}}, "`L` is symmetric"),
    ({"average": 0}, 'average is "polyak"'),
    ({"average": "poliak"}, 'average is "polyak"'),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[m for _, m in WRONG])
def test_what_cannot_be_penalised_is_refused(given: dict[str, Any], message: str) -> None:
    text = RBM.replace("c[4]", "c[4], s : positive = 1, f : frozen = 1, L[6, 6] : symmetric")
    text += " + s * f * sum(v) - v @ L @ v"
    with pytest.raises(ed.ArgumentError, match=message.replace("{", r"\{")):
        ed.train(ed.loads(text).compile("numpy"), np.ones((3, 6)), optimizer=ed.SGD(**given), epochs=0)


def test_groups_by_several_axes() -> None:
    """The blocks of a Potts model: one group a pair of units, all their states together."""
    program = ed.loads(
        "graph G = chain(3)\nvisible x[3] : categorical[2]\nparam J[G, 2, 2]\nenergy = - sum[(i, k) in G, a, c] J[i, k, a, c]*x[i, a]*x[k, c]"
    )
    assert penalties.group_axes({"J:0": 1.0}, program.resolved.params["J"]) == (0,)


def test_the_command_line_penalises_and_averages(tmp_path: Path) -> None:
    (tmp_path / "m.energy").write_text(RBM.replace("v[6]", "v[16]").replace("6, 4", "16, 4").replace("b[6]", "b[16]"))
    train = ["train", str(tmp_path / "m.energy"), "--data", "bars-and-stripes:4", "--backend", "numpy", "--epochs", "4"]
    train += ["--out", str(tmp_path / "run"), "--json"]
    done = json.loads(
        CliRunner().invoke(cli, [*train, "--l1", "b=0.1", "--group", "W:1=9", "--average", "polyak"]).stdout
    )
    assert done["evaluation"]["parameters"] == "average"
    run = ed.open_run(tmp_path / "run")
    assert run.config["optimizer"]["l1"] == [["b", 0.1]]
    np.testing.assert_array_equal(run.params["W"], np.zeros((16, 4)))
    judge = ["eval", str(tmp_path / "run"), "--data", "bars-and-stripes:4", "--json"]
    found = [json.loads(CliRunner().invoke(cli, [*judge, *more]).stdout) for more in ((), ("--last",))]
    assert [f["parameters"] for f in found] == ["average", "last"]
    assert found[0]["log_likelihood"] != found[1]["log_likelihood"]
    wrong = CliRunner().invoke(cli, [*train[:-1], "--out", str(tmp_path / "other"), "--group", "b=1"])
    assert "as in --group b:0=1e-3" in wrong.stderr
