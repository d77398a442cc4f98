"""The training loop: epochs of updates, figures after each, a checkpoint now and then, and an end that can be gone on from.

It knows no objective, posterior, chains or optimiser: what an update is, is the learner's matter (`learner.py`).
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.learning import checkpoint, interrupt, metrics, run_folder, stopping
from energydsl.learning.checkpoint_arrays import SERIES, part
from energydsl.learning.config import fingerprint
from energydsl.learning.divergence import Diverged, explained
from energydsl.learning.interrupt import Uninterrupted
from energydsl.learning.learner import Learner, LearnerState
from energydsl.learning.monitor import Figures, Monitor
from energydsl.learning.remarks import remarks
from energydsl.learning.rows import Batches, StreamedBatches
from energydsl.learning.run import Base, Report, Row, Run
from energydsl.learning.series import CHAINS, Records, Series
from energydsl.program import Program
from energydsl.ranks import ALONE, Team

CHECKPOINT_SECONDS = 60.0
# Updates between looks at whether all parameters are finite numbers: a look reads every parameter, and waits for a device.
_CHECKED_EVERY = 50


@dataclass
class Progress:
    """How far training has come. position: batches of the epoch that are done. seconds: of training, in all.

    history: one row a report. saved_at: the update of the last checkpoint, -1 where there is none.
    """

    epoch: int = 0
    position: int = 0
    update: int = 0
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    saved_at: int = -1


class Remembered(NamedTuple):
    """A training before an update: its arrays by name, the state of its stream, and where it was."""

    arrays: Arrays
    random: str
    progress: Progress


@dataclass
class Loop:
    """A training under way: what an update is and what it overwrites, the rows, what is measured, and where it is kept.

    base: natural parameters of the visible layers' base rates, by layer. report: called with every row of metrics.
    monitor: called every `monitor_every` epochs; its figures join the metrics. folder: of the run, None where none is kept.
    team: the ranks that train together: rank 0 measures, writes and reports, and tells the others what it found. rerun: how many of the last updates of
    an epoch can be made again; remembered: the arrays, the random state and the position before these.
    best: parameters of the report that is kept if training ends early, on the host; none where it never does.
    """

    program: Program
    learner: Learner
    state: LearnerState
    batches: Batches | StreamedBatches
    figures: Figures
    series: Series
    config: dict[str, Any]
    base: Base
    team: Team = ALONE
    report: Report | None = None
    monitor: Monitor | None = None
    monitor_every: int = 1
    folder: Path | None = None
    progress: Progress = field(default_factory=Progress)
    records: Records = field(default_factory=Records)
    warnings: tuple[str, ...] = ()
    started: float = 0.0
    best: Arrays = field(default_factory=dict)
    rerun: int = 0
    remembered: Remembered | None = None

    def run(self) -> Run:
        """Train to the last epoch, or to a signal; the run, saved."""
        self.started = time.monotonic() - self.progress.seconds
        # Of several ranks none may leave before all have agreed to.
        held = Uninterrupted() if self.team.size > 1 else None
        with held or nullcontext():
            return self._run(held)

    def _run(self, held: Uninterrupted | None) -> Run:
        stopped_by = 0
        try:
            # Held throughout, reports too: threads that a BLAS library has once used spin on for longer than many an epoch.
            with self.learner.engine.single_threaded_blas():
                self._epochs(held)
        except KeyboardInterrupt as error:
            stopped_by = interrupt.number_of(error)
            self._clock()
        self._save()
        run = self._snapshot(not stopped_by, stopped_by)
        if held is not None and stopped_by:  # as others may have been told the same a little later
            held.pending.clear()
        return run

    def _epochs(self, held: Uninterrupted | None) -> None:
        now, last_save = self.progress, time.monotonic()
        if not now.history:
            with Uninterrupted():
                self._measure()
                self._write_metrics()
            self._notify()
        elif self._unwatched():
            self._watch()
        while now.epoch < self.config["epochs"] and not self._ended():
            with nullcontext(held) if held is not None else Uninterrupted() as calm:
                kept = max(now.position, self.batches.per_epoch - self.rerun) if self.rerun else -1
                for rows, weights in self.batches.epoch(now.epoch, now.position):
                    if now.position == kept:
                        arrays = {n: np.array(a) for n, a in self.learner.arrays(self.state).items()}
                        self.remembered = Remembered(arrays, self.state.random.state(), replace(now, history=[]))
                    with np.errstate(all="ignore"):
                        self.update(rows, weights)
                    if calm.agreed(self.team, time.monotonic() - last_save > CHECKPOINT_SECONDS):
                        self._clock()
                        self._save()
                        last_save = time.monotonic()
                now.epoch, now.position = now.epoch + 1, 0
                self._measure()
                self._save()
                self._write_metrics()
            self._notify()
            last_save = time.monotonic()

    def _ended(self) -> str:
        """Why training ends before its last epoch; empty where it does not."""
        return stopping.ended(self.config, self.progress.history)

    def update(self, rows: Arrays, weights: Array | None = None) -> None:
        """One step on a batch, and the weights of its rows. Ctrl-C takes effect between updates only, so a saved state is always whole."""
        now = self.progress
        total = max(1, self.config["epochs"] * self.batches.per_epoch)
        self.learner.step(self.state, rows, now.update, now.update / total, weights)
        now.update += 1
        now.position += 1
        if self.series.due(now.update) and (lasting := self.learner.lasting(self.state, CHAINS)):
            self.series.record(self.records, self.state.params, lasting)
        if now.update % _CHECKED_EVERY == 0:
            self._check()

    # --- figures on the way

    def _measure(self) -> None:
        """A row of the history, the figures at these parameters."""
        sizes = self._check(sizes=True)
        self._clock()
        now, learner, state = self.progress, self.learner, self.state
        chains, lasting, of_parts = learner.chains(state), learner.lasting(state), learner.figures(state)

        def measured() -> Row:
            row: Row = {"epoch": now.epoch, "update": now.update, "seconds": round(now.seconds, 3)}
            with np.errstate(all="ignore"):
                row |= self.figures.of(learner.evaluated(state), chains)
                row |= self.figures.moments(lasting, self.series)
            row |= of_parts | self._mixing()
            row |= {} if state.average else _likelihoods(row)
            return row | {f"gradient_{n}": v for n, v in sizes.items()}

        now.history.append(self.team.told(measured))
        self._keep_best()

    def _keep_best(self) -> bool:
        """Keep the parameters of the last report, if these are the ones to keep; whether they are."""
        history, when = self.progress.history, self.config.get("stop_when")
        if when is None or stopping.best(when, history) is not history[-1]:
            return False
        host = self.learner.engine.host
        self.best = {n: np.array(host(a)) for n, a in self.learner.evaluated(self.state).items()}
        return True

    def _mixing(self) -> Row:
        """How the chains mix, where it is time to look."""
        now = self.progress
        before = now.history[-1]["update"] if now.history else 0
        return self.series.figures(self.records, now.update, before, now.epoch == self.config["epochs"])

    def _notify(self) -> None:
        """The monitor, whose time does not count as training, and the report of an epoch that is safe on disk."""
        last = self.progress.epoch == self.config["epochs"] or bool(self._ended())
        if self.monitor is not None and (last or self.progress.epoch % self.monitor_every == 0):
            self._watch()
        if self.report is not None and self.team.first:
            self.report(self.progress.history[-1])

    def _watch(self) -> None:
        """Add the figures of the monitor to the last report; where these make its parameters the best, they are saved again."""
        row, rows, since = self.progress.history[-1], self.figures.monitored, time.monotonic()
        monitor, run = self.monitor, self._snapshot(False, over=False)
        assert monitor is not None
        if rows is not None:
            row |= self.team.told(lambda: {name: float(figure) for name, figure in monitor(run, rows).items()})
        if self.config.get("stop_when") == "likelihood" and self._keep_best() and self.progress.saved_at >= 0:
            self.progress.saved_at = -1
            self._save()
        self._write_metrics()
        self.started += time.monotonic() - since

    def _unwatched(self) -> bool:
        """Whether a run that is gone on with was stopped between a report and the figures of the monitor that decide its end."""
        now = self.progress
        missing = now.history[-1].get(stopping.LIKELIHOOD) is None and now.history[-1]["update"] == now.update
        due = self.config.get("stop_when") == "likelihood" and now.epoch % self.monitor_every == 0
        return missing and due and self.monitor is not None

    def _check(self, sizes: bool = False) -> dict[str, float]:
        """Sizes of the last gradients, by parameter. Raises `TrainingError` where one has left the finite numbers."""
        try:
            return self.learner.check(self.state, sizes)
        except Diverged as error:
            kept = checkpoint.found(self.folder) if self.folder is not None and self.team.first else []
            name, lr = kept[-1].name if kept else "", self.learner.optimizer.lr
            raise explained(self.learner.engine.derived, error, self.progress.update, lr, name) from None

    def _clock(self) -> None:
        self.progress.seconds = time.monotonic() - self.started

    def _snapshot(self, finished: bool, stopped_by: int = 0, over: bool = True) -> Run:
        """The run as it is, on the host. over: whether it goes no further, so that the best parameters stand for it if it ended early."""
        host, now, ended = self.learner.engine.host, self.progress, self._ended() if over else ""
        kept = stopping.best(self.config["stop_when"], now.history)["update"] if ended else -1
        params, chains, last = (
            {n: np.array(host(a)) for n, a in arrays.items()}
            for arrays in (
                self.best if ended else self.learner.evaluated(self.state),
                self.learner.chains(self.state),
                self.state.params if self.state.average or ended else {},
            )
        )
        return Run(
            self.program, params, self.config, now.history, self.base, chains, self.folder, now.update, now.seconds,
            finished, stopped_by, (*self.warnings, *(remarks(self.config, now.history) if over else ())), last, self.series.arrays(self.records), kept,
        )  # fmt: skip

    # --- the folder

    def open_folder(self, folder: Path, resume: bool) -> None:
        """Begin a run in a folder, or go on with the one there from its last checkpoint, or from its start where there is none."""
        engine, first = self.learner.engine, self.team.first
        self.folder = folder
        if not resume:
            if first:
                run_folder.begin(folder, engine, self.config, self.base)
            return
        if first:
            self.base = run_folder.resume(folder, engine, self.config)
        fields = self.team.told_arrays(
            lambda: {f"{n}/{k}": a for n, own in self.base.items() for k, a in enumerate(own)}
        )
        self.base = {n: tuple(fields[f"{n}/{k}"] for k in range(len(own))) for n, own in self.base.items()}
        if self.team.told(lambda: bool(checkpoint.found(folder))):
            self._restore(folder)
            self._write_metrics()

    def _save(self) -> None:
        now = self.progress
        if self.folder is None or now.saved_at == now.update:
            return
        self._check()
        meta = {
            "update": now.update,
            "epoch": now.epoch,
            "position": now.position,
            "seconds": now.seconds,
            "rng": self.state.random.state(),
            "config": fingerprint(self.config),
        }
        if now.history:  # metrics.csv is written after the checkpoint
            meta["row"] = now.history[-1]
        arrays = self._arrays()
        with Uninterrupted():
            if self.team.first:
                checkpoint.save(self.folder, now.update, arrays, meta)
            now.saved_at = now.update

    def _arrays(self) -> Arrays:
        """What the next update and the next report depend on, and the parameters to keep, by its name in a checkpoint."""
        recorded = {f"{SERIES}{n}": a for n, a in self.series.arrays(self.records).items()}
        return self.learner.arrays(self.state) | recorded | {f"best/{n}": a for n, a in self.best.items()}

    def _restore(self, folder: Path) -> None:
        if "stop_when" in self.config:
            self.best = {n: self.learner.engine.host(a) for n, a in self.state.params.items()}
        needed, found = self._arrays(), {}

        def loaded() -> dict[str, Any]:
            arrays, meta, warnings = run_folder.latest(folder, self.learner.engine, self.config, needed)
            found.update(arrays)
            return {"meta": meta, "warnings": warnings, "history": run_folder.history_until(folder, meta)}

        told = self.team.told(loaded)
        arrays, meta, self.warnings = self.team.told_arrays(lambda: found), told["meta"], tuple(told["warnings"])
        self.learner.restore(self.state, arrays, meta["rng"])
        self.records = self.series.restore(part(arrays, SERIES))
        self.best = part(arrays, "best/")
        epoch, position = meta["epoch"], meta["position"]
        if position >= self.batches.per_epoch:
            epoch, position = epoch + 1, 0
        self.progress = Progress(epoch, position, meta["update"], meta["seconds"], told["history"], meta["update"])

    def _write_metrics(self) -> None:
        if self.folder is not None and self.team.first:
            metrics.write(self.folder, self.progress.history)


def _likelihoods(row: Row) -> Row:
    """Mean log-likelihoods of rows, in nats, where both their free energy and log Z are known: log p(v) = -F(v) - log Z."""
    log_z, parts = row.get("log_z"), ("train", "validation")
    energies = {part: row.get(f"free_energy_{part}") for part in parts if log_z is not None}
    return {f"log_likelihood_{part}": -energy - log_z for part, energy in energies.items() if energy is not None}
