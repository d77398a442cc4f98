"""The state of least energy against all states listed by hand, method by method; labels and bounds; mistakes that must be caught."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.inference.least import bounds, enumeration, minimum_cut, search
from energydsl.program import elimination as program_elimination

State = dict[str, Any]
BITS, SPINS = (0.0, 1.0), (-1.0, 1.0)


def one_hot(code: Any) -> np.ndarray:
    return np.eye(3)[np.asarray(code, int)]


# Text, the values of a unit and how many units there are by layer, the energy by hand, and which methods fit.
CASES: dict[str, tuple[str, dict[str, tuple[tuple[float, ...], int]], Callable[[State, State], float], set[str]]] = {
    "chain": (
        "visible s[9] : spin\nparam J[8], f[9]\nenergy = - sum[i in range(8)] J[i]*s[i]*s[i + 1] - f @ s",
        {"s": (SPINS, 9)},
        lambda p, x: -(p["J"] * x["s"][:-1] * x["s"][1:]).sum() - p["f"] @ x["s"],
        {"elimination", "enumeration", "minimum-cut", "search"},
    ),
    "frustrated": (
        "visible v[6] : binary\nhidden h[5] : binary\nparam W[6, 5], b[6], c[5]\nenergy = - b @ v - c @ h - v @ W @ h",
        {"v": (BITS, 6), "h": (BITS, 5)},
        lambda p, x: -p["b"] @ x["v"] - p["c"] @ x["h"] - x["v"] @ p["W"] @ x["h"],
        {"elimination", "enumeration", "search"},
    ),
    "two sublattices": (
        "visible v[5] : binary\nhidden h[5] : spin\nparam W[5, 5] : positive = 1, b[5], c[5]\n"
        "energy = - b @ v - c @ h + sum[i, j] (2*v[i] - 1)*W[i, j]*h[j]",
        {"v": (BITS, 5), "h": (SPINS, 5)},
        lambda p, x: -p["b"] @ x["v"] - p["c"] @ x["h"] + (2 * x["v"] - 1) @ p["W"] @ x["h"],
        {"elimination", "enumeration", "minimum-cut", "search"},
    ),
    "states and integers": (
        "visible x[3] : categorical[3]\nhidden n[2] : integer[0, 3]\nparam W[3, 3, 2], g[3, 3]\n"
        "energy = - sum[i, a] g[i, a]*x[i, a] - sum[i, a, j] x[i, a]*W[i, a, j]*n[j] + 0.5 * sum(n^2)",
        {"x": ((0, 1, 2), 3), "n": ((0.0, 1.0, 2.0, 3.0), 2)},
        lambda p, x: (
            -(one_hot(x["x"]) * p["g"]).sum()
            - np.einsum("ia,iaj,j", one_hot(x["x"]), p["W"], x["n"])
            + 0.5 * (x["n"] ** 2).sum()
        ),
        {"elimination", "enumeration", "search"},
    ),
    "triples": (
        "visible s[8] : spin\nparam T[6], f[8]\nenergy = - sum[i in range(6)] T[i]*s[i]*s[i + 1]*s[i + 2] - f @ s",
        {"s": (SPINS, 8)},
        lambda p, x: -(p["T"] * x["s"][:-2] * x["s"][1:-1] * x["s"][2:]).sum() - p["f"] @ x["s"],
        {"elimination", "enumeration", "search"},
    ),
}
METHODS = ("elimination", "enumeration", "minimum-cut", "search")


def drawn(program: ed.Program, seed: int) -> State:
    """Random parameters, positive ones above 0."""
    rng = np.random.default_rng(seed)
    params = {n: rng.standard_normal(p.shape) for n, p in program.model.params.items()}
    return {n: np.abs(a) if program.model.params[n].constraints else a for n, a in params.items()}


def listed(name: str, params: State, held: State) -> float:
    """The least energy of all states, held layers at their values."""
    _, layers, energy, _ = CASES[name]
    choices = [
        [held[n]] if n in held else [np.array(u) for u in itertools.product(v, repeat=k)]
        for n, (v, k) in layers.items()
    ]
    return min(energy(params, dict(zip(layers, state, strict=True))) for state in itertools.product(*choices))


def check(name: str, method: Any, seed: int = 0) -> None:
    """A method finds the least energy, at a state that has it, and says what it is; with nothing held, and with one layer."""
    text, layers, energy, _ = CASES[name]
    program = ed.loads(text).compile("numpy")
    params, first = drawn(program, seed), next(iter(layers))
    rng = np.random.default_rng(seed)
    held = (
        {first: np.array([rng.choice(layers[first][0], layers[first][1]) for _ in range(3)])} if len(layers) > 1 else {}
    )
    for rows in [{}] + ([held] if held else []):
        found = ed.map_state(program, rows, params, method=method, starts=30, sweeps=50)
        for row, value in enumerate(found.energy):
            least = listed(name, params, {n: a[row] for n, a in rows.items()})
            np.testing.assert_allclose(energy(params, {n: a[row] for n, a in found.state.items()}), value, rtol=1e-6)
            np.testing.assert_allclose(value, least, rtol=1e-6)
            assert found.bound is not None
            assert found.bound[row] <= least + 1e-6
            assert found.exact[row] == (found.bound[row] >= least - 1e-6)
            assert all((found.state[n][row] == a[row]).all() for n, a in rows.items())
        assert found.label == "exact" or method == "search"


def check_some(name: str, method: Any) -> None:
    """With some draws of the parameters: a mistake need not move the state of least energy every time."""
    for seed in range(4):
        check(name, method, seed)


@pytest.mark.parametrize("name", CASES)
def test_every_method_that_fits_finds_the_least_energy(name: str) -> None:
    for method in METHODS:
        if method in CASES[name][3]:
            check(name, method)
        else:
            program = ed.loads(CASES[name][0]).compile("numpy")
            with pytest.raises(ed.NotApplicable, match=f"cannot be found. {method}: "):
                ed.map_state(program, params=drawn(program, 0), method=method)  # type: ignore[arg-type]


def check_bounds() -> None:
    """A bound is below the least energy, and what was found is called exact only where it meets it; of starts that are too few."""
    program = ed.loads(
        "visible s[10] : spin\nparam J[10, 10] : symmetric & zero_diagonal, f[10]\nenergy = - 0.5 * s @ J @ s - f @ s"
    ).compile("numpy", "float64")
    states = np.array(list(itertools.product(SPINS, repeat=10)))
    labels = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        half = np.triu(rng.standard_normal((10, 10)), 1) * (rng.random((10, 10)) < 0.2 + 0.05 * seed)
        params = {"J": half + half.T, "f": rng.standard_normal(10)}
        least = (-0.5 * np.einsum("ni,ij,nj->n", states, params["J"], states) - states @ params["f"]).min()
        # So few starts that some are not found.
        found = ed.map_state(program, params=params, method="search", starts=1, sweeps=1, seed=seed)
        assert found.bound is not None
        assert found.gap is not None
        assert found.bound[0] <= least + 1e-9 <= found.energy[0] + 2e-9
        assert found.gap[0] >= 0
        if found.exact[0]:
            np.testing.assert_allclose(found.energy[0], least)
        labels.add((found.label, found.exactness))
    assert labels == {("exact", "exact"), ("best found", "bound from above")}


def test_bounds_hold_and_nothing_that_was_found_is_called_exact_without_one() -> None:
    check_bounds()


def test_real_units_by_linear_algebra_and_others_by_modes_or_with_their_label() -> None:
    rng = np.random.default_rng(0)
    coupling = np.triu(0.2 * rng.standard_normal((5, 5)), 1)
    params = {"A": coupling + coupling.T, "b": rng.standard_normal(5)}
    text = "visible x[5] : real\nparam A[5, 5] : symmetric & zero_diagonal, b[5]\nenergy = sum(x^2) + x @ A @ x - b @ x"
    found = ed.map_state(ed.loads(text).compile("numpy"), params=params)
    assert (found.method, found.label) == ("linear-algebra", "exact")
    x = np.linalg.solve(2 * np.eye(5) + 2 * params["A"], params["b"])
    np.testing.assert_allclose(found.state["x"][0], x, rtol=1e-5)
    np.testing.assert_allclose(found.energy[0], -0.5 * params["b"] @ x, rtol=1e-6)

    mixed = (
        "visible v[3] : real\nhidden h[4] : binary\nparam W[3, 4], c[4]\nenergy = 0.5 * sum(v^2) - v @ W @ h - c @ h"
    )
    program = ed.loads(mixed).compile("numpy")
    given = drawn(program, 1)
    found = ed.map_state(program, params=given)
    every = np.array(list(itertools.product(BITS, repeat=4)))
    least = (-0.5 * np.square(every @ given["W"].T).sum(axis=1) - every @ given["c"]).min()
    assert (found.method, found.label) == ("enumeration", "exact")
    np.testing.assert_allclose(found.energy[0], least, rtol=1e-6)

    quartic = ed.loads("visible x[2] : real\nenergy = sum(x^4) - 2 * sum(x^2) - x[0]*x[1]").compile("numpy")
    found = ed.map_state(quartic, starts=10, sweeps=30)
    assert (found.label, found.bound, found.gap) == ("best found", None, None)
    assert found.energy[0] >= -3.125 - 1e-9


likeliest, pairs_of, roof_dual = enumeration.likeliest, minimum_cut.pairs_of, bounds.roof_dual
MISTAKES: dict[str, tuple[str, str, Any, str, Callable[..., Any]]] = {
    "the least in place of the largest": (
        "elimination",
        "chain",
        program_elimination,
        "_largest",
        lambda xp, v, axis: v.min(axis=axis),
    ),
    "the sign of pairs": (
        "minimum-cut",
        "chain",
        minimum_cut,
        "pairs_of",
        lambda f: replace(pairs_of(f), w=-pairs_of(f).w),
    ),
    "the sign of single bits": (
        "minimum-cut",
        "chain",
        minimum_cut,
        "pairs_of",
        lambda f: replace(pairs_of(f), u=-pairs_of(f).u),
    ),
    "the unlikeliest values": ("enumeration", "frustrated", enumeration, "likeliest", lambda *a: 1.0 - likeliest(*a)),
    "chains that are only cooled": (
        "search",
        "triples",
        search,
        "_descend",
        lambda problem, engine, x: x["s"].fill(1.0),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, name, module, attribute, wrong = MISTAKES[mistake]
    monkeypatch.setattr(module, attribute, wrong)
    with pytest.raises(AssertionError):
        check_some(name, method)


def test_a_bound_that_is_too_high_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "roof_dual", lambda u, pairs, w: roof_dual(u, pairs, np.abs(w)))
    with pytest.raises(AssertionError):
        check_bounds()


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        return json.loads(CliRunner().invoke(cli, ["map", *arguments, "--json"]).stdout)

    out = tmp_path / "s.npz"
    found = told("models/ising.energy", "-D", "L=16", "--out", str(out))
    assert found["energy"] == pytest.approx(-0.44 * 2 * 256)
    facts = ("label", "exactness", "method", "gap", "rows")
    assert [found[k] for k in facts] == ["exact", "exact", "minimum-cut", 0.0, 1]
    assert abs(np.load(out)["s"].sum()) == 256
    text = CliRunner().invoke(cli, ["map", "models/rbm.energy", "-D", "J=30", "--starts", "5", "--sweeps", "5"]).stdout
    assert "best found by search; no state is below" in text
    np.save(tmp_path / "y.npy", [3, 5])
    found = told("models/label_rbm.energy", "-D", "J=4", "--given", f"y={tmp_path / 'y.npy'}")
    assert (found["rows"], len(found["energy"]), found["exact"]) == (2, 2, [True, True])
    refused = told("models/dbn.energy")
    assert not refused["ok"]
    assert "it has directed parts" in refused["diagnostics"][0]["message"]
    assert not told("models/label_rbm.energy", "--given", "z=1")["ok"]
