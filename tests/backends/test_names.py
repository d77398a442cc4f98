"""Whatever a user calls a thing, it meets no name of ours: every name of the runtimes, in every role, gives the same numbers."""

from __future__ import annotations

import ast
import builtins
import keyword
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.rooms import defined
from energydsl.backends.runtime_text import CUPY, NUMBA, NUMPY

ROOMS = tuple(dict.fromkeys((*NUMPY, *NUMBA, *CUPY)))
DOMAINS = ("integer[0, 2]", "binary", "real", "spin", "positive", "count", "interval[-1, 1]", "integer[0, 2]")
OWN = {"real": "0.5 * sum({0}^2)", "positive": "sum({0}^2)", "count": "sum(lgamma({0} + 1))"}
# Keys and arguments of the files that a run writes.
KEYS = [
    "file", "arr", "arr_0", "meta", "param", "chain", "slot", "offset", "negative", "positive", "base", "config",
    "epoch", "update", "seconds", "base_measure", "train", "validation", "gap", "reconstruction_error",
    "free_energy", "args", "kwds", "allow_pickle", "key", "rng", "data", "model", "graph_", "name", "method",
    "path"
]  # fmt: skip
# How many of each: layers, parameters, consts, binders, terms, graphs.
ROLE, ROLES = len(DOMAINS), 6


def text_of(names: list[str]) -> str:
    """A model with these names in every role there is."""
    assert len(names) == ROLES * ROLE
    layers, params, consts, binders, terms, graphs = (names[k * ROLE : (k + 1) * ROLE] for k in range(ROLES))
    lines = [f"hidden o_ : categorical[3]\nparam w_[{ROLE}, 2, 3] = 0.1", *(f"graph {g} = chain(2)" for g in graphs)]
    for k, (layer, domain) in enumerate(zip(layers, DOMAINS, strict=True)):
        i = binders[k]
        lines.append(f"{'visible' if k < 6 else 'hidden'} {layer}[2] : {domain}")
        lines.append(f"param {params[k]}[2] = normal(sd = 0.1)\nconst {consts[k]} : positive = 0.5")
        own = OWN.get(domain, "0").format(layer)
        lines.append(f"energy {terms[k]} = {own} - {consts[k]} * sum[{i}] {params[k]}[{i}]*{layer}[{i}]")
        if k != 5:  # nothing holds two counts apart, or a count and a real unit
            lines.append(
                f"energy more{k} = - 0.1 * sum[{i}, {binders[k - 1]}] w_[{k}, {i}, {binders[k - 1]}]*{layer}[{i}]*o_[{binders[k - 1]}]"
            )
    pairs = (f"0.1 * sum[(i_, k_) in {g}] {layers[1]}[i_]*{layers[1]}[k_]" for g in graphs)
    lines.append(f"energy pairs = {' + '.join(pairs)}")
    return "\n".join(lines)


@lru_cache
def suspects(backend: str) -> tuple[str, ...]:
    """All names that a generated module defines, those inside functions of a model too; with NumPy's, what Python knows."""
    program = ed.loads(text_of(plain())).compile(backend)
    found = {*keyword.kwlist, *dir(builtins), "self"} if backend == "numpy" else set()
    found |= {n.partition("__")[0] for n in vars(program.engine.kernels)} | set(dir(program))
    for statement in ast.parse(program.source).body:
        of_model = isinstance(statement, ast.FunctionDef) and "__" in statement.name
        for node in ast.walk(statement) if of_model else [statement]:
            match node:
                case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    found.add(name)
    # What is put before or behind a name of the user's, as if it were a part of one.
    joined = {f"{a}_{b}" for a in ("moved", "draw", "mean", "eta1", "u", "new") for b in ("moved", "x", "_x", "last")}
    if backend != "numpy":
        found -= set(suspects("numpy"))
    return tuple(sorted(n for n in found | joined if n.isidentifier() and declarable(n)))


