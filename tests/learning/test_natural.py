"""Natural gradients, spectral descent and bounded steps, against enumeration and NumPy; and what they do not fit."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.data.sources import as_data
from energydsl.learning.begin import begin
from energydsl.learning.config import config_of
from energydsl.learning.optimizer.centred import Centring, Offsets
from energydsl.learning.optimizer.fisher import Fisher
from energydsl.learning.population import Population

MIXED = """
visible v[3] : spin
hidden h[2] : binary
param W[3, 2], b[3], J[3, 3] : symmetric & zero_diagonal, t : positive = 1
energy = - b @ v - v @ W @ h - 0.5 * v @ J @ v - t * sum(v) * sum(h)
"""
RBM = "visible v[3] : binary\nhidden h[2] : binary\nparam W[3, 2] = normal(sd = 0.5), b[3], c[2]\nenergy = - b @ v - c @ h - v @ W @ h"
ROWS = np.random.default_rng(1).integers(0, 2, (40, 3)).astype(float)


# --- the Fisher matrix, by enumeration


def everything(params: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """All joint states of MIXED, their probabilities, and dE/dparam of each, by hand; of J for pairs i < j, of t in log t."""
    v = np.array([s for s in product((-1.0, 1.0), repeat=3) for _ in range(4)])
    h = np.array([s for _ in range(8) for s in product((0.0, 1.0), repeat=2)])
    pairs = np.array([v[:, 0] * v[:, 1], v[:, 0] * v[:, 2], v[:, 1] * v[:, 2]]).T
    slopes = {
        "W": -np.einsum("ni,nj->nij", v, h),
        "b": -v,
        "J": -pairs,
        "t": -params["t"] * v.sum(axis=1) * h.sum(axis=1),
    }
    flat = {**params, "J": params["J"][np.triu_indices(3, 1)], "t": np.ones(())}
    energy = sum((slopes[n].reshape(32, -1) * flat[n].reshape(-1)).sum(axis=1) for n in slopes)
    p = np.exp(-energy)
    return {"v": v, "h": h}, p / p.sum(), slopes


def variance(p: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    mean = np.tensordot(p, slopes, 1)
    return np.tensordot(p, np.square(slopes - mean), 1)


def hadamard(size: int) -> np.ndarray:
    """Rows of signs that are orthogonal: the mean over them is that over all signs."""
    return np.array([[1.0]]) if size == 1 else np.kron(hadamard(size // 2), [[1.0, 1.0], [1.0, -1.0]])


def followed(
    text: str, x: dict[str, np.ndarray], p: np.ndarray, params: dict[str, np.ndarray], offsets: Any = None
) -> tuple[ed.Program, Fisher, dict[str, dict[str, np.ndarray]]]:
    """What natural-factored has made of all states and all signs."""
    program = ed.loads(text).compile("numpy", "float64")
    engine, optimizer = program.engine, ed.NaturalFactored()
    fisher = optimizer.metric(engine, list(params))
    slots = optimizer.init(params)
    fisher.init(slots)
    population = Population(engine, x, engine.settings(), p, lambda params: engine.energy(params, x, engine.settings()))
    random = ed.Uniforms([0.5 + 0.25 * signs[:, None] for signs in hadamard(len(p))])
    centring = None if offsets is None else Centring.of(engine, list(params))
    for k in range(len(p)):
        fisher.follow(slots, population, params, random, 1.0 / (1 + k), centring, offsets)
    fisher.renew(slots, 1)
    return program, fisher, slots


def mixed() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    J = np.triu(rng.normal(size=(3, 3)), 1)
    return {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=3), "J": J + J.T, "t": np.array(0.3)}


def test_variances_and_second_moments_are_those_of_all_states() -> None:
    params = mixed()
    x, p, slopes = everything(params)
    _, fisher, slots = followed(MIXED, x, p, params)
    assert fisher.diagonal == ("b", "J", "t")
    for name in ("b", "t"):
        np.testing.assert_allclose(slots[name]["fisher"], variance(p, slopes[name]), rtol=1e-12)
    # dE/dJ_ij, of both entries of a pair, is half of that by the one parameter: a step over 2 F' of G = g / 2 is one of g over F.
    found = 2.0 * slots["J"]["fisher"][np.triu_indices(3, 1)]
    np.testing.assert_allclose(found, variance(p, slopes["J"]), rtol=1e-12)
    np.testing.assert_allclose(slots["W"]["own/factor_a"], np.einsum("n,ni,nj->ij", p, x["v"], x["v"]), rtol=1e-12)
    np.testing.assert_allclose(slots["W"]["own/factor_b"], np.einsum("n,ni,nj->ij", p, x["h"], x["h"]), rtol=1e-12)


def centred_block(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Fisher matrix of the couplings of RBM, units less their means, by all 32 states: the factors found, and the truth."""
    rng = np.random.default_rng(2)
    b, c = rng.normal(size=3), rng.normal(size=2)
    x, _, _ = everything(mixed())
    v, h = (x["v"] + 1) / 2, x["h"]
    p = np.exp(v @ b + h @ c + np.einsum("ni,ij,nj->n", v, W, h))
    p /= p.sum()
    means = {"v": p @ v, "h": p @ h}
    _, _, slots = followed(RBM, {"v": v, "h": h}, p, {"W": W, "b": b, "c": c}, Offsets(means, 1.0))
    slopes = np.einsum("ni,nj->nij", v - means["v"], h - means["h"]).reshape(32, 6)
    slopes = slopes - p @ slopes
    return np.kron(slots["W"]["own/factor_a"], slots["W"]["own/factor_b"]), np.einsum("n,ni,nj->ij", p, slopes, slopes)


