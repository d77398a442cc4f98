"""The certificate holds for every model of the zoo, and catches every mutant of the compiler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import energydsl as ed
from energydsl.domains import DOMAINS
from tests.conftest import zoo
from tests.mutants import MUTANTS, family


def test_zoo(zoo_path: Path) -> None:
    model = zoo(zoo_path)
    certificate = model.verify()
    assert certificate.ok, str(certificate)
    drawn = model.factorisation or set(model.resolved.random_layers()) == set(model.conditionals)
    assert len(certificate.checks) >= (8 if drawn else 5)


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("text", sorted({t for t, _ in MUTANTS.values()}))
def test_models_of_the_mutants_are_right_without_them(text: str) -> None:
    certificate = ed.loads(text).verify()
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, patch = MUTANTS[name]
    assert _caught(text, patch, monkeypatch), f"the mutant `{name}` survives"


def _caught(text: str, patch: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a check fails, or the mutant breaks the compiler outright."""
    patch(monkeypatch)
    return not ed.loads(text).verify().ok


EXTRA = {
    "gaussian coupled": "dim N = 3\nvisible x[N] : real\nhidden h[N] : spin\nparam a[N] : positive = 1\n"
    "energy = sum((x - h)^2 / sqrt(a + 1)) + sum[i < j] (x[i] - x[j])^2",
    "diagonal neighbours": "dim N = 5\nvisible s[N, N] : spin\n"
    "energy = sum[i, j] s[i, j]*s[(i + 1) % N, (j + 1) % N] + sum[i in range(N - 1), j] s[i, j]*s[i + 1, j]",
    "coupled states": "dim N = 5, K = 3\nvisible x[N] : categorical[K]\nparam W[N, K, N, K]\n"
    "energy = sum[i, a, k, b] x[i, a]*W[i, a, k, b]*x[k, b] + sum[i, a, b] x[i, a]*x[i, b]",
    "awkward indices": "dim N = 4, M = N - 1\nvisible x[N, N] : binary\nparam W[N, N, N, N], K[2, 2]\n"
    "energy = sum[i, j, k, l] x[i, j]*W[i, j, k, l]*x[k, l] + sum[i in range(M), j, p, q] x[i + p, j]*K[p, q]*x[i + q, j]*x[0, 0]",
    "functions": "dim N = 4\nvisible x[N] : binary\nhidden y : spin\nhidden z : categorical[3]\nparam w[N], g[3], q\n"
    "energy = - sum(exp(w * x)) - sum[i] tanh(w[i])*x[i]*y - sum[a] g[a]^2*z[a]*y*sigmoid(q)\n"
    "energy two = - sum[i < j] x[i]*x[j]*log(1 + exp(w[i]*w[j])) - sum(abs(w)) * sum[a] sqrt(g[a]^2 + 1)*z[a]",
    "softplus and friends": "visible x[3] : spin\nparam w[3] : positive = 1\nconst t : positive = 2\n"
    "energy = - sum(softplus(w * x)) - sum(lgamma(w + 1) * x) - sum(sin(w) * x) / t + sum(cos(w * t))",
    "sums inside functions": "visible x[4] : binary\nhidden h[2] : spin\nparam a[4], W[4, 2]\n"
    "energy = - x @ W @ h + sum(exp(a * x)) / (1 + exp(sum(a)))",
    "functions inside functions": "visible x[3] : binary\nhidden h[2] : spin\nparam a[3], W[3, 2]\n"
    "energy = - sum[i] x[i]*exp(sum[k] W[i, k]*tanh(sum[j] W[j, k]*a[i])) - sum[i, k] x[i]*h[k]*log(1 + sum[j] exp(a[j] * W[i, k]))",
    "functions of inputs": "input z[3] : real\nvisible x[3] : binary\nparam a[3], W[3, 3]\n"
    "energy = - a @ x - sum[i] x[i]*sigmoid(sum[k] W[i, k]*z[k]) - sum[i < k] x[i]*x[k]*softplus(sum[j] W[i, j]*W[k, j])",
    "product of three sums": "dim I = 60, J = 50, F = 40\nvisible v[I] : binary\nhidden h[J] : spin\nparam A[I, F], B[I, F], C[J, F]\n"
    "energy = - sum((v @ A) * (v @ B) * (h @ C))",
    "product of sums on a lattice": "dim L = 30, F = 20\nvisible v[L, L] : binary\nhidden h[F] : spin\nparam A[L, L, F], B[L, L, F]\n"
    "energy = sum(v^2) + 0.01 * sum[f] (sum[i, j] A[i, j, f]*v[i, j])^2 - sum[f, i, j, k, l] h[f]*A[i, j, f]*v[i, j]*B[k, l, f]*v[k, l]",
    "square of a form": "visible x[3] : binary\nhidden h[3] : spin\nparam W[3, 3]\nlet s = x @ W @ h\nenergy = - s^2",
    "scalar layers": "visible a : binary\nhidden b : spin\nhidden c : real\nparam w, u\n"
    "energy = - w * a * b + 0.5 * c^2 - u * a * c",
    "graph on a lattice": "graph G = grid(3, 3, periodic = true)\nvisible s[3, 3] : spin\nparam J[G]\n"
    "energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]",
    "potts on a graph": "graph G = chain(4, periodic = true)\nvisible x[4] : categorical[3]\nparam J[G], g[3]\n"
    "energy = - sum[(i, k) in G, a] J[i, k]*x[i, a]*x[k, a] - sum[i, a] g[a]*x[i, a]",
    "third order in one layer": "dim N = 4\nvisible x[N] : spin\nparam T[N, N, N]\n"
    "energy = - sum[i, j, k] T[i, j, k]*x[i]*x[j]*x[k]",
    "precision from another layer": "visible v[2] : real\nhidden h[2] : binary\nparam a[2] : positive = 1, W[2, 2] : positive = 1\n"
    "energy = sum(a * v^2) + sum[i, j] W[i, j]*h[j]*v[i]^2 - sum(v)",
    "let and const": "dim N = 3\nconst lam = 0.3\nvisible v[N] : binary\nhidden h[N] : binary\nparam W[N, N] = normal(sd = 1)\n"
    "let u = 2 * v - 1, pair = u @ W @ h\nenergy = - pair + lam * pair^2",
    "stride": "dim N = 6, M = N / 2\nvisible v[N] : binary\nhidden h[M] : binary\nparam w[M]\n"
    "energy = - sum[i in range(M)] w[i]*h[i]*v[2 * i] - sum[i in range(M)] h[i]*v[2 * i + 1]",
    "user's schedule": "visible v[3] : binary\nhidden h[3] : binary\nparam W[3, 3], L[3, 3] : symmetric & zero_diagonal\n"
    "energy = - v @ W @ h - 0.5 * v @ L @ v\nschedule (h), (v*)",
}


