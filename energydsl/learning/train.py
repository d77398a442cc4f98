"""`ed.train`: what the arguments mean, the greedy stages where there are any, and the loop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from energydsl import defaults
from energydsl.data.sources import Data, as_data
from energydsl.data.streamed import Streamed
from energydsl.data.weights import Weights
from energydsl.diagnostics import ArgumentError, EnergyError, NotApplicable, a_kind, whole_number
from energydsl.learning import checkpoint, files, interrupt
from energydsl.learning.begin import begin
from energydsl.learning.choice import chosen_method, chosen_optimizer
from energydsl.learning.config import config_of, held_fraction
from energydsl.learning.greedy import Greedy, pretrain
from energydsl.learning.lock import locked
from energydsl.learning.methods import Method, check_applicable, check_population
from energydsl.learning.monitor import Monitor
from energydsl.learning.optimizer import Optimizer
from energydsl.learning.optimizer.penalties import check_penalties
from energydsl.learning.repeated import RERUN, repeated
from energydsl.learning.run import Report, Run
from energydsl.learning.run_folder import open_run
from energydsl.options import StopWhen
from energydsl.program import Engine, Program
from energydsl.program.states import check_params
from energydsl.progress import reported
from energydsl.ranks import ALONE, Shards, asked_for, world

_UNWATCHED = (
    "stop_when likelihood goes by the log-likelihood of held-out rows on the way, which a monitor has to find: "
    "monitor=energydsl.inference.monitors.Likelihood(print), monitor_every=N"
)


def train(
    program: Program,
    data: Data | Streamed | Mapping[str, Any] | Any,
    method: Method | str | None = None,
    optimizer: Optimizer | str | None = None,
    epochs: int = defaults.EPOCHS,
    out: str | Path | None = None,
    seed: int = defaults.SEED,
    *,
    batch: int = defaults.BATCH,
    validation: float | None = None,
    binarise: str | None = None,
    resume: bool = False,
    report: Report | None = None,
    params: Mapping[str, Any] | None = None,
    greedy: Greedy | None = None,
    start: Run | str | os.PathLike[str] | None = None,
    monitor: Monitor | None = None,
    monitor_every: int = 1,
    weights: Weights | None = None,
    stop_when: StopWhen | None = None,
    shards: int | Literal["auto"] | None = None,
    checked: bool = False,
    progress: bool = False,
) -> Run:
    """Fit the parameters to data by the gradient of the log-likelihood.

    data: `Data`, a dict of arrays by layer, (rows, *layer), the array of the only visible layer, or what `load_data` takes
    ("digits", a file). method, optimizer: records, their names, or None: as they fit the model. validation: the fraction
    of rows held out for the figures on the way (by default a tenth where there are 100 rows or more). report: called
    with every row of metrics. With `out`, a run folder is written and `resume` goes on from its last checkpoint, so that
    the result equals the uninterrupted one. params: where training begins, arrays by name of the shapes declared, (I, J) for `W[I, J]`.
    greedy: train layer by layer first. start: a run,
    or its folder, to go on from, with its parameters and persistent chains. monitor: called every `monitor_every` epochs with
    the run as it is and 500 rows at most, held-out ones where there are any; its figures join the metrics. weights: (rows,), how much
    each row counts, not negative, or a file of that: a row of weight 2 counts as two rows, in the gradient, in base rates and in
    all figures; only their ratios matter to the gradient. stop_when: "gap" ends training once it overfits: when the gap
    between the free energies of held-out and training rows has grown beyond its error; "likelihood" once the `log_likelihood` that the monitor
    finds has fallen from its best beyond the errors. The best parameters are then kept, and `Run.warnings` says which. Ctrl-C saves and
    returns the run with `finished` False and `signal` set. SIGTERM and SIGHUP save alike, and then end the process as they
    would have; a caller with a handler of its own, or within `interrupt.heeded`, has the run returned.

    shards: into how many equal pieces every batch and the chains are cut, a power of two, for MPI ranks to share: parameters are the same, bit
    for bit, for any number of these. "auto": 8, or the most that fit, where there are several ranks. None: this process trains alone. checked: the last
    updates are made again in one process, and compared bit for bit (`Run.repeated`). progress: whether to show how it goes: a bar in a
    notebook and on a terminal, lines in a log.

    Raises `TrainingError` if a parameter becomes NaN or infinite, `DataError` for unfit data, `NotApplicable` where
    the method does not fit the model, `ArgumentError` for arguments out of range, and `EnergyError` where the folder cannot be used.
    """
    if not isinstance(program, Program):
        raise ArgumentError(f"train takes a program, model.compile(), not {a_kind(program)}")
    # Whoever asks for no shards trains in this process alone, even beside others.
    team = ALONE if shards is None else world()
    with team.together():
        seed, epochs = whole_number("seed", seed), whole_number("epochs", epochs)
        batch, monitor_every = whole_number("batch", batch, 1), whole_number("monitor_every", monitor_every, 1)
        if start is not None:
            if params is not None or greedy is not None:
                raise ArgumentError("a run to go on from is where training begins: no greedy stages, no other params")
            start = start if isinstance(start, Run) else open_run(os.fspath(start))
            params = start.params
        folder = files.folder_of(out) if out is not None else None
        if resume and folder is None:
            raise ArgumentError("resume needs the run's folder: out=...")
        method, optimizer = chosen_method(program.model, method), chosen_optimizer(program.model, optimizer)
        engine = program.engine
        _check(engine, method, optimizer)
        if stop_when == "likelihood" and monitor is None:
            raise ArgumentError(_UNWATCHED)
        if isinstance(data, Streamed) and weights is not None:
            raise NotApplicable(
                "rows that are streamed all count alike: load them without streamed to give them weights"
            )
        data = (
            data
            if isinstance(data, Streamed)
            else as_data(program.model, data, binarise, "train", method.impute, weights).counted()
        )
        validation = held_fraction(data, validation)
        rows = min(batch, len(data) - int(len(data) * validation))
        _check_streamed(data, method, greedy)
        pieces = asked_for(shards, rows, getattr(method, "chains", 0))
        _check_divided(pieces, optimizer, greedy)
        config = config_of(
            engine, data, method, optimizer, epochs, batch, validation, seed, greedy, stop_when, pieces.count, digest=""
        )
        # To hash large data takes as long as all else that training begins with, and is done meanwhile.
        with (
            ThreadPoolExecutor(1) as aside,
            _reserved(folder if team.first else None, resume),
            interrupt.heeded() as taken,
            pieces.one_thread(),
            reported(epochs, progress, report, team.first) as report,
        ):
            stopped, digest = None, _hashed(aside, data)
            begun = resume and folder is not None and bool(checkpoint.found(folder))
            if greedy is not None and isinstance(data, Data) and not begun:
                visible = data.filled(seed).only(set(program.model.by_role("visible"))).arrays
                first = program.init(seed, visible, data.weights) if params is None else check_params(engine, params)
                params, stopped = pretrain(train, engine, data, greedy, first, seed, batch, folder, resume, report)
                resume = False
            if stopped is None:
                parts = program, data, method, optimizer, config, params
                loop = begin(*parts, pieces)
                config["data"]["digest"] = digest.result()
                loop.rerun = RERUN if checked else 0
                loop.report, loop.monitor, loop.monitor_every = report, monitor, monitor_every
                if start is not None:
                    loop.learner.take(loop.state, start.chains)
                if folder is not None:
                    loop.open_folder(folder, resume)
                stopped = loop.run()
                team.most(0)
                stopped.repeated = repeated(loop, lambda: begin(*parts, Shards(ALONE, pieces.count)))
    if stopped.signal in taken:
        signal.raise_signal(stopped.signal)
    return stopped


def _check_streamed(data: Data | Streamed, method: Method, greedy: Greedy | None) -> None:
    """Raises `NotApplicable` where data that stay in their files do not go with what is asked for."""
    if isinstance(data, Streamed) and (method.impute or greedy is not None):
        what = (
            "missing entries are filled in from all rows"
            if method.impute
            else "greedy stages make other data of all rows"
        )
        raise NotApplicable(f"{what}, which are not in memory where data are streamed: load them without streamed")


def _check_divided(shards: Shards, optimizer: Optimizer, greedy: Greedy | None) -> None:
    """Raises `NotApplicable` where more than one shard does not go with what is asked for."""
    if shards.count == 1:
        return
    if optimizer.watches or optimizer.max_kl is not None:
        what = optimizer.name if optimizer.watches else "max_kl"
        raise NotApplicable(
            f"{what} takes variances over all states of the model, which are cut into {shards.count} shards here. sgd, adam and "
            "spectral take gradients alone"
        )
    if greedy is not None:
        raise NotApplicable(
            "greedy stages are runs of their own, which are not cut into shards: train them in one process with epochs=0, and go on from "
            "that run with shards"
        )


def _check(engine: Engine, method: Method, optimizer: Optimizer) -> None:
    """Raises `NotApplicable` or `ArgumentError` where a method or an optimiser does not fit the model, or they not each other."""
    check_applicable(engine.derived, method)
    if optimizer.watches:
        check_population(engine.derived, method, optimizer.name)
    if optimizer.max_kl is not None:
        check_population(engine.derived, method, "max_kl")
    check_penalties(engine.model.params, engine.derived.couplings, optimizer.penalties)


def _hashed(aside: Executor, data: Data | Streamed) -> Future[str]:
    """The digest of data, found in another thread; at once where data are streamed, whose files one thread reads at a time."""
    digest = aside.submit(data.digest)
    if isinstance(data, Streamed):
        digest.result()
    return digest


@contextmanager
def _reserved(folder: Path | None, resume: bool) -> Iterator[None]:
    """The folder, there and nobody else's for as long as training takes; not left behind where nothing is written."""
    if folder is None:
        yield
        return
    there = folder.exists()
    if resume and not there:
        raise EnergyError(f"{folder} holds no run to resume")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnergyError(f"cannot write {folder}: {error.strerror}") from None
    try:
        with locked(folder):
            yield
    finally:
        if not there:
            with contextlib.suppress(OSError):
                folder.rmdir()
