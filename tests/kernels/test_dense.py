"""Sums over edges of dense graphs as sums over pairs of nodes: the same numbers, where they can be made so and where that pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.kernels import Choices, choices_of, kernels_of
from energydsl.kernels.program import Contract, KernelProgram, Matmul, Spread
from energydsl.program.undirected import Undirected

G = "graph G = complete(5)\n"
DENSE = {
    "one-hot": "visible x[5] : categorical[3]\nhidden h[2] : binary\nparam J[G, 3, 3], W[5, 3, 2]\nenergy = - sum[(n, m) in G, a, b] J[n, m, a, b]*x[n, a]*x[m, b] - sum[n, a, j] W[n, a, j]*x[n, a]*h[j]",
    "spins": "visible s[5] : spin\nparam J[G], f[5]\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k] - f @ s",
    "one coupling": "visible s[5] : spin\nparam K\nenergy = - 0.5*K*sum[(i, k) in G] (1 - s[i]*s[k])",
    "real": "visible x[5] : real\nparam t : positive = 1\nenergy = 0.5*t*sum[(i, k) in G] (x[i] - x[k])^2 + 0.5*sum(x^2)",
    "several axes": "graph H = complete(6)\nvisible s[2, 3] : spin\nparam J[H]\nenergy = - sum[(i, k) in H] J[i, k]*s[i]*s[k]",
    "function of a coupling": "visible s[5] : spin\nparam J[G], W[5]\nenergy = - sum[(i, k) in G] tanh(J[i, k])*s[i]*s[k]*W[i]*W[k]",
    "two layers": "visible s[5] : spin\nhidden h[5] : binary\nparam J[G], W[G]\nenergy = - sum[(i, k) in G] J[i, k]*W[i, k]*s[i]*h[k] - sum[(i, k) in G] W[i, k]*s[i]*s[k]",
    "three units": "visible s[5] : spin\nhidden h[3] : binary\nparam J[G, 3]\nenergy = - sum[(i, k) in G, j] J[i, k, j]*s[i]*s[k]*h[j]",
    "inside a function": "visible s[5] : spin\nparam J[G]\nenergy = - log(1 + exp(sum[(i, k) in G] J[i, k]*s[i]*s[k]))",
    "some pairs": "graph R = random_regular(degree = 3, nodes = 6, seed = 1)\nvisible s[6] : spin\nparam J[R]\nenergy = - sum[(i, k) in R] J[i, k]*s[i]*s[k]",
}
LEFT = {
    "few pairs": "graph C = grid(1, 30)\nvisible s[30] : spin\nparam J[C]\nenergy = - sum[(i, k) in C] J[i, k]*s[i]*s[k]",
    "a place computed from an end": "graph C = complete(4)\nvisible s[5] : spin\nparam J[C]\nenergy = - sum[(i, k) in C] J[i, k]*s[i + 1]*s[k + 1]",
    "an end as a number": "visible s[5] : spin\nparam J\nenergy = - J*sum[(i, k) in G] s[i]*s[k]/(i - k)",
}


def values(model: ed.Model, choices: Choices) -> dict[str, Any]:
    """Everything that sums over edges is in: energy, fields, gradients and slopes of some states."""
    engine = Undirected(model.derived, "numpy", "float64", choices=choices)
    kernels, program, rng = engine.kernels, model.compile("numpy", "float64"), np.random.default_rng(0)
    params = {n: rng.uniform(0.5, 1.5, p.shape) for n, p in program.init(seed=0).items()}
    x: Any = {n: np.array(a, float) for n, a in program.init_state(params, batch=7, seed=1).items()}
    s, w = kernels.settings(1.3), kernels.Workspace(np.float64)
    x = kernels.with_forms(params, x, s, w) if hasattr(kernels, "with_forms") else x
    found = {"energy": sum(kernels.energy(params, x, s).values())}
    found |= {f"gradient {n}": np.array(f(params, x, s, np.linspace(0.5, 1, 7), w)) for n, f in kernels.gradients.items()}  # fmt: skip
    found |= {f"field {n}": np.array(layer.fields(params, x, s, w)[0]) for n, layer in kernels.layers.items()}
    return found | {f"slope {n}": np.array(f(params, x, s, w)) for n, f in kernels.slopes.items()}


@pytest.mark.parametrize("name", DENSE)
def test_the_numbers_are_the_same(name: str) -> None:
    model = ed.loads(G + DENSE[name])
    graphs = choices_of(model.derived).dense
    assert graphs
    wanted = values(model, Choices(dense=frozenset()))
    for what, found in values(model, Choices(dense=graphs)).items():
        np.testing.assert_allclose(found, wanted[what], rtol=1e-12, atol=1e-12, err_msg=what)


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_over_edges(name: str) -> None:
    assert choices_of(ed.loads(G + LEFT[name]).derived).dense == frozenset()


def test_few_pairs_are_made_dense_where_that_was_chosen() -> None:
    """As `verify` asks for, of a small model whose own is dense; and the other way round."""
    model = ed.loads(LEFT["few pairs"])
    chosen = Choices(dense=frozenset({"C"}))
    assert spread(kernels_of(model.derived, chosen))
    np.testing.assert_allclose(values(model, chosen)["energy"], values(model, Choices())["energy"], rtol=1e-12)
    assert not spread(kernels_of(ed.loads(G + DENSE["spins"]).derived, Choices(dense=frozenset())))


def spread(program: KernelProgram) -> list[Spread]:
    return [step for k in program.kernels() for s in k.sections for step in s.steps if isinstance(step, Spread)]


def test_products_of_a_potts_model_need_no_copy() -> None:
    found = kernels_of(ed.loads(G + DENSE["one-hot"]).derived)
    for kernel in (*found.layers["x"].fields, found.energy):
        steps = [step for s in kernel.sections if any(isinstance(t, Spread) for t in s.steps) for step in s.steps]
        assert any(isinstance(step, Matmul) for step in steps)
        assert all(s.target is None for s in kernel.sections)
    steps = found.gradients["J"].sections[0].steps
    assert [type(step) for step in steps] == [Contract, Matmul, Contract]
