"""RBMs in scikit-learn, PyTorch and ONNX: the libraries themselves compute what the program computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.inference.onnx_graph import write_onnx

DEEP = """
visible v[2, 2] : binary
hidden h[3] : binary
hidden g[2] : binary
layers v -- h -- g
"""


def machine(text: str = "") -> tuple[ed.Program, dict[str, Any]]:
    model = ed.loads(text) if text else ed.zoo("rbm", dims={"I": 5, "J": 3})
    program, rng = model.compile("numpy", "float64"), np.random.default_rng(0)
    drawn = {n: rng.normal(size=a.shape) for n, a in program.init().items()}
    return program, {n: np.abs(a) if "positive" in program.model.params[n].constraints else a for n, a in drawn.items()}


def rows(program: ed.Program, params: dict[str, Any]) -> dict[str, Any]:
    return dict(program.init_state(params, 8, seed=1))


def test_scikit_learn_there_and_back() -> None:
    pytest.importorskip("sklearn")
    program, params = machine()
    rbm = ed.to_bernoulli_rbm(program, params)
    state = rows(program, params)
    np.testing.assert_allclose(rbm.transform(state["v"]), program.mean(params, state, "h"), rtol=1e-12)
    assert set(np.unique(rbm.gibbs(state["v"]))) <= {False, True}
    model, back = ed.from_bernoulli_rbm(rbm)
    assert model.params["W"].shape == (5, 3)
    for name, array in params.items():
        np.testing.assert_array_equal(back[name], array)


def test_what_scikit_learn_fitted_is_a_model() -> None:
    neural_network = pytest.importorskip("sklearn.neural_network")
    data = np.random.default_rng(0).integers(2, size=(50, 6)).astype(float)
    rbm = neural_network.BernoulliRBM(4, n_iter=3, random_state=0, learning_rate=0.5).fit(data)
    model, params = ed.from_bernoulli_rbm(rbm)
    program = model.compile("numpy", "float64")
    state = {"v": data, "h": np.zeros((50, 4))}
    np.testing.assert_allclose(program.mean(params, state, "h"), rbm.transform(data), rtol=1e-12)
    with pytest.raises(ed.ArgumentError, match="was not fitted"):
        ed.from_bernoulli_rbm(neural_network.BernoulliRBM())
    with pytest.raises(ed.ArgumentError, match="takes scikit-learn's BernoulliRBM"):
        ed.from_bernoulli_rbm({})


def test_pytorch_computes_the_same() -> None:
    torch = pytest.importorskip("torch")
    program, params = machine()
    module, state = ed.to_torch(program, params).double(), rows(program, params)
    v, h = torch.tensor(state["v"]), torch.tensor(state["h"])
    with torch.no_grad():
        np.testing.assert_allclose(module(v).numpy(), program.mean(params, state, "h"), rtol=1e-6)
        np.testing.assert_allclose(module.visible(h).numpy(), program.mean(params, state, "v"), rtol=1e-6)
        np.testing.assert_allclose(
            module.free_energy(v).numpy(), program.free_energy(params, {"v": state["v"]}), rtol=1e-6
        )
    assert {n: tuple(p.shape) for n, p in module.named_parameters()} == {"W": (5, 3), "b": (5,), "c": (3,)}


MIXED = """
visible x[4] : categorical[3]
visible u[2] : real
hidden h[3] : binary
hidden s[2] : spin
hidden z : categorical[2]
param W[4, 3, 3], V[2, 2], A[2, 2], q[2] : positive = 1, b[4, 3], d[2]
energy = - sum[i, a, j] W[i, a, j]*x[i, a]*h[j] - sum[i, a] b[i, a]*x[i, a] - sum[i, j] u[i]*V[i, j]*s[j] - sum[i, k] u[i]*A[i, k]*z[k]
energy own = sum[i] (u[i] - d[i])^2 / (2*q[i]^2) - z[1] - sum(s)
"""
GAUSSIAN = "visible v[5] : real\nhidden h[3] : binary\nlayers v -- h"
ALONE = "visible x[2] : categorical[3]\nvisible v[2] : real\nparam b[2, 3]\nenergy = - sum[i, a] b[i, a]*x[i, a] + sum((v - 1)^2)"


@pytest.mark.parametrize("text", ["", DEEP, DEEP.replace("binary", "spin"), MIXED, GAUSSIAN, ALONE])
def test_onnx_computes_the_same(tmp_path: Path, text: str) -> None:
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    program, params = machine(text)
    state = rows(program, params)
    write_onnx(tmp_path / "m.onnx", program, params)
    session = ReferenceEvaluator(str(tmp_path / "m.onnx"))
    given = {n: a.reshape(8, -1).astype(np.float32) for n, a in state.items()}
    found = dict(zip(session.output_names, session.run(None, given), strict=True))
    assert set(found) == {f"mean_{n}" for n in state}
    for name in state:
        known = program.mean(params, state, name).reshape(8, -1)
        mean = np.broadcast_to(found[f"mean_{name}"], known.shape)  # of a layer that meets none, one row
        np.testing.assert_allclose(mean, known, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("visible n[2] : count\nhidden h[2] : binary\nlayers n -- h", "`n` stands in a function"),
        ("visible n[2] : positive\nparam r[2] : positive = 1\nenergy = r @ n", "`n` is positive"),
        ("visible n[2] : integer[0, 3]\nhidden h : binary\nenergy = - sum(n)*h", "`n` is integer"),
        ("visible x[3] : categorical[3]\nenergy = sum[i < k, a] x[i, a]*x[k, a]", "units of `x` meet one another"),
        ("visible v[2] : real\nhidden h[2] : binary\nenergy = sum[i] v[i]^2*(1 + h[i])", "a power of `v`"),
        ("visible v[2] : real\nenergy = sum(v^4)", "a power of `v`"),
        ("visible v[3] : binary\nenergy = exp(sum(v))", "function of several units"),
        ("visible v[3] : binary\nhidden h[2] : binary\nlayers v <- h", "directed parts"),
    ],
)
def test_what_has_no_closed_form_is_refused(text: str, words: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ed.NotApplicable, match=words):
        write_onnx(tmp_path / "m.onnx", ed.loads(text).compile("numpy"))


def test_names_of_layers_are_kept_apart_in_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    text = (
        "visible layer_0_field[2] : binary\nhidden layer_0_layer_1[3] : binary\nlayers layer_0_field -- layer_0_layer_1"
    )
    program = ed.loads(text).compile("numpy")
    params = {n: np.full(np.shape(a), 0.7) for n, a in program.init(0).items()}
    write_onnx(tmp_path / "m.onnx", program, params)
    state = {"layer_0_field": np.ones((1, 2), np.float32), "layer_0_layer_1": np.ones((1, 3), np.float32)}
    (mean, _) = ReferenceEvaluator(str(tmp_path / "m.onnx")).run(None, state)
    np.testing.assert_allclose(mean, program.mean(params, state, "layer_0_field"), rtol=1e-5)
    for names in ("h", "mean_h"), ("ü", "ufc"):
        twice = ed.loads(
            f"visible {names[0]}[2] : binary\nhidden {names[1]}[2] : binary\nlayers {names[0]} -- {names[1]}"
        )
        with pytest.raises(ed.NotApplicable, match="give the layers other names"):
            write_onnx(tmp_path / "m.onnx", twice.compile("numpy"), twice.compile("numpy").init(0))


def test_other_models_are_refused_with_the_reason() -> None:
    pytest.importorskip("sklearn")
    for text, words in {
        DEEP: "one visible and one hidden layer",
        "visible v[2] : spin\nhidden h[2] : spin\nlayers v -- h": "layer of bits",
        "visible v[3] : binary\nhidden h : binary\nenergy = v[0]*v[1] + sum(v)*h": "units of `v` meet one another",
        "visible v[3] : real\nhidden h[2] : binary\nlayers v -- h": "layer of bits",
    }.items():
        with pytest.raises(ed.NotApplicable, match=words):
            ed.to_bernoulli_rbm(ed.loads(text).compile("numpy"))
