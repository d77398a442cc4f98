"""A layer summed out: the text that is left has the energy that enumeration and quadrature find, constants and all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import energydsl as ed
import energydsl.augment.marginalise as room
from energydsl.augment.table import RULES
from energydsl.augment.write import Signed, call, negated, power, times
from energydsl.graph.edges import edges_of
from energydsl.syntax import tree
from energydsl.verification.case import random_param
from energydsl.verification.oracle import Oracle, enumerate_states, quadrature, unit_values

# A model, the layer summed out, and what its text then holds.
CASES = {
    "binary": ("visible v[3] : binary\nhidden h[2] : binary\nparam W[3, 2], b[3], c[2]\nenergy = - b @ v - c @ h - v @ W @ h", "softplus("),
    "spin": ("visible v[3] : spin\nhidden h[2] : spin\nparam W[3, 2], c[2]\nenergy = - c @ h - sum[i, j] v[i]*W[i, j]*h[j]", "logcosh("),
    "categorical": ("visible v[3] : binary\nhidden h : categorical[3]\nparam W[3, 3], c[3]\nenergy = - c @ h - v @ W @ h", "log(sum["),
    "many categoricals": (
        "dim K = 3\nvisible v[3] : binary\nhidden h[2] : categorical[K]\nparam W[3, 2, K]\nenergy = - sum[i, j, k] v[i]*W[i, j, k]*h[j, k]", "log(sum[",
    ),
    "gaussian": ("visible x[3] : binary\nhidden h[2] : real\nparam W[3, 2], a[3]\nenergy = - a @ x + 0.5 * sum(h^2) - x @ W @ h", "^2"),
    "learned precision": (
        "visible x[3] : binary\nhidden h[2] : real\nparam W[3, 2], s[2] : positive = 1\nenergy = sum(h^2 / (2 * s^2)) - x @ W @ h", "log(",
    ),
    "precision that units set": (
        "visible x[3] : binary\nhidden h[2] : real\nparam W[3, 2], g : positive = 1\nenergy = 0.5 * sum((h - W' @ x)^2) + g * sum[i, j] x[i]*h[j]^2", "log(",
    ),
    "square that is not all of the layer": ("visible x[2] : real\nhidden h[2] : real\nparam W[2, 2]\nenergy = 0.5 * sum(x^2) + sum((h - W @ x)^2) - sum(h)", "^2"),
    "exponential": ("visible x[3] : binary\nhidden h[2] : positive\nparam W[3, 2] : positive = 1, g : positive = 1\nenergy = g * sum(h) + x @ W @ h", "log("),
    "graph of layers": ("visible v[2] : binary\nhidden h[2] : binary\nhidden k[2] : binary\nlayers v -- h -- k", "softplus("),
    "convolution": (
        "dim N = 4, K = 2, M = N - K + 1\nvisible v[N] : binary\nhidden h[M] : binary\nparam W[K], c\nenergy = - c * sum(h) - sum[i, p] h[i]*W[p]*v[i + p]", "softplus(",
    ),
    "ring": ("dim N = 3\nvisible v[N] : spin\nhidden h[N] : spin\nparam J\nenergy = - J * sum[i] h[i]*v[i]*v[(i + 1) % N]", "logcosh("),
    "edges": (
        "graph G = chain(3)\nvisible v[3] : spin\nhidden h : binary\nparam J[G]\nenergy = - h * sum[(i, k) in G] J[i, k]*v[i]*v[k]", "(i, j) in G",
    ),
    "pairs in order": ("visible v[3] : binary\nhidden h : binary\nparam J[3, 3]\nenergy = - h * sum[i < k] v[i]*J[i, k]*v[k]", "i < j"),
    "functions of parameters": (
        "input z[2] : real\nvisible v[2] : binary\nhidden h[2] : binary\nparam W[2, 2], a\nconst t : positive = 2\n"
        "energy = - sum[i, j] v[i]*tanh(W[i, j] + a)*h[j] / t - sum[j] h[j]*sigmoid(z[j])^3", "tanh(",
    ),
    "named terms": ("visible v[2] : binary\nhidden h[2] : binary\nparam W[2, 2], c[2]\nenergy own = - c @ h - sum(v)\nenergy pair = - v @ W @ h", "energy free_h"),
    "abbreviations": ("visible v[2] : binary\nhidden h[2] : binary\nparam W[2, 2]\nlet u = W @ h\nenergy = - v @ u", "softplus("),
}  # fmt: skip


def energies(model: ed.Model, params: dict[str, np.ndarray], x: dict[str, np.ndarray]) -> np.ndarray:
    edges = {n: edges_of(g) for n, g in model.resolved.graphs.items()}
    return Oracle(model.resolved, edges).energy(params, x)


def summed_out(model: ed.Model, params: dict[str, np.ndarray], x: dict[str, np.ndarray], name: str) -> np.ndarray:
    """-log of the sum, and integral, over one layer: all its joint values, of a rule that the oracle finds unit by unit."""
    layer = model.layers[name]
    rows = len(next(iter(x.values())))
    found = np.empty(rows)
    for row in range(rows):
        held = {n: v[row : row + 1] for n, v in x.items()}

        def at(values: np.ndarray, held: dict[str, np.ndarray] = held) -> np.ndarray:
            state = {n: np.repeat(v, len(values), axis=0) for n, v in held.items()}
            return energies(model, params, {**state, name: values})

        if layer.domain.name in ("binary", "spin", "categorical"):
            values, _ = enumerate_states({name: layer}, {name: unit_values(layer)})
            found[row] = -np.logaddexp.reduce(-at(values[name]))
            continue
        total = at(np.ones((1, *layer.shape)))[0]
        start = total
        for unit in range(layer.size):

            def change(places: np.ndarray, unit: int = unit, start: float = start) -> np.ndarray:
                moved = np.ones((len(places), layer.size))
                moved[:, unit] = places
                return (at(moved.reshape(len(places), *layer.shape)) - start)[None]

            places, weights = quadrature(layer, [], change)
            total -= np.logaddexp.reduce(weights - change(places)[0])
        found[row] = total
    return found


def left(text: str) -> tuple[float, ed.Model, ed.Model]:
    """The largest difference between the energy that is left and the sum over the layer."""
    model = ed.loads(text)
    marginal = model.marginalise("h")
    rng = np.random.default_rng(5)
    params = {n: random_param(p, rng) for n, p in model.params.items()}
    rows = 6
    x = {}
    for n, layer in model.layers.items():
        if n != "h":
            values = unit_values(layer, rng.random(5))
            x[n] = values[rng.integers(0, len(values), (rows, layer.size))].reshape(rows, *layer.energy_shape)
    wanted = summed_out(model, params, x, "h")
    return float(np.abs(energies(marginal, params, x) - wanted).max()), model, marginal


@pytest.mark.parametrize("name", CASES)
def test_energy_that_is_left(name: str) -> None:
    text, written = CASES[name]
    error, model, marginal = left(text)
    assert error < 1e-9, marginal.source.text
    assert written in marginal.source.text
    assert "h" not in marginal.layers
    assert marginal.params.keys() == model.params.keys()


def test_same_log_partition() -> None:
    """Constants are kept, so log Z is that of the model with its latents."""
    for name in ("binary", "spin", "categorical", "gaussian"):
        model = ed.loads(CASES[name][0])
        programs = [m.compile("numpy", "float64") for m in (model, model.marginalise("h"))]
        params = programs[0].init(seed=1)
        first, second = (float(np.asarray(p.log_partition(params))) for p in programs)
        np.testing.assert_allclose(first, second, rtol=1e-12)


@pytest.mark.parametrize("zoo", ["rbm", "hopfield_gaussian", "bernoulli_mixture", "label_rbm"])
def test_there_and_back(zoo: str) -> None:
    """Augmented again, the energy is the record that it was, but for the constant."""
    model = ed.zoo(zoo)
    name = model.resolved.by_role("hidden")[0]
    back = model.marginalise(name).augment()
    made = next(n for n in back.layers if n not in model.layers or n == name)
    assert back.layers[made].shape == model.layers[name].shape
    renamed = ed.loads(back.source.text.replace(f"{made}[", f"{name}[").replace(f"hidden {made}", f"hidden {name}"))
    found = {t.monomial for t in renamed.energy.terms if t.monomial.factors}
    assert found == {t.monomial for t in model.energy.terms}


def test_statement() -> None:
    text = CASES["binary"][0]
    model = ed.loads(text + "\nmarginalise h")
    assert model.energy == ed.loads(text).marginalise("h").energy
    assert model.verify().ok
    mixed = "visible v[3] : binary\nparam W[3, 2]\nenergy t = - sum(softplus(v @ W))"
    both = ed.loads(mixed + "\naugment t (z)\nmarginalise z")
    assert both.energy == ed.loads(mixed).energy


MISTAKES: dict[str, tuple[str, str, Callable[..., list[Signed]]]] = {
    "softplus of minus the field": ("bernoulli", "binary", lambda at, f, o: [("-", call("softplus", negated(f[0])))]),
    "log cosh without log 2": ("spin", "spin", lambda at, f, o: [("-", call("logcosh", f[0]))]),
    "exp without its log": ("categorical", "categorical", lambda at, f, o: [("-", tree.Reduce(at, (o,), call("exp", f[0])))]),
    "square without its half": ("normal", "gaussian", lambda at, f, o: [("-", power(f[0], 2.0))]),
    "log of the precision forgotten": (
        "normal", "learned precision",
        lambda at, f, o: [("-", tree.Product(at, power(f[0], 2.0), (("/", times(tree.Number(at, "4"), negated(f[1]))),)))],
    ),
    "log of the rate of the wrong sign": ("exponential", "exponential", lambda at, f, o: [("-", call("log", negated(f[0])))]),
}  # fmt: skip


def test_every_family_has_a_mistake() -> None:
    assert {family for family, _, _ in MISTAKES.values()} == {r.family for r in RULES}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, case, summed = MISTAKES[name]
    changed: Any = tuple(replace(r, summed=summed) if r.family == family else r for r in RULES)
    monkeypatch.setattr(room, "RULES", changed)
    assert left(CASES[case][0])[0] > 1e-3


REFUSED = {
    "units coupled": "visible v[2] : binary\nhidden h[3] : binary\nparam L[3, 3]\nenergy = - sum(v) - h @ L @ h",
    "inside a function": "visible v[2] : spin\nhidden h[2] : spin\nparam W[2, 2]\nenergy = - sum(softplus(h + W @ v)) - sum(h)",
    "no formula": "visible v[2] : spin\nhidden h[2] : positive\nparam W[2, 2]\nenergy = 0.5 * sum(h^2) - v @ W @ h",
    "a density": "visible v[2] : spin\nhidden h[2] : real\nparam W[2, 2]\nenergy = sum(h^4) - v @ W @ h",
    "a table": "visible v[2] : spin\nhidden h[2] : integer[0, 3]\nparam W[2, 2]\nenergy = - v @ W @ h",
    "computed places": "dim N = 3\nvisible v[N] : spin\nhidden h[4] : spin\nparam J\nenergy = - J * sum[i, p in range(2)] h[i + p]*v[i]",
    "the last layer": "hidden h[2] : binary\nparam c[2]\nenergy = - c @ h",
    "visible": "visible h[2] : binary\nenergy = - sum(h)",
    "directed": "visible v[2] : binary\nhidden h[2] : binary\nlayers v <- h",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ed.ModelError) as error:
        ed.loads(REFUSED[name]).marginalise("h")
    (found,) = error.value.diagnostics
    assert found.code == "E0321"
    assert found.span is not None
    assert found.message.startswith("`h` cannot be summed out in closed form: ")
