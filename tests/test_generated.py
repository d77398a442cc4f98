"""Random models: whatever is written, what is derived agrees with enumeration."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

import energydsl as ed
from tests.generators import models


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(models())
def test_generated_models_are_derived_right(text: str) -> None:
    certificate = ed.loads(text).verify()
    assert certificate.ok, f"{text}\n{certificate}"
