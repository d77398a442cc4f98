"""What `explain` promises."""

from __future__ import annotations

import json

import energydsl as ed


def test_explain_json_has_the_promised_keys(zoo_model: ed.Model) -> None:
    facts = zoo_model.explain("json")
    json.dumps(facts)
    for layer in facts["layers"].values():
        assert set(layer) == {"role", "domain", "shape", "family", "factorises", "field", "conditional", "sampler"}
    assert {"schedule", "schedule_clamped", "gradients", "free_energy", "applicability"} <= set(facts)
    assert set(facts["free_energy"]) == {"summed_out", "text"}
    assert zoo_model.explain("latex").startswith("\\begin{align*}")
