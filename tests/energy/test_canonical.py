"""Equal energies are equal records: matrix and index form, renaming, reordering, mirroring."""

from __future__ import annotations

import pytest

import energydsl as ed

V = "dim I = 4, J = 3\nvisible v[I] : {0}\nhidden h[J] : {0}\nparam W[I, J], b[I], c[J], A[I, I], S[I, I] : symmetric, Z[I, I] : symmetric & zero_diagonal\n"

PAIRS = [
    ("- b @ v - v @ W @ h", "- sum[i] b[i]*v[i] - sum[i, j] v[i]*W[i, j]*h[j]"),
    ("- v @ W @ h - b @ v", "- b @ v - v @ W @ h"),
    ("- v @ W @ h", "- h @ W' @ v"),
    ("- v @ W @ h", "- sum[j] h[j]*(v @ W)[j]"),
    ("- sum(b * v)", "- v @ b"),
    ("v @ A @ v", "v @ A' @ v"),
    ("0.5 * v @ Z @ v", "sum[i < k] Z[i, k]*v[i]*v[k]"),
    ("0.5 * v @ Z @ v", "sum[i < k] Z[k, i]*v[k]*v[i]"),
    ("v @ S @ v", "sum[i] S[i, i]*v[i]^2 + 2 * (sum[i < k] S[i, k]*v[i]*v[k])"),
    ("sum((v - b)^2)", "sum(v^2) - 2 * b @ v + sum(b^2)"),
    ("sum[i, k] A[i, k]*v[k]", "sum[a, z] A[z, a]*v[a]"),
    ("2 * (b @ v) / 4", "0.5 * b @ v"),
    ("sum[i] (b[i] + b[i])*v[i]", "2 * b @ v"),
    ("v @ W @ h * 3 - 3 * (v @ W @ h)", "0 * sum(b)"),
    ("sum[i] b[i]*v[(i + 1) % I]", "sum[k] b[k]*v[(k + 5) % I]"),
    ("sum(exp(b) * v)", "sum[i] v[i]*exp(b[i])"),
]


@pytest.mark.parametrize("domain", ["binary", "spin"])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_equal(left: str, right: str, domain: str) -> None:
    records = [ed.loads(V.format(domain) + f"energy = {e}").energy for e in (left, right)]
    assert records[0] == records[1]


def test_folding_is_by_domain() -> None:
    assert (
        ed.loads(V.format("binary") + "energy = sum(v^3)").energy
        == ed.loads(V.format("binary") + "energy = sum(v)").energy
    )
    assert (
        ed.loads(V.format("spin") + "energy = sum(v^3)").energy == ed.loads(V.format("spin") + "energy = sum(v)").energy
    )
    (term,) = ed.loads(V.format("spin") + "energy = sum(v^2)").energy.terms
    assert (term.monomial.coefficient, term.monomial.factors) == (4.0, ())


def test_a_layer_graph_is_the_energy_it_stands_for() -> None:
    layers = "visible v[4] : binary\nhidden h[3] : binary\n"
    short = ed.loads(layers + "layers v -- h (W)")
    long = ed.loads(
        layers + "param b_v[4], b_h[3], W[4, 3] = normal(sd = 0.01)\nenergy = - sum(b_v * v) - sum(b_h * h) - v @ W @ h"
    )
    assert [t.monomial for t in short.energy.terms] == [t.monomial for t in long.energy.terms]
    assert {t.label for t in short.energy.terms} == {"layers"}


@pytest.mark.parametrize("domain", ["binary", "spin", "categorical[3]", "real"])
def test_layer_graphs_over_every_domain_and_rank(domain: str) -> None:
    model = ed.loads(f"visible a[2, 3] : {domain}\nhidden b : {domain.replace('real', 'spin')}\nlayers a -- b")
    assert model.verify().ok


def test_terms_are_traced_to_their_place() -> None:
    model = ed.loads("visible v[3] : binary\nparam b[3]\nenergy = - b @ v\n  + sum(v) * 2\n")
    assert {t.spans[0].line for t in model.energy.terms} == {3, 4}


def test_warning_for_a_full_square_only_where_it_counts_twice() -> None:
    text = V.format("binary") + "energy = - {} * v @ Z @ v - b @ v - v @ W @ h - c @ h - v @ A @ v - v @ S @ v * 0.5"
    assert "W0402" in [w.code for w in ed.loads(text.format("1")).warnings]
    assert "W0402" not in [w.code for w in ed.loads(text.format("0.5")).warnings]
