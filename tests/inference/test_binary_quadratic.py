"""Quadratic models there and back: by dimod's own energies, with offsets and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import energydsl as ed

dimod = pytest.importorskip("dimod")


def drawn(vartype: str, variables: int, pairs: int, seed: int = 0) -> Any:
    """A binary quadratic model with labels, in an order that is not theirs."""
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel(vartype)
    for k in rng.permutation(variables).tolist():
        bqm.add_linear(f"v{k}", rng.normal())
    for i, k in rng.integers(variables, size=(pairs, 2)).tolist():
        if i != k:
            bqm.add_quadratic(f"v{i}", f"v{k}", rng.normal())
    bqm.offset = 1.25
    return bqm


def states(bqm: Any, rows: int) -> np.ndarray:
    values = [-1, 1] if bqm.vartype is dimod.SPIN else [0, 1]
    return np.random.default_rng(1).choice(values, size=(rows, bqm.num_variables)).astype(np.int8)


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_a_thousand_variables_there_and_back(vartype: str) -> None:
    bqm = drawn(vartype, 1000, 5000)
    found = ed.from_bqm(bqm)
    program = found.model().compile("numpy", "float64")
    x = states(bqm, 100)
    known = bqm.energies((x, list(bqm.variables)))
    np.testing.assert_allclose(program.energy(found.params, {"x": x}), known, rtol=1e-12)
    back = ed.to_bqm(program, found.params, labels=found.labels)
    assert back.vartype is bqm.vartype
    np.testing.assert_allclose(back.energies((x, list(bqm.variables))), known, rtol=1e-12)
    biases, offset = ed.to_qubo(program, found.params, labels=found.labels)
    qubo = dimod.BinaryQuadraticModel.from_qubo(biases, offset)
    bits = (x + 1) // 2 if vartype == "SPIN" else x
    np.testing.assert_allclose(qubo.energies((bits, list(bqm.variables))), known, rtol=1e-11)


def test_a_dictionary_is_a_model() -> None:
    found = ed.from_qubo({("a", "a"): -1.0, ("b", "a"): 2.0, ("a", "b"): 0.5, ("c", "c"): 0.0}, 3.0)
    assert found.labels == ("a", "b", "c")
    program = found.model().compile("numpy", "float64")
    assert program.energy(found.params, {"x": [[1, 1, 0], [0, 0, 1]]}).tolist() == [4.5, 3.0]
    assert ed.to_qubo(program, found.params, labels=found.labels) == (
        {("a", "a"): -1.0, ("b", "b"): 0.0, ("c", "c"): 0.0, ("a", "b"): 2.5},
        3.0,
    )
    alone = ed.from_qubo({(0, 0): 2.0})
    assert alone.model().compile("numpy").energy(alone.params, {"x": [[1]]}).tolist() == [2.0]


def test_hidden_layers_are_variables_too() -> None:
    program = ed.zoo("rbm", dims={"I": 3, "J": 2}).compile("numpy", "float64")
    params, rng = program.init(seed=1), np.random.default_rng(0)
    params = {n: rng.normal(size=a.shape) for n, a in params.items()}
    bqm = ed.to_bqm(program, params)
    assert list(bqm.variables) == ["v[0]", "v[1]", "v[2]", "h[0]", "h[1]"]
    x = states(bqm, 20)
    state = {"v": x[:, :3], "h": x[:, 3:]}
    np.testing.assert_allclose(bqm.energies((x, list(bqm.variables))), program.energy(params, state), atol=1e-12)


@pytest.mark.parametrize("kind", ["spin", "binary"])
@pytest.mark.parametrize(
    "energy",
    [
        "(sum(x) - 2)^2",
        "sum[k] (sum[i] A[k, i]*x[i] - c)^2",
        "0.5*(A[0, 0]*x[0] + A[1, 1]*x[1])^2*c + (x[2] + 3*x[3])^3",
    ],
)
def test_powers_of_sums_are_quadratic_where_they_are(kind: str, energy: str) -> None:
    text = f"visible x[5] : {kind}\nparam A[3, 5], c\nenergy = {energy}"
    if "x[2] +" in energy:
        text = text.replace("x[5]", "x[4]")
    program, rng = ed.loads(text).compile("numpy", "float64"), np.random.default_rng(0)
    params = {n: rng.normal(size=p.shape) for n, p in program.init(seed=0).items()}
    bqm = ed.to_bqm(program, params)
    x = states(bqm, 32)
    np.testing.assert_allclose(bqm.energies((x, list(bqm.variables))), program.energy(params, {"x": x}), atol=1e-11)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("visible x[3] : spin\nenergy = (sum(x) - 2)^3", "units meet 3 at a time"),
        ("visible x[3] : spin\nenergy = exp((sum(x) - 2)^2)", "function of several units"),
        ("visible x[3] : spin\nenergy = x[0]*x[1]*x[2]", "units meet 3 at a time"),
        ("visible x[3] : spin\nenergy = exp(sum(x))", "function of several units"),
        ("visible x[3] : real\nenergy = sum(x^2)", "`x` is real"),
        ("visible x[3] : spin\nhidden h : binary\nenergy = sum(x)*h", "`x` spin and `h` binary"),
        ("visible x[3] : spin\ninput u : real\nenergy = sum(x)*u", "depends on the input `u`"),
        ("visible v[3] : binary\nhidden h[2] : binary\nlayers v <- h", "directed parts"),
    ],
)
def test_what_is_not_quadratic_is_refused(text: str, words: str) -> None:
    with pytest.raises(ed.NotApplicable, match=words):
        ed.to_qubo(ed.loads(text).compile("numpy"))


def test_arguments_are_checked() -> None:
    with pytest.raises(ed.ArgumentError, match=r"from_bqm takes a dimod.BinaryQuadraticModel"):
        ed.from_bqm({})
    with pytest.raises(ed.DataError, match="no variables"):
        ed.from_bqm(dimod.BinaryQuadraticModel("SPIN"))
    with pytest.raises(ed.DataError, match="no finite number"):
        ed.from_qubo({(0, 1): float("nan")})
    with pytest.raises(ed.ArgumentError, match="one of its own for each of 2 units"):
        ed.to_bqm(ed.from_qubo({(0, 1): 1.0}).model().compile("numpy"), labels=["a", "a"])
