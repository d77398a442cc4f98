"""Layers that condition on themselves in order, and functions of given layers, against sums written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.model.indices import Index, Wrap
from energydsl.model.ordering import before
from energydsl.program.exact import log_unnormalised
from energydsl.report.explain import as_html
from tests.conftest import ROOT

BACKENDS = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not numba_backend.installed(), reason="no numba"))]
NET = "visible v[4] : binary\nparam W[4, 4], b[4]\nenergy v | v = - b @ v - sum[j < i] v[i]*W[i, j]*v[j]"
HEAD = "visible v[3] : binary\nhidden h[2] : binary\nparam W[3, 3], U[3, 2], b[3]\n"
FACTORS = (
    "visible n[3] : count\nhidden z[2] : positive\nparam W[3, 2] : positive = 1, a[2] : positive = 1\n"
    "energy n | z = sum(lgamma(n + 1)) - n @ log(W @ z)\nenergy = a @ z"
)


def states(count: int) -> np.ndarray:
    return np.array(list(np.ndindex(*(2,) * count)), float)


def by_hand(params: dict[str, np.ndarray], v: np.ndarray) -> np.ndarray:
    """log p(v) of a fully visible belief net, unit by unit."""
    total = np.zeros(len(v))
    for i in range(v.shape[1]):
        eta = params["b"][i] + v[:, :i] @ params["W"][i, :i]
        total += v[:, i] * eta - np.logaddexp(0.0, eta)
    return total


def net(backend: str = "numpy") -> tuple[ed.Program, dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    return ed.loads(NET).compile(backend, "float64"), {"W": rng.normal(0, 1.5, (4, 4)), "b": rng.normal(0, 1, 4)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_likelihood_is_the_sum_of_conditionals(backend: str) -> None:
    program, params = net(backend)
    v = states(4)
    wanted = by_hand(params, v)
    assert np.exp(wanted).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(-program.energy(params, {"v": v}), wanted, rtol=1e-12)
    np.testing.assert_allclose(log_unnormalised(program.engine, params, {"v": v}), wanted, rtol=1e-12)
    assert program.log_partition(params) == 0.0
    eta = params["b"] + v @ np.tril(params["W"], -1).T
    np.testing.assert_allclose(program.mean(params, {"v": v}, "v"), 1 / (1 + np.exp(-eta)), rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_pass_draws_exactly(backend: str) -> None:
    """Draws from one pass, and by `sample`, have the distribution of the hand-written likelihood (chi-square)."""
    program, params = net(backend)
    count, v = 40_000, states(4)
    expected = np.exp(by_hand(params, v)) * count
    start = program.init_state(params, count)
    for drawn in (program.gibbs(params, start, 1, rng=ed.Rng(5))["v"], program.sample(params, start, "v", ed.Rng(6))):
        found = np.bincount((np.asarray(drawn) @ (1 << np.arange(4)[::-1])).astype(int), minlength=16)
        assert ((found - expected) ** 2 / expected).sum() < 37.7  # chi-square, 15 degrees of freedom, 1e-3


def test_training_follows_the_exact_gradient() -> None:
    program, params = net()
    v = np.asarray(program.gibbs(params, program.init_state(params, 4000), 1, rng=ed.Rng(1))["v"])
    eta = params["b"] + v @ np.tril(params["W"], -1).T
    missed = v - 1 / (1 + np.exp(-eta))
    gradient = program.energy_gradient(params, {"v": v})
    np.testing.assert_allclose(gradient["b"], -missed.mean(0), atol=1e-12)
    np.testing.assert_allclose(gradient["W"], -np.tril(missed.T @ v / len(v), -1), atol=1e-12)
    run = ed.train(program, {"v": v.astype(np.float32)}, optimizer=ed.SGD(0.5), epochs=40, validation=0.0)
    found = ed.evaluate(run, {"v": v}, method="exact")
    assert not found.bound
    assert found.log_likelihood > by_hand(params, v).mean() - 0.01
    with pytest.raises(ed.NotApplicable, match="nothing to anneal"):
        ed.evaluate(run, {"v": v}, method="ais")


def test_an_energy_reads_as_it_is_written() -> None:
    """-log p of a part at v, before it is normalised, is the energy in the text with v in every place."""
    text = HEAD + "let u = sum[i < j < k] v[i]*v[j]*v[k]\nenergy = - sum(h)\n"
    text += "energy v | v, h = - 2*(u + v @ U @ h) - sum[i in range(1, 3)] b[i]*v[i]*v[i - 1] - sum[j < i] W[i, j]*v[i]*v[j]*h[0]"
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(2)
    params = {n: rng.normal(0, 1, a.shape) for n, a in program.init().items()}
    v = np.repeat(states(3), 4, axis=0)
    h = np.tile(states(2), (8, 1))
    part = program.engine.generative[0]  # type: ignore[attr-defined]
    given = {**part.inputs({"v": v, "h": h}), "v": v}
    found = part.engine.energy(part.params(params), given, part.engine.settings())
    wanted = -2 * (v.prod(1) + np.einsum("ni,ij,nj->n", v, params["U"], h)) - (v[:, 1:] * v[:, :-1]) @ params["b"][1:]
    wanted -= np.einsum("ni,ij,nj,n->n", v, np.tril(params["W"], -1), v, h[:, 0])
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_recognition_in_order_bounds_the_likelihood() -> None:
    text = HEAD.replace("h[2]", "h[3]").replace("U[3, 2]", "U[3, 3], R[3, 3]")
    text += "energy h | h = - sum[j < i] h[i]*W[i, j]*h[j]\nenergy v | h = - v @ U @ h\n"
    text += "recognition h | h, v = - h @ U @ v - sum[j < i] h[i]*R[i, j]*h[j]"
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(2)
    params = {n: rng.normal(0, 1, a.shape) for n, a in program.init().items()}
    x = {"v": states(3)}
    truth = log_unnormalised(program.engine, params, x)
    assert np.logaddexp.reduce(truth) == pytest.approx(0.0, abs=1e-10)
    draws = np.array([program.engine.bound(params, x, ed.Rng(k))[0] for k in range(2000)])
    assert (draws.mean(0) < truth).all()
    # importance weights under q average to the likelihood
    np.testing.assert_allclose(np.logaddexp.reduce(draws, axis=0) - np.log(len(draws)), truth, atol=0.1)
    run = ed.train(program, x, epochs=2, validation=0.0)
    assert all(np.isfinite(a).all() for a in run.params.values())


@pytest.mark.parametrize(
    ("energy", "message"),
    [
        ("energy v | v = - v @ W @ v", "none of them comes last"),
        ("energy v | v = - sum[i, j] v[i]*W[i, j]*v[j]", "none of them comes last"),
        ("energy v | v = - sum[i <= j] v[i]*W[i, j]*v[j]", "none of them comes last"),
        ("energy v | v = - sum[i] v[i]*v[(i + 1) % 3]", "none of them comes last"),
        ("energy v | v = - sum[i in range(1, 3)] v[i]*softplus(sum[j] W[i, j]*v[j])", "none of them comes last"),
        ("energy v, h | v = - v @ U @ h", "drawn together with another layer"),
        ("energy v | v, h = - b @ v\nenergy h | v = - sum(h)", "cycle: h -> v -> h"),
        ("energy v | v = - b @ v\nenergy = - sum(v)", "stands in an undirected energy too"),
        ("energy v | v = - v @ U @ h", "neither left nor right of the bar"),
    ],
)
def test_what_has_no_order_is_refused(energy: str, message: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(HEAD + energy)
    assert {d.code for d in caught.value.diagnostics} == {"E0303"}
    assert message in str(caught.value)
    assert all(d.span is not None for d in caught.value.diagnostics)


def test_places_are_compared_for_all_values() -> None:
    i, j, a = Index.of("i"), Index.of("j"), Index.of("a")
    ranges = {"i": (0, 5), "j": (0, 5), "a": (0, 3)}
    one = Index(constant=1)

    def less(left: tuple[Index, ...], right: tuple[Index, ...], *known: tuple[Index, Index]) -> bool:
        return before(left, right, known, ranges, lambda graph: 0)

    assert less((i - one,), (i,))
    assert not less((i,), (i,))
    assert not less((j,), (i,))
    assert less((j,), (i,), (j, i))
    assert not less((i,), (j,), (j, i))
    assert less((i - one - a,), (i,))
    assert not less((i - a,), (i,))
    assert less((j * 3 + a,), (i * 3,), (j, i))
    assert not less((j * 3 + a + one,), (i * 3,), (j, i))
    assert less((j, a), (i, Index()), (j, i))
    assert less((i, Index()), (i, a + one))
    assert not less((Index.of(Wrap(i + one, 5)),), (i,))
    assert less((j,), (i,), (j, a), (a, i))


def test_explain_states_the_order() -> None:
    text = ed.load(ROOT / "models/fvbn.energy").explain()
    assert "p(v_i = 1 | v_<i) = sigmoid(b_i + sum_{j < i} W_ij v_j)" in text
    assert "`v` is visited unit by unit: in the order of its units, each given those before it" in text
    assert "dE/dW_ij = -v_i v_j [j < i] - <-v_i v_j [j < i]>_p(v_i | v_<i)" in text
    assert "+ sum over units of log sum_{v_i} exp(-E[v_i | v_<i])" in text
    assert "log p(v), where p(v) is the product of all p(v_i | v_<i)" in text
    assert [[str(p) for p in block] for block in ed.load(ROOT / "models/fvbn.energy").schedule()] == [["v*"]]


def test_other_printers_show_the_units_before() -> None:
    found = ed.load(ROOT / "models/fvbn.energy")
    assert r"p(v_{i} = 1 \mid v_{<i})" in found.explain("latex")
    assert "<sub>&lt;i</sub>" in as_html(found.compiled)
    assert "v_before" not in found.explain() + found.explain("latex") + str(found.explain("json"))


def test_what_does_not_fit_is_said() -> None:
    program, params = net()
    with pytest.raises(ed.ArgumentError, match="no layer `v`: each of its units is drawn given those before it"):
        program.mean(params, {}, "v")
    with pytest.raises(ed.NotApplicable, match="drawn in order"):
        ed.train(program, {"v": states(4)}, epochs=1, greedy=ed.Greedy((1,)), validation=0.0)
    with pytest.raises(ed.NotApplicable, match="wake-sleep"):
        ed.train(program, {"v": states(4)}, ed.CD(), epochs=1, validation=0.0)


# --- functions of given layers


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_log_rate_may_be_any_function_of_its_parents(backend: str) -> None:
    """A Poisson factor model: the rate is a sum of positive parents."""
    model = ed.loads(FACTORS)
    certificate = model.verify(backend=backend)
    assert certificate.ok, str(certificate)
    program = model.compile(backend, "float64")
    rng = np.random.default_rng(0)
    params = {"W": rng.uniform(0.5, 2, (3, 2)), "a": np.array([1.0, 2.0])}
    z, n = rng.exponential(size=(6, 2)), rng.integers(0, 4, (6, 3)).astype(float)
    rate = z @ params["W"].T
    np.testing.assert_allclose(program.mean(params, {"z": z, "n": n}, "n"), rate, rtol=1e-12)
    factorials = np.array([1.0, 1, 2, 6])[n.astype(int)]
    wanted = (n * np.log(rate) - rate - np.log(factorials)).sum(1) - z @ params["a"]
    np.testing.assert_allclose(-program.energy(params, {"z": z, "n": n}), wanted, rtol=1e-10)
    found = program.energy_gradient(params, {"z": z, "n": n})["W"]
    np.testing.assert_allclose(found, -((n / rate - 1).T @ z) / 6, atol=1e-10)


@pytest.mark.parametrize(
    "energies",
    [
        "energy v | h = - v @ tanh(U @ h)",
        "energy v | h = - sum(v * softplus(W @ sigmoid(U @ h)))",
        "energy v | h = - v @ U @ h / (1 + sum(h))",
        "energy v | h = - sum(v) * log(1 + exp(sum(h)) + sum(h))",
    ],
)
def test_functions_of_parents_are_proved(energies: str) -> None:
    certificate = ed.loads(HEAD + energies + "\nenergy = - sum(h)").verify()
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize(
    "text",
    [
        FACTORS.replace("W[3, 2] : positive = 1", "W[3, 2]"),
        FACTORS.replace("z[2] : positive", "z[2] : binary"),
        HEAD + "energy v | h = - v @ U @ h / sum(h)\nenergy = - sum(h)",
        HEAD + "energy v | h = - sum(v) * log(h[0])\nenergy = - sum(h)",
        HEAD + "energy v | v = - sum[i in range(1, 3)] v[i] / v[i - 1]",
    ],
)
def test_what_is_no_number_at_some_parents_is_refused(text: str) -> None:
    with pytest.raises(ed.ModelError, match="not provably positive") as caught:
        ed.loads(text)
    assert {d.code for d in caught.value.diagnostics} == {"E0310"}
