"""What is provably proper is taken, what is not is refused, with the unit that nothing holds."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.derive import every_value
from energydsl.functions import POSITIVE

MIXTURE = "visible x[2] : real\nhidden z : categorical[3]\nparam m[3, 2], s[3] : positive = 1\nenergy = "
SPREAD = "visible x[3] : real\nhidden h[3] : binary\nhidden s[3] : spin\nenergy = "
PRECISION = "visible x[3] : spin\nhidden z[2] : positive\nparam W[3, 2], a[2] : positive = 2\nlet u = x @ W\nenergy = "
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
        # positive for every value of bounded units, though not term by term
        "visible x[2] : real\nhidden s : spin\nparam a : positive = 1\nenergy = a * (2 + s) * sum(x^2) - sum(x)",
        "visible x[3] : real\nhidden h[3] : binary\nhidden s[3] : spin\nenergy = sum(x^2) - 0.7*sum(h*x^2) + 0.2*sum(s*x^2)",
        "visible x[2] : real\nhidden r[2] : interval[1, 3]\nenergy = sum(r*x^2) - 0.5*sum(x^2) - 0.4*sum(r*x^2)",
        "visible x[2] : real\nhidden n : integer[-1, 2]\nenergy = (n^2 - n + 1) * sum(x^2)",
        "visible x[2] : real\nhidden z[2] : categorical[2]\nenergy = 2*sum(x^2) - 1.5*sum[i] z[i, 0]*x[i]^2",
        MIXTURE + "sum[k, d] z[k]*s[k]*x[d]^2 - 0.5*sum[d] z[1]*s[1]*x[d]^2",
        "visible x[2] : real\nhidden h[2] : binary\nenergy = 0.5*sum[i, j] x[i]^2*h[j] + 2*sum(x^2) - 0.9*sum[i, j] x[i]^2*h[j]",
        "visible x[2] : positive\nhidden s : spin\nenergy = (1.5 + s) * sum(x)",
        "visible x[2] : real\nhidden h[2] : binary\nparam w[2, 2]\nenergy = sum[i] x[i]^2*(sum[j] w[i, j]*h[j])^2 + sum(x^2)",
        # Laplace units, alone and beside a quadratic
        "visible x[2] : real\nhidden h[2] : binary\nparam b[2] : positive = 1\nenergy = sum(b * abs(x - 1)) + 0.5 * sum(h * x^2)",
        "visible x[2] : real\nparam l : positive = 1, m[2]\nenergy = l * sum(abs(x + 0.5)) + 0.5 * sum((x - m)^2)",
        "input g[2] : interval[1, 2]\nvisible x[2] : real\nenergy = sum(g*x^2)",
        "input g[3] : real\nvisible y : real\nhidden w[3] : real\nenergy = 0.5*(y - g @ w)^2 + sum(abs(w))",
        # a Gamma precision beside squares that only raise its rate
        PRECISION + "(1 - a) @ log(z) + sum(z) + sum(z * u^2)",
        PRECISION + "(1 - a) @ log(z) + 2 * sum(z) + 0.5 * sum(z * u^2) - sum(z)",
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
    "text",
    [
        "x[2] : integer[-2, 3]\nparam a[2], m, b : positive = 2\nenergy = sum(tanh(a * x)) + sum(abs(x - m)) - sum(exp(-b * x)) + sum(log(1 + x^2 / b))",
        "x[2] : binary\nhidden s[2] : spin\nparam a[2], m, b : positive = 2\nenergy = sum(tanh(a * x)) + sum(abs(s - m)) - sum(exp(-b * s)) - x @ s",
    ],
)
def test_parameters_stand_inside_functions_of_units_of_few_values(text: str) -> None:
    certificate = ed.loads("visible " + text).verify()
    assert certificate.ok, str(certificate)


FAILING = [
    (SPREAD + "sum(x^2) - 0.9*sum(h*x^2) + 0.2*sum(s*x^2)", "where `h_i` is 1, `s_i` is -1"),
    (SPREAD + "(1 + s[0]) * sum(x^2)", "where `s_0` is -1"),
    (SPREAD + "sum(h*x^2)", "where `h_i` is 0"),
    (MIXTURE + "sum[k, d] z[k]*s[k]*x[d]^2 - 1.5*sum[d] z[1]*s[1]*x[d]^2", "where `z` is in state 1"),
    (MIXTURE + "sum[k, d] z[k]*s[k]*x[d]^2 - sum[d] z[2]*s[2]*x[d]^2", "where `z` is in state 2"),
    ("visible x[2] : real\nhidden r[2] : interval[1, 3]\nenergy = 2*sum(x^2) - sum(r*x^2)", "where `r_i` is 3"),
    ("visible x[2] : real\nhidden n : integer[0, 4]\nenergy = (n - 3)^2 * sum(x^2)", "where `n` is 3"),
    (
        "visible x[2] : real\nhidden h[2] : binary\nenergy = sum(x^2) - 0.5*sum[i, j] x[i]^2*h[j]",
        "where every unit of `h` is 1",
    ),
    ("visible x[2] : real\nparam a\nenergy = a * sum(x^2)", "because of this term"),
    ("visible x[2] : real\nparam a, b\nenergy = (a - b)^2*sum(x^2) - a^2*sum(x^2)", "because of this term"),
    (
        "visible x[2] : real\nhidden h[3] : binary\nparam s[3] : positive = 1\nenergy = sum[k, d] h[k]*x[d]^2 / s[k]^2",
        "where every unit of `h` is 0",
    ),
]


@pytest.mark.parametrize(("text", "values"), FAILING)
def test_the_values_at_which_a_factor_fails_are_named(text: str, values: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(text)
    assert {d.code for d in caught.value.diagnostics} == {"E0311"}
    assert all(values in d.message for d in caught.value.diagnostics), str(caught.value)


MISTAKES = {
    "the first value alone": ("_values", lambda f: lambda *a: f(*a)[:1], 0),
    "no value of a switched-off state": ("_value", lambda f: lambda *a: np.maximum(f(*a), 0.1), 2),
    "a looped sum by one of its places": ("_least", lambda f: lambda *a: iter(()), 7),
    "the rest taken as positive": ("sign_of_factors", lambda f: lambda *a: POSITIVE, 8),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_trying_values_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    what, make, case = MISTAKES[name]
    monkeypatch.setattr(every_value, what, make(getattr(every_value, what)))
    ed.loads(FAILING[case][0])


@pytest.mark.parametrize(
    "energy",
    [
        "sum(z * u^2)",
        "sum(z) - sum(z * u^2)",
        "sum(z) + sum(z * u^2) - sum(z * u)",
        "0.2 * sum(z) + sum(z * u^2) - 0.3 * sum(z)",
    ],
)
def test_squares_hold_no_end_by_themselves(energy: str) -> None:
    with pytest.raises(ed.ModelError) as error:
        ed.loads(f"{PRECISION}(1 - a) @ log(z) + {energy}")
    assert {d.code for d in error.value.diagnostics} == {"E0311"}


def test_a_square_of_negative_weight_holds_nothing() -> None:
    """What is never negative as it is written is never positive where its term is multiplied by -1."""
    text = "visible x[2] : real\nparam w[2, 2]\nenergy fit = sum((w @ x)^2)\nenergy prior = sum(abs(x))"
    program = ed.loads(text).compile("numpy", dtype="float64")
    params = program.init(0)
    state = program.init_state(params, 2)
    program.gibbs(params, state, 1, rng=ed.Rng(0), weights={"fit": 0.5})
    with pytest.raises(ed.ArgumentError, match="not provably positive"):
        program.gibbs(params, state, 1, rng=ed.Rng(0), weights={"fit": -1.0})


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
