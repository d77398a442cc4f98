"""What is provably proper is taken, what is not is refused, with the unit that nothing holds."""

from __future__ import annotations

import pytest

import energydsl as ed

MIXTURE = "visible x[2] : real\nhidden z : categorical[3]\nparam m[3, 2], s[3] : positive = 1\nenergy = "
PAIR = "visible n[1] : count\nhidden h[1] : {}\nparam W[1, 1]{}\nenergy = sum(lgamma(n + 1)) - n @ W @ h + "


@pytest.mark.parametrize(
    "text",
    [
        MIXTURE + "sum[k, d] z[k]*(x[d] - m[k, d])^2 / (2*s[k]^2)",
        MIXTURE + "sum[d] (s[0]*z[0]*x[d]^2 + z[1]*x[d]^2 + 3*z[2]*x[d]^2)",
        MIXTURE + "sum[k] z[k]*x[0]^2 + sum[k] s[k]*z[k]*x[1]^2",
        "visible x[4] : real\nenergy = sum[i in range(0, 2)] x[i]^2 + sum[i in range(2, 4)] x[i]^2 - sum(x)",
        "visible x[2, 3] : real\nparam t : positive = 1\nenergy = sum[i] x[0, i]^2 + t * sum[i] x[1, i]^2 + x[0, 0]*x[1, 1]",
        "graph G = chain(3)\nvisible x[3] : real\nparam W\nenergy = sum[(i, k) in G] (x[i]^2 + x[k]^2) - W * sum(x)",
        "visible x[3] : positive\nenergy = 2 * x[0] + sum[i in range(1, 3)] x[i] + x[0]*x[1]",
        "visible x[3] : real\nparam W[3, 3], a[3] : positive = 1\nenergy = sum[i < k] a[k]*x[i]^2 + x[2]^2 + sum[i, k] x[i]*W[i, k]^2*x[k]",
        "visible n[3] : count\nenergy = n[0] + 2*n[1] + 0.5*n[2]",
        "visible x[2] : real\nparam w[2, 2], m[2]\nenergy = sum((w @ x - m)^2) + sum(abs(x - 3))",
        "visible x[2] : real\nparam a[2] : positive = 1\nenergy = sum(a * abs(2 * x)) + sum(cos(x))",
    ],
)
def test_terms_that_hold_every_unit_together(text: str) -> None:
    certificate = ed.loads(text).verify()
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (MIXTURE + "sum[d] (s[0]*z[0]*x[d]^2 + z[1]*x[d]^2)", "x[0]"),
        (MIXTURE + "sum[k] z[k]*x[0]^2 + sum[k in range(2)] s[k]*z[k]*x[1]^2", "x[1]"),
        (MIXTURE + "sum[k, d] m[k, d]^2*z[k]*x[d]^2", "x[0]"),
        ("visible x[2] : real\nparam w[2, 2], b[2]\nenergy = sum((w @ x)^2) + sum(abs(x)) - b @ x", "x[0]"),
        ("visible x[2] : real\nparam w[2, 2], l\nenergy = sum((w @ x)^2) + l * sum(abs(x))", "x[0]"),
        ("visible x[2] : real\nparam w[2, 2]\nenergy = sum((w @ x)^2) + abs(x[1])", "x[0]"),
        ("visible x[4] : real\nenergy = sum[i in range(0, 2)] x[i]^2 + x[3]^2", "x[2]"),
        ("visible x[2, 3] : real\nenergy = sum[i] x[0, i]^2 + x[1, 0]^2 + x[1, 2]^2", "x[1, 1]"),
        ("visible x[3] : real\nparam a[3] : positive = 1\nenergy = sum[i < k] a[k]*x[i]^2", "x[2]"),
        ("visible x : real\nhidden h : binary\nenergy = h*x^2", "x"),
        ("visible y[2] : categorical[2]\nvisible x : real\nenergy = y[0, 0]*x^2 + y[1, 1]*x^2", "x"),
    ],
)
def test_a_unit_that_nothing_holds_is_named(text: str, bare: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(text)
    (found,) = caught.value.diagnostics
    assert found.code == "E0311"
    assert f"not for `{bare}`" in found.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (PAIR.format("real", "") + "0.5 * sum(h^2)", "E0311"),
        (PAIR.format("real", "") + "sum(h^4)", "E0311"),
        (PAIR.format("positive", "") + "sum(h^2)", "E0311"),
        (PAIR.format("real", " : positive = 1") + "0.5 * sum(h^2)", "E0311"),
        (PAIR.format("real", "") + "0.5 * sum(h^2) + sum(exp(h)) + sum(exp(-h))", "W0405"),
        (PAIR.format("interval[-3, 3]", "") + "0.5 * sum(h^2)", ""),
        (PAIR.replace("- n", "+ n").format("positive", " : nonnegative") + "sum(h)", ""),
        (PAIR.replace("@ h", "@ tanh(h)").format("real", "") + "sum(h^2)", ""),
    ],
)
def test_a_poisson_unit_outgrows_every_power(text: str, code: str) -> None:
    """Summed over n, exp(W h) stands in the exponent: log Z is infinite for every W that is not 0, on the whole line."""
    try:
        found = ed.loads(text).warnings
    except ed.ModelError as error:
        found = tuple(error.diagnostics)
    assert {d.code for d in found} == ({code} if code else set())