def test_factors_are_the_fisher_matrix_where_layers_are_independent() -> None:
    found, truth = centred_block(np.zeros((3, 2)))
    np.testing.assert_allclose(found, truth, atol=1e-12)
    found, truth = centred_block(np.full((3, 2), 0.3))
    assert 1e-3 < np.abs(found - truth).max() < 0.2 * np.abs(truth).max()


def test_a_factored_step_solves_the_damped_product() -> None:
    params = mixed()
    x, p, _ = everything(params)
    program, _, slots = followed(MIXED, x, p, params)
    gradient, optimizer = np.random.default_rng(3).normal(size=(3, 2)), ed.NaturalFactored(damping=0.2)
    found, factor = optimizer.change(gradient, slots["W"], 0.1, np, program.model.params["W"], False)
    matrix = np.kron(slots["W"]["own/factor_a"], slots["W"]["own/factor_b"])
    matrix += 0.2 * np.trace(matrix) / 6 * np.eye(6)
    np.testing.assert_allclose(found.reshape(-1), np.linalg.solve(matrix, gradient.reshape(-1)), rtol=1e-6)
    assert factor == -0.1


def _uncentred(population: Population, params: Any, names: list[str], random: Any) -> Any:
    u = population.engine.kernels.fill(random, np.empty((len(population.share), 1)))[:, 0]
    row = np.sqrt(population.share) * np.sign(u - 0.5)
    found = population.engine.kernels.gradients
    return {n: found[n](params, population.x, population.settings, row, population.engine.workspace) for n in names}


def test_squares_about_zero_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Population, "covariances", _uncentred)
    with pytest.raises(AssertionError):
        test_variances_and_second_moments_are_those_of_all_states()


# --- spectral descent


def spectral(param: str, gradient: np.ndarray, **settings: Any) -> np.ndarray:
    program = ed.loads("visible v[30] : spin\nhidden h[20] : binary\nparam W[30, 20], b[30], J[30, 30] : symmetric & zero_diagonal\nenergy = - b @ v - v @ W @ h - 0.5 * v @ J @ v").compile("numpy", "float64")  # fmt: skip
    optimizer = ed.Spectral(**settings)
    slots = optimizer.init({param: gradient})
    optimizer.prepare(program.engine, slots, ed.Rng(0))
    direction, factor = optimizer.change(gradient, slots[param], 0.5, np, program.model.params[param], False)
    assert factor == -0.5
    return direction


