"""The parts of learning: every entry of a table is a small frozen record, and says whether it fits a model."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.learning.chains import AtData, Persistent, Restarted
from energydsl.learning.methods import METHODS
from energydsl.learning.objective import Likelihood, Prediction, WakeSleepBound
from energydsl.learning.optimizer import OPTIMIZERS
from energydsl.learning.optimizer.schedules import SCHEDULES
from energydsl.learning.posterior import POSITIVE, Gibbs, MeanField, WithMissing
from tests.conftest import ROOT

RECORDS = [
    *(method() for method in METHODS.values()),
    *(optimizer() for optimizer in OPTIMIZERS.values()),
    ed.PCD(k=3, chains=7, positive="mean-field"),
    ed.CD(predict="y", generative=0.5),
    *(posterior(4) for posterior in POSITIVE.values()),
    Likelihood(WithMissing(2), AtData(1), 0.5),
    WakeSleepBound(Likelihood(Gibbs(2), Persistent(1, 5))),
    Prediction("y"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_a_part_is_a_frozen_record(record: Any) -> None:
    assert pickle.loads(pickle.dumps(record)) == record == copy.deepcopy(record)  # noqa: S301
    assert hash(record) == hash(copy.copy(record))
    name = next((f.name for f in dataclasses.fields(record)), "settings")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, 3)


COMPOSED = [
    (ed.CD(k=2), (Likelihood(Gibbs(), AtData(2)),)),
    (ed.PCD(chains=7, latent_sweeps=3), (Likelihood(Gibbs(3), Persistent(1, 7)),)),
    (ed.PCD(positive="mean-field"), (Likelihood(MeanField(), Persistent()),)),
    (ed.MCMC(), (Likelihood(Gibbs(), Restarted()),)),
    (ed.PCD(impute=True), (Likelihood(WithMissing(), Persistent()),)),
    (ed.CD(predict="y", generative=0.0), (Likelihood(Gibbs(), AtData(), 0.0), Prediction("y"))),
    (ed.WakeSleep(), (WakeSleepBound(Likelihood(Gibbs(), AtData())),)),
    (ed.WakeSleep(chains=9), (WakeSleepBound(Likelihood(Gibbs(), Persistent(1, 9))),)),
]


@pytest.mark.parametrize(("method", "parts"), COMPOSED, ids=lambda x: getattr(x, "name", ""))
def test_a_method_is_put_together_from_parts(method: Any, parts: Any) -> None:
    assert method.objectives() == parts


def test_the_table_of_applicability_has_every_method_and_a_reason_for_every_no() -> None:
    for path in sorted((ROOT / "models").glob("*.energy")):
        verdicts = {v.name: v for v in ed.load(path).applicability()}
        assert {n for n, v in verdicts.items() if v.kind == "objective"} == {m.entry or n for n, m in METHODS.items()}
        assert {posterior.needs for posterior in POSITIVE.values()} - {""} <= set(verdicts)
        assert all(v.why for v in verdicts.values())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_fall_from_one(schedule: str) -> None:
    paces = [ed.SGD(schedule=schedule).pace(t) for t in np.linspace(0.0, 1.0, 11)]
    assert paces[0] == 1.0
    assert all(before >= after >= 0.0 for before, after in zip(paces, paces[1:], strict=False))


def _records(objective: Any) -> Iterator[Any]:
    yield objective
    for field in dataclasses.fields(objective):
        if dataclasses.is_dataclass(value := getattr(objective, field.name)):
            yield from _records(value)


def test_a_step_leaves_the_arrays_of_its_state_where_they_are() -> None:
    """What is recorded once is repeated on the same arrays."""
    program = ed.loads("visible v[6] : binary\nhidden h[3] : binary\nlayers v -- h").compile("numpy")
    params, rows = program.init(0), np.ones((5, 6), np.float32)
    for method in (ed.CD(), ed.PCD(chains=4), ed.PCD(positive="mean-field", chains=4)):
        [objective] = method.objectives()
        assert objective.repeatable
        assert all(getattr(part, "repeatable", True) for part in _records(objective))
        state = objective.init(program.engine, 5, ed.Rng(0))
        before = {n: a.ctypes.data for n, a in state.both.items()}
        for _ in range(3):
            objective.load(state, {"v": rows})
            objective.step(state, params)
        assert {n: a.ctypes.data for n, a in state.both.items()} == before
