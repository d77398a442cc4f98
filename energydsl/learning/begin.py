"""How training begins: the rows, the parts of an update, the parameters and chains, all that the loop then runs on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data
from energydsl.learning.centred import Centring
from energydsl.learning.discriminative import Discriminative
from energydsl.learning.learner import Learner, LearnerState
from energydsl.learning.loop import Loop
from energydsl.learning.methods import Method, WakeSleep
from energydsl.learning.monitor import Figures
from energydsl.learning.optimizer import Optimizer, scales
from energydsl.learning.phases import Phases
from energydsl.learning.rows import Batches, split
from energydsl.learning.start import check_start
from energydsl.learning.wake_sleep import WakeSleepPhases
from energydsl.program import Program
from energydsl.program.directed import Directed
from energydsl.program.initialise import base_rate, initial_params
from energydsl.program.states import check_params, checked_arrays
from energydsl.random import Rng, stream


def begin(
    program: Program,
    data: Data,
    method: Method,
    optimizer: Optimizer,
    config: dict[str, Any],
    params: Mapping[str, Any] | None = None,
) -> Loop:
    """A training that has not made an update. params: where it begins; None: at the initialisers of the model.

    Raises `TrainingError` where the energy is not a finite number there, `NotApplicable` where the method does not fit.
    """
    engine = program.engine
    seed: int = config["seed"]
    rows, held_out = split(data, config["validation"], seed)
    batch = min(config["batch"], len(rows))
    random = Rng(stream(seed, "chains of training"))
    whole = checked_arrays(engine, rows.filled(seed).arrays)
    visible = {n: whole[n] for n in engine.model.by_role("visible")}
    floors = scales.floors(engine, visible)
    phases: Phases | WakeSleepPhases
    if isinstance(method, WakeSleep):
        assert isinstance(engine, Directed)
        phases = WakeSleepPhases(engine, method, batch, random, floors)
    else:
        phases = Phases(engine, method, batch, random, floors)
        phases.row *= method.share
    sources: list[Any] = [phases] if method.share else []
    if method.predict:
        sources.append(Discriminative(engine, method.predict, batch))
    base = {n: base_rate(engine, n, a) for n, a in visible.items()}
    start = initial_params(engine, seed, visible) if params is None else check_params(engine, params)
    first: Arrays = {n: engine.xp.array(a) for n, a in start.items()}
    check_start(engine, first, whole, Rng(stream(seed, "look at the start")))
    learned = [n for n, p in engine.model.params.items() if "frozen" not in p.constraints]
    slots = optimizer.init({n: first[n] for n in learned}, engine.xp.zeros_like)
    rate, scale_rate = engine.xp.zeros((), engine.dtype), engine.xp.zeros((), engine.dtype)
    centring = Centring(engine, learned) if method.centred else None
    candidates = set() if centring else phases.direct
    couplings = engine.derived.couplings
    direct = [n for n in learned if n in candidates and optimizer.direct(engine.model.params[n], n in couplings)]
    learner = Learner(engine, optimizer, tuple(learned), tuple(direct), scales.scales(engine.derived))
    state = LearnerState(first, slots, sources, phases, random, rate, scale_rate, centring)
    state.work = learner.recorded(state, batch)
    batches = Batches(rows, batch, seed, _as_they_are if method.impute else partial(checked_arrays, engine))
    return Loop(program, learner, state, batches, Figures(engine, rows, held_out, seed), config, base)


def _as_they_are(batch: Arrays) -> Arrays:
    return batch
