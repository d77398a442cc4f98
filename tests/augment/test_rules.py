"""Auxiliary units, summed out by brute force, give back the energy that they stand for; each rule, in each way of writing it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special

import energydsl as ed
from energydsl.augment.expand import augment_terms
from energydsl.augment.rule import Match
from energydsl.augment.table import RULES
from energydsl.diagnostics import ModelError, Source
from energydsl.model import resolve
from energydsl.model.records import Resolved
from energydsl.syntax import parse, print_module
from energydsl.verification.oracle import Oracle
from tests.mutants import doubled, rule, unit_terms

Arrays = dict[str, np.ndarray]
HEAD = (
    "dim I = 3, J = 2, K = 3\nconst lam : positive = 0.7, nn : nonnegative = 0.4\nvisible x[I] : spin\n"
    "param W[I, J], c[J], V[K, I], w[K] : positive = 1, a[J] : positive = 1\nlet u = c + x @ W\n"
)


def forms(p: Arrays, x: np.ndarray) -> np.ndarray:
    return p["c"] + x @ p["W"]


def log_sum(p: Arrays, x: np.ndarray) -> float:
    return float(special.logsumexp(p["V"] @ x, b=p["w"]))


# Text of the energy -> its value, written out with NumPy, and the constant of all auxiliary units together.
CASES: dict[str, tuple[str, Callable[[Arrays, np.ndarray], float], float]] = {
    "softplus": ("- sum(softplus(u))", lambda p, x: -np.log1p(np.exp(forms(p, x))).sum(), 0.0),
    "softplus by index": (
        "- sum[j] softplus(c[j] + sum[i] x[i]*W[i, j])", lambda p, x: -np.log1p(np.exp(forms(p, x))).sum(), 0.0,
    ),
    "softplus written out": ("- sum[j] log(1 + exp(u[j]))", lambda p, x: -np.log1p(np.exp(forms(p, x))).sum(), 0.0),
    "softplus of two forms": (
        "- sum[j] (softplus(u[j]) + softplus(2 * u[j]))",
        lambda p, x: -np.log1p(np.exp(forms(p, x))).sum() - np.log1p(np.exp(2 * forms(p, x))).sum(), 0.0,
    ),
    "softplus on a range": (
        "- sum[i in range(1, I)] softplus(x[i]*x[i - 1])",
        lambda p, x: -np.log1p(np.exp(x[1:] * x[:-1])).sum(), 0.0,
    ),
    "log cosh": ("- sum(logcosh(u))", lambda p, x: -np.log(np.cosh(forms(p, x))).sum(), 2 * np.log(2)),
    "log cosh written out": (
        "- sum[j] log(exp(u[j]) + exp(-u[j]))", lambda p, x: -np.log(2 * np.cosh(forms(p, x))).sum(), 0.0,
    ),
    "log of a sum of exp": ("- log(sum(exp(V @ x)))", lambda p, x: -special.logsumexp(p["V"] @ x), 0.0),
    "weighted": ("- log(sum[k] w[k]*exp(sum[i] V[k, i]*x[i]))", lambda p, x: -log_sum(p, x), 0.0),
    "many logs of sums": (
        "- sum[j] log(sum[k] 2 * exp(sum[i] V[k, i]*x[i]*W[i, j]))",
        lambda p, x: -special.logsumexp((p["V"] * x) @ p["W"], axis=0, b=2.0).sum(), 0.0,
    ),
    "square": ("- 0.5 * sum(u^2)", lambda p, x: -0.5 * (forms(p, x) ** 2).sum(), np.log(2 * np.pi)),
    "transposed": ("- 0.5 * sum((W' @ x)^2)", lambda p, x: -0.5 * ((x @ p["W"]) ** 2).sum(), np.log(2 * np.pi)),
    "quadratic form": ("- 1.5 * x @ W @ W' @ x", lambda p, x: -1.5 * ((x @ p["W"]) ** 2).sum(), np.log(2 * np.pi)),
    "inner product": ("- u @ u", lambda p, x: -(forms(p, x) ** 2).sum(), np.log(2 * np.pi)),
    "scaled square": (
        "- lam / (2 * w[0]^2) * sum[j] a[j]*(sum[i] x[i]*W[i, j])^2",
        lambda p, x: -0.7 / (2 * p["w"][0] ** 2) * (p["a"] * (x @ p["W"]) ** 2).sum(), np.log(2 * np.pi),
    ),
    "square of a lone form": ("- nn * (x[0] + c[0]*x[1])^2", lambda p, x: -0.4 * (x[0] + p["c"][0] * x[1]) ** 2, 0.5 * np.log(2 * np.pi)),
    "logarithm": ("sum(log(1 + u^2 / 2))", lambda p, x: np.log1p(forms(p, x) ** 2 / 2).sum(), 0.0),
    "logarithm of a shape": ("2.5 * log(1 + u[0]^2 / (2 * lam))", lambda p, x: 2.5 * np.log1p(forms(p, x)[0] ** 2 / 1.4), special.gammaln(2.5)),
    "logarithm of a learned shape": ("a @ log(1 + u^2)", lambda p, x: (p["a"] * np.log1p(forms(p, x) ** 2)).sum(), 0.0),
    "logarithms of one shape": (
        "sum[j] lam*log(w[0] + (sum[i] x[i]*W[i, j])^2)",
        lambda p, x: 0.7 * np.log(p["w"][0] + (x @ p["W"]) ** 2).sum(), 0.0,
    ),
    "what is left": (
        "- x @ W @ c - sum(softplus(u)) + sum(x)^2",
        lambda p, x: -x @ p["W"] @ p["c"] - np.log1p(np.exp(forms(p, x))).sum() + x.sum() ** 2, 0.0,
    ),
}  # fmt: skip


def augmented(energy: str) -> Resolved:
    module = augment_terms(parse(Source("m.energy", HEAD + f"energy = {energy}")))
    return resolve(module)


def random_params(model: Resolved, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    drawn = {n: rng.normal(0.0, 0.7, p.shape) for n, p in model.params.items()}
    return {n: np.exp(v) if "positive" in model.params[n].constraints else v for n, v in drawn.items()}


def summed_out(model: Resolved, params: Arrays, x: np.ndarray) -> float:
    """-log of the sum and integral of exp(-E) over all latents: a unit at a time by quadrature, others by enumeration."""
    oracle = Oracle(model, {})
    latents = [layer for n, layer in model.layers.items() if n != "x"]
    finite = [layer for layer in latents if layer.domain.name in ("binary", "spin", "categorical")]
    places = {"binary": [0.0, 1.0], "spin": [-1.0, 1.0]}

    def energy(values: dict[str, np.ndarray]) -> float:
        return float(oracle.energy(params, {"x": x[None], **{n: v[None] for n, v in values.items()}})[0])

    rest = [layer for layer in latents if layer not in finite]
    ground = {layer.name: np.ones(layer.shape) for layer in rest}
    choices = []
    for layer in finite:
        of_unit = places.get(layer.domain.name) or list(np.eye(layer.energy_shape[-1]))
        states = itertools.product(of_unit, repeat=layer.size)
        choices.append([np.array(s, float).reshape(layer.energy_shape) for s in states])
    names = [layer.name for layer in finite]
    found = -special.logsumexp(
        [-energy({**ground, **dict(zip(names, s, strict=True))}) for s in itertools.product(*choices)]
    )
    held = {n: np.zeros(model.layers[n].energy_shape) for n in names}
    start = energy({**ground, **held})
    for layer in rest:  # units of these do not meet, so each is integrated with the others held
        for unit in np.ndindex(layer.shape):

            def density(z: float, layer: object = layer, unit: tuple[int, ...] = unit) -> float:
                moved = {n: v.copy() for n, v in ground.items()}
                moved[layer.name][unit] = z
                return float(np.exp(start - energy({**moved, **held})))

            low = -40.0 if layer.domain.name == "real" else 0.0
            found -= np.log(
                integrate.quad(density, low, 60.0, epsabs=1e-13, epsrel=1e-11, limit=400, points=[0.0, 1.0])[0]
            )
    return float(found)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning", "ignore:divide by zero")
def test_marginal_is_the_energy(name: str) -> None:
    text, energy, constant = CASES[name]
    model = augmented(text)
    for seed, x in enumerate(itertools.product([-1.0, 1.0], repeat=3)):
        params = random_params(model, seed)
        found = summed_out(model, params, np.array(x))
        np.testing.assert_allclose(found, energy(params, np.array(x)) - constant, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_what_was_done_is_kept_with_its_constant(name: str) -> None:
    model = augmented(CASES[name][0])
    total = sum(c * model.layers[n].size for a in model.auxiliaries for n, c in a.layers)
    np.testing.assert_allclose(total, CASES[name][2], atol=1e-12)


MISTAKES: dict[str, tuple[str, str, Callable[[Match], Match]]] = {
    "twice the field": ("softplus", "binary", unit_terms(doubled)),
    "another domain": ("log cosh", "spin", lambda m: replace(m, domain="binary")),
    "its own field alone": ("weighted", "categorical", unit_terms(lambda z, found: [*found, *found])),
    "half the variance": ("square", "real", unit_terms(doubled)),
    "the rate without 1": ("logarithm", "positive", unit_terms(lambda z, found: found[1:])),
    "log z forgotten": ("logarithm of a shape", "positive", unit_terms(lambda z, found: found[:-1])),
    "log Gamma(a) forgotten": ("logarithm of a learned shape", "positive", lambda m: replace(m, alone=())),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning", "ignore:divide by zero", "ignore:overflow")
def test_mistake_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, unit, change = MISTAKES[name]
    text, energy, constant = CASES[case]
    rule(unit, change)(monkeypatch)
    model = augmented(text)
    params, x = random_params(model, 3), np.array([1.0, -1.0, 1.0])
    assert abs(summed_out(model, params, x) - energy(params, x) + constant) > 1e-3


def test_every_rule_has_a_mistake() -> None:
    assert {unit for _, unit, _ in MISTAKES.values()} == {r.unit for r in RULES}


@pytest.mark.parametrize("experts", ["sum(log(1 + u^2 / 2))", "a @ log(1 + u^2 / 2)"])
def test_certificate_of_positive_units(experts: str) -> None:
    """Student-t experts as Gaussians whose precisions are Gamma."""
    assert ed.loads(f"{HEAD}energy t = {experts}\naugment t").verify().ok


def test_every_rule_has_a_case() -> None:
    domains = {
        model.layers[n].domain.name
        for text, _, _ in CASES.values()
        for model in [augmented(text)]
        for n in model.layers
        if n != "x"
    }
    assert domains == {r.unit for r in RULES}


@pytest.mark.parametrize(
    "energy",
    [
        "sum(softplus(u))",  # the wrong sign
        "- 2 * sum(softplus(u))",
        "- w @ exp(V @ x)",
        "0.5 * sum(u^2)",  # its auxiliary unit would be imaginary
        "- c[0] * sum(u^2)",  # a sign that is not proved
        "- sum(log(1 + u^2))",
        "sum(log(c + u^2))",
        "- log(sum[k] c[0]*exp(sum[i] V[k, i]*x[i]))",
        "- sum(softplus(2 * x))",  # a function of one unit needs none
        "- sum[i < k] softplus(x[i]*x[k])",  # units of pairs in order have no layer
        "- x @ W @ c",
    ],
)
def test_no_rule(energy: str) -> None:
    with pytest.raises(ModelError) as error:
        augmented(energy)
    assert [d.code for d in error.value.diagnostics] == ["E0320"]


def test_names_never_meet_those_of_the_user() -> None:
    text = "visible z[3] : spin\nparam W[3, 2]\nenergy t = - sum[z_t] softplus(sum[i] z[i]*W[i, z_t]) - sum(softplus(z @ W))"
    module = augment_terms(parse(Source("m.energy", text)))
    assert list(resolve(module).layers) == ["z", "z_t_2", "z_t_3"]


def test_comments_stay() -> None:
    text = (
        "# one\nmodel m  # two\n\nvisible v[3] : binary  # three\nparam W[3, 2]\n\n# four\nenergy = - sum(v)  # five\n"
        "         - sum(softplus(v @ W))  # six\n# seven\n"
    )
    found = ed.loads(text).augment().source.text
    assert [c.text for c in parse(Source("", found)).comments] == [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
    ]
    assert print_module(parse(Source("", found))) == found
