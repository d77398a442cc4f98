"""How training begins: the rows, the parts of an update, the parameters and chains, all that the loop then runs on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data
from energydsl.data.streamed import Streamed
from energydsl.learning.learner import Learner, LearnerState
from energydsl.learning.loop import Loop
from energydsl.learning.methods import Method
from energydsl.learning.monitor import Figures
from energydsl.learning.objective import Objective, Sharded
from energydsl.learning.optimizer import Optimizer, scales
from energydsl.learning.optimizer.centred import Centring
from energydsl.learning.rows import Batches, StreamedBatches, in_memory, split
from energydsl.learning.series import Series
from energydsl.learning.start import check_start
from energydsl.program import Engine, Program
from energydsl.program.initialise import base_rate, initial_params
from energydsl.program.states import check_params, checked_arrays
from energydsl.random import Rng, stream
from energydsl.ranks import WHOLE, Shards


def begin(
    program: Program,
    data: Data | Streamed,
    method: Method,
    optimizer: Optimizer,
    config: dict[str, Any],
    params: Mapping[str, Any] | None = None,
    shards: Shards = WHOLE,
) -> Loop:
    """A training that has not made an update. params: where it begins; None: at the initialisers of the model. shards: its pieces.

    Raises `TrainingError` where the energy is not a finite number there, `NotApplicable` where the method does not fit.
    """
    engine, seed = program.engine, config["seed"]
    rows, held_out = split(data, config["validation"], seed)
    known = in_memory(rows, seed)
    batch = min(config["batch"], len(rows))
    filled = checked_arrays(engine, known.filled(seed).arrays)
    visible = {n: filled[n] for n in engine.model.by_role("visible")}
    random = Rng(stream(seed, "chains of training"))
    objectives, floors = _in_shards(method.objectives(), shards), scales.floors(engine, visible, known.weights)
    base = {n: base_rate(engine, n, a, known.weights) for n, a in visible.items()}
    states = [objective.init(engine, batch, random, floors, base) for objective in objectives]
    given = initial_params(engine, seed, visible, known.weights) if params is None else check_params(engine, params)
    first: Arrays = {n: engine.xp.array(a) for n, a in given.items()}
    check_start(engine, first, filled, Rng(stream(seed, "look at the start")))
    learned = [n for n, p in engine.model.params.items() if "frozen" not in p.constraints]
    slots, fisher = (
        optimizer.init({n: first[n] for n in learned}, engine.xp.zeros_like),
        optimizer.metric(engine, learned),
    )
    optimizer.prepare(engine, slots, random)
    if fisher is not None:
        fisher.init(slots)
    centring = Centring.of(engine, learned, optimizer.carried) if method.centred else None
    pairs = zip(objectives, states, strict=True)
    products = set.intersection(*(objective.direct(state) for objective, state in pairs))
    direct = (
        []
        if centring or optimizer.max_kl is not None
        else _direct(engine, optimizer, [n for n in learned if n in products])
    )
    sizes = scales.scales(engine.derived) if all(objective.likelihood for objective in objectives) else {}
    learner = Learner(engine, objectives, optimizer, tuple(learned), tuple(direct), sizes, centring, fisher)
    rate, scale_rate, share, fisher_rate = (engine.xp.zeros((), engine.dtype) for _ in range(4))
    shrunk = engine.xp.zeros(3, engine.dtype)
    average = {n: engine.xp.array(first[n]) for n in learned} if optimizer.average is not None else {}
    offsets = centring.init() if centring else None
    state = LearnerState(first, slots, states, random, rate, scale_rate, share, fisher_rate, shrunk, average, offsets)
    state.work = learner.recorded(state, batch)
    checked = _as_they_are if method.impute else partial(checked_arrays, engine)
    in_files = isinstance(rows, Streamed)
    batches = (StreamedBatches if in_files else Batches)(rows, batch, seed, checked, shards)  # type: ignore[arg-type]
    figures = Figures(engine, known, held_out, seed, "stop_when" in config)
    series = Series.of(engine.core, seed)
    return Loop(program, learner, state, batches, figures, series, config, base, shards.team)


def _direct(engine: Engine, optimizer: Optimizer, names: list[str]) -> list[str]:
    """The parameters whose step is nothing but a multiple of the gradient."""
    params, couplings = engine.model.params, engine.derived.couplings
    return [n for n in names if optimizer.direct(params[n], n in couplings)]


def _in_shards(objectives: tuple[Objective[Any], ...], shards: Shards) -> tuple[Objective[Any], ...]:
    """The objectives as they are, or in as many pieces as there are shards."""
    return objectives if shards.count == 1 else tuple(Sharded(objective, shards) for objective in objectives)


def _as_they_are(batch: Arrays) -> Arrays:
    return batch
