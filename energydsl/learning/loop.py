"""The training loop: batches, updates, figures on the way, and a run that can be gone on with."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.api import Model
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data, as_data, load_data
from energydsl.diagnostics import ArgumentError, EnergyError, TrainingError, a_kind, whole_number
from energydsl.domains import DOMAINS
from energydsl.learning import checkpoint, defaults, files, interrupt, scales
from energydsl.learning import run as runs
from energydsl.learning.centred import Centring
from energydsl.learning.choice import chosen_method, chosen_optimizer
from energydsl.learning.config import config_of, fingerprint
from energydsl.learning.discriminative import Discriminative
from energydsl.learning.greedy import Greedy, pretrain
from energydsl.learning.interrupt import Uninterrupted
from energydsl.learning.lock import locked
from energydsl.learning.methods import Method, WakeSleep
from energydsl.learning.optimizers import Optimizer, Slots
from energydsl.learning.phases import Phases, applicable
from energydsl.learning.run import Run as Run
from energydsl.learning.run import open_run as open_run
from energydsl.learning.start import check_start
from energydsl.learning.wake_sleep import WakeSleepPhases
from energydsl.program import Program
from energydsl.program.directed import Directed
from energydsl.program.initialise import base_rate, initial_params
from energydsl.program.states import check_params, checked_arrays, layer_arrays
from energydsl.random import Rng, stream

Array = NDArray[Any]
Report = Callable[[dict[str, Any]], None]

CHECKPOINT_SECONDS = 60.0
_REPORT_ROWS = 500
# So many rows and more tell whether a latent is the same for all of them.
_TELLING_ROWS = 200
# Updates between looks at whether all parameters are finite numbers: a look reads every parameter, and waits for a device.
_CHECKED_EVERY = 50


Judge = Callable[[Run, Data], Mapping[str, float]]


def train(
    program: Program,
    data: Data | Mapping[str, Any] | Any,
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
    judge: Judge | None = None,
    judge_every: int = 1,
) -> Run:
    """Fit the parameters to data by the gradient of the log-likelihood.

    data: `Data`, a dict of arrays by layer, the array of the only visible layer, rows first, or what `load_data` takes
    ("digits", a file). method, optimizer: records, their names, or None: as they fit the model. validation: the fraction
    of rows held out for the figures on the way (by default a tenth where there are 100 rows or more). report: called
    with every row of metrics. With `out`, a run folder is written and `resume` goes on from its last checkpoint, so that
    the result equals the uninterrupted one. params: where training begins. greedy: train layer by layer first. start: a run,
    or its folder, to go on from, with its parameters and persistent chains. judge: called every `judge_every` epochs with
    the run as it is and 500 rows at most, held-out ones where there are any; its figures join the metrics. Ctrl-C saves and
    returns the run with `finished` False and `signal` set. SIGTERM and SIGHUP save alike, and then end the process as they
    would have; a caller with a handler of its own, or within `interrupt.heeded`, has the run returned.

    Raises `TrainingError` if a parameter becomes NaN or infinite, `DataError` for unfit data, `NotApplicable` where
    the method does not fit the model.
    """
    if not isinstance(program, Program):
        raise ArgumentError(f"train takes a program, model.compile(), not {a_kind(program)}")
    seed, epochs = whole_number("seed", seed), whole_number("epochs", epochs)
    batch, judge_every = whole_number("batch", batch, 1), whole_number("judge_every", judge_every, 1)
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
    applicable(engine, method)
    data = as_data(program.model, data, binarise, "train", method.impute)
    config = config_of(engine, data, method, optimizer, epochs, batch, validation, seed, greedy)
    with _reserved(folder, resume), interrupt.heeded() as taken:
        stopped = None
        if greedy is not None and not (resume and folder is not None and checkpoint.found(folder)):
            visible = data.filled(seed).only(set(program.model.by_role("visible"))).arrays
            first = program.init(seed, visible) if params is None else check_params(engine, params)
            params, stopped = pretrain(engine, data, greedy, first, seed, batch, folder, resume, report)
            resume = False
        if stopped is None:
            training = _Training(program, data, method, optimizer, config, params)
            training.judge, training.judge_every = judge, judge_every
            if start is not None:
                training.phases.take(start.chains)
            if folder is not None:
                training.open_folder(folder, resume)
            stopped = training.run(report)
    if stopped.signal in taken:
        signal.raise_signal(stopped.signal)
    return stopped


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


class _Training:
    def __init__(
        self,
        whole: Program,
        data: Data,
        method: Method,
        optimizer: Optimizer,
        config: dict[str, Any],
        params: Mapping[str, Any] | None,
    ):
        program = whole.engine
        self.whole, self.program, self.optimizer, self.config = whole, program, optimizer, config
        self.seed: int = config["seed"]
        self.data, self.held_out = _split(data, config["validation"], self.seed)
        self.batch = min(config["batch"], len(self.data))
        self.rng = Rng(stream(self.seed, "chains of training"))
        rows = checked_arrays(program, self.data.filled(self.seed).arrays)
        visible = {n: rows[n] for n in program.model.by_role("visible")}
        floors, self.scales = scales.floors(program, visible), scales.scales(program.derived)
        self.phases: Phases | WakeSleepPhases
        if isinstance(method, WakeSleep):
            assert isinstance(program, Directed)
            self.phases = WakeSleepPhases(program, method, self.batch, self.rng, floors)
        else:
            self.phases = Phases(program, method, self.batch, self.rng, floors)
            self.phases.row *= method.share
        self.sources: list[Phases | WakeSleepPhases | Discriminative] = [self.phases] if method.share else []
        if method.predict:
            self.sources.append(Discriminative(program, method.predict, self.batch))
        self.imputed = method.impute
        self.base = {n: base_rate(program, n, a) for n, a in visible.items()}
        start = initial_params(program, self.seed, visible) if params is None else check_params(program, params)
        self.params: Arrays = {n: program.xp.array(a) for n, a in start.items()}
        check_start(program, self.params, rows, Rng(stream(self.seed, "look at the start")))
        self.learned = [n for n, p in program.model.params.items() if "frozen" not in p.constraints]
        self.slots: Slots = optimizer.init({n: self.params[n] for n in self.learned}, program.xp.zeros_like)
        self.lr, self.scale_lr = program.xp.zeros((), program.dtype), program.xp.zeros((), program.dtype)
        self.step = (
            program.kernels.repeated(self._step, self.rng, self._work()) if self.phases.repeatable else self._step
        )
        self.sums: dict[str, tuple[Any, Any]] = {}
        self.centring = Centring(program, self.learned) if method.centred else None
        direct = set() if self.centring else self.phases.direct
        self.direct = [n for n in self.learned if n in direct and self._plain_step(n)]
        self.folder: Path | None = None
        self.warnings: tuple[str, ...] = ()
        self.history: list[dict[str, Any]] = []
        self.epoch, self.position, self.update, self.seconds = 0, 0, 0, 0.0
        self.norms: dict[str, float] = {}
        self.saved_at, self.stepped = -1, False
        self.judge: Judge | None = None
        self.judge_every = 1

    # --- the loop

    def run(self, report: Report | None) -> Run:
        self.started = time.monotonic() - self.seconds
        stopped_by = 0
        try:
            # Held throughout, reports too: threads that a BLAS library has once used spin on for longer than many an epoch.
            with self.program.single_threaded_blas():
                self._epochs(report)
        except KeyboardInterrupt as error:
            stopped_by = interrupt.number_of(error)
            self.seconds = time.monotonic() - self.started
        self._save()
        return self._as_it_is(not stopped_by, stopped_by)

    def _epochs(self, report: Report | None) -> None:
        last_save = time.monotonic()
        if not self.history:
            with Uninterrupted():
                self._report()
                self._write_metrics()
            self._tell(report)
        while self.epoch < self.config["epochs"]:
            with Uninterrupted() as calm:
                for rows in self._batches():
                    with np.errstate(all="ignore"):
                        self._update(rows)
                    calm.check()
                    if time.monotonic() - last_save > CHECKPOINT_SECONDS:
                        self.seconds = time.monotonic() - self.started
                        self._save()
                        last_save = time.monotonic()
                self.epoch, self.position = self.epoch + 1, 0
                self._report()
                self._save()
                self._write_metrics()
            self._tell(report)
            last_save = time.monotonic()

    def _as_it_is(self, finished: bool, stopped_by: int = 0) -> Run:
        return Run(
            self.whole,
            {n: np.array(self.program.host(a)) for n, a in self.params.items()},
            self.config,
            self.history,
            self.base,
            {n: np.array(self.program.host(a)) for n, a in self.phases.negative.items()},
            self.folder,
            self.update,
            self.seconds,
            finished,
            stopped_by,
            self.warnings,
        )

    def _batches(self) -> Iterator[Arrays]:
        """The batches of an epoch from the present position on: a permutation and draws fixed by seed, epoch, position."""
        order = np.random.default_rng(stream(self.seed, "order of rows", self.epoch)).permutation(len(self.data))
        for number in range(self.position, len(order) // self.batch):
            rows = np.sort(order[number * self.batch : (number + 1) * self.batch])
            draws = stream(self.seed, "grey values of a batch", self.epoch, number)
            rng = np.random.Generator(np.random.SFC64(draws))
            chosen = self.data.draw(rng, rows)
            yield chosen if self.imputed else checked_arrays(self.program, chosen)

    @property
    def total(self) -> int:
        epochs: int = self.config["epochs"]
        return int(max(1, epochs * (len(self.data) // self.batch)))

    def _update(self, data: Arrays) -> None:
        """One step down the gradient. Ctrl-C takes effect between updates only, so a saved state is always whole."""
        with self.program.single_threaded_blas():
            for source in self.sources:
                source.load(data)
            progress = self.update / self.total
            self.lr.fill(self.optimizer.rate(progress, self.update))
            self.scale_lr.fill(self.optimizer.scale_lr * self.optimizer.pace(progress) ** 2)
            if self.centring is not None:
                self.centring.at(self.update)
            self.sums, self.stepped = self.step(), True
            self.update += 1
            self.position += 1
            if self.update % _CHECKED_EVERY == 0:
                self._check()

    def _plain_step(self, name: str) -> bool:
        return self.optimizer.direct(self.program.model.params[name], name in self.program.derived.couplings)

    def _step(self) -> dict[str, tuple[Any, Any]]:
        """The work of an update, all of it on the device; sums of squares of gradients and new values.

        Where the gradient is one product and the step nothing but a multiple of it, the product is added onto the
        parameter at once; its size is found when it is asked for.
        """
        for source in self.sources:
            source.step(self.params)
        gradients = self._gradients([n for n in self.learned if n not in self.direct])
        if self.centring is not None:
            assert isinstance(self.phases, Phases)
            self.centring.follow(self.phases.both, self.phases.batch)
            gradients = self.centring.apply(gradients)
        sums = {}
        for name, gradient in gradients.items():
            sums[name] = self.optimizer.step(
                self.program.model.params[name],
                self.params[name],
                gradient.astype(self.program.dtype, copy=False),
                self.slots[name],
                self.lr,
                name in self.program.derived.couplings,
                self.program.kernels,
                self.scales.get(name),
                self.scale_lr,
            )
        for name in self.direct:
            for source in self.sources:
                source.add_gradient(self.params, name, -self.lr)
        return sums

    def _gradients(self, names: list[str]) -> Arrays:
        """The gradient of the whole objective."""
        first, *others = self.sources
        total = first.gradient(self.params, names)
        if others:
            total = {n: self.program.xp.array(g) for n, g in total.items()}
        for source in others:
            for name, gradient in source.gradient(self.params, names).items():
                total[name] += gradient
        return total

    def _work(self) -> int:
        """Multiplications of one sweep over all rows."""
        return int(2 * self.batch * sum(a.size for a in self.params.values()))

    def _check(self, sizes: bool = False) -> None:
        """Raises `TrainingError` where a parameter has left the finite numbers; notes the sizes of the last gradients."""
        if not self.stepped:
            return
        host, square_sum = self.program.host, self.program.kernels.square_sum
        with self.program.single_threaded_blas(), np.errstate(all="ignore"):
            found = dict(self.sums)
            for name in self.direct:
                slope = square_sum(self._gradients([name])[name]) if sizes else 0.0
                found[name] = slope, square_sum(self.params[name])
        for name, pair in found.items():
            slope, size = (p if isinstance(p, float) else float(host(p).sum()) for p in pair)
            if sizes or name not in self.direct:
                self.norms[name] = math.sqrt(slope) if math.isfinite(slope) else math.inf
            if not (math.isfinite(slope) and math.isfinite(size)):
                raise self._stopped(name, "it" if math.isfinite(slope) else "its gradient")

    def _stopped(self, name: str, what: str) -> TrainingError:
        kept = checkpoint.found(self.folder)[-1].name if self.folder and checkpoint.found(self.folder) else ""
        improper = [w for w in self._improper() if w]
        cause = improper[0] if improper else f"the learning rate {self.optimizer.lr:g} is probably too large"
        return TrainingError(
            f"training stopped at update {self.update}: parameter `{name}`: {what} is no longer a finite number. "
            f"Likely cause: {cause}." + (f" The last good checkpoint is {kept}." if kept else "")
        )

    def _improper(self) -> Iterator[str]:
        """Layers whose joint density need not exist for all parameters (W0405)."""
        infinite = [
            n for n, layer in self.program.model.random_layers().items() if not DOMAINS[layer.domain.name].finite
        ]
        for name in infinite:
            if self.program.derived.conditionals[name].coupled_by is not None:
                yield f"units of `{name}` are coupled, and the energy is unbounded below for these parameters"

    # --- figures on the way

    def _report(self) -> None:
        self._check(sizes=True)
        self.seconds = time.monotonic() - self.started
        row: dict[str, Any] = {"epoch": self.epoch, "update": self.update, "seconds": round(self.seconds, 3)}
        with np.errstate(all="ignore"):
            row |= self._figures()
        row |= {f"gradient_{n}": v for n, v in self.norms.items()}
        self.history.append(row)

    def _tell(self, report: Report | None) -> None:
        """The judge, who does not count as training, and the report of an epoch that is safe on disk."""
        row, since = self.history[-1], time.monotonic()
        if self.judge is not None and (self.epoch % self.judge_every == 0 or self.epoch == self.config["epochs"]):
            candidates = [data.complete() for data in (self.held_out, self.data) if data is not None]
            whole = next((data for data in candidates if len(data)), None)
            found = self.judge(self._as_it_is(False), self._some(whole)) if whole is not None else {}
            row |= {name: float(figure) for name, figure in found.items()}
            self._write_metrics()
        self.started += time.monotonic() - since
        if report is not None:
            report(row)

    def _figures(self) -> dict[str, float]:
        """Reconstruction error, free energies of training and held-out rows and their gap, energies by term, latents that vary."""
        program, params = self.program, self.params
        known = self._sample_rows(self.data)
        figures: dict[str, float] = {}
        held = known if self.held_out is None else self._sample_rows(self.held_out)
        figures["reconstruction_error"] = self._reconstruction_error(held)
        free = self._free_energy(known)
        figures["free_energy_train"] = free
        if self.held_out is not None:
            figures["free_energy_validation"] = self._free_energy(held)
            figures["free_energy_gap"] = figures["free_energy_validation"] - free
        for label, values in program.term_energies(params, self.phases.negative).items():
            figures[f"energy_{label}" if label else "base_measure"] = float(np.mean(program.host(values)))
        return figures | self._varying(known)

    def _varying(self, x: Arrays) -> dict[str, float]:
        """The share of units of a layer of latents that are not the same for all rows, where there are enough to tell."""
        program, found = self.program, {}
        if len(next(iter(x.values()))) < _TELLING_ROWS:
            return {}
        state = program.with_latents(self.params, x, program.settings(), Rng(stream(self.seed, "latents that vary")))
        for name in program.model.by_role("hidden"):
            differs = np.ptp(program.host(state[name]), axis=0) > 0
            one_hot = DOMAINS[program.model.layers[name].domain.name].one_hot
            found[f"varying_{name}"] = float(np.mean(differs.any(axis=-1) if one_hot else differs))
        return found

    def _chosen(self, data: Data) -> Data:
        """Rows for figures: whole ones; where these are few, ones that are filled in."""
        whole = data.complete()
        few = len(whole) < min(len(data), _TELLING_ROWS)
        return self._some(data.filled(self.seed, self.data) if few else whole)

    def _some(self, data: Data) -> Data:
        rows = np.random.default_rng(stream(self.seed, "rows for figures")).permutation(len(data))[:_REPORT_ROWS]
        return data.rows(np.sort(rows))

    def _sample_rows(self, data: Data) -> Arrays:
        return layer_arrays(self.program, self._chosen(data).drawn(self.seed))

    def _free_energy(self, x: Arrays) -> float:
        """Mean F(v); where latents remain, the upper bound on it."""
        rng = Rng(stream(self.seed, "free energy"))
        return -float(np.mean(self.program.host(self.program.bound(self.params, x, rng)[0])))

    def _reconstruction_error(self, x: Arrays) -> float:
        """Mean squared difference an entry between data and their one-step mean reconstruction."""
        error, units, program = 0.0, 0, self.program
        settings = program.settings()
        state = program.with_latents(self.params, x, settings, Rng(stream(self.seed, "reconstruction")))
        for name, means in program.reconstruction(self.params, state, settings):
            error += float(np.sum(np.square(program.host(means - x[name])), dtype=np.float64))
            units += x[name].size
        return error / max(1, units)

    # --- the folder

    def open_folder(self, folder: Path, resume: bool) -> None:
        """Begin a run in a folder, or go on with the one there from its last checkpoint, or from its start where there is none."""
        if not resume:
            runs.begin(folder, self.program, self.config, self.base)
        else:
            self.base = runs.resume(folder, self.program, self.config)
            if checkpoint.found(folder):
                self._restore(folder)
                runs.write_metrics(folder, self.history)
        self.folder = folder

    def _arrays(self) -> Arrays:
        """What the next update depends on."""
        host = self.program.host
        arrays = {f"param/{n}": host(a) for n, a in self.params.items()}
        arrays |= {f"slot/{n}/{k}": host(a) for n, slots in self.slots.items() for k, a in slots.items()}
        arrays |= {f"chain/{n}": a for n, a in self.phases.state().items()}
        if self.centring is not None:
            arrays |= {f"offset/{n}": host(a) for n, a in self.centring.offsets.items()}
        return arrays

    def _save(self) -> None:
        if self.folder is None or self.saved_at == self.update:
            return
        self._check()
        meta = {
            "update": self.update,
            "epoch": self.epoch,
            "position": self.position,
            "seconds": self.seconds,
            "rng": self.rng.state(),
            "config": fingerprint(self.config),
        }
        if self.history:  # metrics.csv is written after the checkpoint
            meta["row"] = self.history[-1]
        with Uninterrupted():
            checkpoint.save(self.folder, self.update, self._arrays(), meta)
            self.saved_at = self.update

    def _restore(self, folder: Path) -> None:
        arrays, meta, self.warnings = runs.latest(folder, self.program, self.config, self._arrays())
        self.params = {n: self.program.xp.array(a) for n, a in runs.part(arrays, "param/").items()}
        for name, slots in self.slots.items():
            for key in slots:
                self.program.kernels.load(slots[key], arrays[f"slot/{name}/{key}"])
        self.phases.restore(runs.part(arrays, "chain/"))
        if self.centring is not None:
            for name, offset in self.centring.offsets.items():
                self.program.kernels.load(offset, arrays[f"offset/{name}"])
        self.rng.restore(meta["rng"])
        self.update, self.epoch, self.position = meta["update"], meta["epoch"], meta["position"]
        self.seconds, self.saved_at = meta["seconds"], meta["update"]
        self.history = runs.history_until(folder, meta)
        if self.position >= len(self.data) // self.batch:
            self.epoch, self.position = self.epoch + 1, 0

    def _write_metrics(self) -> None:
        if self.folder is not None:
            runs.write_metrics(self.folder, self.history)


def _split(data: Data, fraction: float, seed: int) -> tuple[Data, Data | None]:
    count = int(len(data) * fraction)
    if not count:
        return data, None
    order = np.random.default_rng(stream(seed, "held-out rows")).permutation(len(data))
    return data.rows(np.sort(order[count:])), data.rows(np.sort(order[:count]))


def held_out(
    data: Data, config: Mapping[str, Any], model: Model, sources: Iterable[str], key: str | None
) -> tuple[str, Data]:
    """What a run is judged on: the test split of a source that has one, else the rows held out, else all rows."""
    names = [s.rpartition("=")[2] for s in sources]
    if all(n.partition(":")[0] == "digits" or Path(n).is_dir() for n in names):
        return "test", load_data(model.resolved, sources, "test", config["data"]["binarise"], key)
    rest = _split(data, config["validation"], config["seed"])[1]
    return ("held-out", rest) if rest is not None else ("training", data)