def test_spectral_steps_are_those_of_the_singular_values() -> None:
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(30, 20))
    U, S, V = np.linalg.svd(gradient, full_matrices=False)
    np.testing.assert_allclose(spectral("W", gradient), S.sum() / 20 * (U @ V), atol=1e-12)
    found = spectral("b", gradient[:, 0])
    np.testing.assert_allclose(found, np.abs(gradient[:, 0]).sum() / 30 * np.sign(gradient[:, 0]), atol=1e-12)
    low = gradient[:, :3] @ rng.normal(size=(3, 20))
    U, S, V = np.linalg.svd(low, full_matrices=False)
    wanted = U[:, :3] @ V[:3]
    np.testing.assert_allclose(spectral("W", low), S.sum() / 20 * wanted, atol=1e-9)
    np.testing.assert_allclose(spectral("W", low, rank=5), S.sum() / 5 * wanted, atol=1e-9)
    symmetric = rng.normal(size=(30, 30))
    symmetric = symmetric + symmetric.T
    np.fill_diagonal(symmetric, 0.0)
    found = spectral("J", symmetric)
    np.testing.assert_array_equal(found, found.T)
    assert not np.diag(found).any()
    assert (found * symmetric).sum() == pytest.approx(np.abs(np.linalg.eigvalsh(symmetric)).sum() ** 2 / 30)
    assert not spectral("W", np.zeros((30, 20))).any()


# --- bounded steps


def log_p(params: dict[str, np.ndarray]) -> np.ndarray:
    """log p(v) of RBM for all 8 states, by hand."""
    v = np.array(list(product((0.0, 1.0), repeat=3)))
    free = v @ params["b"] + np.logaddexp(0, params["c"] + v @ params["W"]).sum(axis=1)
    return free - np.logaddexp.reduce(free)


def divergences(optimizer: Any) -> tuple[list[float], ed.Run]:
    """KL(before || after) of every update, by hand; of a training whose chains are many."""
    seen: list[np.ndarray] = []
    run = ed.train(
        ed.loads(RBM).compile("numpy", "float64"), ROWS, ed.PCD(k=4, chains=4000), optimizer, epochs=6, batch=40, validation=0.0,
        monitor=lambda run, data: seen.append(log_p(run.params)) or {},
    )  # fmt: skip
    return [float((np.exp(a) * (a - b)).sum()) for a, b in zip(seen, seen[1:], strict=False)], run


def test_a_predicted_divergence_is_the_exact_one() -> None:
    engine, rng = ed.loads(RBM).compile("numpy", "float64").engine, np.random.default_rng(4)
    before = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=3), "c": rng.normal(size=2)}
    v = np.array(list(product((0.0, 1.0), repeat=3)))
    logs, errors = log_p(before), []
    population = Population(
        engine, {"v": v}, engine.settings(), np.exp(logs), lambda params: engine.free_energy(params, {"v": v}, engine.settings())
    )  # fmt: skip
    for size in (1e-1, 1e-2, 1e-3):
        after = {n: a + size * np.ones_like(a) for n, a in before.items()}
        exact = float((np.exp(logs) * (logs - log_p(after))).sum())
        errors.append(abs(float(population.divergence(before, after)) / exact - 1))
    assert errors[1] < errors[0] / 5
    assert errors[2] < 1e-3


@pytest.mark.parametrize(
    "optimizer",
    [
        ed.SGD(lr=0.3, momentum=0.5, max_kl=1e-4),
        ed.Adam(lr=0.03, max_kl=1e-4, l1=1e-3),
        ed.Natural(lr=0.05, max_kl=1e-4),
    ],
    ids=lambda o: o.name,
)
def test_steps_are_as_long_as_their_bound(optimizer: Any) -> None:
    found, run = divergences(optimizer)
    np.testing.assert_allclose(found[:3], 1e-4, rtol=0.06)
    assert max(found) < 1.06e-4
    assert 0 < run.history[1]["step_shrunk_mean"] <= run.history[1]["step_shrunk_max"] < 1


