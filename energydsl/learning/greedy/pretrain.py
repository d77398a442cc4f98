"""The stages of greedy training, one run each, and the parameters that the whole model gets from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.api import Model
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data
from energydsl.diagnostics import ArgumentError, NotApplicable, Source, one_of
from energydsl.domains import DOMAINS
from energydsl.learning import checkpoint
from energydsl.learning.greedy.record import Greedy
from energydsl.learning.greedy.stages import stages
from energydsl.learning.methods import Method, Sampled
from energydsl.learning.optimizer.centred import centred_pairs
from energydsl.learning.run import Report, Run
from energydsl.model.resolve import Overrides
from energydsl.options import DTYPES
from energydsl.program import Engine, Program
from energydsl.program.states import check_params
from energydsl.random import Rng, seed_of, stream

# Rows whose latents are found at once.
_ROWS = 1000


def pretrain(
    train: Callable[..., Run],
    engine: Engine,
    data: Data,
    greedy: Greedy,
    params: Arrays,
    seed: int,
    batch: int,
    folder: Path | None,
    resume: bool,
    report: Report | None,
) -> tuple[Arrays, Run | None]:
    """Parameters after all stages, and the run that was interrupted, if one was.

    train: how a stage is trained, as `ed.train` does it; it comes from above, so that no room below knows of stages.
    Each stage is a run of its own, in `greedy-1`, `greedy-2`, ... of the folder, and is gone on with like any run.
    """
    if len(data.complete()) < len(data):
        raise NotApplicable("greedy stages take whole rows: train those with missing entries without them")
    model, params = engine.model, dict(params)
    summed: Counter[str] = Counter()
    graphs = {n: g for n, g in model.graphs.items() if g.kind in ("edges", "hyperedges")}
    given = Overrides({}, {n: c.value for n, c in model.consts.items()}, graphs)
    todo = stages(engine)
    if len(greedy.epochs) > len(todo):
        raise ArgumentError(f"{len(greedy.epochs)} numbers of epochs for {len(todo)} stages")
    for number, stage in enumerate(todo, 1):
        own = Model(Source(f"{model.name}.energy", stage.text), given)
        small = own.compile(engine.backend, one_of("dtype", engine.dtype.name, DTYPES), engine.precision)
        sources = {n: stage.copies.get(n, n) for n in _taken(own)}
        rows = data.only(set(sources.values()))
        if stage.copies:  # copies hold the same draw, so grey values are drawn once
            drawn = rows.drawn(seed)
            rows = Data({n: drawn[source] for n, source in sources.items()}, data.name, weights=data.weights)
        out = folder / f"greedy-{number}" if folder is not None else None
        going_on = resume and out is not None and bool(checkpoint.found(out))
        epochs = greedy.epochs[min(number, len(greedy.epochs)) - 1]
        run = train(
            small, rows, _fitting(greedy.method, small.engine), greedy.optimizer, epochs, out, seed_of(seed, "greedy stage", number),
            batch=batch, validation=0.0, resume=going_on, report=_reported(report, f"stage {number}/{len(todo)}", epochs),
        )  # fmt: skip
        if not run.finished:
            return params, run
        for name, source, factor in stage.gives:
            if "frozen" not in model.params[name].constraints:
                summed[name] += 1
                before = params[name] if summed[name] > 1 else 0.0
                params[name] = before + (engine.device(factor * run.params[source]) - before) / summed[name]
        if stage.latent:
            rng = Rng(stream(seed, "greedy latents", number))
            means = _means(small, run.params, rows.drawn(seed), stage.latent, rng)
            grey = data.grey | {n for n in stage.latent if DOMAINS[model.layers[n].domain.name].grey}
            data = Data({**data.arrays, **means}, data.name, "sample" if grey else data.binarise, grey, data.weights)
    return params, None


def _fitting(method: Method, engine: Engine) -> Method:
    """The method, not centred for a stage that has nothing to centre."""
    if isinstance(method, Sampled) and method.centred and not centred_pairs(engine, list(engine.model.params)):
        return replace(method, centred=False)
    return method


def _reported(report: Report | None, stage: str, epochs: int) -> Report | None:
    """Reports that say which stage they are of."""
    return None if report is None else lambda row: report({**row, "stage": stage, "epochs": epochs})


def _taken(model: Model) -> list[str]:
    return [n for n, layer in model.layers.items() if layer.role != "hidden"]


def _means(program: Program, params: Arrays, x: Mapping[str, Any], wanted: Sequence[str], rng: Rng) -> dict[str, Any]:
    """Conditional means of latents given data, and latents drawn where these are coupled; some rows at a time."""
    engine = program.engine
    p, settings = check_params(engine, params), engine.settings()
    count = len(next(iter(x.values())))
    found: dict[str, list[Any]] = {n: [] for n in wanted}
    for start in range(0, count, _ROWS):
        rows = {n: a[start : start + _ROWS] for n, a in x.items()}
        state = engine.with_latents(p, rows, settings, rng)
        for name in wanted:
            found[name].append(engine.host(program.mean(p, state, name)).astype(np.float32))
    return {n: np.concatenate(parts) for n, parts in found.items()}