@pytest.mark.parametrize("name", EXTRA)
def test_unusual_models(name: str) -> None:
    certificate = ed.loads(EXTRA[name]).verify(seed=3)
    assert certificate.ok, str(certificate)


PLAQUETTES = (
    "dim L = 4\nconst K = 1\nvisible a[L, L] : interval[-3.14, 3.14]\nvisible b[L, L] : interval[-3.14, 3.14]\n"
    "energy = - K * sum[i, j] cos(a[i, j] + b[(i + 1) % L, j] - a[i, (j + 1) % L] - b[i, j])"
)
PARITY = "dim N = 6\nvisible s[N] : spin\nparam h[N]\nenergy = - h @ s - 2*(s[0]*s[1]*s[2] + s[2]*s[3]*s[4] + s[1]*s[4]*s[5])"


@pytest.mark.parametrize(
    ("text", "dims", "sizes"),
    [
        (PLAQUETTES, {}, "a[2, 2], b[2, 2]"),  # one site would leave cos(0)
        (PLAQUETTES, {"L": 3}, "a[3, 3], b[3, 3], some states"),
        (PARITY, {}, "s[6]"),
        (PARITY, {"N": 30}, "s[30], some states"),  # sizes that are given stay
        (PARITY.replace("N = 6", "N = 60"), {}, "s[6]"),
        ("dim I = 784, J = 500\nvisible v[I] : binary\nhidden h[J] : binary\nparam W[I, J]\nenergy = - v @ W @ h", {"J": 5}, "v[3], h[5]"),
        ("dim N = 9\nvisible n[N] : count\nenergy = n[0] + 2*n[1] + 0.5*n[2] + sum(n)", {}, "n[3]"),
    ],
)  # fmt: skip
def test_sizes_keep_every_coupling_and_what_was_given(text: str, dims: dict[str, int], sizes: str) -> None:
    certificate = ed.loads(text, dims).verify()
    assert certificate.sizes == sizes
    assert certificate.ok, str(certificate)


def test_what_no_check_exercised_makes_a_certificate_incomplete() -> None:
    text = "dim N = 3\nvisible x[N] : binary\nparam J[N, N] : symmetric & zero_diagonal, b[N]\nenergy = - b @ x - 0.5 * x @ J @ x"
    whole, single = ed.loads(text).verify(), ed.loads(text, {"N": 1}).verify()
    assert [e.name for e in whole.exercised] == ["- b @ x", "0.5 * x @ J @ x", "J", "b"]
    assert whole.ok
    assert [e.name for e in single.missed] == ["0.5 * x @ J @ x", "J"]
    assert single.right
    assert not single.ok
    assert "incomplete" in str(single)


