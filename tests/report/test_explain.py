"""What `explain` promises."""

from __future__ import annotations

import json

import energydsl as ed


def test_explain_json_has_the_promised_keys(zoo_model: ed.Model) -> None:
    facts = zoo_model.explain("json")
    json.dumps(facts)
    for layer in facts["layers"].values():
        assert set(layer) - {"letters"} == {
            "role",
            "domain",
            "shape",
            "family",
            "factorises",
            "field",
            "conditional",
            "sampler",
        }
    assert {"schedule", "schedule_clamped", "gradients", "free_energy", "applicability"} <= set(facts)
    assert set(facts["free_energy"]) == {"summed_out", "text"}
    assert zoo_model.explain("latex").startswith("\\begin{align*}")


def test_layers_without_a_conditional_are_not_left_out_of_the_blocks() -> None:
    text = "visible s[4] : spin\nhidden h[4] : real\nparam W[4, 8]\nenergy = 0.5 * sum(h^2) + sum[j] tanh(sum[i] s[i]*h[i]*W[i, j])"
    found = ed.loads(text).explain()
    assert "nothing clamped: (s*), then h along the slope\n" in found
    assert "data clamped:    h along the slope\n" in found
    alone = ed.loads("visible x[2] : real\nparam W[2]\nenergy = 0.5 * sum(x^2) + tanh(W @ x)").explain()
    assert "nothing clamped: x along the slope\n" in alone
    assert "data clamped:    nothing is free\n" in alone


def test_conditionals_name_the_layers_inside_forms() -> None:
    """What stands in one function with a unit is among what it is given, a layer and an input alike."""
    text = "visible v[3] : spin\nhidden h[2] : binary\ninput z[2] : real\nparam W[3, 3], U[2, 3], A[2, 3]\n"
    found = ed.loads(text + "energy = - sum(softplus(v @ W + h @ U + z @ A))").explain()
    assert "p(v_i = +1 | v_-i, h, z) = " in found
    assert "p(h_j = 1 | h_-j, v, z) = " in found