def test_a_bound_without_the_half_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Population.divergence
    monkeypatch.setattr(Population, "divergence", lambda self, before, after: 2 * right(self, before, after))
    with pytest.raises(AssertionError):
        test_steps_are_as_long_as_their_bound(ed.SGD(lr=0.3, momentum=0.5, max_kl=1e-4))


def test_a_bound_that_is_never_met_changes_nothing() -> None:
    (_, free), (_, bounded) = divergences(ed.SGD(lr=0.1)), divergences(ed.SGD(lr=0.1, max_kl=10.0))
    for name, value in free.params.items():
        np.testing.assert_allclose(bounded.params[name], value, rtol=1e-12, atol=1e-14)
    assert bounded.history[-1]["step_shrunk_max"] == 0.0


# --- composed with centring, and gone on with


def one_update(text: str, rows: np.ndarray, method: Any, optimizer: Any, params: Any = None) -> Any:
    """A training after its first update."""
    program = ed.loads(text).compile("numpy", "float64")
    data = as_data(program.model, rows, None, "train")
    optimizer = optimizer.fitted(False)
    config = config_of(program.engine, data, method, optimizer, 2, len(rows), 0.0, 0)
    loop = begin(program, data, method, optimizer, config, params)
    for batch, _ in loop.batches.epoch(0, 0):
        loop.update(batch)
    return loop


GAUSSIAN = RBM.replace("binary", "real", 1).replace("energy =", "energy = sum(v^2) / 2")
COMPOSED = [
    (ed.Exact, ed.SGD()),
    (ed.PseudoLikelihood, ed.SGD()),
    (ed.RatioMatching, ed.SGD(momentum=0.5)),
    (ed.MinimumProbabilityFlow, ed.SGD()),
    (ed.NoiseContrastive, ed.SGD()),
    (ed.PCD, ed.SGD()),
    (ed.PCD, ed.Natural(weight_decay=0.01)),
    (ed.PCD, ed.Natural(l1=1e-3)),
    (ed.PCD, ed.Spectral()),
    (ed.DenoisingScoreMatching, ed.SGD()),
]


@pytest.mark.parametrize(("method", "optimizer"), COMPOSED, ids=lambda x: getattr(x, "name", ""))
def test_a_centred_step_is_a_step_of_the_centred_energy(method: Any, optimizer: Any) -> None:
    """The same energy written in units less their offsets, as another model without centring, takes the same step."""
    text = GAUSSIAN if method is ed.DenoisingScoreMatching else RBM
    centred = text.replace("v @ W @ h", "(v - m) @ W @ (h - n) + m @ W @ n")
    centred = centred.replace("c[2]", "c[2], m[3] : frozen, n[2] : frozen")
    begun = ed.loads(text).compile("numpy", "float64").init(0, {"v": ROWS})
    found = one_update(text, ROWS, method(centred=True), optimizer, begun).state
    m, n = (found.offsets.values[layer] for layer in ("v", "h"))
    assert np.abs(m).max() > 0.1
    W = begun["W"]
    moved = {"W": W, "b": begun["b"] + W @ n, "c": begun["c"] + m @ W, "m": m, "n": n}
    other = one_update(centred, ROWS, method(), optimizer, moved).state.params
    W = other["W"]
    wanted = {"W": W, "b": other["b"] - W @ n, "c": other["c"] - m @ W}
    for name, value in wanted.items():
        assert np.abs(value - begun[name]).max() > 1e-4
        np.testing.assert_allclose(found.params[name], value, rtol=1e-9, atol=1e-10, err_msg=name)


def test_biases_that_are_not_carried_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Centring, "carry", lambda *_: None)
    with pytest.raises(AssertionError):
        test_a_centred_step_is_a_step_of_the_centred_energy(ed.PCD, ed.Natural())


RESUMED = [
    (ed.PCD(chains=10, centred=True), ed.Natural(max_kl=0.01, average=3)),
    (ed.PCD(chains=10), ed.NaturalFactored(refresh=3)),
    (ed.CD(centred=True), ed.Spectral(rank=2)),
]