@lru_cache
def declarable(name: str) -> bool:
    try:
        ed.loads(f"visible {name}[2] : binary\nenergy = sum({name})")
    except ed.ModelError:
        return False
    return True


def plain() -> list[str]:
    return [f"q{k}_" for k in range(ROLES * ROLE)]


def rotations(backend: str) -> list[list[str]]:
    """Lists of names such that each suspect has every role once."""
    names = list(suspects(backend))
    names += plain()[: -len(names) % ROLE]
    groups = [names[k : k + ROLE] for k in range(0, len(names), ROLE)]
    return [[n for shift in range(ROLES) for n in groups[(k + shift) % len(groups)]] for k in range(len(groups))]


def figures(text: str, backend: str) -> list[np.ndarray]:
    """Energies, draws, gradients and moments, in the order of the declarations, whatever their names are."""
    model = ed.loads(text)
    program = model.compile(backend, "float64")
    params = program.init(0)
    state = program.gibbs(params, program.init_state(params, 3, 1), 2, rng=ed.Rng(2))
    found = [program.energy(params, state), *state.values(), *program.energy_gradient(params, state).values()]
    found += [f(params, state, n) for n in state for f in (program.mean, program.variance)]
    found += [program.free_energy(params, state)]
    return [np.array(program.engine.host(a)) for a in found]


def same(text: str, backend: str, wanted: list[np.ndarray]) -> None:
    for a, b in zip(figures(text, backend), wanted, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=text)


def test_no_runtime_has_a_name_of_the_users_kind() -> None:
    """Names of a model's own functions are `what__name`; no runtime may define one with two underscores inside."""
    assert not [n for n in defined(ROOMS) if "__" in n.strip("_")]


def test_every_name_in_every_role(backend: str) -> None:
    wanted = figures(text_of(plain()), backend)
    for names in rotations(backend):
        same(text_of(names), backend, wanted)


@pytest.mark.parametrize("name", ["moved", "last"])
def test_two_layers_whose_names_join(name: str, backend: str) -> None:
    """`draw` of the layer `moved_x` is not `draw_moved` of the layer `x`."""
    wanted = plain()
    chosen = [f"{name}_{wanted[1]}", *wanted[1:]]
    same(text_of(chosen), backend, figures(text_of(wanted), backend))


def test_names_through_training_evaluation_and_samples(tmp_path: Path) -> None:
    """Run folders, metrics, checkpoints and files of samples are keyed by names too."""
    from click.testing import CliRunner

    from energydsl.cli.main import cli

    rng = np.random.default_rng(0)
    values = {"integer[0, 2]": rng.integers(0, 3, (12, 2)), "spin": rng.choice([-1.0, 1.0], (12, 2))}
    known = [n for n in KEYS if declarable(n)]
    for k in range(ROLES):
        rest = [n for n in plain() if n not in known][: ROLES * ROLE - len(known)]
        names = [*(known + rest)[k * ROLE :], *(known + rest)[: k * ROLE]]
        folder = tmp_path / str(k)
        folder.mkdir()
        (folder / "m.energy").write_text(text_of(names))
        sources = []
        for n, (layer, domain) in enumerate(zip(names[:6], DOMAINS, strict=False)):
            np.save(folder / f"{n}.npy", values.get(domain, rng.integers(0, 2, (12, 2))).astype(float))
            sources += ["--data", f"{layer}={folder}/{n}.npy"]
        run, out = str(folder / "run"), str(folder / "s.npz")
        for command in (
            [
                "train",
                str(folder / "m.energy"),
                *sources,
                "--out",
                run,
                *["--epochs", "1", "--chains", "4", "--no-evaluate"],
            ],
            ["eval", run, *sources, *["--method", "ais", "--betas", "3", "--chains", "2"]],
            ["sample", run, *["-n", "2", "--steps", "2", "-o"], out],
        ):
            result = CliRunner().invoke(cli, [*command, "--json"])
            assert result.exit_code == 0, f"{command} {result.output} {result.exception}"
        with np.load(out) as file:
            assert set(names[:ROLE]) <= set(file.files)
