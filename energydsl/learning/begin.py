"""How training begins: the rows, the parts of an update, the parameters and chains, all that the loop then runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from energydsl.program.directed import DirectedProgram
from energydsl.program.undirected import Arrays, Program
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
    seed: int = config["seed"]
    rows, held_out = split(data, config["validation"], seed)
    batch = min(config["batch"], len(rows))
    random = Rng(stream(seed, "chains of training"))
    whole = program.checked_arrays(rows.filled(seed).arrays)
    visible = {n: whole[n] for n in program.model.by_role("visible")}
    floors = scales.floors(program, visible)
    phases: Phases | WakeSleepPhases
    if isinstance(program, DirectedProgram):
        assert isinstance(method, WakeSleep)
        phases = WakeSleepPhases(program, method, batch, random, floors)
    else:
        phases = Phases(program, method, batch, random, floors)
        phases.row *= method.share
    sources: list[Any] = [phases] if method.share else []
    if method.predict:
        sources.append(Discriminative(program, method.predict, batch))
    base = {n: program.base_rate(n, a) for n, a in visible.items()}
    start = program.init(seed, visible) if params is None else program.check_params(params)
    first: Arrays = {n: program.xp.array(a) for n, a in start.items()}
    check_start(program, first, whole, Rng(stream(seed, "look at the start")))
    learned = [n for n, p in program.model.params.items() if "frozen" not in p.constraints]
    slots = optimizer.init({n: first[n] for n in learned}, program.xp.zeros_like)
    rate, scale_rate = program.xp.zeros((), program.dtype), program.xp.zeros((), program.dtype)
    centring = Centring(program, learned) if method.centred else None
    candidates = set() if centring else phases.direct
    couplings = program.derived.couplings
    direct = [n for n in learned if n in candidates and optimizer.direct(program.model.params[n], n in couplings)]
    learner = Learner(program, optimizer, tuple(learned), tuple(direct), scales.scales(program.derived))
    state = LearnerState(first, slots, sources, phases, random, rate, scale_rate, centring)
    state.work = learner.recorded(state, batch)
    batches = Batches(rows, batch, seed, _as_they_are if method.impute else program.checked_arrays)
    return Loop(learner, state, batches, Figures(program, rows, held_out, seed), config, base)


def _as_they_are(batch: Arrays) -> Arrays:
    return batch