@pytest.mark.parametrize(("method", "optimizer"), RESUMED, ids=lambda x: x.name)
def test_gone_on_with_as_if_never_interrupted(method: Any, optimizer: Any, tmp_path: Path) -> None:
    program = ed.loads(
        RBM.replace("[3", "[6").replace("c[2]", "c[4]").replace("h[2]", "h[4]").replace("6, 2", "6, 4")
    ).compile("numpy")
    rows = np.random.default_rng(0).integers(0, 2, (60, 6)).astype(float)
    given: dict[str, Any] = {"method": method, "optimizer": optimizer, "epochs": 4, "batch": 10, "validation": 0.0}
    whole = ed.train(program, rows, **given)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    ed.train(program, rows, out=tmp_path, report=stop, **given)
    parts = ed.train(program, rows, out=tmp_path, resume=True, **given)
    for name in whole.params:
        assert (whole.params[name] != 0).any()
        np.testing.assert_array_equal(parts.params[name], whole.params[name])
    assert parts.history[-1] | {"seconds": 0} == whole.history[-1] | {"seconds": 0}


# --- what does not fit

REFUSED = [
    (ed.PseudoLikelihood(), ed.Natural(), ed.NotApplicable, "natural takes variances .* pseudo-likelihood has none: its gradient holds no mean"),
    (ed.NoiseContrastive(), ed.SGD(max_kl=0.1), ed.NotApplicable, "max_kl takes variances"),
    (ed.FastPCD(), ed.NaturalFactored(), ed.NotApplicable, "its chains are moved at other parameters"),
    (ed.PCD(predict="v", generative=0.0), ed.Natural(), ed.NotApplicable, "holds no mean over the model"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "optimizer", "kind", "message"), REFUSED, ids=lambda x: getattr(x, "name", ""))
def test_what_does_not_fit_is_refused(method: Any, optimizer: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        ed.train(ed.loads(RBM).compile("numpy"), ROWS, method, optimizer, epochs=1)


def test_a_model_with_inputs_is_refused() -> None:
    program = ed.loads("input u[2] : binary\nvisible v[2] : binary\nparam W[2, 2]\nenergy = - u @ W @ v").compile(
        "numpy"
    )
    with pytest.raises(ed.NotApplicable, match="another one for each value of `u`"):
        ed.train(program, {"u": ROWS[:, :2], "v": ROWS[:, :2]}, ed.CD(), ed.Natural(), epochs=1)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: ed.Natural(damping=0.0), "damping is a positive number"),
        (lambda: ed.NaturalFactored(refresh=0), "refresh"),
        (lambda: ed.Spectral(rank=0), "rank"),
        (lambda: ed.SGD(max_kl=0.0), "max_kl"),
    ],
)
def test_settings_are_checked(made: Any, message: str) -> None:
    with pytest.raises(ed.ArgumentError, match=message):
        made()


def test_the_command_line_has_them(tmp_path: Path) -> None:
    (tmp_path / "m.energy").write_text(RBM.replace("v[3]", "v[16]").replace("3, 2", "16, 2").replace("b[3]", "b[16]"))
    train = [
        "train",
        str(tmp_path / "m.energy"),
        "--data",
        "bars-and-stripes:4",
        "--backend",
        "numpy",
        "--epochs",
        "2",
        "--no-evaluate",
    ]
    train += ["--out", str(tmp_path / "run")]

    def said(*more: str) -> str:
        return CliRunner().invoke(cli, [*train, *more]).stderr

    assert "--rank belongs to --optimizer spectral" in said("--optimizer", "sgd", "--rank", "3")
    assert "--max-kl takes variances" in said("--method", "pseudo-likelihood", "--max-kl", "0.01")
    given = ("--optimizer", "natural-factored", "--damping", "0.2", "--refresh", "5", "--max-kl", "1e-6", "--centred")
    assert "error" not in said(*given)
    run = ed.open_run(tmp_path / "run")
    assert run.config["optimizer"] | {"damping": 0.2, "refresh": 5, "max_kl": 1e-6} == run.config["optimizer"]
    assert run.history[-1]["step_shrunk_max"] >= run.history[-1]["step_shrunk_mean"] > 0
