"""d log p/dx: for functions of several units with sums inside, which `verify` cannot meet in a file, and fields from outside."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends import registry
from energydsl.backends.numpy.printer import Printer
from energydsl.derive.slopes import slope
from energydsl.diagnostics import NotApplicable
from energydsl.energy.terms import At, Energy, Function, Loop, Monomial
from energydsl.kernels import lower, select, verify
from energydsl.model.indices import Index
from energydsl.program.gradients import score

FORMS = "dim N = 4, P = 3\nvisible x[N] : real\nparam W[P, N], c[P]\nenergy = 0.5 * sum(x^2) - sum[p, i] W[p, i]*x[i]"


def _at(kind: str, name: str, *binders: str) -> At:
    return At(kind, name, tuple(map(Index.of, binders)))


def test_functions_of_several_units() -> None:
    """E = sum_p softplus(c_p + sum_i W_pi x_i)^2 tanh(sum_i x_i), by the same rule as all terms."""
    derived = ed.loads(FORMS).derived
    units = (_at("layer", "x", "j"), 1.0)
    line = Monomial(1.0, (Loop("j", 0, 4),), (), ((_at("param", "W", "p", "j"), 1.0), units))
    form = Function("softplus", (line, Monomial(1.0, factors=((_at("param", "c", "p"), 1.0),))))
    total = Function("tanh", (Monomial(1.0, (Loop("j", 0, 4),), (), (units,)),))
    monomial = Monomial(1.0, (Loop("p", 0, 3),), (), ((form, 2.0), (total, 1.0)))
    nothing = [replace(t, monomial=Monomial(0.0)) for t in derived.energy.terms[1:]]
    energy = Energy((replace(derived.energy.terms[0], monomial=monomial), *nothing))
    slopes = {"x": slope(derived.model, energy, derived.model.layers["x"])}
    changed = replace(derived, energy=energy, slopes=MappingProxyType(slopes))
    kernels = registry.load("numpy", Printer(verify(select(lower(changed))), "float64").module())

    rng = np.random.default_rng(0)
    p, x = {"W": rng.normal(size=(3, 4)), "c": rng.normal(size=3)}, rng.normal(size=(5, 4))
    u = x @ p["W"].T + p["c"]
    f, df = np.logaddexp(0, u), 1 / (1 + np.exp(-u))
    t = np.tanh(x.sum(axis=1))[:, None]
    wanted = 2 * t * (f * df) @ p["W"] + (1 - t**2) * (f**2).sum(axis=1, keepdims=True)
    found = kernels.slopes["x"](p, {"x": x}, kernels.settings(0.5), kernels.Workspace("float64"))
    np.testing.assert_allclose(found, 0.5 * wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "visible x[3] : real\nparam a[3]\nenergy = sum(x^2) - a @ x",
        "visible x[3] : real\nparam a[3]\nenergy = sum(x^4) - a @ x",
        "visible x[3] : real\nparam a[3]\nenergy = sum(abs(2 * x - 1)) + 0.1 * sum(x^2) - a @ x",
    ],
)
def test_fields_from_outside(text: str) -> None:
    """The slope of what a state weighs, a field on every statistic included."""
    engine = ed.loads(text).compile("numpy", "float64").engine
    rng = np.random.default_rng(1)
    count = len(engine.derived.conditionals["x"].fields)
    p, x = {"a": rng.normal(size=3)}, rng.normal(size=(6, 3))
    s = engine.settings(0.3, external={"x": tuple(rng.normal(size=3) for _ in range(count))})
    found = score(engine.core, p, {"x": x}, s, ["x"])["x"]
    for unit in range(3):
        step = 1e-6 * np.eye(3)[unit]
        up, down = (engine.log_weights(p, {"x": x + h}, s, ()) for h in (step, -step))
        np.testing.assert_allclose(found[:, unit], (up - down) / 2e-6, rtol=1e-6, atol=1e-6)


def test_what_has_no_score_says_so() -> None:
    program = ed.zoo("dbn").compile("numpy")
    with pytest.raises(NotApplicable, match="directed|conditional parts"):
        program.score(program.init(), {})
    plain = ed.zoo("rbm", {"I": 3, "J": 2}).compile("numpy")
    with pytest.raises(ed.ArgumentError, match="no random layer `q`"):
        plain.score(plain.init(), {}, ["q"])