@pytest.mark.parametrize("wrong", ["sign", "dropped"])
def test_mutants_are_caught_where_states_are_too_many_to_list(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from energydsl.kernels.lower import _Lowering

    plain = _Lowering._field

    def mutant(self: Any, layer: Any, field: Any, fixed: Any) -> Any:
        kernel = plain(self, layer, field, fixed)
        sections = kernel.sections
        first = replace(sections[-1], coefficient=-sections[-1].coefficient)
        return replace(kernel, sections=sections[:-1] if wrong == "dropped" else (*sections[:-1], first))

    monkeypatch.setattr(_Lowering, "_field", mutant)
    certificate = ed.loads(PARITY, {"N": 30}).verify()
    assert "some states" in certificate.sizes
    assert not certificate.right


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_tolerances_are_relative_to_the_energies(size: float) -> None:
    text = f"dim L = 6\nconst mu = 1, U = {size}\nvisible n[L, L] : binary\ngraph G = grid(L, L, periodic = true)\n"
    certificate = ed.loads(text + "energy = U * sum[(i, k) in G] n[i]*n[k] - mu * sum(n)").verify()
    assert certificate.ok, str(certificate)


BESIDE = (
    "visible x[2] : binary\nhidden y[2] : real\nparam a[2] : positive = 1\n"
    "energy = 0.5 * (sum[i] (a[i]*y[i]^2 + 2e6*x[i]^2) - 3 * y @ x) / 2"
)


@pytest.mark.parametrize(
    "text",
    [
        "visible x[2] : binary\nparam w[2]\nenergy = sum(w*x) + 1e6 * sum(x^2)",
        "visible x[2] : count\nhidden y[2] : spin\nparam w[2]\n"
        "energy = sum(lgamma(x + 1)) + 0.2 * sum(tanh(w)*x) + 1e6 * sum(y^2)",
        BESIDE,
    ],
)
def test_slopes_and_sweeps_are_as_exact_as_the_energies(text: str) -> None:
    certificate = ed.loads(text).verify()
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("formula", ["mean", "variance", "log_partition"])
def test_an_energy_beside_a_density_hides_no_error_of_it(formula: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family("normal", **{formula: getattr(DOMAINS["real"].families[0], formula) * (1.0 + 1e-8)})(monkeypatch)
    certificate = ed.loads(BESIDE).verify()
    summed = ["log partition = log of the sum", "free energy = -log of the sum"] * (formula == "log_partition")
    wrong = [*summed, "density of y against quadrature"]
    assert [c.name for c in certificate.checks if not c.ok] == wrong, str(certificate)


BURIED = "visible x[2] : binary\nparam w[2]\nenergy = sum(w*x) + {} * sum(x^2)"
SLOPES, LIKELIHOOD = "dE/dparam = finite difference of E", "likelihood gradient = data minus model"


def test_what_rounding_hides_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the energies leave no digit to a gradient, no gradient is too wrong: the check may not say that it is right."""
    from energydsl.program import gradients

    plain = gradients.projected
    monkeypatch.setattr(gradients, "projected", lambda *args: -plain(*args))
    small, large = (ed.loads(BURIED.format(size)).verify() for size in ("1e6", "1e11"))
    assert not small.right
    assert large.right
    assert not large.ok
    assert {c.name for c in large.undecided} == {SLOPES, LIKELIHOOD}
    assert [e.name for e in large.missed] == ["sum(w*x)", "w"]
    assert "incomplete" in str(large)


@pytest.mark.parametrize("size", ["1e6", "1e8", "1e11", "1e16"])
def test_energies_say_which_checks_can_be_decided(size: str) -> None:
    certificate = ed.loads(BURIED.format(size)).verify()
    assert certificate.right
    assert certificate.ok == (float(size) < 1e9)
    found = {c["name"]: c["ok"] for c in certificate.as_dict()["checks"]}
    assert found[SLOPES] == found[LIKELIHOOD] == (float(size) < 1e9)
    assert found["sweep leaves p(x) as it is"] == (float(size) < 1e15)


def test_a_term_that_rounding_hides_is_not_exercised() -> None:
    text = "visible x[2] : binary\nparam w, u[2]\nenergy = 1e11 * w * sum(x) + sum(u*x)"
    certificate = ed.loads(text).verify()
    assert not certificate.undecided
    assert [(e.kind, e.name) for e in certificate.missed] == [("term", "sum(u*x)"), ("parameter", "u")]
