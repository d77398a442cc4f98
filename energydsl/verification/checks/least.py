"""The state that units eliminated by their largest values lead to has the least energy of all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energydsl.backends.interface import Arrays
from energydsl.program.elimination import likeliest, planned
from energydsl.verification.case import Listed
from energydsl.verification.records import Check


def least(case: Listed) -> Iterator[Check]:
    """-log of what the state weighs less the least there is, by the oracle, relative to the largest; of finite layers."""
    plan = planned(case.derived, tuple(case.units))
    if isinstance(plan, str):
        return
    held = {n: case.engine.device(a) for n, a in case.inputs.items()}
    params = {n: case.engine.device(a) for n, a in case.params.items()}
    codes = case.host(likeliest(case.engine, plan, params, held, case.engine.settings(**case.scalars)))
    state: Arrays = {n: np.zeros((1, *layer.energy_shape)) for n, layer in case.units.items()}
    plan.units.put(codes[:1], state, np)
    found = case.oracle.exponent(case.params, case.with_inputs(state, 1), case.beta)
    scale = max(1.0, float(np.abs(case.exponents).max()))
    yield Check("state of least energy = the best of all states", float(found[0] - case.exponents.min()) / scale, 1e-11)
